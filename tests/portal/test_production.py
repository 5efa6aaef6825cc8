"""Check a portal in production mode from a browser.

The portal runs in a separate process, because a process reads settings only once.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
from django.conf import settings

from .test_settings import SAFE

pytestmark = pytest.mark.slow

VISIT = """
import json, re
import django
django.setup()
from django.test import Client
from django.utils import timezone
from accounts.library import set_up
from portal.notifications.models import Notification
set_up(at=timezone.now(), name="Example", time_zone="UTC", language="en", branch="Main", coordinator_email="ines@example.org", coordinator_name="Ines")

browser = Client(enforce_csrf_checks=True)
cookies = {}

def ask(method, path, data=None, *, secure=True, host="help.library.example", **headers):
    headers = {"host": host, "referer": f"https://{host}{path}", **headers}
    response = getattr(browser, method)(path, data, secure=secure, headers=headers)
    for name, morsel in ((name, morsel) for name, morsel in response.cookies.items() if morsel.value):
        cookies[name] = [bool(morsel["secure"]), bool(morsel["httponly"]), morsel["samesite"], morsel["path"], morsel["domain"]]
    return response

def token(page):
    return re.search(r'csrfmiddlewaretoken" value="(\\w+)"', page.content.decode())[1]

ask("get", "/sign-in/code/")  # leaves a message in a cookie
first = ask("get", "/sign-in/")
ask("post", "/language/", {"language": "en", "csrfmiddlewaretoken": token(first)})
ask("post", "/sign-in/", {"email": "ines@example.org", "csrfmiddlewaretoken": token(first)})
code = re.search(r"\\b\\d{6}\\b", Notification.objects.get().text)[0]
signed_in = ask("post", "/sign-in/code/", {"code": code, "csrfmiddlewaretoken": token(ask("get", "/sign-in/code/"))})
ask("post", "/me/passkeys/offer/", {"answer": "never", "csrfmiddlewaretoken": token(ask("get", "/me/"))})
seen = {
    "headers": dict(first.headers),
    "signed_in": signed_in.status_code,
    "cookies": cookies,
    "desk": ask("get", "/desk/").headers.get("Location"),
    "demo": ask("get", "/demo/").status_code,
    "become": ask("post", "/demo/become/nobody/", {"csrfmiddlewaretoken": token(ask("get", "/me/"))}).status_code,
    "other files": {path: ask("get", path).status_code for path in ("/.git/config", "/static/", "/static/../manage.py", "/manage.py", "/private/", "/static/staticfiles.json")},
    "trace": ask("trace", "/", **{"x-secret": "echoed?"}).content.decode().count("echoed"),
    "plain http": ask("get", "/sign-in/", secure=False).headers.get("Location"),
    "an unknown proxy": ask("get", "/sign-in/", secure=False, **{"x-forwarded-proto": "https"}).status_code,
    "another host": ask("get", "/sign-in/", host="evil.example").status_code,
    "another host for the proxy": ask("get", "/sign-in/", **{"x-forwarded-host": "evil.example"}).headers.get("Location"),
    "another site's form": ask("post", "/language/", {"language": "es", "csrfmiddlewaretoken": token(ask("get", "/me/"))}, origin="https://evil.example").status_code,
}
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(collected, tmp_path_factory):
    folder = shutil.copytree(collected, tmp_path_factory.mktemp("production"), dirs_exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        **SAFE,
    }
    done = subprocess.run(
        [sys.executable, "-c", VISIT], cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.only_long
def test_production_cookies_are_secure_and_limited_to_one_host(seen):
    names = ("csrftoken", "sessionid", "last_person", "language", "notices", "no_passkey_offer")
    assert seen["signed_in"] == 302
    assert seen["cookies"] == {f"__Host-{name}": [True, True, "Lax", "/", ""] for name in names}


def test_production_requires_https(seen):
    assert seen["headers"]["Strict-Transport-Security"].startswith("max-age=31536000")
    assert seen["plain http"] == "https://help.library.example/sign-in/"
    assert seen["an unknown proxy"] == 301


def test_production_serves_only_pages_and_static_files(seen):
    assert set(seen["other files"].values()) == {404}
    assert seen["trace"] == 0


def test_forged_host_header_is_refused_or_ignored(seen):
    assert seen["another host"] == 400
    assert seen["another host for the proxy"] == "/"


def test_form_from_another_site_is_refused(seen):
    assert seen["another site's form"] == 403


def test_production_requires_a_second_factor_and_has_no_demo_pages(seen):
    assert seen["desk"] == "/second-factor/?next=%2Fdesk%2F"
    assert (seen["demo"], seen["become"]) == (404, 404)
