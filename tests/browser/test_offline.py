import pytest

from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser


def test_without_a_network_a_page_of_ours_says_so_and_tries_again(new_context, site, library):
    context = new_context(base_url=site, **PHONE)
    page = context.new_page()
    page.goto("/")
    page.evaluate("navigator.serviceWorker.ready")
    context.set_offline(True)
    page.goto("/lists/")
    assert page.locator("h1").inner_text() == "You are offline"

    context.set_offline(False)
    page.locator("a.button").click()
    page.wait_for_url("**/sign-in/**")


def test_the_browser_keeps_no_page_but_that_one(new_context, site, library):
    page = new_context(base_url=site, **PHONE).new_page()
    page.goto("/")
    page.evaluate("navigator.serviceWorker.ready")
    page.goto("/c/")
    kept = page.evaluate(
        "caches.keys().then(names => Promise.all(names.map(name => caches.open(name).then(c => c.keys())))).then(all => all.flat().map(r => r.url))"
    )
    assert kept == [f"{site}/offline/"]
