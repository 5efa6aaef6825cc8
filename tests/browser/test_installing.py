"""Test that a phone can install the portal, and that one service worker replaces another without a broken page."""

import json

import pytest
from playwright.sync_api import expect

from tests.extent import rarely
from tests.factories import HelpSessionFactory, code_for

from .conftest import DESK, PHONE
from .test_offline import CACHED

pytestmark = pytest.mark.browser

# Waits until the browser runs only one service worker, and returns the names of its caches.
SETTLED = """async () => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update().catch(() => {});
    for (let turn = 0; turn < 300; turn++) {
        if (!registration.installing && !registration.waiting && registration.active.state === "activated") break;
        await new Promise(done => setTimeout(done, 50));
    }
    return await caches.keys();
}"""
# The service worker of the first release, without its comments.
FIRST = """
const CACHE = "offline first", PAGE = "/offline/";
addEventListener("install", event => event.waitUntil(caches.open(CACHE).then(cache => cache.add(PAGE)).then(() => skipWaiting())));
addEventListener("activate", event => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  await registration.navigationPreload?.enable();
})()));
addEventListener("fetch", event => {
  if (event.request.mode !== "navigate" || event.request.method !== "GET") return;
  event.respondWith((async () => {
    try {
      return (await event.preloadResponse) || (await fetch(event.request));
    } catch {
      return caches.match(PAGE);
    }
  })());
});
"""
# A service worker of a later release. It stores more, and doesn't know the service worker of this release.
LATER = """
addEventListener("install", event => event.waitUntil(
  caches.open("kept pages").then(cache => cache.addAll(["/offline/", "/privacy/"])).then(() => skipWaiting())
));
addEventListener("activate", event => event.waitUntil(clients.claim()));
addEventListener("fetch", event => {
  if (event.request.mode !== "navigate" || event.request.method !== "GET") return;
  event.respondWith(fetch(event.request).catch(async () => (await caches.match(event.request)) || caches.match("/offline/")));
});
"""


def unmet_criteria(page):
    """Return which of Chromium's documented criteria for installing the open page are not met.

    The headless shell reads a manifest as Chromium does, but it never reports that a criterion is not met.
    So this function checks the criteria itself. It also returns the errors that Chromium reports.
    """
    browser = page.context.new_cdp_session(page)
    found = browser.send("Page.getAppManifest")
    manifest, listed = found["manifest"], json.loads(found["data"] or "{}")
    fitting = [
        icon
        for icon in manifest.get("icons", [])
        if icon["type"] == "image/png" and int(icon["sizes"].split("x")[0]) >= 144
    ]
    unmet = [error["message"] for error in found["errors"]]
    unmet += [] if fitting else ["no icon of 144 pixels"]
    unmet += [] if listed.get("name") else ["no name"]
    unmet += [] if manifest["startUrl"] else ["no start_url"]
    unmet += [] if manifest["display"] == "kStandalone" else ["not standalone"]
    unmet += [] if page.evaluate("isSecureContext") else ["no secure origin"]
    errors = browser.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # Each test has a private window, in which Chromium installs nothing.
    return unmet + [error["errorId"] for error in errors if error["errorId"] != "in-incognito"]


@pytest.mark.parametrize("who", ["nobody", rarely("patron"), rarely("viewer by code")])
def test_chromium_offers_to_install_the_portal(phone, show, branch, patron, site, who):
    page = phone()
    if who == "patron":
        show(page, patron)
    elif who == "viewer by code":
        show(page, codes=[code_for(HelpSessionFactory(branch=branch))])
    page.goto("/")
    assert unmet_criteria(page) == []
    manifest = page.context.new_cdp_session(page).send("Page.getAppManifest")
    assert manifest["url"] == f"{site}/manifest.en.webmanifest"
    assert manifest["manifest"]["id"] == f"{site}/"
    assert json.loads(manifest["data"])["name"] == "Harbour Library"


def test_browser_does_not_offer_to_install_the_portal_without_large_icons(phone, library, monkeypatch):
    monkeypatch.setattr("portal.home.views.installing.ICONS", {"small": (96, "round")})
    page = phone()
    page.goto("/")
    assert "no icon of 144 pixels" in unmet_criteria(page)


def works(page, session):
    """Check that a page, a button on it, a redirect and the offline page work."""
    page.goto(session.get_absolute_url())
    page.locator("#found-all").tap()
    expect(page.locator("#clear-outcome")).to_be_visible()
    page.locator("#clear-outcome").tap()
    expect(page.locator("#found-all")).to_have_attribute("aria-pressed", "false")
    page.goto("/me/address/")
    expect(page.locator("h1")).to_be_visible()
    page.context.set_offline(True)
    page.goto("/lists/")
    expect(page.locator("h1")).to_have_text("You're offline")
    page.context.set_offline(False)
    page.goto("/lists/")
    expect(page.locator("h1")).to_have_text("Your list")


@pytest.mark.core
@pytest.mark.parametrize("before", [FIRST, rarely(LATER)], ids=["upgrade", "rollback"])
def test_every_page_works_after_the_service_worker_of_another_release_is_replaced(
    phone, show, branch, patron, serve, site, before
):
    session = HelpSessionFactory(branch=branch, patron=patron)
    page = show(phone(), patron)
    serve(before)
    page.goto("/")
    old_caches = page.evaluate(SETTLED)
    # The pages come from this release, and the service worker from another one.
    works(page, session)
    page.goto(session.get_absolute_url())
    other = page.context.new_page()
    other.goto("/messages/")

    serve(None)
    new_caches = page.evaluate(SETTLED)
    assert len(new_caches) == 1
    assert new_caches != old_caches
    assert page.evaluate(CACHED) == [f"{site}/offline/"]
    # Pages that were opened before the service worker changed still work.
    page.locator("#found-no").tap()
    expect(page.locator("#wish-visit")).to_be_visible()
    page.locator("#clear-outcome").tap()
    other.locator(".tabs a[href='/lists/']").tap()
    expect(other.locator("h1")).to_have_text("Your list")
    other.close()
    works(page, session)


def test_service_worker_stays_installed_if_the_next_release_cannot_be_loaded(
    phone, show, branch, patron, serve
):
    session = HelpSessionFactory(branch=branch, patron=patron)
    page = show(phone(), patron)
    page.goto("/")
    before = page.evaluate(SETTLED)
    serve("this is no script")
    assert page.evaluate(SETTLED) == before
    works(page, session)


def test_browser_shows_its_own_error_page_if_the_offline_page_was_deleted(phone, library):
    page = phone()
    page.goto("/")
    page.evaluate(SETTLED)
    page.evaluate("async () => { for (const name of await caches.keys()) await caches.delete(name); }")
    page.context.set_offline(True)
    with pytest.raises(Exception, match="ERR_FAILED"):
        page.goto("/lists/")


@pytest.mark.core
@pytest.mark.parametrize("device_name", ["phone", rarely("desk")])
def test_browser_caches_no_page_of_a_signed_in_person(
    opened, show, branch, patron, staff, coordinator, site, device_name
):
    session = HelpSessionFactory(branch=branch, patron=patron, staff=staff)
    at_desk = device_name == "desk"
    page = show(opened(DESK if at_desk else PHONE), staff if at_desk else patron)
    for path in ["/", session.get_absolute_url(), "/lists/", "/messages/", "/me/"] + ["/desk/"] * at_desk:
        page.goto(path)
    page.evaluate(SETTLED)
    assert page.evaluate(CACHED) == [f"{site}/offline/"]
