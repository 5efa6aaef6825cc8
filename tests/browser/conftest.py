"""A phone, a computer at the desk, and the post between them."""

import os
import re
import shutil

import pytest
from django.core import mail
from django.core.cache import cache
from playwright.sync_api import expect

from portal.worker import Worker
from tests.mailers import use_outbox

# Playwright keeps an event loop in the conversation of the tests; Django would take their queries for asynchronous ones.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# Each window would bring two pages of the browser's own, below its address bar, and they cost a quarter of all that Chromium does here.
# What is named last takes the place of Playwright's list, so its features that matter to a page are named again.
WITHOUT = [
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
CHROMIUM = [
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
]  # the first is a quarter quicker
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    f"--disable-features={','.join(WITHOUT)}",
]
PHONE = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESK = {"viewport": {"width": 1280, "height": 800}}
LOCALES = {"en": "en-US", "es": "es-ES"}
PATIENCE = 15_000  # milliseconds: nothing waits longer than it must, and a busy machine fails nothing
expect.set_options(timeout=PATIENCE)
# What we refuse is refused on purpose, and a test that takes the network away expects to miss it.
ANSWERED = re.compile(
    "Failed to load resource: (the server responded with a status of 4|net::ERR_INTERNET_DISCONNECTED)"
    "|htmx:(afterRequest|sendError)"
    "|An unknown error occurred when fetching the script"  # the browser itself, looking for a newer service worker while it is offline
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
    """Of each browser its own: the server of its test."""


@pytest.fixture
def site(live_server, settings):
    """The portal as it runs: its mails go through the outbox, its links lead to itself."""
    use_outbox(settings)
    settings.BASE_URL = live_server.url
    cache.clear()
    return live_server.url


@pytest.fixture
def opened(new_context, site):
    """opened(device, language=, javascript=, …): a page in a browser of its own. At the end no browser may have complained.

    Each of them prefers less motion: a page that turns into the next is drawn many times, which was a fifth of the work. `motion=True` leaves it in.
    They go nowhere else but to `provider`.
    """
    complaints, ours = [], [site, "data:", "blob:"]

    def watch(page):
        page.on(
            "console",
            lambda line: (
                line.type in {"error", "warning"}
                and not ANSWERED.match(line.text)
                and complaints.append(line.text)
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(tuple(ours)) or complaints.append(f"asked elsewhere: {request.url}")
            ),
        )

    def opened(device, *, language="en", javascript=True, motion=False, provider="", **more):
        ours.extend(filter(None, [provider]))
        preferred = {
            "locale": LOCALES[language],
            "java_script_enabled": javascript,
            "reduced_motion": "no-preference" if motion else "reduce",
        }
        context = new_context(**{"base_url": site, **preferred, **device, **more})
        context.set_default_timeout(PATIENCE)
        context.on("page", watch)
        return context.new_page()

    yield opened
    assert complaints == []


@pytest.fixture
def phone(opened):
    """phone(language=, javascript=, motion=): the page of a patron's phone."""
    return lambda **more: opened(PHONE, **more)


@pytest.fixture
def desk_computer(opened):
    return lambda **more: opened(DESK, **more)


@pytest.fixture
def post(site):
    """post(address): delivers what is due, and gives the newest mail to that address."""

    def post(address):
        Worker().deliver_due()
        return next(message for message in reversed(mail.outbox) if message.to == [address])

    return post


@pytest.fixture
def show(sign_in, show_code, client, site):
    """show(page, person=None, codes=()): the page's browser is signed in, or holds these codes, without going through the pages."""

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
