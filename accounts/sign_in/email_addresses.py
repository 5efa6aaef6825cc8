"""The e-mail address of a person: what it proves, and how another takes its place.

The new one is proven by a code before anything else. Then the old one has a word in it, where somebody ever read a code there: it says yes by
a code that is read there as well, and the new one takes its place at once; or it is told, and may say no for a week, because most addresses
change when the mailbox is lost. Until the new one is theirs no page and no mail names it: whoever reads the old one may be somebody else.
"""

import hashlib
import logging
import secrets

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.patron.people import AddressTaken, unconfirmed
from accounts.sign_in.sign_ins import end_all_sign_ins

from .. import audit
from ..models import AddressChange, Library, User

log = logging.getLogger(__name__)

TITLES = {  # of the mails; what they say more: templates/account/email/address_change_message.txt
    "waits": _("The address of your library account is to be changed"),
    "changed": _("The address of your library account was changed"),
    "made": _("The new address of your library account"),
    "stopped": _("The address of a library account stays as it was"),
    "given_up": _("This address does not become that of a library account"),
    "taken": _("The address of a library account stays as it was"),
}


class NotYet(Exception):
    """The old address has its word in it first."""


class NotByWaiting(Exception):
    """There is no old address to ask by now; or they work at a desk, and what opens it comes to no other mailbox by waiting: a coordinator
    invites them there."""


class UnknownChange(Exception):
    """No change of an address can be stopped with that token: it is wrong, or the change was stopped, given up, begun anew or made."""


def proven_address(person):
    """The address that is this person's for all we know; empty where somebody at the desk wrote it and no code was ever read there."""
    if (
        not person.email
        or EmailAddress.objects.filter(user=person, email=person.email, verified=False).exists()
    ):
        return ""
    return person.email


def address_for_proof(person):
    """Where a code shows that it is still them; empty where something else has to. Whoever works at a desk reads it at the address by which
    a coordinator named them, proven or not: neither a PIN nor a button may set up what opens the desk."""
    return proven_address(person) or (person.is_staff and person.email) or ""


def offer_address(person, email):
    """The address that the ILS or the provider of single sign-on knows, for a person without one: to be confirmed by a code, and until then it
    opens nothing and gets no mail."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        email = ""
    unconfirmed = EmailAddress.objects.filter(user=person, verified=False)
    unconfirmed.exclude(email__in=[email, person.email or ""]).delete()
    if email and not person.email and not unconfirmed.filter(email=email).exists():
        EmailAddress.objects.create(user=person, email=email, verified=False, primary=False)


def offered_address(person):
    """What `offer_address` has left for this person, or an empty string."""
    return (
        EmailAddress.objects.filter(user=person, verified=False).values_list("email", flat=True).first() or ""
    )


@transaction.atomic
def change_address(person, *, email, read_at, at):
    """Give a person the address that they have just proved to be theirs, in place of the one they had; `read_at` are the addresses at which
    they have just read a code. Raises NotYet where the old one is none of them, and AddressTaken."""
    person = _locked(person)
    email, old_address = email.strip().lower(), proven_address(person)
    if old_address not in ("", email, *read_at):
        raise NotYet
    _free(email, person)
    _change(person, email, at)


@transaction.atomic
def change_in_a_week(person, *, email, at):
    """The same for somebody who can no longer read the old one: it is told now, and the new one takes its place later, unless that is stopped.
    Returns the AddressChange, which takes the place of one begun before. Raises NotByWaiting and AddressTaken."""
    person = _locked(person)
    email, old_address = email.strip().lower(), proven_address(person)
    if person.is_staff or old_address in ("", email):
        raise NotByWaiting
    _free(email, person)
    token = secrets.token_hex(20)
    _give_up(person, to_have=email)
    change = AddressChange.objects.create(person=person, email=email, token_hash=_hash(token), begun_at=at)
    audit.record("began_address_change", person, by=person, patron=person, at=at)
    _mail(
        "waits",
        old_address,
        person,
        url=settings.BASE_URL + reverse("stop_address", args=[token]),
        day=change.happens_on,
    )
    return change


def change_that_waits(person):
    """The AddressChange of this person, or None."""
    return AddressChange.objects.filter(person=person).first()


@transaction.atomic
def keep_address(person, *, at):
    """They have thought better of it. Returns whether there was anything to give up."""
    person = _locked(person)
    if not _give_up(person):
        return False
    audit.record("gave_up_address_change", person, by=person, patron=person, at=at)
    return True


def change_to_stop(token):
    """What can be stopped with the token of a mail. Raises UnknownChange."""
    change = AddressChange.objects.select_related("person").filter(token_hash=_hash(token)).first()
    if change is None:
        raise UnknownChange
    return change


@transaction.atomic
def stop_change(token, *, at):
    """It wasn't them: the address stays, and nobody is signed in to the account any more, also by no passkey and no single sign-on that came
    since. The new address is told, as it may have been them. Raises UnknownChange."""
    list(User.objects.select_for_update().filter(pk=change_to_stop(token).pk))
    change = change_to_stop(token)  # still
    person = change.person
    AddressChange.objects.filter(pk=change.pk).delete()
    end_all_sign_ins(person)
    person.passkeys.filter(added_on__gte=Library.current().today(change.begun_at)).delete()
    SocialAccount.objects.filter(user=person, date_joined__gte=change.begun_at).delete()
    audit.record("stopped_address_change", person, by=person, patron=person, at=at)
    _mail("stopped", change.email, person)
    return person


def change_due_addresses(*, at):
    """For the worker: what has waited long enough, and nobody stopped, happens."""
    due = AddressChange.objects.filter(begun_at__lte=at - AddressChange.WAITS)
    for key in list(due.values_list("pk", flat=True)):
        try:
            _change_if_due(key, at)
        except (
            IntegrityError
        ):  # somebody begins to sign in with it at this very moment: they have a day to finish
            log.info("an address changes at the next turn")


@transaction.atomic
def _change_if_due(key, at):
    person = User.objects.select_for_update().filter(pk=key).first()
    change = AddressChange.objects.filter(pk=key, begun_at__lte=at - AddressChange.WAITS).first()
    if person is None or change is None:  # erased, stopped, given up or begun anew meanwhile
        return
    try:
        _free(change.email, person)
    except AddressTaken:
        change.delete()
        audit.record("could_not_change_address", person, by=person, patron=person, at=at)
        for address in filter(None, [proven_address(person), change.email]):
            _mail("taken", address, person)
    else:
        _change(person, change.email, at)
        _mail("made", change.email, person, url=settings.BASE_URL + reverse("me"))


def _locked(person):
    return User.objects.select_for_update().get(pk=person.pk)


def _free(email, person):
    """See that it is nobody else's. A sign-in attempt with it that was never finished is none. Raises AddressTaken."""
    unconfirmed(at=None).filter(email=email).exclude(pk=person.pk).delete()
    other = User.objects.filter(email=email).exclude(pk=person.pk).first()
    if other is not None:
        raise AddressTaken(other)


def _change(person, email, at):
    """The old one is told, unless nobody ever read a code there: it may be a stranger's."""
    old_address = proven_address(person)
    if old_address not in ("", email):
        _mail(
            "changed", old_address, person
        )  # while it is theirs: the mail is then among those that end with them
    person.email = email
    person.save(update_fields=["email"])
    EmailAddress.objects.filter(user=person).exclude(email=email).delete()
    EmailAddress.objects.update_or_create(
        user=person, email=email, defaults={"primary": True, "verified": True}
    )
    _give_up(person, to_have=email)
    audit.record(
        "changed_address" if old_address else "added_address", person, by=person, patron=person, at=at
    )


def _give_up(person, *, to_have=""):
    """What waited waits no longer. The address that it was for is told, unless it is the one `to_have`: whoever reads the old one comes in by
    it, and may have given it up without them. Returns whether anything waited."""
    change = change_that_waits(person)
    if change is None:
        return False
    change.delete()
    if change.email != to_have:
        _mail("given_up", change.email, person)
    return True


def _mail(what, address, person, **context):
    context |= {"what": what, "title": TITLES[what], "language": person.language}
    get_adapter().send_mail("account/email/address_change", address, context)


def _hash(token):
    """A fingerprint is enough for what nobody can guess."""
    return hashlib.sha256(token.encode()).hexdigest()
