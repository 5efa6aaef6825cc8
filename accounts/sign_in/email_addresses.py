"""A person's email address: whether it is confirmed, and how another one replaces it.

First the person enters a code sent to the new address. If the old address was never confirmed, the new one
replaces it at once. Otherwise there are two ways:

- The person also enters a code sent to the old address, and the change happens at once.
- Otherwise the change waits a week. The old address gets an email with a link that stops it.

Until then, no page and no email shows the new address: another person may be reading the old mailbox.
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

from accounts.patron.people import AddressTaken, unconfirmed_people
from accounts.sign_in.sign_ins import end_all_sign_ins

from .. import audit
from ..models import AddressChange, Library, User

log = logging.getLogger(__name__)

# The titles of the emails. Their texts are in templates/account/email/address_change_message.txt.
TITLES = {
    "waits": _("Your library account's email address is about to change"),
    "changed": _("Your library account's email address was changed"),
    "made": _("Your library account's new email address"),
    "stopped": _("A library account's email address was not changed"),
    "given_up": _("This email address was not added to a library account"),
    "taken": _("A library account's email address was not changed"),
}


class ConfirmationMissing(Exception):
    """The old address has not confirmed the change."""


class NotByWaiting(Exception):
    """The address can't change by waiting a week.

    Either the person has no confirmed address, so they need not wait. Or they are staff: a coordinator has to
    invite the new address.
    """


class UnknownChange(Exception):
    """The token is wrong, or its change was stopped, canceled, replaced or made."""


def confirmed_address(person):
    """Return the person's address, or an empty string if nobody ever entered a code sent to it."""
    if (
        not person.email
        or EmailAddress.objects.filter(user=person, email=person.email, verified=False).exists()
    ):
        return ""
    return person.email


def reauthentication_address(person):
    """Return the address to which a code for reauthentication goes, or an empty string.

    For staff, it is the address that their coordinator named, even if it is not confirmed. A card's PIN or a
    button is not enough for staff, because they can set up a second factor next.
    """
    return confirmed_address(person) or (person.is_staff and person.email) or ""


def offer_address(person, email):
    """Store the address that the ILS or the single sign-on provider has for a person without one.

    It gets no emails and can't be used to sign in until the person confirms it by code.
    """
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
    """Return the address that `offer_address` stored for this person, or an empty string."""
    return (
        EmailAddress.objects.filter(user=person, verified=False).values_list("email", flat=True).first() or ""
    )


@transaction.atomic
def change_address(person, *, email, verified, at):
    """Replace the person's address with one that they have just verified.

    `verified` holds all addresses that they have just verified. Raises ConfirmationMissing if the old address
    is not one of them, and AddressTaken.
    """
    person = _lock_person(person)
    email, old_address = email.strip().lower(), confirmed_address(person)
    if old_address not in ("", email, *verified):
        raise ConfirmationMissing
    _require_free(email, person)
    _change(person, email, at)


@transaction.atomic
def change_in_a_week(person, *, email, at):
    """Start a change of address that happens after a week, and email the old address a link that stops it.

    Returns the AddressChange, which replaces an earlier one. Raises NotByWaiting and AddressTaken.
    """
    person = _lock_person(person)
    email, old_address = email.strip().lower(), confirmed_address(person)
    if person.is_staff or old_address in ("", email):
        raise NotByWaiting
    _require_free(email, person)
    token = secrets.token_hex(20)
    _cancel_pending_change(person, new_address=email)
    change = AddressChange.objects.create(person=person, email=email, token_hash=_hash(token), begun_at=at)
    audit.record("began_address_change", person, by=person, patron=person, at=at)
    _send_email(
        "waits",
        old_address,
        person,
        url=settings.BASE_URL + reverse("stop_address", args=[token]),
        day=change.happens_on,
    )
    return change


def pending_address_change(person):
    """Return the AddressChange of this person, or None."""
    return AddressChange.objects.filter(person=person).first()


@transaction.atomic
def keep_address(person, *, at):
    """Cancel the person's own pending change. Return whether there was one."""
    person = _lock_person(person)
    if not _cancel_pending_change(person):
        return False
    audit.record("gave_up_address_change", person, by=person, patron=person, at=at)
    return True


def change_with_token(token):
    """Return the pending change whose email had this token. Raises UnknownChange."""
    change = AddressChange.objects.select_related("person").filter(token_hash=_hash(token)).first()
    if change is None:
        raise UnknownChange
    return change


@transaction.atomic
def stop_change(token, *, at):
    """Stop a change that the account's owner didn't start, and return the owner.

    Signs the account out everywhere. Also removes the passkeys and single sign-on accounts added since the
    change began. The new address gets an email, because it may be the owner's after all. Raises
    UnknownChange.
    """
    list(User.objects.select_for_update().filter(pk=change_with_token(token).pk))
    # Look it up again, because it may have ended while we waited for the lock.
    change = change_with_token(token)
    person = change.person
    AddressChange.objects.filter(pk=change.pk).delete()
    end_all_sign_ins(person)
    person.passkeys.filter(added_on__gte=Library.current().today(change.begun_at)).delete()
    SocialAccount.objects.filter(user=person, date_joined__gte=change.begun_at).delete()
    audit.record("stopped_address_change", person, by=person, patron=person, at=at)
    _send_email("stopped", change.email, person)
    return person


def change_due_addresses(*, at):
    """Make the changes that were pending for a week. The worker calls this."""
    due = AddressChange.objects.filter(begun_at__lte=at - AddressChange.WAITS)
    for key in list(due.values_list("pk", flat=True)):
        try:
            _change_if_due(key, at)
        except IntegrityError:
            # Someone is signing in with this address right now. If they don't confirm it, a later run makes
            # the change.
            log.info("an address changes at the next turn")


@transaction.atomic
def _change_if_due(key, at):
    person = User.objects.select_for_update().filter(pk=key).first()
    change = AddressChange.objects.filter(pk=key, begun_at__lte=at - AddressChange.WAITS).first()
    # The person was erased, or the change was stopped, canceled or replaced meanwhile.
    if person is None or change is None:
        return
    try:
        _require_free(change.email, person)
    except AddressTaken:
        change.delete()
        audit.record("could_not_change_address", person, by=person, patron=person, at=at)
        for address in filter(None, [confirmed_address(person), change.email]):
            _send_email("taken", address, person)
    else:
        _change(person, change.email, at)
        _send_email("made", change.email, person, url=settings.BASE_URL + reverse("me"))


def _lock_person(person):
    return User.objects.select_for_update().get(pk=person.pk)


def _require_free(email, person):
    """Raise AddressTaken if another person has this address. Delete unfinished sign-ins with it first."""
    unconfirmed_people(at=None).filter(email=email).exclude(pk=person.pk).delete()
    other = User.objects.filter(email=email).exclude(pk=person.pk).first()
    if other is not None:
        raise AddressTaken(other)


def _change(person, email, at):
    """Save the new address, and email the old one if it was confirmed."""
    old_address = confirmed_address(person)
    if old_address not in ("", email):
        # Send it while the address is still theirs, so that erasing the person also deletes this email.
        _send_email("changed", old_address, person)
    person.email = email
    person.save(update_fields=["email"])
    EmailAddress.objects.filter(user=person).exclude(email=email).delete()
    EmailAddress.objects.update_or_create(
        user=person, email=email, defaults={"primary": True, "verified": True}
    )
    _cancel_pending_change(person, new_address=email)
    audit.record(
        "changed_address" if old_address else "added_address", person, by=person, patron=person, at=at
    )


def _cancel_pending_change(person, *, new_address=""):
    """Cancel the pending change, if any. Return whether there was one.

    Its address gets an email, unless it is `new_address`. A person who reads the old mailbox may have
    canceled the change without the owner.
    """
    change = pending_address_change(person)
    if change is None:
        return False
    change.delete()
    if change.email != new_address:
        _send_email("given_up", change.email, person)
    return True


def _send_email(what, address, person, **context):
    context |= {"what": what, "title": TITLES[what], "language": person.language}
    get_adapter().send_mail("account/email/address_change", address, context)


def _hash(token):
    """Return the SHA-256 of a token. It needs no salt, because the token is random."""
    return hashlib.sha256(token.encode()).hexdigest()
