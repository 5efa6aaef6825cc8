"""Find and create the people who use single sign-on, and connect people to their account at the provider.

People are found only by the provider's own id, never by email address. The portal stores that id. For a new
person, the portal also stores the name and address. openid_connect.py talks to the provider.
"""

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts.patron.people import AddressTaken, unconfirmed_people

from .. import audit
from ..ils.configured import library_ils
from ..models import User
from . import library_cards
from .email_addresses import offer_address, reauthentication_address
from .security_mails import mail_security_notice


class ConnectedToAnotherPerson(Exception):
    """The provider's account is already connected to another person's library account."""


class OnlySignInMethod(Exception):
    """The person has no other sign-in method."""


def sign_on_name():
    """Return the provider's name, or an empty string if the library has no single sign-on."""
    return settings.SSO["name"] if settings.SSO["issuer"] else ""


def linked_account(identity):
    """Return the SocialAccount of this identity, or None.

    Only the issuer and the subject identify the account, because two people can share an email address.
    """
    return (
        SocialAccount.objects.select_related("user")
        .filter(provider=settings.SSO["issuer"], uid=identity.subject)
        .first()
    )


def linked_accounts(person):
    """Return the person's SocialAccounts at the provider that the settings name."""
    if not sign_on_name():
        return SocialAccount.objects.none()
    return SocialAccount.objects.filter(user=person, provider=settings.SSO["issuer"])


@transaction.atomic
def new_person(identity, *, at, language):
    """Create a person for this identity and return the person.

    If a simultaneous request has already created the person, return that person. Raises AddressTaken if
    another library account has the address that the provider has verified. The owner of that account can sign
    in by code and then connect the provider.
    """
    verified = identity.email if identity.email_is_proven else ""
    # Delete people who never confirmed this address, because they come from unfinished sign-ins.
    unconfirmed_people(at=None).filter(email=verified).delete()
    try:
        with transaction.atomic():
            person = User.objects.create(
                name=identity.name,
                email=verified or None,
                language=language,
                joined_at=at,
                password=make_password(None),
            )
            SocialAccount.objects.create(user=person, provider=settings.SSO["issuer"], uid=identity.subject)
    except IntegrityError:
        if account := linked_account(identity):
            return account.user
        raise AddressTaken(User.objects.filter(email=verified).first()) from None
    if verified:
        EmailAddress.objects.create(user=person, email=verified, verified=True, primary=True)
    offer_address(person, identity.email)
    audit.record("joined_by_single_sign_on", person, by=person, patron=person, at=at)
    return person


@transaction.atomic
def connect(person, identity, *, at):
    """Add the provider to the person's sign-in methods. Raises ConnectedToAnotherPerson."""
    account, is_new = SocialAccount.objects.get_or_create(
        provider=settings.SSO["issuer"], uid=identity.subject, defaults={"user": person}
    )
    if account.user_id != person.pk:
        raise ConnectedToAnotherPerson
    if is_new:
        audit.record("connected_single_sign_on", person, by=person, patron=person, at=at)
        mail_security_notice(person, "connected_single_sign_on")


@transaction.atomic
def disconnect(person, *, at):
    """Remove the provider from the person's sign-in methods. Raises OnlySignInMethod."""
    person = User.objects.select_for_update().get(pk=person.pk)
    if not has_another_sign_in_method(person):
        raise OnlySignInMethod
    if linked_accounts(person).delete()[0]:
        audit.record("disconnected_single_sign_on", person, by=person, patron=person, at=at)
        mail_security_notice(person, "disconnected_single_sign_on")


def has_another_sign_in_method(person):
    """Return whether the person can sign in on a new device without the provider.

    A patron's unconfirmed address doesn't count, because it may belong to a stranger.
    """
    return bool(
        reauthentication_address(person)
        or person.passkeys.exists()
        or (library_cards.card_of(person) and library_ils())
    )
