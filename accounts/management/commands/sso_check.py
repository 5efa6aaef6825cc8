"""Asks the provider of single sign-on what a sign-in would ask before anybody is sent there, and says in words what is wrong."""

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from accounts.sign_in.single_sign_on import NotBelieved, checked_description


class Command(BaseCommand):
    help = "Tries the provider of single sign-on (OpenID Connect) as the settings name it. Nobody signs in by it."

    def handle(self, **options):
        if not settings.SSO["issuer"]:
            raise CommandError(
                "No single sign-on is set. Set SSO_ISSUER, SSO_CLIENT_ID, SSO_CLIENT_SECRET and SSO_NAME, see docs/operations.md."
            )
        issuer = settings.SSO["issuer"]
        found = self._ask(f"{issuer}/.well-known/openid-configuration")
        try:
            checked_description(found)
        except NotBelieved as error:
            raise CommandError(
                f"Nobody could come in: {error}. SSO_ISSUER must be the issuer as the provider itself writes it."
            ) from None
        except (KeyError, TypeError, AttributeError) as error:
            raise CommandError(
                f"Nobody could come in: the provider's description of itself lacks {error}."
            ) from None
        wrong = 0
        for well, words in [(True, f"{issuer} answers, and is what it says."), *self._about(found)]:
            wrong += not well
            self.stdout.write(f"{'ok   ' if well else 'LOOK '} {words}")
        self.stdout.write(
            f"Register this address there for the way back: {settings.BASE_URL}{reverse('single_sign_on_answer')}"
        )
        self.stdout.write(
            "Whether the provider takes SSO_CLIENT_ID and SSO_CLIENT_SECRET shows only when somebody signs in: try it once."
        )
        self.stdout.write("Nothing is wrong." if not wrong else f"To look at: {wrong}.")

    def _about(self, found):
        """(well, words) for each thing worth knowing."""
        keys = [key for key in self._keys(found["jwks_uri"]) if key.public_key_use in (None, "sig")]
        yield (
            bool(keys),
            f"Keys that it signs with: {len(keys)}."
            if keys
            else "It names no key that it signs with: nobody could come in.",
        )
        missing = set(settings.SSO["scopes"]) - set(found.get("scopes_supported", settings.SSO["scopes"]))
        yield (
            not missing,
            "It knows all that SSO_SCOPES asks for."
            if not missing
            else f"It does not know {', '.join(sorted(missing))}: see SSO_SCOPES.",
        )
        pkce = "S256" in found.get("code_challenge_methods_supported", [])
        yield (
            pkce,
            "It uses PKCE."
            if pkce
            else "It does not say that it uses PKCE (S256). The portal sends it; many providers leave it out of their description.",
        )
        if "userinfo_endpoint" not in found:
            yield False, "It has no userinfo: name and address come along only if the ID token holds them."

    def _keys(self, url):
        try:
            return jwt.PyJWKSet.from_dict(self._ask(url)).keys
        except jwt.PyJWTError as error:
            raise CommandError(f"Nobody could come in: its keys can't be read ({error}).") from None

    def _ask(self, url):
        try:
            with get_adapter().get_requests_session() as session:
                answer = session.get(url)
                answer.raise_for_status()
                return answer.json()
        except requests.exceptions.SSLError:
            raise CommandError(
                f"The certificate at {url} is not trusted. If it is of your own making, name its file in SSO_CA_FILE."
            ) from None
        except requests.Timeout:
            raise CommandError(f"{url} does not answer in time.") from None
        except requests.TooManyRedirects:
            raise CommandError(
                f"{url} sends the portal elsewhere. Is SSO_ISSUER right, with or without its last slash?"
            ) from None
        except requests.HTTPError as error:
            raise CommandError(
                f"{url} answers {error.response.status_code}. Is SSO_ISSUER the issuer of an OpenID Connect provider?"
            ) from None
        except requests.JSONDecodeError:
            raise CommandError(
                f"{url} answers what is no description of an OpenID Connect provider."
            ) from None
        except (requests.RequestException, OSError):
            raise CommandError(
                f"{url} can't be reached. Is SSO_ISSUER right, does a firewall stand between, does SSO_CA_FILE exist?"
            ) from None
