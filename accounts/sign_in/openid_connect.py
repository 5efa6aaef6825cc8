"""Send people to the OpenID Connect provider in the settings, and check the provider's responses.

allauth handles discovery, state, PKCE and the code exchange. This module also checks the signature, nonce and
audience of the ID token.
"""

import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import PermissionDenied, ValidationError
from django.urls import reverse
from django.utils.crypto import constant_time_compare, get_random_string

from portal.addresses import clean_address
from portal.once import claim
from portal.text import clean

# The reasons for sending people to the provider. Sessions store these values, so the values never change.
SIGN_IN, CONNECT, REAUTHENTICATE = "login", "connect", "prove"
# Only asymmetric algorithms are accepted, so that nobody but the provider can sign an ID token.
SIGNING_ALGORITHMS = [
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
]
# Our clock and the provider's clock may differ by this many seconds.
CLOCK_TOLERANCE = 60
# A used state is remembered for this long. allauth forgets an AuthRequest earlier, after ten minutes.
USED_STATE_SECONDS = 20 * 60
# The maximum length of SocialAccount.uid.
MAX_SUBJECT_LENGTH = 191
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# The exceptions that reading a malformed response can raise.
MALFORMED = (
    OAuth2Error,
    jwt.PyJWTError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    OverflowError,
)


class Unavailable(Exception):
    """The provider can't be reached. The text of the exception is for administrators."""


class InvalidResponse(Exception):
    """The provider's response doesn't match the request, or has no valid signature.

    The text of the exception is for administrators.
    """


class Canceled(Exception):
    """The person canceled the sign-in at the provider, or the provider refused the sign-in."""


@dataclass(frozen=True)
class Identity:
    """A person as the provider describes them.

    `subject` is the provider's permanent id of the person. `shown_at` is the time when the person last
    authenticated at the provider, in seconds since the epoch. It is 0 if the time is unknown. Sessions store
    the names of the fields, so these names never change.
    """

    subject: str
    name: str
    email: str
    email_is_proven: bool
    shown_at: float


@dataclass(frozen=True)
class AuthRequest:
    """The request that sent this browser to the provider.

    `person` is the public id of the signed-in person, or an empty string. `verifier` is the PKCE code
    verifier.
    """

    purpose: str
    going_to: str
    borrowed: bool
    person: str
    at: float
    nonce: str
    verifier: str


def authorization_url(request, *, purpose, going_to="", borrowed=False):
    """Return the provider's URL where the person signs in.

    Raises Unavailable and InvalidResponse.

    The provider may still have another person's session. So we ask the provider to make people sign in again
    if they reauthenticate, connect an account or use a borrowed device.
    """
    person = str(request.user.public_id) if request.user.is_authenticated else ""
    nonce, at = get_random_string(32), time.time()
    auth_params = {"nonce": nonce}
    if purpose != SIGN_IN or borrowed:
        auth_params |= {"prompt": "login", "max_age": "0"}
    state = {"borrowed": borrowed, "person": person, "at": at, "nonce": nonce}
    with _provider_answers():
        response = (
            _Adapter(request)
            .get_provider()
            .redirect(request, purpose, next_url=going_to, auth_params=auth_params, **state)
        )
    return response["Location"]


def pop_auth_request(request):
    """Remove the AuthRequest for the provider's response from the session, and return it.

    Return None if the session has no such AuthRequest, for example after an earlier response. Also return
    None if the AuthRequest is older than ten minutes.
    """
    try:
        state = _Adapter(request).get_provider().unstash_redirect_state(request, request.GET.get("state", ""))
        is_first = claim("single_sign_on", state["nonce"], seconds=USED_STATE_SECONDS)
    except PermissionDenied:
        return None
    except UpdateError:
        is_first = False
    if not is_first:
        # Another request with the same response came first. That request replaces the session, so this
        # request must not save it.
        request.session.modified = False
        return None
    return AuthRequest(
        purpose=state["process"],
        going_to=state.get("next", ""),
        borrowed=state["borrowed"],
        person=state["person"],
        at=state["at"],
        nonce=state["nonce"],
        verifier=state["pkce_code_verifier"],
    )


def identity(request, auth_request):
    """Return the Identity in the provider's response. Raises Canceled, Unavailable and InvalidResponse."""
    if error := request.GET.get("error"):
        if error == "access_denied":
            raise Canceled
        raise InvalidResponse(f"it answers {clean(error, max_length=60)!r}")
    adapter = _Adapter(request)
    with _provider_answers():
        app = adapter.get_provider().app
        answer = adapter.get_access_token_data(
            request, app, adapter.get_client(request, app), pkce_code_verifier=auth_request.verifier
        )
        claims = adapter.read_id_token(answer["id_token"], nonce=auth_request.nonce)
        info = adapter.read_userinfo(answer["access_token"], subject=claims["sub"])
        profile = claims | info
        name = profile.get("name") or f"{profile.get('given_name') or ''} {profile.get('family_name') or ''}"
        email = _address(profile.get("email"))
        return Identity(
            subject=claims["sub"],
            name=clean(name, max_length=80),
            email=email,
            email_is_proven=any(_vouches_for(email, source) for source in (claims, info))
            or email.rpartition("@")[2] in settings.SSO["proven_domains"],
            shown_at=float(claims.get("auth_time") or 0),
        )


def authenticated_again(identity, auth_request):
    """Return whether the person authenticated at the provider after the portal sent them to the provider.

    If not, the provider may have used a session that was still open.
    """
    return identity.shown_at >= auth_request.at - CLOCK_TOLERANCE


def _vouches_for(email, source):
    """Return whether `source` says that `email` is verified.

    `source` has the claims of either the ID token or the userinfo endpoint. Their addresses can differ.
    """
    return _address(source.get("email")) == email and source.get("email_verified") in (True, "true")


def _address(text):
    """Return the email address in lowercase, or an empty string if `text` isn't an email address."""
    try:
        return clean_address(text) if isinstance(text, str) else ""
    except ValidationError:
        return ""


# The two classes below add the checks that allauth doesn't make.


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
        """Return the provider's configuration. Raises InvalidResponse if checked_configuration rejects it."""
        return checked_configuration(super().openid_config)

    @property
    def basic_auth(self):
        """Return whether to send the client secret by HTTP Basic.

        If the provider's configuration doesn't say how to send the secret, the OpenID Connect standard
        requires HTTP Basic. allauth's own code would send it another way.
        """
        return "client_secret_post" not in self.openid_config.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        )

    def read_id_token(self, id_token: str, *, nonce: str) -> dict[str, Any]:
        """Return the claims of the ID token. Raises InvalidResponse, or an exception in MALFORMED."""
        key_id = jwt.get_unverified_header(id_token).get("kid")
        keys = jwt.PyJWKSet.from_dict(self._get_json(self.openid_config["jwks_uri"])).keys
        matching = [key for key in keys if key.key_id == key_id] if key_id else keys
        if len(matching) != 1:
            raise InvalidResponse("the ID token is signed with a key that the provider does not list")
        claims = jwt.decode(
            id_token,
            matching[0],
            algorithms=SIGNING_ALGORITHMS,
            issuer=self.openid_config["issuer"],
            audience=settings.SSO["client_id"],
            leeway=CLOCK_TOLERANCE,
            options={"require": ["iss", "aud", "sub", "exp", "iat", "nonce"]},
        )
        # A token for several audiences must say which of them it was made for (OpenID Connect Core, 3.1.3.7).
        is_for_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        made_for = claims.get("azp", "" if is_for_several else settings.SSO["client_id"])
        if not constant_time_compare(claims["nonce"], nonce) or made_for != settings.SSO["client_id"]:
            raise InvalidResponse("the ID token was made for another request")
        if not (
            0 < len(claims["sub"]) <= MAX_SUBJECT_LENGTH
            and claims["sub"].isascii()
            and claims["sub"].isprintable()
        ):
            raise InvalidResponse("the ID token has no valid subject")
        return claims

    def read_userinfo(self, access_token: str, *, subject: str) -> dict[str, Any]:
        """Return the claims of the userinfo endpoint, or {} if the provider has none.

        Raises InvalidResponse if the claims are about another person than the ID token.
        """
        if not self.openid_config.get("userinfo_endpoint"):
            return {}
        claims = self._fetch_user_info(access_token)
        if claims["sub"] != subject:
            raise InvalidResponse("the ID token and the userinfo are about two people")
        return claims

    def _get_json(self, url):
        with get_adapter().get_requests_session() as session:
            response = session.get(url)
            response.raise_for_status()
            return response.json()


def checked_configuration(configuration: dict[str, Any]) -> dict[str, Any]:
    """Check the provider's configuration and return it.

    Raises InvalidResponse if the configuration belongs to another issuer. Also raises InvalidResponse if the
    issuer uses HTTPS but one of its endpoints doesn't.
    """
    if configuration["issuer"].rstrip("/") != settings.SSO["issuer"]:
        raise InvalidResponse(f"it calls itself {configuration['issuer']!r}")
    optional = ["userinfo_endpoint"] if "userinfo_endpoint" in configuration else []
    for name in [*ENDPOINTS, *optional]:
        if settings.SSO["issuer"].startswith("https:") and not configuration[name].startswith("https:"):
            raise InvalidResponse(f"its {name} is no https address")
    return configuration


@contextmanager
def _provider_answers():
    """Turn errors of a request to the provider into Unavailable and InvalidResponse.

    The message has only the name of the error, because the provider's response may contain a secret.
    """
    try:
        yield
    except requests.RequestException as error:
        raise Unavailable(type(error).__name__) from None
    except MALFORMED as error:
        raise InvalidResponse(type(error).__name__) from None
