"""Who is looking at a conversation at the desk, and who is writing: a row a person and conversation, carried by the poll of the open page."""

import datetime
from dataclasses import dataclass

from django.db.models import BigAutoField, DateTimeField, Q

from portal.prepared import prepared

from .models import Participation, Side

WRITTEN_EVERY = datetime.timedelta(seconds=10)
# A page polls at least every 8 seconds, so whoever is here was written down at most 18 seconds ago.
HERE = datetime.timedelta(seconds=20)


@dataclass(frozen=True)
class Around:
    """Who has the page of a conversation open."""

    own: Participation | None  # this person's row
    others: list  # [(colleague who is here too, whether they are writing)], by name

    @property
    def read_until(self):
        return self.own.read_until if self.own else None


def look(conversation, *, person, at):
    """Who has the page open now, and how far this member of staff has read."""
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


def come(conversation, *, person, at, writing=False, read_until=None, around=None):
    """This member of staff has the page open, wrote in it a moment ago or not, and has read as far as `read_until`. At most one
    write in ten seconds, but for a change. `around`: what `look` found.
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
    """The page was closed."""
    Participation.objects.filter(conversation=conversation, person=person, side=Side.STAFF).update(
        seen_at=None, writing_at=None
    )


def _is_writing(row, at):
    return row.writing_at is not None and row.writing_at > at - HERE
