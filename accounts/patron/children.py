"""Children's records. They hold a first name, no birth date and no address that others wrote down.

The library also keeps them for a shorter time. The portal doesn't know anybody's age. A record is a child's
because staff marked it, because the library card belongs to a children's patron group, or because a child
kept a visit on their own device.
"""

from django.db import transaction

from .. import audit
from ..models import User


class WorksAtADesk(Exception):
    """A staff member's record can't become a child's record."""


def first_name(name):
    """Return the first given name: "Jane" for "Jane Ann Doe" and "Doe, Jane Ann", and "" for "Doe,"."""
    family, comma, given = name.partition(",")
    return next(iter((given if comma else family).split()), "")


def is_childrens_group(library, group):
    """Return whether the library listed this ILS patron group as children's."""
    named = {line.strip().casefold() for line in library.childrens_groups.splitlines()}
    return bool(group.strip()) and group.strip().casefold() in named


@transaction.atomic
def make_childs_record(person, *, by, at):
    """Turn the record into a child's record, and delete its surname.

    Visits that are too old for a child's record are deleted a day later. Raises WorksAtADesk.
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
    """Turn a child's record into an ordinary one. From now on the person's own retention choice applies."""
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if person.is_child:
        person.child_since = None
        person.save(update_fields=["child_since"])
        audit.record("ended_childs_record", person, by=by, patron=person, at=at)
    return person
