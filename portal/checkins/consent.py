"""Re-export the functions that read and save people's choices about check-ins.

The functions are defined in lower layers, because other apps use them too.
"""

from accounts.patron.check_ins import (
    NotOffered,
    OnlyThePatron,
    allow_titles,
    choices_for,
    choose,
    is_asked,
    note_death,
    record_answer,
    stop,
    stop_wording,
    undo_death,
    undo_first_choice,
    wording,
)
from portal.helpsessions.check_ins import choose_for_visit

__all__ = [
    "NotOffered",
    "OnlyThePatron",
    "allow_titles",
    "choices_for",
    "choose",
    "choose_for_visit",
    "is_asked",
    "note_death",
    "record_answer",
    "stop",
    "stop_wording",
    "undo_death",
    "undo_first_choice",
    "wording",
]
