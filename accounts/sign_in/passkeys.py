"""Register, use, rename and remove passkeys.

Registration and authentication take two requests each. The first request stores a challenge in the session.
The second request has the browser's response to the challenge. A challenge is valid for five minutes and for
one response. The script in the browser is static/js/passkeys.js.
docs/decisions/0010-own-table-for-passkeys.md says why we store passkeys ourselves.
"""

import struct
import time
import uuid
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount.models import SocialAccount
from cryptography.exceptions import UnsupportedAlgorithm
from django.db import IntegrityError, transaction
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts.sign_in.sign_ins import end_all_sign_ins
from accounts.staff_actions import staff_action
from portal.once import claim

from .. import audit
from ..models import Library, Passkey, User
from .desk_pins import remove_pin_without_second_factor
from .email_addresses import confirmed_address
from .security_mails import mail_security_notice

STATE = "passkey"
CHALLENGE_SECONDS = 5 * 60
MAX_PASSKEYS_PER_PERSON = 20
# The maximum length of a credential id in bytes, as the WebAuthn standard sets it.
MAX_CREDENTIAL_ID_LENGTH = 1023
# The exceptions that reading a malformed response can raise.
MALFORMED = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    RecursionError,
    struct.error,
    UnsupportedAlgorithm,
)


class NotAccepted(Exception):
    """The browser's response doesn't match the challenge, or its passkey can't be used."""


class TooMany(Exception):
    """The person has MAX_PASSKEYS_PER_PERSON passkeys already."""


@dataclass(frozen=True)
class NewPasskey:
    """A passkey that the device has just created. add() saves the passkey."""

    handle: uuid.UUID
    credential: AttestedCredentialData
    sign_count: int
    is_on_this_device: bool


@dataclass(frozen=True)
class UsedPasskey:
    """A passkey that has just signed a challenge. use() saves the new signature counter."""

    passkey: Passkey
    sign_count: int
    is_on_this_device: bool


def registration_options(session: MutableMapping, person: User, *, origin: str) -> dict:
    """Return the options that the browser needs to create a passkey for this person.

    Also store the challenge in the session. A device that already has one of the person's passkeys refuses to
    create another.
    """
    user = PublicKeyCredentialUserEntity(
        id=person.public_id.bytes, name=person.email or person.display_name, display_name=person.display_name
    )
    options, state = _server(origin).register_begin(
        user,
        credentials=[AttestedCredentialData(bytes(passkey.credential)) for passkey in person.passkeys.all()],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    session[STATE] = {"asked": state, "at": time.time(), "to_add_for": str(person.public_id)}
    return dict(options)


def authentication_options(session: MutableMapping, *, origin: str, person: User | None = None) -> dict:
    """Return the options that the browser needs to ask for a passkey.

    Also store the challenge in the session. The browser offers only the passkeys of `person`, or every
    passkey for this site if `person` is None.
    """
    credentials = (
        [AttestedCredentialData(bytes(passkey.credential)) for passkey in person.passkeys.all()]
        if person
        else None
    )
    options, state = _server(origin).authenticate_begin(
        credentials, user_verification=UserVerificationRequirement.REQUIRED
    )
    session[STATE] = {"asked": state, "at": time.time()}
    return dict(options)


def verify_registration(session: MutableMapping, answer: Any, *, person: User, origin: str) -> NewPasskey:
    """Check the browser's response to registration_options(). Raises NotAccepted."""
    challenge = _pop_challenge(session, to_add_for=str(person.public_id))
    try:
        _require_no_numbers(answer)
        registration = _server(origin).register_complete(challenge, answer)
        credential = registration.credential_data
        if credential is None or len(credential.credential_id) > MAX_CREDENTIAL_ID_LENGTH:
            raise NotAccepted
        # Each use of the passkey parses these bytes, so reject the passkey now if they can't be parsed.
        AttestedCredentialData(bytes(credential))
    except MALFORMED as error:
        raise NotAccepted from error
    return NewPasskey(person.public_id, credential, registration.counter, _is_on_this_device(answer))


def verify_authentication(session: MutableMapping, answer: Any, *, among, origin: str) -> UsedPasskey:
    """Check the browser's response to authentication_options(). Raises NotAccepted.

    Only a passkey in the queryset `among` is accepted.
    """
    challenge = _pop_challenge(session)
    try:
        _require_no_numbers(answer)
        authentication = AuthenticationResponse.from_dict(answer)
        response = authentication.response
        passkey = among.select_related("person").filter(credential_id=authentication.raw_id).first()
        if passkey is None or response.user_handle not in (None, b"", passkey.handle.bytes):
            raise NotAccepted
        _server(origin).authenticate_complete(
            challenge, [AttestedCredentialData(bytes(passkey.credential))], answer
        )
    except MALFORMED as error:
        raise NotAccepted from error
    return UsedPasskey(passkey, response.authenticator_data.counter, _is_on_this_device(answer))


@transaction.atomic
def add(person, *, name, new, by, at):
    """Save a new passkey of this person and return it.

    Raises TooMany if the person has too many passkeys, and NotAccepted if this passkey is stored already.
    """
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if person.passkeys.count() >= MAX_PASSKEYS_PER_PERSON:
        raise TooMany
    try:
        with transaction.atomic():
            passkey = Passkey.objects.create(
                person=person,
                name=name,
                handle=new.handle,
                credential_id=new.credential.credential_id,
                credential=bytes(new.credential),
                sign_count=new.sign_count,
                added_on=Library.current().today(at),
                added_at=at,
            )
    except IntegrityError as error:
        raise NotAccepted from error
    audit.record("added_passkey", passkey, by=by, patron=person, at=at)
    mail_security_notice(person, "added_passkey")
    return passkey


def use(used, *, at):
    """Save a passkey's new signature counter and the date of this use.

    Raises NotAccepted if the counter did not increase, because then a copy of the passkey may exist.
    """
    rows = Passkey.objects.filter(pk=used.passkey.pk)
    if used.sign_count or used.passkey.sign_count:
        rows = rows.filter(sign_count__lt=used.sign_count)
    if not rows.update(sign_count=used.sign_count, last_used_on=Library.current().today(at)):
        raise NotAccepted


def tell_apart(passkeys, *, here=None):
    """Return a person's passkeys as a list, with attributes that help the person tell them apart.

    `added` is the day when the passkey was added, or the time if another passkey was added on the same day.
    `is_here` is true for the passkey with the public id `here`, which is stored on the current device.
    """
    passkeys = list(passkeys)
    days = Counter(passkey.added_on for passkey in passkeys)
    for passkey in passkeys:
        passkey.added = (days[passkey.added_on] > 1 and passkey.added_at) or passkey.added_on
        passkey.is_here = str(passkey.public_id) == here
    return passkeys


def rename(passkey, *, name):
    Passkey.objects.filter(pk=passkey.pk).update(name=name)


@transaction.atomic
def remove(passkey, *, by, at):
    """Remove a passkey. If the device still offers this passkey later, the portal refuses it."""
    if Passkey.objects.filter(pk=passkey.pk).delete()[0]:
        audit.record("removed_passkey", passkey, by=by, patron=passkey.person, at=at)
        mail_security_notice(passkey.person, "removed_passkey")
        remove_pin_without_second_factor(passkey.person, by=by, at=at)


class OnlySignInMethod(Exception):
    """The person has no other sign-in method."""


@staff_action
def remove_lost(passkey, *, by, at):
    """Remove a patron's passkey, because the patron has told staff that the device is lost.

    The lost device may be signed in, so the patron is signed out everywhere. They get an email. Raises
    OnlySignInMethod if the patron has no other sign-in method.
    """
    person = User.objects.select_for_update(no_key=True).get(pk=passkey.person_id)
    others = (
        person.library_cards,
        SocialAccount.objects.filter(user=person),
        person.passkeys.exclude(pk=passkey.pk),
    )
    if not confirmed_address(person) and not any(method.exists() for method in others):
        raise OnlySignInMethod
    remove(passkey, by=by, at=at)
    end_all_sign_ins(person)


def _require_no_numbers(answer):
    """Raise a ValueError if a value of the response is a number.

    fido2 would allocate as many bytes as the number says, so one request could fill the memory.
    """
    if any(isinstance(value, (int, float)) for value in [*answer.values(), *answer["response"].values()]):
        raise ValueError("a number")


def _is_on_this_device(answer):
    """Return whether the passkey is stored on this device, and not on a separate phone or security key."""
    return answer.get("authenticatorAttachment") == "platform"


def _server(origin):
    """Return a FIDO2 server. It rejects responses that were signed for another scheme, host or port."""
    host = PublicKeyCredentialRpEntity(id=urlsplit(origin).hostname, name=Library.current().name)
    return Fido2Server(host, verify_origin=lambda signed_for: signed_for == origin)


def _pop_challenge(session, *, to_add_for=None):
    """Remove the challenge from the session and return it.

    `to_add_for` is the public id of the person who adds a passkey, or None for authentication. Raises
    NotAccepted if the session has no challenge for this purpose, or if the challenge has expired. Also raises
    NotAccepted if another request has taken the challenge. In this case, the session is not changed, because
    the other request may have replaced the session.
    """
    state = session.get(STATE)
    if not state:
        raise NotAccepted
    is_valid = state.get("to_add_for") == to_add_for and time.time() - state["at"] <= CHALLENGE_SECONDS
    if is_valid and not claim("passkey", state["asked"]["challenge"], seconds=2 * CHALLENGE_SECONDS):
        raise NotAccepted
    del session[STATE]
    if not is_valid:
        raise NotAccepted
    return state["asked"]
