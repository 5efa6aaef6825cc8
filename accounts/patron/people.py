"""Records of people: how one is made, changed and, unless its address is confirmed, deleted again."""

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
    """The address belongs to another library account, `person`, which its owner can open with it."""

    def __init__(self, person):
        self.person = person


@transaction.atomic
def person_with_address(email, *, at, language=""):
    """The person of this address. An unknown one gets a record at once, so that known and unknown are answered alike;
    it is forgotten after a day unless a code confirms it."""
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
    """A person whom only one device can show: whoever holds it is them. `child_since`: they are a child (accounts/patron/children.py)."""
    person = User.objects.create(
        name=name, language=language, joined_at=at, child_since=child_since, password=make_password(None)
    )
    audit.record("joined_without_address", person, by=person, patron=person, at=at)
    return person


@staff_action
def person_added_at_desk(*, name, email, language, by, at, is_child=False):
    """A patron whom staff write down at their wish, with an address (which nothing has proved yet) or without: of a child a first name
    alone. Raises AddressTaken."""
    if is_child:
        name, email = first_name(name), ""
    if email:
        unconfirmed(at=None).filter(
            email=email.strip().lower()
        ).delete()  # somebody's sign-in attempt with it, never finished
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
    """Of a child no more than the first name is kept."""
    User.objects.filter(pk=person.pk).update(name=first_name(name) if person.is_child else name)


def change_language(person, *, language):
    User.objects.filter(pk=person.pk).update(language=language)


def forget_unconfirmed_people(*, at):
    """For the worker: records made for an address that no code ever confirmed."""
    unconfirmed(at=at - UNCONFIRMED_FOR).delete()


def unconfirmed(*, at):
    """People who are no more than an address that somebody wrote, before `at` or at any time."""
    strangers = User.objects.filter(
        last_login=None, staff_roles=None, consents=None, audit_events=None, emailaddress__verified=False
    )
    return (
        strangers.exclude(emailaddress__verified=True)
        if at is None
        else strangers.exclude(emailaddress__verified=True).filter(joined_at__lt=at)
    )
