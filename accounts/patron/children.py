"""Records of children: a first name and no surname, no birth date, no address written down by others, and a shorter memory.

Nobody's age is known here. A record is a child's because staff said so when they wrote it down, because the card belongs to a patron group
that the library named as children's, or because a child kept a visit on their own device.
"""

from django.db import transaction

from .. import audit
from ..models import User


class WorksAtADesk(Exception):
    """Staff have no child's record."""


def first_name(name):
    """The first given name of "Jane Ann Doe" and of "Doe, Jane Ann"; of "Doe," nothing."""
    family, comma, given = name.partition(",")
    return next(iter((given if comma else family).split()), "")


def is_childrens_group(library, group):
    """Whether the library named this patron group of its ILS as children's."""
    named = {line.strip().casefold() for line in library.childrens_groups.splitlines()}
    return bool(group.strip()) and group.strip().casefold() in named


@transaction.atomic
def make_childs_record(person, *, by, at):
    """From now on it is a child's: the surname goes at once, what is older than a child's may be a day later. Raises WorksAtADesk."""
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
    """They are no child any more, or never were one. What the library remembers from now on follows their own choice; the name stays short."""
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if person.is_child:
        person.child_since = None
        person.save(update_fields=["child_since"])
        audit.record("ended_childs_record", person, by=by, patron=person, at=at)
    return person
