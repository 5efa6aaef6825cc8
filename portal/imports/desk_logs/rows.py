"""Turn a row of a desk log into a Contact, which has only what the portal counts."""

import datetime
import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from . import values
from .dates import NotRead, read_day, read_duration, read_hour
from .overview import is_total

# A cell in the column overview.ORIGIN: the primary key of the import and the number of the row. In files of
# earlier releases, such a cell looks like 3-15, which spreadsheets turn into a date.
ORIGIN = re.compile(r"(?:import )?(\d{1,15})(?: row |-)\d{1,9}")


@dataclass(frozen=True, slots=True)
class Contact:
    """The values that the portal counts from one row of a desk log.

    writing.py makes fingerprints of `content` and `number`.
    """

    day: datetime.date
    hour: int | None
    branch: int
    service_point: int | None
    mode: str
    question_type: str
    read_level: int | None
    minutes: int | None
    band: tuple | None
    people: int
    patron_group: int | None
    topic: int | None
    # The primary keys of the values of the library's own fields.
    own_values: tuple
    # The fields of values.NEEDED that are empty in the row. The Plan has the default values of these fields.
    empty: tuple
    content: str
    number: str
    # The primary key of the import in which this row failed, if it comes from a file of failed rows.
    failed_in: int | None = None


class Failed(Exception):
    """The row can't be imported. `column` is the position of the cell that is wrong, or None."""

    def __init__(self, reason, column=None):
        super().__init__(reason)
        self.column = column


# The results of `read_row` for a row of totals, and for a row that the mapping leaves out.
TOTALS, LEFT_OUT = "totals", "left out"


def read_row(row, plan, *, today, zone):
    """Return the Contact for the row, or TOTALS, or LEFT_OUT. Raises Failed."""
    if row.problem:
        raise Failed(row.problem)
    cells, cell = row.cells, plan.cell
    if len(cells) > plan.width and any(cells[plan.width :]):
        raise Failed(
            _(
                "it has %(cells)d cells, but there are %(columns)d columns. Put quotation marks around "
                "cells that contain a separator"
            )
            % {"cells": len(cells), "columns": plan.width}
        )
    day_field = "other_day" if cell(cells, "other_day") else "day"
    day_text = cell(cells, day_field)
    if is_total(row, day_text):
        return TOTALS
    if not day_text:
        raise _failed(_("the date is missing. Enter it, or delete the row"), "day", plan)
    is_only_day = day_field in plan.only_days
    order = plan.other_order if day_field == "other_day" else plan.order
    day, hour = _read(read_day, day_field, plan, day_text, order, plan.epoch, None if is_only_day else zone)
    if day_field == "other_day":
        hour = None
    if time_text := cell(cells, "time"):
        hour = _read(read_hour, "time", plan, time_text)
        is_only_day = False
    if day > today:
        wrong = _("%(day)s is in the future. Correct the date") % {"day": day.isoformat()}
        raise _failed(wrong, day_field, plan)
    found = {name: _value(cells, name, plan) for name in plan.values}
    if values.LEFT_OUT in found.values():
        return LEFT_OUT
    branch, point = _place(found.get("place", ""), plan)
    duration = None
    if duration_text := cell(cells, "duration"):
        duration = _read(read_duration, "duration", plan, duration_text)
    level_text = cell(cells, "read_level")
    level = values.read_level(level_text) if level_text else None
    if level == 0:
        wrong = _("“%(text)s” is not a READ level from 1 to 6. Correct it, or empty the cell")
        raise _failed(wrong % {"text": level_text[:40]}, "read_level", plan)
    number_of_people = values.people(cell(cells, "people"))
    group, topic = found.get("patron_group"), found.get("topic")
    return Contact(
        day=day,
        # If the column of days has no times, the hour is not counted. But the fingerprint contains the hour,
        # as in earlier releases.
        hour=None if is_only_day else hour,
        branch=branch,
        service_point=point,
        mode=found.get("mode") or plan.mode,
        question_type=found.get("question_type") or plan.question_type,
        read_level=level,
        minutes=duration and duration.minutes,
        band=duration and duration.band,
        people=number_of_people,
        patron_group=int(group) if group else None,
        topic=int(topic) if topic else None,
        own_values=tuple(int(found[name]) for name in plan.own_fields if found[name]),
        empty=tuple(name for name in values.NEEDED if not found.get(name)),
        content=_content(
            cells, plan, day, hour, duration and duration.in_fingerprints, level, number_of_people
        ),
        number=_number(cells, plan),
        failed_in=_failed_in(cells, plan),
    )


def import_of(origin):
    """Return the primary key of the import that a cell of the column overview.ORIGIN names, or None."""
    match = ORIGIN.fullmatch(origin)
    return int(match[1]) if match else None


def _failed(reason, name, plan):
    positions = plan.positions.get(name)
    return Failed(reason, positions[0] if positions else None)


def _read(read, name, plan, *args):
    try:
        return read(*args)
    except NotRead as error:
        raise _failed(str(error), name, plan) from error


def _value(cells, name, plan):
    text = plan.cell(cells, name)
    if not text:
        return ""
    ours = plan.values[name].get(text)
    if ours is None and name in values.NEEDED:
        wrong = _("“%(text)s” has no meaning yet. Say what this value means.") % {"text": text[:40]}
        raise _failed(wrong, name, plan)
    return ours or ""


def _place(ours, plan):
    kind, _colon, pk = ours.partition(":")
    if kind == "point":
        return plan.branch_of_point[int(pk)], int(pk)
    if kind == "branch":
        return int(pk), None
    if plan.branch is None:
        raise _failed(_("the branch is missing. Enter the name of a branch"), "place", plan)
    return plan.branch, None


# If a row has no ticket number, the words in these fields help to recognize the row.
IDENTIFYING = ("place", "mode", "question_type", "patron_group", "topic")


def _content(cells, plan, *read):
    """Return a text that is the same for equal rows, with everything that is counted.

    The question and the notes are left out, so correcting them makes no new contact. `read` has values that
    are already parsed. So the same row has the same text in a workbook and in a CSV file. If a row has no
    place, the text contains the branch that was chosen for the file, because the logs of two branches can
    have equal rows.
    """
    parts = [str(value) for value in read]
    parts += [f"{name}={text.casefold()}" for name in IDENTIFYING if (text := plan.cell(cells, name))]
    if not plan.cell(cells, "place"):
        parts.append(f"branch={plan.branch}")
    return "\n".join(parts)


def _number(cells, plan):
    """Return the numbers of the ticket and of the chat, or "" if the row has none.

    If the log has no column for places, the result also contains the branch that was chosen for the file. Two
    branches can have tickets with the same number.
    """
    numbers = [
        f"{index}:{cells[position].casefold()}"
        for index, position in enumerate(plan.positions.get("number", ()))
        if position < len(cells) and cells[position].strip("0-#. ")
    ]
    if numbers and not plan.positions.get("place"):
        numbers.append(f"branch={plan.branch}")
    return "\n".join(numbers)


def _failed_in(cells, plan):
    """Return the primary key of the import in which this row failed, or None."""
    text = cells[plan.origin] if plan.origin is not None and plan.origin < len(cells) else ""
    return import_of(text)
