"""Fixtures for browsers on a phone and at the desk, and for the emails that the portal sends."""

import datetime
import os
import random
import re
import shutil
import time

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.servers.basehttp import WSGIServer
from django.http import HttpResponse
from playwright.sync_api import expect

from portal.conversations.models import Message
from portal.home.views import offline
from portal.worker import Worker
from tests.mailers import use_outbox
from tests.push_device import PRIVATE_KEY

# Playwright runs an event loop in the test thread, so Django would refuse queries as asynchronous.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# The features of Chromium that the tests turn off. The first two would open internal pages with each window,
# which take a quarter of Chromium's time. The others come from Playwright's own list, which this list
# replaces. They are the features of that list that affect web pages.
DISABLED_FEATURES = [
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    *(
        "AvoidUnnecessaryBeforeUnloadCheckSync",
        "DestroyProfileOnBrowserClose",
        "HttpsUpgrades",
        "HttpsFirstBalancedModeAutoEnable",
        "LensOverlay",
    ),
    *(
        "MediaRouter",
        "PaintHolding",
        "ThirdPartyStoragePartitioning",
        "OptimizationHints",
        "NetworkTimeServiceQuerying",
        "AimEnabled",
        "PreconnectToSearch",
    ),
]
# The tests use the first installed program of this list. The headless shell is a quarter faster than the
# others.
CHROMIUM = [
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
]
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    f"--disable-features={','.join(DISABLED_FEATURES)}",
]
PHONE = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESK = {"viewport": {"width": 1280, "height": 800}}
LOCALES = {"en": "en-US", "es": "es-ES"}
# The options of the browser for journeys that run once in each language. The journey in Spanish also has
# dark mode and text at 200%.
LOOKS = {"en": {"language": "en"}, "es": {"language": "es", "color_scheme": "dark", "large": True}}
# Set the text of each page to 200%, before anything is shown.
LARGE = "new MutationObserver((_, watch) => { if (document.body) { watch.disconnect(); \
document.documentElement.style.fontSize = '200%'; } }).observe(document, { childList: true, subtree: true });"
# How long a test waits for a page, in milliseconds. No test should fail because the machine is busy.
TIMEOUT = 30_000
expect.set_options(timeout=TIMEOUT)
# The errors that some tests provoke: refused requests, a missing network, and a server that answers 503.
EXPECTED_ERRORS = re.compile(
    "Failed to load resource: (the server responded with a status of (4|503)|net::ERR_(INTERNET_DISCONNECTED|FAILED))"
    "|htmx:(afterRequest|sendError)|Response Status Error Code (401|429|503)"
    # If a letter is typed during a search, htmx aborts the search, starts another one and logs this error.
    "|htmx:sendAbort"
    # A browser that is offline looks for a newer service worker, and logs this error.
    "|An unknown error occurred when fetching the script"
)


@pytest.fixture(scope="session")
def chromium():
    found = os.environ.get("CHROME_PATH") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(
            "No Chromium was found. Install it (Debian: apt-get install chromium-headless-shell, or chromium) or set CHROME_PATH."
        )
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium):
    return {"executable_path": chromium, "args": ARGUMENTS}


@pytest.fixture(scope="session")
def base_url():
    """Override Playwright's fixture with None, because each test has its own server."""


@pytest.fixture(scope="session", autouse=True)
def slow_server():
    """Delay each request and each response by up to SLOW_SERVER milliseconds, if this variable is set.

    A test that doesn't wait for a page then fails, even on a fast machine.
    """
    seconds = int(os.environ.get("SLOW_SERVER", "0")) / 1000
    set_app = WSGIServer.set_app

    def set_slow_app(server, app):
        def slow(environ, start_response):
            time.sleep(random.uniform(0, seconds))
            response = app(environ, start_response)
            time.sleep(random.uniform(0, seconds))
            return response

        set_app(server, slow)

    with pytest.MonkeyPatch.context() as patch:
        if seconds:
            patch.setattr(WSGIServer, "set_app", set_slow_app)
        yield


@pytest.fixture(autouse=True)
def long_undo_window(monkeypatch):
    """Let staff take back an answer for five minutes.

    On a busy machine, more than the usual 15 seconds can pass between sending an answer and the next key.
    """
    monkeypatch.setattr(Message, "UNDO_WINDOW", datetime.timedelta(minutes=5))


@pytest.fixture
def site(live_server, settings):
    """Run the portal as in production: emails go through the outbox, and links lead to this server."""
    use_outbox(settings)
    settings.BASE_URL = live_server.url
    settings.REPLY_ADDRESS = "reply@library.example"
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY
    cache.clear()
    return live_server.url


@pytest.fixture
def opened(new_context, site):
    """Return opened(device, language=, javascript=, large=, …), which opens a page in a new browser.

    The test fails if a browser logs an error, or sends a request to a host other than `site` and `provider`.
    Browsers prefer reduced motion, because animated page changes accounted for a fifth of the time of all
    tests. Pass `motion=True` to allow motion.
    """
    complaints, ours = [], [site, "data:", "blob:"]

    def complain(text):
        if not EXPECTED_ERRORS.match(text):
            complaints.append(text)

    def watch(page):
        page.on("console", lambda line: line.type in {"error", "warning"} and complain(line.text))
        page.on("pageerror", lambda error: complain(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(tuple(ours)) or complaints.append(f"asked elsewhere: {request.url}")
            ),
        )

    def opened(device, *, language="en", javascript=True, motion=False, large=False, provider="", **more):
        ours.extend(filter(None, [provider]))
        preferred = {
            "locale": LOCALES[language],
            "java_script_enabled": javascript,
            "reduced_motion": "no-preference" if motion else "reduce",
        }
        context = new_context(**{"base_url": site, **preferred, **device, **more})
        context.set_default_timeout(TIMEOUT)
        context.on("page", watch)
        if large:
            context.add_init_script(LARGE)
        return context.new_page()

    yield opened
    assert complaints == []


@pytest.fixture
def phone(opened):
    """Return phone(language=, javascript=, motion=), which opens a page on a patron's phone."""
    return lambda **more: opened(PHONE, **more)


@pytest.fixture
def desk_computer(opened):
    return lambda **more: opened(DESK, **more)


@pytest.fixture
def post(site):
    """Return post(address), which delivers due emails and returns the newest email to this address."""

    def post(address):
        Worker().deliver_due()
        return next(message for message in reversed(mail.outbox) if message.to == [address])

    return post


@pytest.fixture
def show(sign_in, show_code, client, site):
    """Return show(page, person=None, codes=()), which signs in `person` and opens the visits of `codes`.

    This sets cookies in the browser of `page`, but loads no page.
    """

    def show(page, person=None, *, codes=()):
        if person:
            sign_in(client, person)
        for code in codes:
            show_code(client, code)
        page.context.add_cookies(
            [{"name": name, "value": morsel.value, "url": site} for name, morsel in client.cookies.items()]
        )
        client.cookies.clear()
        return page

    return show


@pytest.fixture
def serve(monkeypatch):
    """Return serve(script), after which the server returns this script at /sw.js.

    serve(None) lets the server return its own script again.
    """
    real, scripts = offline.render, [None]

    def render(request, template, *args, **kwargs):
        if template == "home/sw.js" and scripts[-1] is not None:
            return HttpResponse(scripts[-1], content_type="text/javascript")
        return real(request, template, *args, **kwargs)

    monkeypatch.setattr(offline, "render", render)
    return scripts.append
