"""The line of the record form that shows the day and the question of the check-in."""

from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _
from django.utils.translation import override

from portal.checkins import drafting, planning
from portal.helpsessions.models import HelpSession


@dataclass(frozen=True)
class Suggestion:
    """The day and the question of the check-in that will be planned when staff save the form.

    If no check-in will be planned, `why_not` says why, and the other fields are empty.
    """

    day: date | None = None
    words: str = ""
    language: str = ""
    why_not: str = ""


def suggestion(form, *, helper, branch, at):
    """Return the Suggestion for what was typed in the form.

    Return None if check-ins are turned off, or if the staff member works at no branch.
    """
    if not form.library.check_ins or branch is None:
        return None
    form.is_valid()
    data = form.cleaned_data
    visit = HelpSession(
        status=HelpSession.Status.RECORDED,
        staff=helper,
        branch=branch,
        topic=data.get("topic"),
        question_type=data.get("question_type", ""),
        happened_on=data.get("happened_on") or form.now.date(),
        language=data.get("language", ""),
        question=data.get("question", ""),
        quiet=data.get("quiet", False),
        with_child=data.get("with_child", ""),
    )
    if not planning.is_asked_about(visit):
        return Suggestion(why_not=_("Nobody will be asked about this visit."))
    wish = data.get("wish") or planning.NO_WISH
    day = wish.day or planning.suggest(
        topic_id=visit.topic_id, question_type=visit.question_type, happened_on=visit.happened_on, at=at
    )
    if day is None:
        return Suggestion(
            why_not=_(
                "Under the library's rules, no check-in is planned for this visit. You can choose a day."
            )
        )
    language = drafting.language_of(visit, library=form.library)
    with override(language):
        words = drafting.asks(branch.check_in_tone, is_helper=True)
    # The form shows only the question of the check-in. The page after saving shows the whole text.
    return Suggestion(day=day, words=words.partition("?")[0] + "?", language=language)
