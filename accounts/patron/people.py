"""Create and change people's records. Delete records with an address that was never confirmed."""

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts.staff_actions import staff_action

from .. import audit
from ..models import NameWord, User
from .children import first_name

UNCONFIRMED_FOR = timedelta(days=1)


class AddressTaken(Exception):
    """The address already belongs to the library account of another person, `person`."""

    def __init__(self, person):
        self.person = person


@transaction.atomic
def person_with_address(email, *, at, language=""):
    """Return the person with this address. Create a person if the address is unknown.

    An unknown address gets a person too, so that the sign-in page can treat all addresses alike. The new
    record is deleted after a day if nobody has confirmed the address by code.
    """
    email = email.strip().lower()
    person, _created = User.objects.get_or_create(
        email=email, defaults={"joined_at": at, "language": language, "password": make_password(None)}
    )
    EmailAddress.objects.get_or_create(
        user=person, email=email, defaults={"primary": True, "verified": False}
    )
    return person


@transaction.atomic
def person_without_address(*, at, name="", language, child_since=None):
    """Create a person who has no sign-in method except the device that they are using now.

    If `child_since` is not None, the record is a child's record (see accounts/patron/children.py).
    """
    person = User.objects.create(
        name=name, language=language, joined_at=at, child_since=child_since, password=make_password(None)
    )
    audit.record("joined_without_address", person, by=person, patron=person, at=at)
    return person


@staff_action
def person_added_at_desk(*, name, email, language, by, at, is_child=False):
    """Create a record for a patron who asks for it at the desk. Raises AddressTaken.

    The address is optional, and it is not confirmed yet. A child's record gets only a first name and no
    address.
    """
    if is_child:
        name, email = first_name(name), ""
    if email:
        # An unfinished sign-in leaves a record with an unconfirmed address. Delete such a record.
        unconfirmed_people(at=None).filter(email=email.strip().lower()).delete()
        if other := User.objects.filter(email=email.strip().lower()).first():
            raise AddressTaken(other)
    person = (
        person_with_address(email, at=at, language=language)
        if email
        else User(joined_at=at, password=make_password(None))
    )
    person.name, person.language, person.child_since = name, language, at if is_child else None
    person.save()
    audit.record("added_at_desk", person, by=by, patron=person, at=at)
    return person


@transaction.atomic
def change_name(person, *, name):
    """Change a person's name. For a child's record, save only the first name."""
    row = User.objects.filter(pk=person.pk)
    row.update(name=first_name(name) if person.is_child else name)
    NameWord.objects.index(row)


def change_language(person, *, language):
    User.objects.filter(pk=person.pk).update(language=language)


def forget_unconfirmed_people(*, at):
    """Delete records with an address that was not confirmed within a day. The worker calls this function."""
    unconfirmed_people(at=at - UNCONFIRMED_FOR).delete()


def unconfirmed_people(*, at):
    """Return people who have never signed in and never confirmed their email address.

    If `at` is not None, return only people who joined before `at`. People with a staff role, a consent or an
    audit event are left out.
    """
    people = User.objects.filter(
        last_login=None, staff_roles=None, consents=None, audit_events=None, emailaddress__verified=False
    ).exclude(emailaddress__verified=True)
    return people if at is None else people.filter(joined_at__lt=at)
