"""Test that a phone keeps pages, opens kept pages offline, and deletes them when it must."""

import re
import threading

import pytest
from django.utils import timezone
from playwright.sync_api import Error, expect

from accounts.models import KeptDevice
from portal.home.kept_pages import kept_pages
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.kept import list_sign_in

from .steps import eventually
from .test_installing import FIRST, LATER, SETTLED

pytestmark = pytest.mark.browser

OVERVIEWS = ["/", "/lists/", "/messages/", "/sessions/"]
KEPT = """async () => {
    const found = [];
    for (const name of await caches.keys()) if (name.startsWith("kept ")) {
        for (const { url } of await (await caches.open(name)).keys()) found.push(new URL(url).pathname);
    }
    return found.filter(path => !path.startsWith("/static/")).sort();
}"""
# Changes the stored state of the kept pages as the object `change` says, and returns the state. With an empty
# object, it only returns the state.
STATE = """change => new Promise((resolve, reject) => {
    const opening = indexedDB.open("kept", 1);
    opening.onerror = reject;
    opening.onupgradeneeded = () => {
        opening.result.createObjectStore("state");
        opening.result.createObjectStore("waiting", { keyPath: "token" });
    };
    opening.onsuccess = () => {
        const writing = opening.result.transaction("state", "readwrite"), store = writing.objectStore("state");
        const reading = store.get("kept");
        reading.onsuccess = () => {
            const state = reading.result;
            for (const name of ["at", "clock", "seen"]) if (state && change[name]) state[name] += change[name];
            if (state && change.ends) state.pages[change.ends].ends = state.at;
            if (state && change.kept) for (const page of Object.values(state.pages)) page.kept += change.kept;
            if (state) store.put(state, "kept");
        };
        writing.oncomplete = () => { opening.result.close(); resolve(reading.result); };
    };
})"""
LOCKED = "async () => (await navigator.locks.query()).held.some(lock => lock.name === 'kept pages')"
DAY = 24 * 60 * 60 * 1000


def kept(page):
    return page.evaluate(KEPT)


def until(page, function, wanted):
    """Call the function in the page until it returns `wanted`. The function may return a promise.

    If another page is opened during the wait, call the function in the new page.
    """

    def result():
        try:
            return page.evaluate(function, {})
        except Error:
            return "another page is being opened"

    eventually(page, result, wanted)


def wait_until_kept(page, *paths):
    """Wait until the browser has fetched Home, the lists and these pages, and keeps no other page."""
    wanted = sorted([*OVERVIEWS, *paths])
    until(page, KEPT, wanted)
    until(page, f"async () => Object.keys((await ({STATE})({{}}))?.pages || {{}}).sort()", wanted)
    until(page, LOCKED, False)


def wait_until_nothing_is_kept(page):
    until(page, KEPT, [])
    until(page, f"async () => !(await ({STATE})({{}}))", True)


def wait_for_contact(page, since):
    """Wait until the service worker has fetched the list of kept pages again, after the time `since`."""
    until(page, f"async () => (await ({STATE})({{}})).at > {since} && !(await ({LOCKED})())", True)


@pytest.fixture
def session(branch, patron, staff):
    session = HelpSessionFactory(branch=branch, patron=patron, staff=staff, kept_at=timezone.now())
    recommend_in(session, 2)
    return session


@pytest.fixture
def conversation(session, staff):
    conversation = MessageFactory(conversation=ConversationFactory(help_session=session)).conversation
    MessageFactory(conversation=conversation, side="staff", author=staff, body="Try the north side.")
    return conversation


@pytest.fixture
def signed_in(phone, sign_in, client, show):
    """Return signed_in(person), which opens a page in a new browser in which the person is signed in."""

    def signed_in(person, page=None):
        sign_in(client, person)
        list_sign_in(client, person)
        return show(page or phone())

    return signed_in


def choose(page):
    page.goto("/me/offline/")
    page.locator("#keep-pages").tap()
    expect(page.locator("#end-kept")).to_be_visible()


@pytest.fixture
def page(signed_in, patron, session, conversation):
    """Return the patron's phone, which keeps their pages."""
    page = signed_in(patron)
    choose(page)
    wait_until_kept(page, session.get_absolute_url(), conversation.get_absolute_url())
    return page


def is_offline_page(page, path):
    page.goto(path)
    return page.locator("h1").inner_text() == "You're offline"


def opens_offline(page, path):
    """Return whether the phone can open the page at `path` offline. Then connect the phone again."""
    page.context.set_offline(True)
    is_kept = not is_offline_page(page, path)
    if is_kept:
        expect(page.locator("#as-of")).to_contain_text("This page is from ")
    page.context.set_offline(False)
    return is_kept


@pytest.mark.core
def test_phone_keeps_no_pages_until_the_patron_chooses_to_keep_pages(signed_in, patron, session):
    page = signed_in(patron)
    for path in ("/", session.get_absolute_url(), "/me/offline/"):
        page.goto(path)
    page.evaluate(SETTLED)
    assert kept(page) == []
    assert page.evaluate("async () => (await indexedDB.databases()).map(each => each.name)") == []
    assert not opens_offline(page, session.get_absolute_url())


@pytest.mark.core
def test_kept_page_opens_offline_and_shows_its_age(page, session, conversation):
    # Clear the browser's own cache, so that the scripts must come from the kept pages.
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.context.set_offline(True)
    page.goto("/")
    expect(page.locator("#as-of")).to_contain_text("You're offline. This page is from ")
    page.locator(f"main a[href='{session.get_absolute_url()}']").first.tap()
    expect(page.locator("#as-of")).to_be_visible()
    expect(page.locator("h1")).to_have_text(session.question)
    page.goto(conversation.get_absolute_url())
    expect(page.locator("main")).to_contain_text("Try the north side.")
    assert page.evaluate("typeof htmx + ' ' + typeof openKept") == "object function"
    page.locator(".tabs a[href='/lists/']").tap()
    expect(page.locator("h1")).to_have_text("Your list")
    assert is_offline_page(page, "/me/")


def test_phone_shows_the_servers_page_instead_of_the_kept_page_while_online(page, session):
    session.summary = "Corrected: use dry leaves."
    session.save()
    page.goto(session.get_absolute_url())
    expect(page.locator("main")).to_contain_text("use dry leaves")
    expect(page.locator("#as-of")).to_have_count(0)
    until(
        page,
        f"""async () => (await (await caches.match("{session.get_absolute_url()}", {{ ignoreVary: true }}))?.text())
            ?.includes("use dry leaves")""",
        True,
    )
    page.context.set_offline(True)
    page.goto(session.get_absolute_url())
    expect(page.locator("#as-of")).to_be_visible()
    expect(page.locator("main")).to_contain_text("use dry leaves")


@pytest.mark.core
def test_quiet_visit_is_never_kept(page, show, client, show_code, branch, session, conversation, patron):
    quiet = QuietSessionFactory(branch=branch)
    opened = HelpSessionFactory(branch=branch, question="Only opened with a code")
    MessageFactory(conversation=ConversationFactory(help_session=quiet, patron=patron))
    for visit in (quiet, opened):
        page.goto(f"/c/{code_for(visit)}/")
        expect(page.locator("h1")).to_have_text(visit.title)
    since = page.evaluate(STATE, {})["at"]
    page.goto("/")
    expect(page.locator("main")).to_contain_text(opened.question)
    wait_for_contact(page, since)
    wait_until_kept(page, session.get_absolute_url(), conversation.get_absolute_url())
    page.context.set_offline(True)
    page.goto("/")
    expect(page.locator("#as-of")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text(opened.question)
    assert quiet.get_absolute_url() not in page.content()
    assert is_offline_page(page, quiet.get_absolute_url())


@pytest.mark.core
def test_sign_out_deletes_the_kept_pages(page, session):
    page.goto("/me/")
    page.locator("#sign-out").tap()
    expect(page).to_have_url(re.compile("/signed-out/$"))
    wait_until_nothing_is_kept(page)
    page.evaluate(SETTLED)
    assert not opens_offline(page, session.get_absolute_url())
    assert not KeptDevice.objects.exists()


def test_sign_out_without_a_connection_deletes_the_kept_pages(page, session):
    page.goto("/me/")
    page.context.set_offline(True)
    page.locator("#sign-out").tap()
    expect(page).to_have_url(re.compile("^chrome-error:"))
    assert is_offline_page(page, session.get_absolute_url())
    assert kept(page) == []


def test_sign_out_in_another_tab_deletes_the_kept_pages(page, session):
    other = page.context.new_page()
    other.goto("/me/")
    other.locator("#sign-out").tap()
    expect(other).to_have_url(re.compile("/signed-out/$"))
    wait_until_nothing_is_kept(page)
    other.evaluate(SETTLED)
    assert not opens_offline(page, session.get_absolute_url())


def test_kept_pages_are_deleted_after_the_sign_in_was_ended_on_another_device(page, session):
    KeptDevice.objects.get().sign_in.end()
    page.goto("/")
    expect(page.locator("a[href='/sign-in/']").first).to_be_visible()
    wait_until_nothing_is_kept(page)
    assert not opens_offline(page, session.get_absolute_url())


@pytest.mark.core
def test_leave_quickly_button_deletes_the_kept_pages(page, session, branch):
    quiet = QuietSessionFactory(branch=branch)
    page.goto(f"/c/{code_for(quiet)}/")
    page.locator("#leave").tap()
    expect(page.locator("#leave")).to_have_count(0)
    wait_until_nothing_is_kept(page)
    assert not KeptDevice.objects.exists()
    assert not opens_offline(page, session.get_absolute_url())


def test_leave_quickly_button_deletes_the_kept_pages_without_a_connection(page, session, branch):
    quiet = QuietSessionFactory(branch=branch)
    page.goto(f"/c/{code_for(quiet)}/")
    page.context.set_offline(True)
    page.locator("#leave").tap()
    expect(page).to_have_url(re.compile("^chrome-error:"))
    assert is_offline_page(page, session.get_absolute_url())
    assert kept(page) == []


def test_leave_quickly_button_stops_the_service_worker_from_keeping_pages(page, branch, monkeypatch):
    """The server has begun to list the kept pages before the person leaves, and answers afterward."""
    asked, may_answer = threading.Event(), threading.Event()

    def list_late(*args, **kwargs):
        asked.set()
        may_answer.wait(20)
        return kept_pages(*args, **kwargs)

    monkeypatch.setattr("portal.home.views.kept_pages.kept_pages", list_late)
    page.goto(f"/c/{code_for(QuietSessionFactory(branch=branch))}/")
    eventually(page, asked.is_set, True)
    page.context.route("**/leave/", lambda route: route.fulfill(body="left"))
    page.locator("#leave").tap()
    expect(page.locator("body")).to_have_text("left")
    until(page, KEPT, [])
    may_answer.set()
    until(page, LOCKED, False)
    assert kept(page) == []


@pytest.mark.core
def test_kept_pages_are_deleted_when_somebody_else_signs_in(page, signed_in, session, library):
    signed_in(UserFactory(email="else@example.org"), page)
    page.goto("/")
    wait_until_nothing_is_kept(page)
    assert not opens_offline(page, session.get_absolute_url())


def test_next_person_who_keeps_pages_on_the_phone_sees_only_their_own_pages(page, signed_in, branch, session):
    other = UserFactory(email="else@example.org")
    own = HelpSessionFactory(
        branch=branch, patron=other, kept_at=timezone.now(), question="Where is the atlas?"
    )
    signed_in(other, page)
    choose(page)
    wait_until_kept(page, own.get_absolute_url())
    page.context.set_offline(True)
    page.goto("/")
    expect(page.locator("main")).to_contain_text("Where is the atlas?")
    expect(page.locator("main")).not_to_contain_text(session.question)
    assert is_offline_page(page, session.get_absolute_url())


def test_kept_pages_are_deleted_if_the_patron_stops_keeping_them_on_this_phone(page, session):
    page.goto("/me/offline/")
    page.locator("#end-kept").tap()
    expect(page.locator("#keep-pages")).to_be_visible()
    wait_until_nothing_is_kept(page)
    assert not opens_offline(page, session.get_absolute_url())


def test_kept_pages_are_deleted_if_the_patron_stops_keeping_them_in_another_browser(
    page, signed_in, patron, session
):
    other = signed_in(patron)
    other.goto("/me/")
    other.locator("[id^=end-kept-]").tap()
    expect(other.locator("[id^=end-kept-]")).to_have_count(0)
    # The phone is offline, so it can't know yet that its pages must be deleted.
    assert opens_offline(page, session.get_absolute_url())
    page.goto("/")
    wait_until_nothing_is_kept(page)
    assert not opens_offline(page, session.get_absolute_url())


def test_kept_page_is_deleted_if_the_person_may_no_longer_open_the_page(page, session, conversation):
    conversation.delete()
    session.patron = None
    session.save()
    page.goto("/lists/")
    wait_until_kept(page)
    assert not opens_offline(page, session.get_absolute_url())
    assert opens_offline(page, "/")


def test_kept_pages_are_deleted_7_days_after_the_last_connection(page, session):
    page.evaluate(STATE, dict.fromkeys(("at", "clock", "seen"), -7 * DAY + 120000))
    page.context.set_offline(True)
    assert not is_offline_page(page, session.get_absolute_url())
    assert not is_offline_page(page, "/")
    page.evaluate(STATE, dict.fromkeys(("at", "clock", "seen"), -120000))
    assert is_offline_page(page, session.get_absolute_url())
    assert is_offline_page(page, "/")
    assert kept(page) == []
    page.context.set_offline(False)
    page.goto("/")
    wait_until_kept(page, session.get_absolute_url(), session.conversations.get().get_absolute_url())


def test_each_contact_with_the_server_keeps_the_pages_for_7_more_days(page, session):
    page.evaluate(STATE, dict.fromkeys(("at", "clock", "seen"), -6 * DAY))
    at = page.evaluate(STATE, {})["at"]
    page.goto("/")
    wait_for_contact(page, at + DAY)
    page.evaluate(STATE, dict.fromkeys(("at", "clock", "seen"), -6 * DAY))
    assert opens_offline(page, session.get_absolute_url())


def test_kept_pages_are_deleted_if_the_clock_is_set_back(page, session):
    page.evaluate(STATE, {"seen": 60 * 60 * 1000})
    assert not opens_offline(page, session.get_absolute_url())


def test_phone_does_not_keep_a_page_longer_because_the_page_was_read_offline(page, session):
    page.evaluate(STATE, dict.fromkeys(("at", "clock", "seen"), -2 * DAY))
    before = page.evaluate(STATE, {})
    page.context.set_offline(True)
    assert not is_offline_page(page, session.get_absolute_url())
    after = page.evaluate(STATE, {})
    assert (after["at"], after["clock"]) == (before["at"], before["clock"])
    assert after["seen"] >= before["seen"] + 2 * DAY


def test_page_is_not_kept_if_keeping_is_turned_off_before_the_page_has_been_fetched(
    page, session, monkeypatch
):
    def list_and_end(*args, **kwargs):
        listed = kept_pages(*args, **kwargs)
        KeptDevice.objects.all().delete()
        return listed

    monkeypatch.setattr("portal.home.views.kept_pages.kept_pages", list_and_end)
    session.summary = "All pages with this visit have changed."
    session.save()
    since = page.evaluate(STATE, {})["at"]
    page.goto("/lists/")
    wait_for_contact(page, since)
    assert kept(page) == []


def test_kept_page_is_deleted_when_its_visit_is_due_for_deletion(page, session, conversation):
    page.evaluate(STATE, {"ends": session.get_absolute_url()})
    page.context.set_offline(True)
    assert is_offline_page(page, session.get_absolute_url())
    assert not is_offline_page(page, conversation.get_absolute_url())
    assert kept(page) == sorted([*OVERVIEWS, conversation.get_absolute_url()])


def test_kept_page_gets_a_new_deletion_time_at_each_contact_with_the_server(page, session):
    path = session.get_absolute_url()
    before = page.evaluate(STATE, {})["pages"][path]["ends"]
    at = page.evaluate(STATE, {"ends": path})["at"]
    page.goto("/lists/")
    wait_for_contact(page, at)
    assert page.evaluate(STATE, {})["pages"][path]["ends"] == before
    assert opens_offline(page, path)


@pytest.mark.parametrize("days", [0, 1])
def test_kept_page_is_fetched_again_after_a_day_even_if_no_change_is_known(page, session, branch, days):
    path = session.get_absolute_url()
    has_new_phone = f"""async () => (await (await caches.match("{path}", {{ ignoreVary: true }}))?.text())?.includes("555-0199")"""
    branch.phone = "555-0199"
    branch.save()
    at = page.evaluate(STATE, {"kept": -days * DAY - 1})["at"]
    page.goto("/lists/")
    wait_for_contact(page, at)
    until(page, LOCKED, False)
    assert page.evaluate(has_new_phone) is (days == 1)


def test_keeping_a_conversation_on_the_phone_does_not_mark_its_messages_as_read(page, conversation):
    assert page.goto("/messages/").ok
    expect(page.locator(".badge")).to_have_count(1)


@pytest.mark.parametrize("other", [FIRST, LATER], ids=["earlier release", "later release"])
def test_pages_are_kept_again_after_a_service_worker_of_another_release_is_replaced(
    page, serve, session, conversation, other
):
    serve(other)
    page.goto("/")
    page.evaluate(SETTLED)
    # The pages of this release must work while the service worker of the other release runs.
    page.goto(session.get_absolute_url())
    page.locator("#found-all").tap()
    expect(page.locator("#clear-outcome")).to_be_visible()
    serve(None)
    page.goto("/")
    page.evaluate(SETTLED)
    page.goto("/")
    wait_until_kept(page, session.get_absolute_url(), conversation.get_absolute_url())
    assert opens_offline(page, session.get_absolute_url())


def test_new_service_worker_does_not_delete_kept_pages_in_the_same_format(page, library, session):
    before = page.evaluate("async () => (await caches.keys()).sort()")
    library.accent_color = "#7a1f5c"
    library.save()
    page.evaluate(SETTLED)
    after = page.evaluate("async () => (await caches.keys()).sort()")
    assert [name for name in after if name in before] == [name for name in before if name.startswith("kept ")]
    assert len(after) == len(before) == 2
    assert opens_offline(page, session.get_absolute_url())


def test_kept_pages_are_deleted_if_the_library_returns_to_an_earlier_release(page, session, monkeypatch):
    """An earlier release has no kept devices, so people could no longer stop keeping pages there."""
    monkeypatch.setattr("accounts.sign_in.kept_devices.device_here", lambda request: None)
    page.goto("/")
    wait_until_nothing_is_kept(page)
    assert not opens_offline(page, session.get_absolute_url())


def test_keep_pages_page_says_that_a_browser_without_javascript_cannot_keep_pages(phone, show, patron):
    page = show(phone(javascript=False), patron)
    page.goto("/me/offline/")
    expect(page.locator("[data-cannot-keep]")).to_be_visible()
    expect(page.locator("#keep-pages")).to_be_hidden()
