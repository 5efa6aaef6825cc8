"""Test that typed text isn't lost when the person leaves the page, goes offline or changes devices."""

import re
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations import actions
from portal.conversations.models import Draft, Message
from portal.helpsessions.handover import revoke_codes
from tests.factories import HelpSessionFactory, QuietSessionFactory, UserFactory, code_for

from .steps import eventually, latest

pytestmark = pytest.mark.browser

STORED_DRAFTS = "Object.keys(localStorage).filter(key => key.startsWith('draft ')).map(key => JSON.parse(localStorage.getItem(key)).body)"


@pytest.fixture
def session(branch, staff, patron):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def conversation(session, patron):
    return ask(session, patron)


def ask(session, by=None):
    return actions.ask(
        by=by,
        at=timezone.now(),
        help_session=session,
        body="Is there a class?",
        language="en",
        client_token=uuid.uuid4(),
    )


@pytest.fixture
def phone(phone):
    """Return phone(), which opens a page on a phone whose clock can be moved."""

    def with_a_clock(**more):
        page = phone(**more)
        page.clock.install()
        return page

    return with_a_clock


def pause(page):
    """Move the clock of the page forward, so that the page saves the draft."""
    page.clock.fast_forward(2000)


def wait_until_saved(page):
    pause(page)
    expect(page.locator("[data-draft-state]")).to_have_text(
        page.locator("[data-draft-state]").get_attribute("data-kept")
    )


def wait_until_not_saved(page, why="data-failed"):
    pause(page)
    line = page.locator("[data-draft-state]")
    expect(line).to_have_text(line.get_attribute(why))


def opened_conversation(show, page, conversation, *args, **more):
    show(page, *args, **more)
    page.goto(conversation.get_absolute_url())
    return page


def write(page, words):
    page.locator("#id_body").fill(words)


@pytest.mark.core
def test_text_typed_on_one_phone_appears_on_a_second_phone(phone, show, patron, conversation):
    one, other = opened_conversation(show, phone(), conversation, patron), phone()
    write(one, "Is it on Thurs")
    wait_until_saved(one)
    opened_conversation(show, other, conversation, patron)
    expect(other.locator("#id_body")).to_have_value("Is it on Thurs")
    write(other, "Is it on Thursday?")
    other.locator("#send").tap()
    expect(latest(other)).to_have_text("Is it on Thursday?")
    expect(other.locator("#id_body")).to_have_value("")
    assert not Draft.objects.exists()


def test_line_below_an_unsaved_draft_says_that_the_person_is_signed_out(phone, show, patron, conversation):
    page = opened_conversation(show, phone(), conversation, patron)
    page.context.clear_cookies(name="sessionid")
    write(page, "Is it on Thurs")
    pause(page)
    expect(page.locator("[data-draft-state]")).to_contain_text("Your draft isn't saved. You are signed out")


def test_typed_text_is_not_lost_if_the_person_leaves_the_page(phone, show, patron, conversation):
    page = opened_conversation(show, phone(), conversation, patron)
    write(page, "Is it on Thurs")
    page.goto("/messages/")
    eventually(page, Draft.objects.exists, True)
    page.goto(conversation.get_absolute_url())
    expect(page.locator("#id_body")).to_have_value("Is it on Thurs")


@pytest.mark.parametrize("choice", ["#keep-this", "#show-newer"])
def test_outdated_tab_lets_the_patron_choose_between_two_drafts(phone, show, patron, conversation, choice):
    older = opened_conversation(show, phone(), conversation, patron)
    newer = older.context.new_page()
    newer.goto(conversation.get_absolute_url())
    write(newer, "Is it on Thursday?")
    wait_until_saved(newer)
    write(older, "Is it on Fri")
    pause(older)
    expect(older.locator("[data-draft-newer] q")).to_have_text("Is it on Thursday?")
    expect(older.locator("#id_body")).to_have_value("Is it on Fri")
    assert Draft.objects.get().body == "Is it on Thursday?"
    older.locator(choice).tap()
    expect(older.locator("[data-draft-newer] q")).to_have_count(0)
    if choice == "#keep-this":
        wait_until_saved(older)
    chosen = "Is it on Fri" if choice == "#keep-this" else "Is it on Thursday?"
    expect(older.locator("#id_body")).to_have_value(chosen)
    assert Draft.objects.get().body == chosen


def test_sending_from_an_outdated_tab_does_not_delete_the_newer_draft(phone, show, patron, conversation):
    older = opened_conversation(show, phone(), conversation, patron)
    newer = older.context.new_page()
    newer.goto(conversation.get_absolute_url())
    write(newer, "Is it on Thursday?")
    wait_until_saved(newer)
    newer.close()
    write(older, "Is it on Fri")
    pause(older)
    expect(older.locator("[data-draft-newer] q")).to_have_text("Is it on Thursday?")
    older.locator("#send").tap()
    expect(latest(older)).to_have_text("Is it on Fri")
    assert Draft.objects.get().body == "Is it on Thursday?"
    assert older.evaluate(STORED_DRAFTS) == []
    older.goto(conversation.get_absolute_url())
    expect(older.locator("#id_body")).to_have_value("Is it on Thursday?")


def test_text_typed_offline_is_stored_on_the_device_until_the_connection_returns(
    phone, show, patron, conversation
):
    page = opened_conversation(show, phone(), conversation, patron)
    page.context.set_offline(True)
    write(page, "Is it on Thurs")
    wait_until_not_saved(page)
    assert page.evaluate(STORED_DRAFTS) == ["Is it on Thurs"]
    page.context.set_offline(False)
    wait_until_saved(page)
    assert page.evaluate(STORED_DRAFTS) == []
    assert Draft.objects.get().body == "Is it on Thurs"


def test_text_typed_offline_is_added_to_the_draft_from_another_device(phone, show, patron, conversation):
    page, other = opened_conversation(show, phone(), conversation, patron), phone()
    here = [
        "draft " + page.locator("[data-draft]").get_attribute("data-draft"),
        {"body": "Written in the cellar", "sequence": 0},
    ]
    # The browser stored this text while the network was down.
    page.evaluate("([key, copy]) => localStorage.setItem(key, JSON.stringify(copy))", here)
    opened_conversation(show, other, conversation, patron)
    write(other, "Written on the bus")
    wait_until_saved(other)
    page.goto(conversation.get_absolute_url())
    expect(page.locator("#id_body")).to_have_value("Written on the bus\n\nWritten in the cellar")
    wait_until_saved(page)
    assert page.evaluate(STORED_DRAFTS) == []


def test_message_that_failed_offline_is_sent_once_after_pressing_send_again(
    phone, show, patron, conversation
):
    page = opened_conversation(show, phone(), conversation, patron)
    write(page, "Is it on Thursday?")
    page.context.set_offline(True)
    page.locator("#send").tap()
    expect(page.locator("#failed")).to_be_visible()
    page.context.set_offline(False)
    page.locator("#send").tap()
    expect(latest(page)).to_have_text("Is it on Thursday?")
    assert page.evaluate(STORED_DRAFTS) == []
    assert Message.objects.filter(body="Is it on Thursday?").count() == 1


def test_text_typed_while_a_message_is_being_sent_stays_in_the_text_box(phone, show, patron, conversation):
    page = opened_conversation(show, phone(), conversation, patron)
    page.route("**/reply/", lambda route: (write(page, "Is it on Thursday? And where?"), route.continue_()))
    write(page, "Is it on Thursday?")
    page.locator("#send").tap()
    expect(latest(page)).to_have_text("Is it on Thursday?")
    expect(page.locator("#id_body")).to_have_value("And where?")


@pytest.mark.core
def test_signing_out_deletes_drafts_from_the_device(phone, show, patron, conversation):
    page = opened_conversation(show, phone(), conversation, patron)
    # The server refuses the draft, as if the sign-in had expired.
    page.route("**/draft/", lambda route: route.fulfill(status=404))
    write(page, "Is it on Thurs")
    wait_until_not_saved(page)
    page.goto("/me/")
    assert page.evaluate(STORED_DRAFTS) == ["Is it on Thurs"]
    # Replace the portal's own response, because its headers would clear the browser's storage.
    page.route("**/sign-out/", lambda route: route.fulfill(status=204))
    page.locator("#sign-out").tap()
    page.wait_for_function(f"() => !({STORED_DRAFTS}).length")


def test_second_tab_stores_no_draft_after_the_person_has_signed_out(phone, show, patron, conversation):
    page = opened_conversation(show, phone(), conversation, patron)
    account = page.context.new_page()
    account.goto("/me/")
    account.locator("#sign-out").tap()
    account.wait_for_url("**/signed-out/")
    # The other tab has told this page about the sign-out.
    expect(page.locator("html[data-signed-out]")).to_have_count(1)
    write(page, "Is it on Thurs")
    pause(page)
    expect(page.locator("[data-draft-state]")).to_contain_text("Your draft isn't saved. You are signed out")
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    assert page.evaluate(STORED_DRAFTS) == []
    # The text is still in the field.
    expect(page.locator("#id_body")).to_have_value("Is it on Thurs")


def test_viewer_with_an_expired_code_gets_the_unsent_text_back(phone, staff, branch):
    session = HelpSessionFactory(staff=staff, branch=branch)
    conversation = ask(session)
    page = phone()
    page.goto(f"/c/{code_for(session)}/")
    page.goto(conversation.get_absolute_url())
    write(page, "Is it on Thursday?")
    wait_until_saved(page)
    revoke_codes(session, by=staff, at=timezone.now())
    page.locator("#send").tap()
    failed = page.locator("#failed")
    expect(failed).to_contain_text("Nothing was sent. The code of this visit no longer works.")
    expect(page.locator("[data-draft-state]")).to_be_hidden()
    expect(page.locator("#id_body")).to_have_value("Is it on Thursday?")
    failed.get_by_role("link").first.tap()
    page.wait_for_url("**/c/")


def test_unsaved_question_is_not_shown_to_the_next_person_in_the_browser(phone, show, patron):
    page = phone()
    show(page, patron)
    page.goto("/ask/")
    # The server refuses the draft, as if the sign-in had expired.
    page.route("**/draft/", lambda route: route.fulfill(status=404))
    write(page, "He reads my phone")
    wait_until_not_saved(page)
    page.context.clear_cookies()
    page.unroute("**/draft/")
    show(page, UserFactory(name="Nia Boateng"))
    page.goto("/ask/")
    expect(page.locator("#id_body")).to_have_value("")
    show(page, patron)
    page.goto("/ask/")
    expect(page.locator("#id_body")).to_have_value("He reads my phone")


def test_sent_question_does_not_reappear_after_a_slow_save_of_its_draft(phone, show, patron):
    page = phone()
    show(page, patron)
    page.goto("/ask/")
    # No response comes, as on a very slow connection.
    page.route("**/draft/", lambda route: None)
    write(page, "Is there a group for beginners?")
    pause(page)
    page.locator("#send").tap()
    page.wait_for_url(re.compile("/messages/"))
    page.unroute("**/draft/")
    page.goto("/ask/")
    pause(page)
    expect(page.locator("#id_body")).to_have_value("")
    assert page.evaluate(STORED_DRAFTS) == []
    assert not Draft.objects.exclude(body="").exists()


def test_sent_question_does_not_reappear_if_its_draft_arrives_after_the_question(phone, show, patron):
    page = phone()
    show(page, patron)
    page.goto("/ask/")
    drafts = []

    def send(route):
        response = route.fetch(max_redirects=0)
        # The phone sent the draft before the question. Let the draft arrive only now, and the response to the
        # question even later.
        with page.expect_response("**/draft/"):
            drafts[0].continue_()
        page.wait_for_timeout(200)
        route.fulfill(response=response)

    page.route("**/draft/", lambda route: drafts.append(route) if not drafts else route.continue_())
    page.route("**/ask/", lambda route: send(route) if route.request.method == "POST" else route.continue_())
    write(page, "Is there a group for beginners?")
    pause(page)
    eventually(page, lambda: len(drafts), 1)
    page.locator("#send").tap()
    page.wait_for_url(re.compile("/messages/"))
    page.goto("/ask/")
    expect(page.locator("#id_body")).to_have_value("")
    assert not Draft.objects.exclude(body="").exists()


def test_question_reappears_in_the_form_if_sending_failed(phone, show, patron):
    page = phone()
    show(page, patron)
    page.goto("/ask/")
    page.route("**/draft/", lambda route: None)
    page.route(
        "**/ask/", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    write(page, "Is there a group for beginners?")
    pause(page)
    page.locator("#send").tap(no_wait_after=True)
    # The browser shows its own error page.
    expect(page).to_have_url("chrome-error://chromewebdata/")
    page.unroute("**/ask/")
    page.goto("/ask/")
    expect(page.locator("#id_body")).to_have_value("Is there a group for beginners?")


def test_browser_stores_nothing_of_a_quiet_visit(phone, show, branch, staff):
    session = QuietSessionFactory(branch=branch, staff=staff)
    page = opened_conversation(show, phone(), ask(session), codes=[code_for(session)])
    page.context.set_offline(True)
    write(page, "He reads my phone")
    wait_until_not_saved(page)
    assert "phone" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    page.context.set_offline(False)
    wait_until_saved(page)
    assert "phone" not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")


def test_draft_from_another_device_can_be_sent_without_javascript(phone, show, patron, conversation):
    one, other = opened_conversation(show, phone(), conversation, patron), phone(javascript=False)
    write(one, "Is it on Thursday?")
    wait_until_saved(one)
    opened_conversation(show, other, conversation, patron)
    expect(other.locator("#id_body")).to_have_value("Is it on Thursday?")
    other.locator("#send").tap()
    expect(other).to_have_url(re.compile("#latest$"))
    assert not Draft.objects.exists()
