"""What the page of an uploaded desk log shows before the import."""

import datetime

from portal.imports.desk_logs.describing import columns_of
from portal.imports.desk_logs.mapping import make_plan

DAYS_SHOWN, REASONS_SHOWN = 20, 10


def preview_page(notes):
    """Return the context of the preview. `notes` are the Notes of an upload that was checked."""
    plan, _questions = make_plan(notes.overview, notes.mapping)
    fates = columns_of(notes.overview, plan)
    preview = notes.preview
    days = [(_day(day), recorded, imported) for day, recorded, imported in preview["days"]]
    return {
        "preview": preview,
        "answers_of": notes.answers_of,
        "used": [fate for fate in fates if not fate.reason],
        "left_out": [fate for fate in fates if fate.reason],
        "months": [(_day(f"{month}-01"), contacts) for month, contacts in preview["months"]],
        "days": days[:DAYS_SHOWN],
        "reasons": preview["reasons"][:REASONS_SHOWN],
        "more_reasons": max(len(preview["reasons"]) - REASONS_SHOWN, 0),
        "more_failed": preview["failures"] - len(preview["failed"]),
        "more_days": max(len(days) - DAYS_SHOWN, 0),
    }


def _day(text):
    return datetime.date.fromisoformat(text)
