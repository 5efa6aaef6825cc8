import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from recommendations.actions import record_verdict
from tests.browser.bars import problems
from tests.browser.conftest import PHONE
from tests.extent import rarely
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, recommend_in

pytestmark = pytest.mark.browser

CACHED = """async () => {
    const requests = [];
    for (const name of await caches.keys()) requests.push(...await (await caches.open(name)).keys());
    return requests.map(request => request.url);
}"""

# Waits until a newer service worker has stored the page in Spanish and deleted the older copy.
STORED_IN_SPANISH = """async () => {
    for (let turn = 0; turn < 150; turn++) {
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


@pytest.mark.core
@pytest.mark.long
def test_offline_page_says_that_the_network_is_down_and_lets_the_patron_try_again(page):
    page.context.set_offline(True)
    page.goto("/c/")
    expect(page.locator("h1")).to_have_text("You're offline")
    assert problems(page) == []

    page.context.set_offline(False)
    page.locator("a.button").click()
    page.locator("input[name=code]").wait_for()


def test_service_worker_caches_only_the_offline_page(page, site):
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
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.locator("h1")).to_have_text("No tiene conexión")


WORDS = "Is it on Thursday?"
# The forms that load a page when they are sent: {name: (selector of a field, selector of the button)}.
FIELDS = {
    "ask": ("#id_body", "#send"),
    "follow-up": ("#id_body", "#send"),
    "item": ("#id_body", "#send"),
    "comment": ("#id_comment", "#save-comment"),
    "name": ("#id_name", "#save-name"),
    "reply": ("#id_body", "#send"),
}


@pytest.fixture
def addresses(patron, branch, staff):
    """Return {name of a form: the address of its page}."""
    session = HelpSessionFactory(patron=patron, branch=branch, staff=staff)
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=session, patron=patron)
    ).conversation
    item, other = (f"/recommendations/{each.public_id}" for each in recommend_in(session, 2))
    record_verdict(session.recommendation_links.first().recommendation, verdict="helped", at=timezone.now())
    return {
        "ask": "/ask/",
        "follow-up": f"{session.get_absolute_url()}ask/",
        "item": f"{other}/ask/",
        "comment": f"{item}/verdict/",
        "name": "/me/",
        "reply": conversation.get_absolute_url(),
    }


@pytest.mark.parametrize(
    ("which", "javascript"),
    # With JavaScript, sending a reply doesn't load a page, so the reply is only tested without JavaScript.
    [
        ("ask", True),
        ("name", True),
        ("comment", False),
        ("reply", False),
        *(rarely(which, True) for which in ("follow-up", "item", "comment")),
        *(rarely(which, False) for which in ("ask", "follow-up", "item", "name")),
    ],
)
def test_typed_text_is_in_the_form_after_going_back_from_the_browsers_error_page(
    which, javascript, addresses, patron, phone, show
):
    field, button = FIELDS[which]
    page = show(phone(javascript=javascript), patron)
    page.goto("/")
    page.goto(addresses[which])
    page.locator(field).fill(WORDS)
    page.context.set_offline(True)
    page.locator(button).tap()
    expect(page).to_have_url(re.compile("^chrome-error:"))
    page.context.set_offline(False)
    page.go_back()
    expect(page.locator(field)).to_have_value(WORDS)
    with page.expect_navigation() as going:
        page.locator(button).tap()
    assert going.value.status == 200
