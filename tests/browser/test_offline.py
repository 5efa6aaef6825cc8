import pytest

from tests.browser.bars import problems
from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser

CACHED = """async () => {
    const requests = [];
    for (const name of await caches.keys()) requests.push(...await (await caches.open(name)).keys());
    return requests.map(request => request.url);
}"""

# Waits until a newer service worker has stored the page in Spanish and deleted the older copy.
STORED_IN_SPANISH = """async () => {
    for (let turn = 0; turn < 50; turn++) {
        const names = await caches.keys();
        if (names.length === 1 && names[0].endsWith(" es")) return;
        await new Promise(done => setTimeout(done, 100));
    }
}"""


@pytest.fixture
def page(new_context, site, library):
    page = new_context(base_url=site, reduced_motion="reduce", **PHONE).new_page()
    page.goto("/")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    return page


def test_offline_page_says_that_the_network_is_down_and_lets_the_patron_try_again(page):
    page.context.set_offline(True)
    page.goto("/c/")
    assert page.locator("h1").inner_text() == "You're offline"
    assert problems(page) == []

    page.context.set_offline(False)
    page.locator("a.button").click()
    page.locator("input[name=code]").wait_for()


def test_browser_caches_only_the_offline_page(page, site):
    page.goto("/c/")
    assert page.evaluate(CACHED) == [f"{site}/offline/"]


def test_offline_page_is_in_the_language_of_the_account(page, patron, show):
    patron.language = "es"
    patron.save()
    show(page, patron)
    page.goto("/")
    page.evaluate(STORED_IN_SPANISH)
    page.context.set_offline(True)
    page.goto("/lists/")
    assert page.locator("html").get_attribute("lang") == "es"
    assert page.locator("h1").inner_text() == "No tiene conexión"
