"""Run an OpenID Connect provider (django-oauth-toolkit) in its own process.

Start it with `python tests/sign_on_provider.py`. Its sign-in page asks for the person's claims and trusts
them. If a test asks for a `lie`, the provider breaks the standard.
"""

import base64
import json
import os
import subprocess
import sys
from contextlib import contextmanager

import requests

CLIENT_ID, CLIENT_SECRET = "afterword", "a secret of the test's own, long enough to sign with"
ANSWER = "/sign-in/single-sign-on/answer/"


class SignOnProvider:
    """A running single sign-on provider with the URL `issuer`."""

    def __init__(self, issuer):
        self.issuer = issuer

    def settings(self, **other):
        """Return the value of `settings.SSO` for this provider."""
        own = {
            "name": "Harbour College",
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        return own | {"scopes": ["openid", "profile", "email"], "proven_domains": [], "ca_file": ""} | other

    def visit(self, address, *, browser=None, **person):
        """Sign in at `address` and return the address that the provider redirects to.

        `person` has the claims sub, name, email and email_verified. An optional `lie` names the error that the
        provider makes in its response.
        """
        browser = browser or requests.Session()
        answer = browser.get(address, allow_redirects=False)
        while "Location" in answer.headers:
            where = requests.compat.urljoin(answer.url, answer.headers["Location"])
            if ANSWER in where:
                return where
            if "/login/" in where:
                answer = browser.post(where, data={"person": json.dumps(person)}, allow_redirects=False)
            else:
                answer = browser.get(where, allow_redirects=False)
        raise AssertionError(f"the provider refuses: {answer.status_code} {answer.text[:400]}")


@contextmanager
def running(folder):
    """Start a provider in its own process, with its database in `folder`, and yield a SignOnProvider."""
    environment = {"PATH": os.environ["PATH"], "FOLDER": str(folder)}
    process = subprocess.Popen([sys.executable, __file__], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        issuer = process.stdout.readline().strip()
        assert issuer, "the provider did not start"
        yield SignOnProvider(issuer)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def serve():
    import django
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from django.conf import settings
    from django.core.management import call_command
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    class Quiet(WSGIRequestHandler):
        def log_message(self, *words):
            pass

    def new_key():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return key.private_bytes(*form).decode()

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    issuer = f"http://127.0.0.1:{server.server_port}/o"
    settings.configure(
        SECRET_KEY="nobody's",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="__main__",
        LOGIN_URL="/login/",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{os.environ['FOLDER']}/provider.sqlite3",
            }
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ANOTHER_KEY=new_key(),
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": new_key(),
            "OIDC_ISS_ENDPOINT": issuer,
            "OAUTH2_VALIDATOR_CLASS": "__main__.Validator",
            "SCOPES": {"openid": "", "profile": "", "email": ""},
            "ALLOW_LOCALHOST_LOOPBACK": True,
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)
    _define_provider()
    from django.core.wsgi import get_wsgi_application

    server.set_app(get_wsgi_application())
    print(issuer, flush=True)
    server.serve_forever()


def _define_provider():
    """Define the provider's routes, sign-in page and claims. Call django.setup() first."""
    from django.conf import settings
    from django.contrib.auth import get_user_model, login
    from django.http import HttpResponse, HttpResponseRedirect
    from django.urls import include, path
    from django.views.decorators.csrf import csrf_exempt
    from jwcrypto import jwk, jwt
    from oauth2_provider.models import Application
    from oauth2_provider.oauth2_validators import OAuth2Validator

    Application.objects.create(
        name="The portal",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=" ".join(f"http://{host}{ANSWER}" for host in ("testserver", "localhost", "127.0.0.1")),
        algorithm=Application.RS256_ALGORITHM,
        skip_authorization=True,
    )
    people = {}

    @csrf_exempt
    def sign_in(request):
        if request.method == "GET":
            page = (
                "<!doctype html><html lang=en><title>College</title>"
                "<form method=post><input name=person id=person><button id=it-is-me>It is me</button></form>"
            )
            return HttpResponse(page)
        person = json.loads(request.POST["person"])
        user, _created = get_user_model().objects.get_or_create(username=person["sub"])
        people[person["sub"]] = person
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return HttpResponseRedirect(request.GET["next"])

    def sign(claims, algorithm, key, header):
        token = jwt.JWT(
            header={"alg": algorithm, "kid": json.loads(_unb64(header))["kid"]},
            claims=_unb64(claims).decode(),
        )
        token.make_signed_token(key)
        return token.serialize()

    class Validator(OAuth2Validator):
        oidc_claim_scope = None

        def get_additional_claims(self, request):
            person = people[request.user.username]
            return {
                name: person[name] for name in ("sub", "name", "email", "email_verified") if name in person
            }

        def get_userinfo_claims(self, request):
            claims = super().get_userinfo_claims(request)
            return claims | (
                {"sub": "another"} if people[request.user.username].get("lie") == "userinfo" else {}
            )

        def get_id_token_dictionary(self, token, token_handler, request):
            claims, expires = super().get_id_token_dictionary(token, token_handler, request)
            lies = {
                "nonce": {"nonce": "another"},
                "audience": {"aud": "another"},
                "issuer": {"iss": "https://another.example"},
            }
            lies |= {
                "expired": {"exp": 1_000_000_000},
                "made for another": {"azp": "another"},
                "no subject": {"sub": ""},
            }
            claims |= lies.get(people[request.user.username].get("lie"), {})
            return claims | people[request.user.username].get("claims", {}), expires

        def finalize_id_token(self, id_token, token, token_handler, request):
            signed = super().finalize_id_token(id_token, token, token_handler, request)
            header, claims, signature = signed.split(".")
            lie = people[request.user.username].get("lie")
            if lie == "changed":
                return f"{header}.{_b64(_unb64(claims).replace(request.user.username.encode(), b'victim'))}.{signature}"
            if lie == "unsigned":
                return f"{_b64(json.dumps({'alg': 'none'}).encode())}.{claims}."
            if lie == "signed with the secret":
                return sign(claims, "HS256", jwk.JWK(kty="oct", k=_b64(CLIENT_SECRET.encode())), header)
            if lie == "signed with another key":
                return sign(claims, "RS256", jwk.JWK.from_pem(settings.ANOTHER_KEY.encode()), header)
            return signed

    urlpatterns = [
        path("login/", sign_in),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]
    globals().update(Validator=Validator, urlpatterns=urlpatterns)


def _b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


if __name__ == "__main__":
    serve()
