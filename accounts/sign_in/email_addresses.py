"""Confirm and change people's email addresses.

To change an address, a person first enters a code that was sent to the new address. If the old address was
never confirmed, the new address replaces it immediately. Otherwise there are two ways:

- The person also enters a code that was sent to the old address. Then the change happens immediately.
- The person waits a week. The old address gets an email with a link that stops the change.

While a change is pending, pages and emails hide the new address, because another person may read the old
mailbox.
"""

import hashlib
import logging
import secrets

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import BigAutoField, CharField
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.patron.people import AddressTaken, unconfirmed_people
from accounts.sign_in.sign_ins import end_all_sign_ins
from portal.addresses import clean_address
from portal.prepared import prepared

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
    """The person has not entered a code that was sent to the old address."""


class NotByWaiting(Exception):
    """The person can't change their address by waiting for a week.

    There are three possible reasons:
    - The person is staff. A coordinator has to invite their new address.
    - The person has no confirmed address, so the change can happen immediately.
    - The new address is already the person's address.
    """


class UnknownChange(Exception):
    """The token doesn't belong to a pending change.

    Either the token is wrong, or the change was stopped, canceled, replaced or completed.
    """


def confirmed_address(person):
    """Return the person's address if it is confirmed. Otherwise return an empty string.

    An address without a row in EmailAddress counts as confirmed, but only test data has such addresses. The
    portal stores a row for each address. The row is unverified until the person enters a code.
    """
    if not person.email or _unverified(person=person.pk, email=person.email):
        return ""
    return person.email


def confirmed_addresses(people):
    """Return {primary key of a person: their confirmed address, or ""} for these people, with one query."""
    addresses = EmailAddress.objects.filter(user__in=[person.pk for person in people], verified=False)
    unverified = set(addresses.values_list("user", "email"))
    return {
        person.pk: person.email if person.email and (person.pk, person.email) not in unverified else ""
        for person in people
    }


@prepared(person=BigAutoField(), email=CharField())
def _unverified(person, email):
    return EmailAddress.objects.filter(user=person, email=email, verified=False).values_list("pk")


def reauthentication_address(person):
    """Return the address that gets the person's reauthentication codes, or an empty string.

    A patron's address must be confirmed. For staff, an unconfirmed address is enough, because a coordinator
    entered it.

    Patrons without a confirmed address reauthenticate with a card's PIN or a button. Both are too weak for
    staff, because a reauthenticated staff member can set up a second factor.
    """
    return confirmed_address(person) or (person.is_staff and person.email) or ""


def offer_address(person, email):
    """Store an address as a suggestion for a person who has no address.

    The suggestion comes from the ILS or the single sign-on provider. The address gets no emails and can't be
    used to sign in until the person confirms it by code.
    """
    try:
        email = clean_address(email)
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

    `verified` has all addresses that the person has just verified. Raises ConfirmationMissing if the old
    address is confirmed but not in `verified`. Raises AddressTaken if another person has the new address.
    """
    person = _lock_person(person)
    email, old_address = email.strip().lower(), confirmed_address(person)
    if old_address not in ("", email, *verified):
        raise ConfirmationMissing
    _require_free(email, person)
    _change(person, email, at)


@transaction.atomic
def change_in_a_week(person, *, email, at):
    """Start a change of address that takes effect after a week. Raises NotByWaiting and AddressTaken.

    The old address gets an email with a link that stops the change. Return the AddressChange. It replaces the
    person's earlier pending change, if any.
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
    """Cancel the pending change at the request of the person who started it.

    Return whether there was a pending change.
    """
    person = _lock_person(person)
    if not _cancel_pending_change(person):
        return False
    audit.record("gave_up_address_change", person, by=person, patron=person, at=at)
    return True


def change_with_token(token):
    """Return the pending change whose email had a link with this token. Raises UnknownChange."""
    change = AddressChange.objects.select_related("person").filter(token_hash=_hash(token)).first()
    if change is None:
        raise UnknownChange
    return change


@transaction.atomic
def stop_change(token, *, at):
    """Stop a change that the account's owner probably didn't start. Return the owner.

    The person who started the change may still be signed in, so every device is signed out. Passkeys and
    single sign-on accounts that were added since the change was started are removed. The new address gets an
    email, because the owner may have started the change after all. Raises UnknownChange.
    """
    list(User.objects.select_for_update().filter(pk=change_with_token(token).pk))
    # Look up the change again, because it may have ended while we waited for the lock.
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
    """Make the changes of address that have been pending for a week. The worker calls this function."""
    due = AddressChange.objects.filter(begun_at__lte=at - AddressChange.WAITS)
    for key in list(due.values_list("pk", flat=True)):
        try:
            _change_if_due(key, at)
        except IntegrityError:
            # Someone is signing in with the new address right now. If they don't confirm the address, a later
            # run of this job makes the change.
            log.info("an address change was postponed to the next run")


@transaction.atomic
def _change_if_due(key, at):
    person = User.objects.select_for_update().filter(pk=key).first()
    change = AddressChange.objects.filter(pk=key, begun_at__lte=at - AddressChange.WAITS).first()
    # After change_due_addresses read the list of changes, the person may have been erased, or the change may
    # have been stopped, canceled or replaced.
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
    """Raise AddressTaken if another person has this address.

    First delete people who never confirmed this address, because they come from unfinished sign-ins.
    """
    unconfirmed_people(at=None).filter(email=email).exclude(pk=person.pk).delete()
    other = User.objects.filter(email=email).exclude(pk=person.pk).first()
    if other is not None:
        raise AddressTaken(other)


def _change(person, email, at):
    """Save the new address. If the old address was confirmed, send an email to the old address."""
    old_address = confirmed_address(person)
    if old_address not in ("", email):
        # Send the email while the person still has the old address. Otherwise erasing the person would not
        # delete this email from the outbox.
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
    """Cancel the person's pending change, and return whether there was one.

    The address of the canceled change gets an email, in case somebody other than the account's owner canceled
    the change. Send no email if this address is `new_address`, because the person still wants to use it.
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
    """Return the SHA-256 of a token. The hash needs no salt, because the token is random."""
    return hashlib.sha256(token.encode()).hexdigest()
