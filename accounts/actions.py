"""What people do with their own record, and the forgetting of records that nobody needs. The library's own: accounts/library.py."""

from datetime import timedelta

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import transaction

from portal import keys
from portal.text import clean

from . import audit
from .children import first_name
from .models import RefusedPost, User

UNCONFIRMED_FOR = timedelta(days=1)
SEALED_FOR = "accounts.second-factor"  # what an authenticator app shares with us
REFUSED_POSTS_EACH = 20


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
    """A person whom only one device can show: whoever holds it is them. `child_since`: they are a child (accounts/children.py)."""
    person = User.objects.create(
        name=name, language=language, joined_at=at, child_since=child_since, password=make_password(None)
    )
    audit.record("joined_without_address", person, by=person, patron=person, at=at)
    return person


@transaction.atomic
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


def end_sign_in(session_key):
    """This device no longer stands in the list of the person's sign-ins. The session itself is flushed by the view."""
    UserSession.objects.filter(session_key=session_key).delete()


def end_sign_in_elsewhere(signed_in):
    """On another device of the person's: it is signed out with its next request."""
    signed_in.end()


def end_all_sign_ins(person, *, but=""):
    """Wherever this person is signed in, they are so no longer; except in the session with the key `but`. Returns how many ended."""
    ending = UserSession.objects.filter(user=person).exclude(session_key=but)
    for signed_in in ending:
        signed_in.end()
    return len(ending)


def end_every_session():
    """Nobody is signed in any more, and no code of a visit is open in any browser. Returns how many ended."""
    UserSession.objects.all().delete()
    return Session.objects.all().delete()[0]


def change_name(person, *, name):
    """Of a child no more than the first name is kept."""
    User.objects.filter(pk=person.pk).update(name=first_name(name) if person.is_child else name)


def change_language(person, *, language):
    User.objects.filter(pk=person.pk).update(language=language)


@transaction.atomic
def keep_refused_post(person, *, path, fields, at):
    """Hold what somebody had written when their sign-in or form had run out. The oldest make room."""
    fields = {
        clean(name): [clean(value, multiline=True) for value in values] for name, values in fields.items()
    }  # no database takes a NUL, even in JSON
    kept = RefusedPost.objects.create(person=person, path=path, fields=fields, refused_at=at)
    newest = (
        RefusedPost.objects.filter(person=person)
        .order_by("-refused_at", "-pk")
        .values_list("pk", flat=True)[:REFUSED_POSTS_EACH]
    )
    RefusedPost.objects.filter(person=person).exclude(pk__in=list(newest)).delete()
    return kept


def drop_refused_post(person, public_id):
    """It was sent after all, or is not wanted any more."""
    RefusedPost.objects.filter(person=person, public_id=public_id).delete()


def forget_refused_posts(*, at):
    """For the worker: what was not taken up in time."""
    RefusedPost.objects.filter(refused_at__lte=at - RefusedPost.KEPT_FOR).delete()


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


def seal_anew(*, at):
    """For the worker: while the server knows a key of before, secrets of authenticator apps are sealed under the present one."""
    seal = keys.seal(SEALED_FOR)
    for pk in Authenticator.objects.values_list("pk", flat=True) if settings.SECRET_KEY_FALLBACKS else []:
        with transaction.atomic():
            for authenticator in Authenticator.objects.select_for_update().filter(pk=pk):
                sealed = {
                    name: seal.rotate(authenticator.data[name]).decode()
                    for name in ("secret", "seed")
                    if name in authenticator.data
                }
                authenticator.data |= sealed
                authenticator.save(update_fields=["data"])
