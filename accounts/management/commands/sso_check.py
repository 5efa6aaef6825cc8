"""Test the single sign-on provider before people use it, and say what is wrong."""

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from accounts.sign_in.openid_connect import InvalidResponse, checked_configuration


class Command(BaseCommand):
    help = (
        "Test the single sign-on provider (OpenID Connect) that the settings name, without signing anyone in."
    )

    def handle(self, **options):
        if not settings.SSO["issuer"]:
            raise CommandError(
                "No single sign-on is set. Set SSO_ISSUER, SSO_CLIENT_ID, SSO_CLIENT_SECRET and SSO_NAME. "
                "See docs/operations.md."
            )
        issuer = settings.SSO["issuer"]
        configuration = self._get_json(f"{issuer}/.well-known/openid-configuration")
        try:
            checked_configuration(configuration)
        except InvalidResponse as error:
            raise CommandError(
                f"Nobody can sign in: {error}. "
                "SSO_ISSUER must be the issuer exactly as the provider writes it."
            ) from None
        except (KeyError, TypeError, AttributeError) as error:
            raise CommandError(f"Nobody can sign in: the provider's configuration lacks {error}.") from None
        problems = 0
        answers = (True, f"{issuer} responds, and its issuer matches SSO_ISSUER.")
        for ok, words in [answers, *self._findings(configuration)]:
            problems += not ok
            self.stdout.write(f"{'ok   ' if ok else 'LOOK '} {words}")
        self.stdout.write(
            "Register this redirect address with the provider: "
            f"{settings.BASE_URL}{reverse('single_sign_on_answer')}"
        )
        self.stdout.write(
            "Only a real sign-in shows whether the provider accepts SSO_CLIENT_ID and SSO_CLIENT_SECRET. "
            "Sign in once to find out."
        )
        self.stdout.write("No problems found." if not problems else f"To look at: {problems}.")

    def _findings(self, configuration):
        """Yield (ok, sentence) for each finding about the provider's configuration."""
        keys = [key for key in self._keys(configuration["jwks_uri"]) if key.public_key_use in (None, "sig")]
        yield (
            bool(keys),
            f"Signing keys: {len(keys)}." if keys else "It lists no signing key, so nobody can sign in.",
        )
        scopes = settings.SSO["scopes"]
        missing = set(scopes) - set(configuration.get("scopes_supported", scopes))
        yield (
            not missing,
            "It supports every scope in SSO_SCOPES."
            if not missing
            else f"It does not support {', '.join(sorted(missing))}. See SSO_SCOPES.",
        )
        pkce = "S256" in configuration.get("code_challenge_methods_supported", [])
        yield (
            pkce,
            "It uses PKCE."
            if pkce
            else "It does not say that it uses PKCE (S256). "
            "The portal sends PKCE anyway, because many providers don't list it.",
        )
        if "userinfo_endpoint" not in configuration:
            yield (
                False,
                "It has no userinfo endpoint, so names and addresses come only from the ID token.",
            )

    def _keys(self, url):
        try:
            return jwt.PyJWKSet.from_dict(self._get_json(url)).keys
        except jwt.PyJWTError as error:
            raise CommandError(f"Nobody can sign in: the provider's keys can't be read ({error}).") from None

    def _get_json(self, url):
        try:
            with get_adapter().get_requests_session() as session:
                response = session.get(url)
                response.raise_for_status()
                return response.json()
        except requests.exceptions.SSLError:
            raise CommandError(
                f"The certificate at {url} is not trusted. "
                "If it is self-signed, name its file in SSO_CA_FILE."
            ) from None
        except requests.Timeout:
            raise CommandError(f"{url} does not respond in time.") from None
        except requests.TooManyRedirects:
            raise CommandError(
                f"{url} redirects the portal. Is SSO_ISSUER correct, with or without a slash at the end?"
            ) from None
        except requests.HTTPError as error:
            raise CommandError(
                f"{url} responds with status {error.response.status_code}. "
                "Is SSO_ISSUER the issuer of an OpenID Connect provider?"
            ) from None
        except requests.JSONDecodeError:
            raise CommandError(
                f"{url} does not respond with the configuration of an OpenID Connect provider."
            ) from None
        except (requests.RequestException, OSError):
            raise CommandError(
                f"{url} can't be reached. Is SSO_ISSUER correct? Is there a firewall? Does SSO_CA_FILE exist?"
            ) from None
