"""Keep track of which staff members have a conversation open, and which of them are writing.

Each staff member has one Participation row per conversation. When their open page polls, the row is updated.
"""

import datetime
from dataclasses import dataclass

from django.db.models import BigAutoField, DateTimeField, Q

from portal.prepared import prepared

from .models import Participation, Side

WRITTEN_EVERY = datetime.timedelta(seconds=10)
# A staff member counts as present for this long after the last update of their row. A page polls at least
# every 8 seconds, and a poll updates a row that is 10 seconds old. So the row of an open page is at most 18
# seconds old.
HERE = datetime.timedelta(seconds=20)


@dataclass(frozen=True)
class Around:
    """The staff members who have the page of a conversation open.

    `own` is the Participation of the person who views the page, or None. `others` is [(colleague, True if the
    colleague is writing)], sorted by name.
    """

    own: Participation | None
    others: list

    @property
    def read_until(self):
        return self.own.read_until if self.own else None


def look(conversation, *, person, at):
    """Return an Around: the staff members who have the page open now, and the Participation of `person`."""
    rows = _rows(conversation=conversation.pk, person=person.pk, since=at - HERE)
    own = next((row for row in rows if row.person_id == person.pk), None)
    return Around(own, [(row.person, _is_writing(row, at)) for row in rows if row is not own])


@prepared(conversation=BigAutoField(), person=BigAutoField(), since=DateTimeField())
def _rows(conversation, person, since):
    rows = Participation.objects.filter(
        Q(person=person) | Q(seen_at__gt=since), conversation=conversation, side=Side.STAFF
    )
    shown = "conversation", "side", "read_until", "seen_at", "writing_at", "person__name"
    return rows.select_related("person").only(*shown).order_by("person__name", "person_id")


def refresh(conversation, *, person, at, writing=False, read_until=None, around=None):
    """Record that this staff member has the page open, whether they are writing, and what they have read.

    If nothing has changed, write to the database at most once per WRITTEN_EVERY. `around` is the result of
    `look`, or None if the caller has not called `look`.
    """
    around = around or look(conversation, person=person, at=at)
    own, before = around.own, around.read_until
    reads_on = read_until is not None and (before is None or read_until > before)
    if (
        own is None
        or own.seen_at is None
        or own.seen_at <= at - WRITTEN_EVERY
        or writing != _is_writing(own, at)
        or reads_on
    ):
        row = Participation(
            conversation=conversation,
            person=person,
            side=Side.STAFF,
            seen_at=at,
            writing_at=at if writing else None,
        )
        row.read_until = read_until if reads_on else before
        Participation.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["conversation", "person", "side"],
            update_fields=["seen_at", "writing_at", *(["read_until"] if reads_on else [])],
        )


def leave(conversation, *, person):
    """Record that this staff member closed the page."""
    Participation.objects.filter(conversation=conversation, person=person, side=Side.STAFF).update(
        seen_at=None, writing_at=None
    )


def _is_writing(row, at):
    return row.writing_at is not None and row.writing_at > at - HERE
