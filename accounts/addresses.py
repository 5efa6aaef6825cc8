"""The e-mail address of a person: what it proves, and how another takes its place.

The new one is proven by a code before anything changes. The person has shown who they are (`proved_recently`), and the old address
is told, with a link that for a week puts it back and signs out everywhere: a confirmation there as well would shut out whoever
lost that mailbox, which is why most addresses change.
"""

import hashlib
import secrets

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse

from . import audit
from .actions import AddressTaken, end_all_sign_ins, unconfirmed
from .models import AddressChange, Library, User


class UnknownChange(Exception):
    """No change of an address can be undone with that token: it is wrong, too old, or was used."""


def proven_address(person):
    """The address that is this person's for all we know; empty where somebody at the desk wrote it and no code was ever read there."""
    if not person.email or EmailAddress.objects.filter(user=person, email=person.email, verified=False).exists():
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
    return EmailAddress.objects.filter(user=person, verified=False).values_list("email", flat=True).first() or ""


@transaction.atomic
def change_address(person, *, email, at):
    """Give a person the address that they have just proved to be theirs, in place of the one they had. Raises AddressTaken.

    The old one is told, unless nobody ever read a code there: it may be a stranger's.
    """
    email = email.strip().lower()
    person = User.objects.select_for_update().get(pk=person.pk)
    unconfirmed(at=None).filter(email=email).exclude(pk=person.pk).delete()  # somebody's sign-in attempt with it, never finished
    other = User.objects.filter(email=email).exclude(pk=person.pk).first()
    if other is not None:
        raise AddressTaken(other)
    old_address = proven_address(person)
    if old_address not in ("", email):
        _tell(old_address, person, at)  # while it is theirs: the mail is then among those that end with them
    _set(person, email)
    audit.record("changed_address" if old_address else "added_address", person, by=person, patron=person, at=at)
    return person


def change_of(token, *, at):
    """What can be undone with the token of a mail. Raises UnknownChange."""
    change = AddressChange.objects.select_related("person").filter(token_hash=_hash(token), changed_at__gt=at - AddressChange.UNDONE_WITHIN).first()
    if change is None:
        raise UnknownChange
    return change


@transaction.atomic
def undo_change(token, *, at):
    """It wasn't them: the old address is the person's again, and nobody is signed in to their account any more, also by no passkey and
    no single sign-on that came since. Passkeys of staff open the desk: a coordinator sees to those. Raises UnknownChange, and AddressTaken where the
    old address opens another library account by now: it is taken from nobody, and whose it is the library must find out."""
    person = User.objects.select_for_update().get(pk=change_of(token, at=at).person_id)
    change = change_of(token, at=at)  # still
    unconfirmed(at=None).filter(email=change.old_email).exclude(pk=person.pk).delete()  # a sign-in attempt with it, never finished
    if other := User.objects.filter(email=change.old_email).exclude(pk=person.pk).first():
        raise AddressTaken(other)
    _set(person, change.old_email)
    AddressChange.objects.filter(person=person, changed_at__gte=change.changed_at).delete()
    end_all_sign_ins(person)
    if not person.is_staff:
        person.passkeys.filter(added_on__gte=Library.current().today(change.changed_at)).delete()
        SocialAccount.objects.filter(user=person, date_joined__gte=change.changed_at).delete()
    audit.record("undid_address_change", person, by=person, patron=person, at=at)
    return person


def forget_address_changes(*, at):
    """For the worker: what can't be undone any more."""
    AddressChange.objects.filter(changed_at__lte=at - AddressChange.UNDONE_WITHIN).delete()


def _set(person, email):
    person.email = email
    person.save(update_fields=["email"])
    EmailAddress.objects.filter(user=person).exclude(email=email).delete()
    EmailAddress.objects.update_or_create(user=person, email=email, defaults={"primary": True, "verified": True})


def _tell(old_address, person, at):
    token = secrets.token_hex(20)
    AddressChange.objects.create(person=person, old_email=old_address, token_hash=_hash(token), changed_at=at)
    url = settings.BASE_URL + reverse("undo_address", args=[token])
    context = {"url": url, "days": AddressChange.UNDONE_WITHIN.days, "language": person.language}
    get_adapter().send_mail("account/email/address_changed", old_address, context)


def _hash(token):
    """A fingerprint is enough for what nobody can guess."""
    return hashlib.sha256(token.encode()).hexdigest()
