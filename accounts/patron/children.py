"""Make and end children's records.

A child's record has only a first name. It has no birth date, and no address that another person entered.
Visits on a child's record are deleted earlier than other visits.

The portal doesn't know anybody's age. A record is a child's record in three cases:
- Staff marked the record as a child's record.
- The record's library card belongs to a children's group in the ILS.
- A child made the record to keep a visit on their own device.
"""

from django.db import transaction

from .. import audit
from ..models import User


class WorksAtADesk(Exception):
    """A staff member's record can't become a child's record."""


def first_name(name):
    """Return the first given name.

    It is "Jane" for both "Jane Ann Doe" and "Doe, Jane Ann". It is an empty string for "Doe,".
    """
    family, comma, given = name.partition(",")
    return next(iter((given if comma else family).split()), "")


def is_childrens_group(library, group):
    """Return whether this patron group of the ILS is on the library's list of children's groups."""
    named = {line.strip().casefold() for line in library.childrens_groups.splitlines()}
    return bool(group.strip()) and group.strip().casefold() in named


@transaction.atomic
def make_childs_record(person, *, by, at):
    """Turn the record into a child's record, and delete the surname. Raises WorksAtADesk.

    A day after this change, retention deletes the visits that are too old for a child's record.
    """
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if person.staff_roles.exists():
        raise WorksAtADesk
    if not person.is_child:
        person.name, person.child_since = first_name(person.name), at
        person.save(update_fields=["name", "child_since"])
        audit.record("made_childs_record", person, by=by, patron=person, at=at)
    return person


@transaction.atomic
def end_childs_record(person, *, by, at):
    """Turn a child's record into an ordinary record.

    From then on, the person's own choice decides how long the library keeps their visits.
    """
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if person.is_child:
        person.child_since = None
        person.save(update_fields=["child_since"])
        audit.record("ended_childs_record", person, by=by, patron=person, at=at)
    return person
