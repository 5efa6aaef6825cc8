"""Notes about an uploaded desk log: its columns, the mapping, and the result of the preview.

Notes can contain what people wrote. So they are a private file beside the upload, and not in the database.
"""

import json
from collections import Counter
from dataclasses import dataclass, field

from django.core.files.base import ContentFile

from accounts.models import private_storage

from .dates import Evidence
from .mapping import Mapping
from .overview import Column, Overview

FOLDER = "desk-logs"


@dataclass
class Notes:
    """The notes about one upload. `preview` is empty, or a result of `preview_of`.

    If the file has rows that failed in an earlier import, and the answers of that import are used,
    `answers_of` is the name of that import's file.
    """

    overview: Overview
    mapping: Mapping = field(default_factory=Mapping)
    mapping_name: str = ""
    preview: dict = field(default_factory=dict)
    answers_of: str = ""


def write_notes(upload, notes):
    """Write the notes to a new private file, and return its name."""
    text = json.dumps(
        {
            "overview": vars(notes.overview)
            | {"columns": [vars(each) | {"dates": vars(each.dates)} for each in notes.overview.columns]},
            "mapping": notes.mapping.as_json(),
            "mapping_name": notes.mapping_name,
            "preview": notes.preview,
            "answers_of": notes.answers_of,
        }
    )
    return private_storage().save(f"{FOLDER}/{upload.public_id}.json", ContentFile(text.encode()))


def read_notes(upload):
    """Return the Notes of the upload. Raises FileNotFoundError."""
    with upload.notes.open("rb") as file:
        stored = json.load(file)
    overview = stored["overview"]
    columns = [
        Column(**{**each, "values": Counter(each["values"]), "dates": Evidence(**each["dates"])})
        for each in overview.pop("columns")
    ]
    return Notes(
        overview=Overview(**overview, columns=columns),
        mapping=Mapping.from_json(stored["mapping"]),
        mapping_name=stored["mapping_name"],
        preview=stored["preview"],
        answers_of=stored.get("answers_of", ""),
    )


def preview_of(result, days, warnings, plan):
    """Return what the preview shows about a Result, as JSON. `days` is a result of `days_with_contacts`."""
    months: Counter[str] = Counter()
    for day, contacts in result.days.items():
        months[f"{day:%Y-%m}"] += contacts
    names = dict(enumerate(plan.names))
    return {
        **numbers_of(result),
        "warnings": warnings,
        "months": sorted(months.items()),
        "days": [[day.isoformat(), recorded, imported] for day, recorded, imported in days],
        "reasons": result.reasons.most_common(),
        "failed": [[row, names.get(column, ""), reason] for row, reason, column in result.failed],
    }


def numbers_of(result):
    """Return the numbers of a Result, as JSON."""
    names = ("added", "replaced", "known", "totals", "left_out", "failures", "estimated", "without_time")
    return {name: getattr(result, name) for name in names}
