"""Passkeys: how one is made and shown, kept and taken away. Why the rows are ours: docs/decisions/0010-own-table-for-passkeys.md.

The browser's part is static/js/passkeys.js. Each ceremony is two requests: what is to be signed is remembered in the session, is good for
five minutes and for one answer.
"""

import struct
import time
import uuid
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

from .. import audit
from ..models import Library, Passkey, User
from .desk_pins import remove_pin_without_second_factor
from .email_addresses import proven_address
from .security_mails import mail_security_notice

STATE = "passkey"
STATE_LASTS = 5 * 60  # seconds
MOST_EACH = 20
LONGEST_ID = 1023  # bytes, says WebAuthn
# With what a stranger's browser can send, the reading of it fails in all of these ways.
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
    """What the browser sent is no answer to what it was asked, or of no passkey that may be shown here."""


class TooMany(Exception):
    """More than MOST_EACH passkeys are no longer told apart by anybody."""


@dataclass(frozen=True)
class NewPasskey:
    """What a device has made: to be kept by add()."""

    handle: uuid.UUID
    credential: AttestedCredentialData
    sign_count: int


@dataclass(frozen=True)
class Shown:
    """A passkey that has just signed what was asked, after its device knew the person: to be noted by use()."""

    passkey: Passkey
    sign_count: int


def options_to_add(session: MutableMapping, person: User, *, origin: str) -> dict:
    """What the browser is told to make a passkey for this person; one that the device has already is not made twice."""
    who = PublicKeyCredentialUserEntity(
        id=person.public_id.bytes, name=person.email or person.display_name, display_name=person.display_name
    )
    options, state = _server(origin).register_begin(
        who,
        credentials=[AttestedCredentialData(bytes(passkey.credential)) for passkey in person.passkeys.all()],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    session[STATE] = {"asked": state, "at": time.time(), "to_add_for": str(person.public_id)}
    return dict(options)


def options_to_show(session: MutableMapping, *, origin: str, person: User | None = None) -> dict:
    """What the browser is told to show a passkey: one of this person's, or whichever it has for us."""
    among = (
        [AttestedCredentialData(bytes(passkey.credential)) for passkey in person.passkeys.all()]
        if person
        else None
    )
    options, state = _server(origin).authenticate_begin(
        among, user_verification=UserVerificationRequirement.REQUIRED
    )
    session[STATE] = {"asked": state, "at": time.time()}
    return dict(options)


def read_new(session: MutableMapping, answer: Any, *, person: User, origin: str) -> NewPasskey:
    """Raises NotAccepted."""
    asked = _asked(session, to_add_for=str(person.public_id))
    try:
        made = _server(origin).register_complete(asked, answer)
        credential = made.credential_data
        if credential is None or len(credential.credential_id) > LONGEST_ID:
            raise NotAccepted
        AttestedCredentialData(bytes(credential))  # as it will be read
    except MALFORMED as error:
        raise NotAccepted from error
    return NewPasskey(person.public_id, credential, made.counter)


def read_shown(session: MutableMapping, answer: Any, *, among, origin: str) -> Shown:
    """Which of the passkeys `among` has answered. Raises NotAccepted."""
    asked = _asked(session)
    try:
        said = AuthenticationResponse.from_dict(answer)
        passkey = among.select_related("person").filter(credential_id=said.raw_id).first()
        if passkey is None or said.response.user_handle not in (None, b"", passkey.handle.bytes):
            raise NotAccepted
        _server(origin).authenticate_complete(
            asked, [AttestedCredentialData(bytes(passkey.credential))], answer
        )
    except MALFORMED as error:
        raise NotAccepted from error
    return Shown(passkey, said.response.authenticator_data.counter)


@transaction.atomic
def add(person, *, name, new, by, at):
    """Keep what a device has made. Raises TooMany, and NotAccepted for a passkey that is somebody's already."""
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if person.passkeys.count() >= MOST_EACH:
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
            )
    except IntegrityError as error:
        raise NotAccepted from error
    audit.record("added_passkey", passkey, by=by, patron=person, at=at)
    mail_security_notice(person, "added_passkey")
    return passkey


def use(shown, *, at):
    """Note that it was shown. Raises NotAccepted where the device counts and has counted so far before: one of the two is a copy."""
    rows = Passkey.objects.filter(pk=shown.passkey.pk)
    if shown.sign_count or shown.passkey.sign_count:
        rows = rows.filter(sign_count__lt=shown.sign_count)
    if not rows.update(sign_count=shown.sign_count, last_used_on=Library.current().today(at)):
        raise NotAccepted


def rename(passkey, *, name):
    Passkey.objects.filter(pk=passkey.pk).update(name=name)


@transaction.atomic
def remove(passkey, *, by, at):
    """It opens nothing any more; the device may go on offering it, in vain."""
    if Passkey.objects.filter(pk=passkey.pk).delete()[0]:
        audit.record("removed_passkey", passkey, by=by, patron=passkey.person, at=at)
        mail_security_notice(passkey.person, "removed_passkey")
        remove_pin_without_second_factor(passkey.person, by=by, at=at)


class OnlySignInMethod(Exception):
    """Nothing else lets them in: without it they could never come back."""


@staff_action
def remove_lost(passkey, *, by, at):
    """For somebody who has lost the device and says so at the desk: it opens nothing any more, and whoever has it is signed out, as they are
    themselves everywhere else. They are told. Raises OnlyWayIn."""
    person = User.objects.select_for_update(no_key=True).get(pk=passkey.person_id)
    others = (
        person.library_cards,
        SocialAccount.objects.filter(user=person),
        person.passkeys.exclude(pk=passkey.pk),
    )
    if not proven_address(person) and not any(way.exists() for way in others):
        raise OnlySignInMethod
    remove(passkey, by=by, at=at)
    end_all_sign_ins(person)


def _server(origin):
    """For one host: what was signed for another is of no use here, nor for another port or without TLS."""
    host = PublicKeyCredentialRpEntity(id=urlsplit(origin).hostname, name=Library.current().name)
    return Fido2Server(host, verify_origin=lambda signed_for: signed_for == origin)


def _asked(session, *, to_add_for=None):
    """What the browser was asked to sign, once. Raises NotAccepted where it was asked nothing, too long ago, or something else."""
    state = session.pop(STATE, None)
    if not state or state.get("to_add_for") != to_add_for or time.time() - state["at"] > STATE_LASTS:
        raise NotAccepted
    return state["asked"]
