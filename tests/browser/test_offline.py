import pytest

from tests.browser.bars import problems
from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser

CACHED = """async () => {
    const requests = [];
    for (const name of await caches.keys()) requests.push(...await (await caches.open(name)).keys());
    return requests.map(request => request.url);
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
