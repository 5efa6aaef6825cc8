"""Create and change people's records. Delete records with an address that was never confirmed."""

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts.staff_actions import staff_action

from .. import audit
from ..models import User
from .children import first_name

UNCONFIRMED_FOR = timedelta(days=1)


class AddressTaken(Exception):
    """The address already belongs to another library account, which is that of `person`."""

    def __init__(self, person):
        self.person = person


@transaction.atomic
def person_with_address(email, *, at, language=""):
    """Return the person with this address. Create a person if the address is unknown.

    The sign-in page then gives the same answer for known and unknown addresses. A new record is deleted after
    a day if nobody confirms the address by code.
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

    With `child_since`, the record is a child's record (see accounts/patron/children.py).
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
        # Delete unconfirmed people with this address, because they come from unfinished sign-ins.
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


def change_name(person, *, name):
    """Change a person's name. For a child's record, save only the first name."""
    User.objects.filter(pk=person.pk).update(name=first_name(name) if person.is_child else name)


def change_language(person, *, language):
    User.objects.filter(pk=person.pk).update(language=language)


def forget_unconfirmed_people(*, at):
    """Delete records with an address that was not confirmed within a day. The worker calls this function."""
    unconfirmed_people(at=at - UNCONFIRMED_FOR).delete()


def unconfirmed_people(*, at):
    """Return people who never signed in and have only an address that was never confirmed.

    With `at`, return only people who joined before that time.
    """
    people = User.objects.filter(
        last_login=None, staff_roles=None, consents=None, audit_events=None, emailaddress__verified=False
    ).exclude(emailaddress__verified=True)
    return people if at is None else people.filter(joined_at__lt=at)
