"""Who is looking at a thread at the desk, and who is writing: a row a person and thread, carried by the poll of the open page."""

import datetime

from .models import Participation, Side

WRITTEN_EVERY = datetime.timedelta(seconds=10)
# A page polls at least every 8 seconds, so whoever is here was written down at most 18 seconds ago.
HERE = datetime.timedelta(seconds=20)


def come(conversation, *, person, at, writing=False):
    """This member of staff has the page open, and wrote in it a moment ago or not. At most one write in ten seconds, but for a change."""
    row = Participation.objects.filter(conversation=conversation, person=person, side=Side.STAFF).first()
    if row is None:
        row, _new = Participation.objects.get_or_create(conversation=conversation, person=person, side=Side.STAFF)
    was_writing = row.writing_at is not None and row.writing_at > at - HERE
    if row.seen_at is None or row.seen_at <= at - WRITTEN_EVERY or writing != was_writing:
        Participation.objects.filter(pk=row.pk).update(seen_at=at, writing_at=at if writing else None)


def leave(conversation, *, person):
    """The page was closed."""
    Participation.objects.filter(conversation=conversation, person=person, side=Side.STAFF).update(seen_at=None, writing_at=None)


def others(conversation, *, person, at):
    """[(person, whether they are writing)] of the colleagues who are here, by name."""
    here = Participation.objects.filter(conversation=conversation, side=Side.STAFF, seen_at__gt=at - HERE).exclude(person=person)
    return [
        (row.person, row.writing_at is not None and row.writing_at > at - HERE) for row in here.select_related("person").order_by("person__name", "person_id")
    ]
