"""Test which actions delete or hide the forms that wait on a phone, and which actions do neither."""

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from tests.extent import rarely
from tests.factories import HelpSessionFactory, QuietSessionFactory, code_for

from . import test_waiting
from .test_kept_pages import kept, until
from .test_waiting import COUNT, FORM, bodies, make_wait, wait_until_nothing_is_sent, waiting, write

pytestmark = pytest.mark.browser
signed_in, session, conversation, page = (
    getattr(test_waiting, name) for name in ("signed_in", "session", "conversation", "page")
)

STORE_SCRIPTS = """async () => {
    const { src, dataset } = document.querySelector("script[data-script]");
    const name = (await caches.keys()).find(each => each.startsWith("offline "));
    await (await caches.open(name)).addAll([src, dataset.script]);
}"""


@pytest.mark.parametrize("path", ["/leave/", "/sign-out/"])
def test_another_website_cannot_delete_the_waiting_forms(page, conversation, patron, site, path):
    make_wait(page, conversation, patron)
    page.goto(f'data:text/html,<form method="post" action="{site}{path}"><button>Win a prize</button></form>')
    page.locator("button").tap()
    page.wait_for_url(f"**{path}")
    page.goto("/offline/")
    assert len(waiting(page)) == 1
    assert conversation.get_absolute_url() in kept(page)


def test_removing_one_visit_from_the_device_deletes_no_waiting_form(
    page, conversation, patron, branch, staff
):
    make_wait(page, conversation, patron)
    opened = HelpSessionFactory(branch=branch, staff=staff)
    page.goto(f"/c/{code_for(opened)}/")
    page.locator("#take-off").tap()
    expect(page.locator("#notices")).to_contain_text("The visit is removed from this device.")
    assert len(waiting(page)) == 1


def test_leaving_a_conversation_page_at_the_desk_deletes_no_waiting_form(page, conversation, patron):
    """Both the form that leaves a conversation and the button "Leave quickly" have /leave/ in the address."""
    make_wait(page, conversation, patron)
    page.context.route("**/desk/**", lambda route: route.fulfill(body="left"))
    page.evaluate("""() => {
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action: "/desk/conversations/1/leave/" });
        document.querySelector("main").append(form);
        form.requestSubmit();
    }""")
    expect(page.locator("body")).to_have_text("left")
    page.goto("/offline/")
    assert len(waiting(page)) == 1


def test_leave_quickly_button_works_before_its_script_is_loaded(page, conversation, patron, branch, staff):
    make_wait(page, conversation, patron)
    page.context.route("**/waiting*.js", lambda route: None)  # The request for the button's script hangs.
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.goto(
        f"/c/{code_for(QuietSessionFactory(branch=branch, staff=staff))}/", wait_until="domcontentloaded"
    )
    page.context.route("**/leave/", lambda route: route.fulfill(body="left"))
    page.locator("#leave").tap()
    expect(page.locator("body")).to_have_text("left")
    page.context.unroute_all()
    page.goto("/offline/")
    until(page, COUNT, 0)


@pytest.mark.parametrize("how", ["the sign-in ended elsewhere", "the choice ended elsewhere"])
def test_offline_page_hides_waiting_text_if_the_phone_may_no_longer_keep_pages(
    page, conversation, patron, how
):
    """Test a lost phone: its owner ends the sign-in elsewhere, and the finder turns off the network."""
    make_wait(page, conversation, patron)
    if how == "the sign-in ended elsewhere":
        Session.objects.all().delete()
    else:
        patron.usersession_set.get().kept_device.delete()
    page.goto("/")
    until(page, "async () => (await caches.keys()).some(name => name.startsWith('kept '))", False)
    # The browser's own cache has the scripts, as it has in production.
    page.evaluate(STORE_SCRIPTS)
    page.context.set_offline(True)
    page.goto("/lists/")
    expect(page.locator("#waiting [data-part=count]")).to_contain_text("Waiting on this phone to be sent: 1")
    expect(page.locator(FORM)).to_have_count(0)
    assert "Thank you." not in page.content()


def test_refused_form_is_not_stored_if_the_waiting_forms_were_deleted_first(page, conversation, patron):
    make_wait(page, conversation, patron)
    page.context.unroute("**/reply/")
    [row] = waiting(page)

    def refuse_late(route):
        page.evaluate("() => changeWaiting(store => store.clear())")
        route.fulfill(status=409, content_type="application/json", body='{"words": "No."}')

    page.context.route("**/reply/", refuse_late)
    page.evaluate("() => { sendWaiting(); }")
    until(page, COUNT, 0)
    # Wait until nothing is being sent. The page has then also handled the refused form.
    wait_until_nothing_is_sent(page)
    assert waiting(page) == []


@pytest.mark.core
@pytest.mark.parametrize("ending", ["signing out", rarely("leaving quickly")])
def test_open_tab_stores_no_form_after_another_tab_signs_out_or_leaves_quickly(
    page, conversation, branch, staff, ending
):
    page.goto(conversation.get_absolute_url())
    # The script waiting.js is loaded after the page.
    until(page, "async () => typeof sendWaiting", "function")
    other = page.context.new_page()
    if ending == "signing out":
        other.goto("/me/")
        other.locator("#sign-out").tap()
        expect(other.locator("h1")).to_have_text("You're signed out")
    else:
        other.goto(f"/c/{code_for(QuietSessionFactory(branch=branch, staff=staff))}/")
        other.locator("#leave").tap()
        expect(other.locator("#leave")).to_have_count(0)
    page.context.set_offline(True)
    write(page, "Thank you.")
    expect(page.locator("#failed")).to_be_visible()
    assert waiting(page) == []


def test_two_messages_written_on_the_same_kept_page_are_both_sent(page, conversation):
    """The first message is sent while another page is open, so the kept page lacks this message."""
    page.context.set_offline(True)
    page.goto(conversation.get_absolute_url())
    write(page, "Thank you.")
    expect(page.locator(FORM)).to_be_visible()
    page.goto("about:blank")
    page.context.set_offline(False)
    page.goto("/offline/")
    until(page, COUNT, 0)
    page.context.set_offline(True)
    page.goto(conversation.get_absolute_url())
    expect(page.locator("#as-of")).to_be_visible()
    write(page, "And where is the atlas?")
    expect(page.locator(FORM)).to_be_visible()
    page.context.set_offline(False)
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you.", "And where is the atlas?"]
