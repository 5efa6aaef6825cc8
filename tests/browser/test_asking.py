"""Test asking a question, and asking for something to read, on a phone."""

import re

import pytest
from playwright.sync_api import expect

from portal.conversations.models import Conversation, Message
from tests.extent import rarely
from tests.factories import HelpSessionFactory, code_for

from .steps import sign_in

pytestmark = pytest.mark.browser

QUESTION = "Is there a group for new phones?"
JAVASCRIPT = pytest.mark.parametrize(
    "javascript", [True, False], ids=["with JavaScript", "without JavaScript"]
)


@pytest.fixture(autouse=True)
def _library(library, branch):
    pass


def write(page, words=QUESTION):
    page.locator("#id_body").fill(words)
    page.locator("#send").tap()


@pytest.mark.core
@pytest.mark.parametrize(
    ("javascript", "language"), [(True, "en"), rarely(False, "es"), rarely(True, "es"), rarely(False, "en")]
)
def test_visitor_sees_the_new_conversation_after_confirming_an_email_address(
    javascript, language, phone, post
):
    patron = phone(javascript=javascript, language=language)
    patron.goto("/")
    patron.locator("main a[href='/ask/']").tap()
    write(patron)
    expect(patron.locator("main .prose")).to_contain_text(QUESTION)
    patron.locator("#id_email").fill("nobody")
    patron.locator("#send-code").tap()
    expect(patron.locator("#error-summary")).to_be_visible()
    sign_in(patron, "new@example.org", post)
    # Typing the code has sent the question.
    expect(patron).to_have_url(re.compile(r"/messages/[0-9a-f-]{36}/$"))
    expect(patron.locator("#notices .notice")).to_be_in_viewport()
    expect(patron.locator(".message.mine .bubble")).to_contain_text(QUESTION)
    if javascript:
        expect(patron.locator("#announce")).to_have_text(patron.locator("#notices .notice p").inner_text())
    patron.goto("/messages/")
    expect(patron.locator("main .rows li")).to_have_count(1)


@JAVASCRIPT
def test_question_of_a_signed_in_patron_starts_a_conversation(javascript, phone, patron, show):
    page = phone(javascript=javascript)
    show(page, patron)
    page.goto("/ask/")
    write(page, "  ")
    expect(page.locator("#error-summary")).to_be_visible()
    write(page)
    expect(page.locator(".message.mine .bubble")).to_contain_text(QUESTION)
    assert Conversation.objects.get().patron == patron


def test_typed_question_is_in_the_form_when_the_patron_opens_the_page_again(phone, patron, show):
    page = phone()
    show(page, patron)
    page.clock.install()
    page.goto("/ask/")
    page.locator("summary").tap()
    page.locator("#id_body").fill("Is there a gr")
    page.clock.fast_forward(2000)
    expect(page.locator("[data-draft-state]")).to_have_text(
        page.locator("[data-draft-state]").get_attribute("data-kept")
    )
    page.goto("/")
    page.goto("/ask/")
    expect(page.locator("#id_body")).to_have_value("Is there a gr")
    write(page)
    expect(page.locator(".message.mine .bubble")).to_contain_text(QUESTION)
    page.goto("/ask/")
    expect(page.locator("#id_body")).to_have_value("")


@JAVASCRIPT
def test_question_belongs_to_the_visit_if_the_patron_enters_the_code_from_a_slip(
    javascript, branch, staff, phone
):
    visit = HelpSessionFactory(branch=branch, staff=staff, question="How do I start a balcony compost bin?")
    patron = phone(javascript=javascript)
    patron.goto("/ask/")
    write(patron)
    patron.locator("#id_code").fill("1234567890123")
    patron.locator("#open").tap()
    # The page that says that the code is wrong also has a field for a code.
    expect(patron).to_have_url(re.compile("/c/$"))
    patron.locator("#id_code").fill(code_for(visit))
    patron.locator("#open").tap()
    expect(patron.locator("[name=about]").first).to_be_checked()
    patron.locator("#send").tap()
    expect(patron.locator(".message.mine .bubble")).to_contain_text(QUESTION)
    assert Conversation.objects.get().help_session == visit


def go_on(patron, *, to):
    """Tap Next, and wait for the next question, because several questions have the same fields."""
    patron.locator("#next").tap()
    expect(patron).to_have_url(re.compile(f"step={to}"))


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["with JavaScript", "without JavaScript"])
def test_reading_form_asks_one_question_at_a_time(javascript, phone, post):
    patron = phone(javascript=javascript)
    patron.goto("/")
    patron.locator("main a[href='/find-something-to-read/']").tap()
    patron.locator("#id_words").fill("Piranesi")
    go_on(patron, to="mood")
    patron.locator(".option", has=patron.locator("[value=funny]")).tap()
    patron.locator("#id_words").fill("like a warm bath")
    patron.locator("#back").tap()
    expect(patron.locator("#id_words")).to_have_value("Piranesi")
    go_on(patron, to="mood")
    expect(patron.locator("[value=funny]")).to_be_checked()
    expect(patron.locator("#id_words")).to_have_value("like a warm bath")
    # The Enter key works like the button Next, not like the button Back.
    patron.locator("#id_words").press("Enter")
    expect(patron).to_have_url(re.compile("step=avoid"))
    go_on(patron, to="whom")
    patron.locator("#next").tap()
    expect(patron.locator("#error-summary")).to_be_visible()
    patron.locator(".option", has=patron.locator("[value=me]")).tap()
    go_on(patron, to="format")
    patron.locator(".option", has=patron.locator("[value=large_print]")).tap()
    patron.locator("#next").tap()
    patron.locator("#change-mood").tap()
    patron.locator(".option", has=patron.locator("[value=gripping]")).tap()
    patron.locator("#next").tap()
    expect(patron.locator("main .rows li")).to_have_count(5)
    sign_in(patron, "new@example.org", post)
    expect(patron.locator(".message.mine .bubble")).to_contain_text("Piranesi")
    conversation = Conversation.objects.get()
    assert (conversation.reason, conversation.readers_form.mood) == (
        "readers_advisory",
        "gripping, funny, like a warm bath",
    )


def test_two_quick_taps_send_the_question_only_once(phone, patron, show):
    page = phone()
    show(page, patron)
    page.goto("/ask/")
    page.locator("#id_body").fill(QUESTION)
    page.evaluate(
        "() => { const form = document.querySelector('main form.stack'); form.submit(); form.submit(); }"
    )
    expect(page.locator(".message.mine .bubble")).to_contain_text(QUESTION)
    assert Message.objects.count() == 1


def test_each_step_of_the_reading_form_fits_one_phone_screen(phone, patron, show):
    """Check that the Next button is above the tabs, so that the patron sees the button without scrolling."""
    page = phone()
    show(page, patron)
    for step in ("loved", "mood", "avoid", "whom", "format"):
        page.goto(f"/find-something-to-read/?step={step}")
        button, tabs = page.locator("#next").bounding_box(), page.locator("nav.tabs").bounding_box()
        assert button["y"] + button["height"] <= tabs["y"], step
