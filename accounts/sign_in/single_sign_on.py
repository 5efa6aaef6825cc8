"""Single sign-on: the OpenID Connect provider of a campus or a city says who somebody is, as the settings name it.

allauth leads there and back: discovery, state, PKCE, the exchange of the code. What it leaves open is settled here: the ID token's signature is
checked though it comes straight from the provider, so are its nonce and whom it was made for, and nobody is ever found by an e-mail address.
Of what the provider says only its own id of the person is kept, with the name and the address of somebody who is new.
"""

import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jwt
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare, get_random_string

from accounts.patron.people import AddressTaken, unconfirmed
from portal.text import clean

from .. import audit
from ..ils.configured import library_ils
from ..models import User
from . import library_cards
from .email_addresses import address_for_proof, offer_address
from .security_mails import mail_security_notice

SIGN_IN, CONNECT, PROVE = "login", "connect", "prove"  # what somebody is sent to the provider for
SIGNED_BY = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]  # by a key that the provider alone has
CLOCKS_DIFFER = 60  # seconds
LONGEST_SUBJECT = 191  # characters: SocialAccount.uid
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# With what a provider can answer, the reading of it fails in all of these ways.
MALFORMED = (OAuth2Error, jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Away(Exception):
    """The provider can't be asked. The words are for whoever runs the portal."""


class NotBelieved(Exception):
    """What came back is no answer to what was asked, or not signed as it must be. The words are for whoever runs the portal."""


class Cancelled(Exception):
    """The person, or the provider for them, said no."""


class AnotherPersons(Exception):
    """By this sign-on somebody else comes in here."""


class OnlySignInMethod(Exception):
    """Without it the person could not come back."""


@dataclass(frozen=True)
class Identity:
    """Somebody as the provider vouches for them. `subject` is its own id of them, for good; `shown_at` when they last showed it who they are
    (seconds since the epoch, 0 where it doesn't say)."""

    subject: str
    name: str
    email: str
    email_is_proven: bool
    shown_at: float


@dataclass(frozen=True)
class Begun:
    """What this browser was sent to the provider for."""

    what_for: str
    going_to: str
    borrowed: bool
    person: str  # the public id of who was signed in, or an empty string
    at: float
    nonce: str
    verifier: str


def sign_on_name():
    """What people call it; an empty string where there is none."""
    return settings.SSO["name"] if settings.SSO["issuer"] else ""


# There and back.


def address_to_begin(request, *, what_for, going_to="", borrowed=False):
    """Where the browser goes now. Raises Away.

    Whoever is to prove something, or sits at a device that isn't theirs, has to show the provider anew who they are: it may still know
    somebody else there."""
    person = str(request.user.public_id) if request.user.is_authenticated else ""
    nonce, at = get_random_string(32), time.time()
    asked = {"nonce": nonce}
    if what_for != SIGN_IN or borrowed:
        asked |= {"prompt": "login", "max_age": "0"}
    state = {"borrowed": borrowed, "person": person, "at": at, "nonce": nonce}
    with _provider_answers():
        response = (
            _Adapter(request)
            .get_provider()
            .redirect(request, what_for, next_url=going_to, auth_params=asked, **state)
        )
    return response["Location"]


def begun(request):
    """What the provider's answer is to, once; None where this browser asked nothing, had its answer, or took longer than ten minutes."""
    try:
        state = _Adapter(request).get_provider().unstash_redirect_state(request, request.GET.get("state", ""))
    except PermissionDenied:
        return None
    return Begun(
        what_for=state["process"],
        going_to=state.get("next", ""),
        borrowed=state["borrowed"],
        person=state["person"],
        at=state["at"],
        nonce=state["nonce"],
        verifier=state["pkce_code_verifier"],
    )


def identity(request, begun):
    """Who it is, as the answer says. Raises Cancelled, Away and NotBelieved."""
    if error := request.GET.get("error"):
        if error == "access_denied":
            raise Cancelled
        raise NotBelieved(f"it answers {clean(error, max_length=60)!r}")
    adapter = _Adapter(request)
    with _provider_answers():
        app = adapter.get_provider().app
        answer = adapter.get_access_token_data(
            request, app, adapter.get_client(request, app), pkce_code_verifier=begun.verifier
        )
        claims = adapter.read_id_token(answer["id_token"], nonce=begun.nonce)
        info = adapter.read_userinfo(answer["access_token"], subject=claims["sub"])
        said = claims | info
        name = said.get("name") or f"{said.get('given_name') or ''} {said.get('family_name') or ''}"
        email = _address(said.get("email"))
        return Identity(
            subject=claims["sub"],
            name=clean(name, max_length=80),
            email=email,
            email_is_proven=any(_vouches_for(email, source) for source in (claims, info))
            or email.rpartition("@")[2] in settings.SSO["proven_domains"],
            shown_at=float(claims.get("auth_time") or 0),
        )


def shown_anew(identity, begun):
    """Whether they have shown the provider who they are since they were sent there; it may as well have known them still."""
    return identity.shown_at >= begun.at - CLOCKS_DIFFER


# Who that is here.


def account_of(identity):
    """The SocialAccount by which this one is known here, or None. By issuer and subject alone: an address may be another person's."""
    return (
        SocialAccount.objects.select_related("user")
        .filter(provider=settings.SSO["issuer"], uid=identity.subject)
        .first()
    )


def accounts_of(person):
    """By what this person comes in through the provider that the settings name."""
    return (
        SocialAccount.objects.filter(user=person, provider=settings.SSO["issuer"])
        if sign_on_name()
        else SocialAccount.objects.none()
    )


@transaction.atomic
def new_person(identity, *, at, language):
    """A record for somebody who comes for the first time, or theirs if they have just got one. Raises AddressTaken where an address that the
    provider vouches for is that of somebody here: whoever reads it there comes in by it, and may connect the two."""
    proven = identity.email if identity.email_is_proven else ""
    unconfirmed(at=None).filter(email=proven).delete()  # somebody's sign-in attempt with it, never finished
    try:
        with transaction.atomic():
            person = User.objects.create(
                name=identity.name,
                email=proven or None,
                language=language,
                joined_at=at,
                password=make_password(None),
            )
            SocialAccount.objects.create(user=person, provider=settings.SSO["issuer"], uid=identity.subject)
    except IntegrityError:
        if account := account_of(identity):
            return account.user
        raise AddressTaken(User.objects.filter(email=proven).first()) from None
    if proven:
        EmailAddress.objects.create(user=person, email=proven, verified=True, primary=True)
    offer_address(person, identity.email)
    audit.record("joined_by_single_sign_on", person, by=person, patron=person, at=at)
    return person


@transaction.atomic
def connect(person, identity, *, at):
    """From now on this person comes in by it as well. Raises AnotherPersons."""
    account, is_new = SocialAccount.objects.get_or_create(
        provider=settings.SSO["issuer"], uid=identity.subject, defaults={"user": person}
    )
    if account.user_id != person.pk:
        raise AnotherPersons
    if is_new:
        audit.record("connected_single_sign_on", person, by=person, patron=person, at=at)
        mail_security_notice(person, "connected_single_sign_on")


@transaction.atomic
def disconnect(person, *, at):
    """They no longer come in by it. Raises OnlyWayIn."""
    person = User.objects.select_for_update().get(pk=person.pk)
    if not has_another_sign_in_method(person):
        raise OnlySignInMethod
    if accounts_of(person).delete()[0]:
        audit.record("disconnected_single_sign_on", person, by=person, patron=person, at=at)
        mail_security_notice(person, "disconnected_single_sign_on")


def has_another_sign_in_method(person):
    """Besides the provider, and the devices on which they happen to be signed in. An address where no code was ever read may be a stranger's."""
    return bool(
        address_for_proof(person)
        or person.passkeys.exists()
        or (library_cards.card_of(person) and library_ils())
    )


def _vouches_for(email, source):
    """Of this very address: ID token and userinfo may name two."""
    return _address(source.get("email")) == email and source.get("email_verified") in (True, "true")


def _address(text):
    email = text.strip().lower() if isinstance(text, str) else ""
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return email


# The protocol, where allauth leaves something open.


class _Provider(OpenIDConnectProvider):
    def get_oauth2_adapter(self, request):
        return _Adapter(request)


class _Adapter(OpenIDConnectOAuth2Adapter):
    def __init__(self, request):
        super().__init__(request, settings.SSO["issuer"])

    def get_provider(self):
        return _Provider(self.request, app=get_adapter().get_app(self.request, self.provider_id))

    def get_callback_url(self, request, app):
        return request.build_absolute_uri(reverse("single_sign_on_answer"))

    @cached_property
    def openid_config(self):
        """The provider's description of itself, which must be that of the issuer that the settings name."""
        return checked_description(super().openid_config)

    @property
    def basic_auth(self):
        """As the standard has it, not as allauth would guess: who names no way takes this one."""
        return "client_secret_post" not in self.openid_config.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        )

    def read_id_token(self, id_token: str, *, nonce: str) -> dict[str, Any]:
        """Its claims. Raises one of MALFORMED, or NotBelieved."""
        wanted = jwt.get_unverified_header(id_token).get("kid")
        keys = jwt.PyJWKSet.from_dict(self._ask(self.openid_config["jwks_uri"])).keys
        fitting = [key for key in keys if key.key_id == wanted] if wanted else keys
        if len(fitting) != 1:
            raise NotBelieved("the ID token is signed with a key that the provider does not name")
        claims = jwt.decode(
            id_token,
            fitting[0],
            algorithms=SIGNED_BY,
            issuer=self.openid_config["issuer"],
            audience=settings.SSO["client_id"],
            leeway=CLOCKS_DIFFER,
            options={"require": ["iss", "aud", "sub", "exp", "iat", "nonce"]},
        )
        if (
            not constant_time_compare(claims["nonce"], nonce)
            or claims.get("azp", settings.SSO["client_id"]) != settings.SSO["client_id"]
        ):
            raise NotBelieved("the ID token was made for somebody else's question")
        if not (
            0 < len(claims["sub"]) <= LONGEST_SUBJECT
            and claims["sub"].isascii()
            and claims["sub"].isprintable()
        ):
            raise NotBelieved("the subject of the ID token is none")
        return claims

    def read_userinfo(self, access_token: str, *, subject: str) -> dict[str, Any]:
        """What more it says of the same person; nothing where it has no place to ask. Raises NotBelieved where it speaks of another."""
        if not self.openid_config.get("userinfo_endpoint"):
            return {}
        said = self._fetch_user_info(access_token)
        if said["sub"] != subject:
            raise NotBelieved("the ID token and the userinfo speak of two people")
        return said

    def _ask(self, url):
        with get_adapter().get_requests_session() as session:
            answer = session.get(url)
            answer.raise_for_status()
            return answer.json()


def checked_description(found: dict[str, Any]) -> dict[str, Any]:
    """Raises NotBelieved where it is another issuer's, or would send the portal where anybody can listen."""
    if found["issuer"].rstrip("/") != settings.SSO["issuer"]:
        raise NotBelieved(f"it calls itself {found['issuer']!r}")
    for name in [*ENDPOINTS, *(["userinfo_endpoint"] if "userinfo_endpoint" in found else [])]:
        if settings.SSO["issuer"].startswith("https:") and not found[name].startswith("https:"):
            raise NotBelieved(f"its {name} is no https address")
    return found


@contextmanager
def _provider_answers():
    """Turns what goes wrong on the way into Away and NotBelieved. What the provider said is repeated nowhere: it may hold a secret."""
    try:
        yield
    except requests.RequestException as error:
        raise Away(type(error).__name__) from None
    except MALFORMED as error:
        raise NotBelieved(type(error).__name__) from None
