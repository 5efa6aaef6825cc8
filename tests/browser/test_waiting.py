"""Test forms that are sent offline: they wait on the phone, and are sent later, in order and only once."""

import re
import threading
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Error, expect

from accounts import waiting_forms
from accounts.models import User
from portal.conversations.models import Conversation, Message
from portal.lists.models import SavedItem
from portal.models import SentForm
from recommendations.actions import record_verdict
from recommendations.models import Recommendation
from tests.extent import rarely
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    UserFactory,
    code_for,
    recommend_in,
)

from .steps import card, eventually
from .test_kept_pages import STATE, choose, signed_in, until, wait_for_contact, wait_until_kept

pytestmark = pytest.mark.browser
assert signed_in  # This is a fixture, which pytest finds because it is imported.

# Adds `rows`, if given, to the waiting forms in this browser, and returns all waiting forms.
WAITING = """rows => new Promise((resolve, reject) => {
    const opening = indexedDB.open("kept", 1);
    opening.onerror = opening.onblocked = reject;
    // Signing out deletes the whole database.
    opening.onupgradeneeded = () => {
        opening.result.createObjectStore("state");
        opening.result.createObjectStore("waiting", { keyPath: "token" });
    };
    opening.onsuccess = () => {
        const transaction = opening.result.transaction("waiting", "readwrite"), store = transaction.objectStore("waiting");
        for (const row of Array.isArray(rows) ? rows : []) store.put(row);
        const reading = store.getAll();
        transaction.oncomplete = () => { opening.result.close(); resolve(reading.result); };
    };
})"""
COUNT = f"async () => (await ({WAITING})()).length"
FORM = "[data-waiting=form]"


def waiting(page):
    """Return the forms that wait in the browser.

    If a sign-out is deleting them, wait until they are deleted.
    """
    for _turn in range(50):
        try:
            return page.evaluate(WAITING)
        except Error:
            page.wait_for_timeout(100)
    return page.evaluate(WAITING)


def bodies():
    return list(
        Message.objects.filter(side="patron").order_by("sent_at", "pk").values_list("body", flat=True)
    )


@pytest.fixture
def session(branch, patron, staff):
    session = HelpSessionFactory(branch=branch, patron=patron, staff=staff, kept_at=timezone.now())
    recommend_in(session, 2)
    return session


@pytest.fixture
def given(session):
    return Recommendation.objects.order_by("pk").first()


@pytest.fixture
def conversation(session, patron, staff):
    conversation = ConversationFactory(help_session=session)
    MessageFactory(conversation=conversation, side="patron", author=patron, body="Where is it?")
    MessageFactory(conversation=conversation, side="staff", author=staff, body="Try the north side.")
    return conversation


@pytest.fixture
def page(signed_in, patron, session, conversation):
    """Return the patron's phone, which keeps their pages."""
    page = signed_in(patron)
    choose(page)
    wait_until_kept(page, session.get_absolute_url(), conversation.get_absolute_url())
    return page


def write(page, body):
    page.locator("#id_body").fill(body)
    page.locator("#send").tap()


def go_offline(page):
    """Wait until the page has loaded waiting.js, its last script. Then cut the connection."""
    until(page, "async () => typeof sendWaiting", "function")
    page.context.set_offline(True)


def write_offline(page, conversation, body="Thank you."):
    """Write a message offline, and wait until the page shows it as waiting."""
    since = page.evaluate(STATE, {})["at"]
    page.goto(conversation.get_absolute_url())
    # Opening the page of the conversation marked its messages as read. So the phone now fetches the page of
    # the conversation again.
    wait_for_contact(page, since)
    wait_until_kept(page, conversation.help_session.get_absolute_url(), conversation.get_absolute_url())
    go_offline(page)
    write(page, body)
    expect(page.locator(FORM)).to_be_visible()


def tap_offline(page, given, verdict="helped", *, count=1):
    """Tap a verdict on the page of the visit while offline. Wait until `count` forms wait on the phone."""
    page.locator(f"#{verdict}-{given.public_id}").tap()
    expect(page.locator(FORM)).to_have_count(count)


@pytest.mark.core
def test_reply_written_offline_is_shown_as_waiting_and_is_delivered_once(page, conversation, library):
    write_offline(page, conversation)
    form = page.locator(f"#entries {FORM}")
    expect(form.locator("[data-part=text]")).to_have_text("Thank you.")
    # The time is in the library's time zone, not in the phone's, and in the same format as on all other
    # pages.
    hour = timezone.now().astimezone(library.zone).strftime("%-I")
    expect(form.locator("[data-part=at]")).to_have_text(re.compile(rf"[A-Z]\w\w \d+, {hour}:\d\d\s[ap]\.m\."))
    expect(form.locator("[data-part=state]")).to_have_text(
        "Waits on this phone. It is sent when there is a connection."
    )
    expect(page.locator("#id_body")).to_have_value("")
    expect(page.locator("#failed")).to_have_count(0)
    # The composer is empty now, so nothing says that it has a draft.
    expect(page.locator("[data-draft-state]")).to_be_hidden()
    assert bodies() == ["Where is it?"]

    page.context.set_offline(False)
    expect(page.locator(".message .bubble").last).to_contain_text("Thank you.")
    expect(page.locator(FORM)).to_have_count(0)
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]
    page.reload()
    expect(page.locator("#id_body")).to_have_value("")


def test_kept_pages_and_the_offline_page_show_the_waiting_reply(page, conversation):
    write_offline(page, conversation)
    page.reload()
    expect(page.locator("#as-of")).to_be_visible()
    expect(page.locator(f"#entries {FORM} [data-part=text]")).to_have_text("Thank you.")
    expect(page.locator("#id_body")).to_have_value("")
    page.goto("/")
    expect(page.locator("#main > [data-waiting=list] summary")).to_have_text(
        "Waiting on this phone to be sent: 1 of at most 50"
    )
    page.goto("/me/")
    expect(page.locator("h1")).to_have_text("You're offline")
    expect(page.locator(f"#waiting {FORM} [data-part=text]")).to_have_text("Thank you.")


def test_waiting_reply_is_sent_when_the_next_page_is_opened(page, conversation):
    write_offline(page, conversation)
    page.goto("about:blank")
    page.context.set_offline(False)
    page.goto("/lists/")
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]


@pytest.mark.parametrize("lost", ["first", rarely("second")], ids=["of the first try", "of the second try"])
def test_reply_is_saved_once_even_if_the_response_of_the_server_is_lost(page, conversation, lost):
    """Lose the response, although the server has saved the message."""
    page.goto(conversation.get_absolute_url())
    tries = []

    def lose(route):
        tries.append(route.request.headers.get("x-form-token"))
        if len(tries) == 1 and lost == "second":
            return route.abort("internetdisconnected")
        if len(tries) == (1 if lost == "first" else 2):
            route.fetch()
            return route.abort("internetdisconnected")
        return route.continue_()

    page.context.route("**/reply/", lose)
    write(page, "Thank you.")
    expect(page.locator(FORM)).to_be_visible()
    if lost == "second":
        page.reload()
        expect(page.locator(FORM)).to_be_visible()
        eventually(page, lambda: len(tries), 2)
        wait_until_nothing_is_sent(page)
    assert bodies() == ["Where is it?", "Thank you."]
    page.reload()
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]
    assert len(tries) == (2 if lost == "first" else 3)
    assert len(set(tries)) == 2  # The first request has no token. All later requests have the same token.


@pytest.fixture
def worker(page):
    """Return functions that control the service worker: sync() wakes it for Background Sync, and kill() stops it."""
    devtools, registrations = page.context.new_cdp_session(page), []
    devtools.on(
        "ServiceWorker.workerRegistrationUpdated", lambda found: registrations.extend(found["registrations"])
    )
    devtools.send("ServiceWorker.enable")

    class Worker:
        def sync(self):
            devtools.send(
                "ServiceWorker.dispatchSyncEvent",
                {
                    "origin": registrations[0]["scopeURL"].rstrip("/"),
                    "registrationId": registrations[0]["registrationId"],
                    "tag": "waiting",
                    "lastChance": False,
                },
            )

        def kill(self):
            devtools.send("ServiceWorker.stopAllWorkers")

    return Worker()


def test_service_worker_sends_waiting_forms_without_an_open_page(page, conversation, worker):
    write_offline(page, conversation)
    page.goto("about:blank")
    page.context.set_offline(False)
    worker.sync()
    eventually(page, SentForm.objects.exists, True)
    assert bodies() == ["Where is it?", "Thank you."]


def test_form_is_saved_once_if_the_service_worker_stops_before_the_response(
    page, conversation, worker, monkeypatch
):
    write_offline(page, conversation)
    page.goto("about:blank")
    saved, may_answer, answers = threading.Event(), threading.Event(), []
    real = waiting_forms._take

    def answer_late(*args):
        response = real(*args)
        answers.append(response.status_code)
        saved.set()
        may_answer.wait(20)
        return response

    monkeypatch.setattr(waiting_forms, "_take", answer_late)
    page.context.set_offline(False)
    worker.sync()
    eventually(page, saved.is_set, True)
    assert bodies() == ["Where is it?", "Thank you."]
    worker.kill()
    may_answer.set()
    page.goto("/offline/")
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]
    assert answers == [200, 200]
    assert SentForm.objects.count() == 1


def test_waiting_replies_and_verdicts_are_sent_in_the_order_in_which_they_were_made(
    page, conversation, session, given, monkeypatch
):
    arrived, real = [], waiting_forms._take

    def take(request, *args):
        arrived.append(request.POST.get("body") or request.POST.get("verdict"))
        return real(request, *args)

    monkeypatch.setattr(waiting_forms, "_take", take)
    write_offline(page, conversation, "First.")
    page.goto(session.get_absolute_url())
    tap_offline(page, given, "partly", count=2)
    tap_offline(page, given, "helped", count=3)
    page.goto(conversation.get_absolute_url())
    write(page, "Second.")
    expect(page.locator(f"#entries {FORM}")).to_have_count(2)
    assert bodies() == ["Where is it?"]

    page.context.set_offline(False)
    until(page, COUNT, 0)
    assert arrived == ["First.", "partly", "helped", "Second."]
    assert bodies() == ["Where is it?", "First.", "Second."]
    given.refresh_from_db()
    assert given.verdict == "helped"


def test_patron_page_shows_a_verdict_that_was_sent_from_a_kept_page(page, session, given):
    page.context.set_offline(True)
    page.goto(session.get_absolute_url())
    tap_offline(page, given)
    shown = card(page, given.item.title).locator(FORM)
    expect(shown.locator("[data-part=about]")).to_have_text(f"Your answer about “{given.item.title}”")
    expect(shown.locator("[data-part=text]")).to_have_text("Helped")
    page.context.set_offline(False)
    expect(page.locator(f"#helped-{given.public_id}")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#as-of")).to_have_count(0)
    given.refresh_from_db()
    assert given.verdict == "helped"


def test_comment_can_wait_on_the_phone_without_htmx(page, given):
    record_verdict(given, verdict="helped", at=timezone.now())
    page.goto(f"/recommendations/{given.public_id}/verdict/")
    go_offline(page)
    page.locator("#id_comment").fill("Clear and short.")
    page.locator("#save-comment").tap()
    expect(page.locator(f"{FORM} [data-part=text]")).to_have_text("Clear and short.")
    page.context.set_offline(False)
    until(page, COUNT, 0)
    given.refresh_from_db()
    assert given.comment == "Clear and short."


def test_form_is_sent_as_usual_without_htmx_while_the_phone_is_online(page, given):
    record_verdict(given, verdict="helped", at=timezone.now())
    page.goto(f"/recommendations/{given.public_id}/verdict/")
    page.locator("#id_comment").fill("Clear and short.")
    page.locator("#save-comment").tap()
    expect(page).to_have_url(re.compile("/sessions/"))
    assert waiting(page) == []
    given.refresh_from_db()
    assert given.comment == "Clear and short."


def test_items_saved_or_removed_offline_are_saved_or_removed_only_once(page, patron, session, given):
    other = Recommendation.objects.order_by("pk").last()
    saved = SavedItemFactory(saved_list__patron=patron, item=given.item)
    page.goto("/lists/")
    go_offline(page)
    # htmx sends the button without an HTML form, so waiting.js must be loaded first.
    page.wait_for_function("() => typeof sendWaiting === 'function'")
    page.locator(f"#remove-{saved.public_id}").tap()
    expect(page.locator(f"{FORM} [data-part=about]")).to_have_text(
        f"Remove “{given.item.title}” from your list"
    )
    page.goto(session.get_absolute_url())
    page.locator(f"#save-{other.public_id}").tap()
    expect(card(page, other.item.title).locator(f"{FORM} [data-part=about]")).to_have_text(
        f"Save “{other.item.title}” in your list"
    )
    page.context.set_offline(False)
    until(page, COUNT, 0)
    assert [row.item for row in SavedItem.objects.in_lists()] == [other.item]


@pytest.mark.parametrize("status", [403, 410, 413])
def test_refused_form_is_shown_on_the_phone_with_the_reason(page, conversation, status):
    write_offline(page, conversation)
    page.context.route(
        "**/reply/",
        lambda route: route.fulfill(
            status=status, headers={"X-From-Portal": "1"}, json={"words": f"No, because of {status}."}
        ),
    )
    page.context.set_offline(False)
    state = page.locator(f"#entries {FORM} [data-part=state]")
    expect(state).to_have_text(f"Not sent. No, because of {status}.")
    page.context.unroute("**/reply/")
    # The form is not sent again automatically, and every page shows it.
    page.goto("/")
    expect(page.locator(f"{FORM} [data-part=state]")).to_have_text(f"Not sent. No, because of {status}.")
    assert bodies() == ["Where is it?"]
    page.locator("[data-do=page]").tap()
    expect(page).to_have_url(re.compile(f"{conversation.get_absolute_url()}$"))
    page.locator("[data-do=again]").tap()
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]


def test_patron_reads_that_a_waiting_verdict_did_not_replace_a_later_verdict(page, session, given):
    page.goto(session.get_absolute_url())
    go_offline(page)
    tap_offline(page, given)
    # The tap now counts as an hour old. Half an hour ago, the patron chose another verdict on another device.
    [row] = waiting(page)
    page.evaluate(WAITING, [row | {"at": row["at"] - 3_600_000}])
    record_verdict(given, verdict="partly", at=timezone.now() - timedelta(minutes=30))
    page.context.set_offline(False)
    expect(page.locator(f"{FORM} [data-part=state]")).to_contain_text("We kept your later choice.")
    given.refresh_from_db()
    assert given.verdict == "partly"
    page.locator("[data-do=delete]").tap()
    expect(page.locator(FORM)).to_have_count(0)
    assert waiting(page) == []


def test_patron_can_copy_or_delete_a_waiting_reply_to_a_deleted_conversation(page, conversation):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    write_offline(page, conversation)
    Conversation.objects.all().delete()
    page.context.set_offline(False)
    expect(page.locator(f"{FORM} [data-part=state]")).to_have_text(
        "Not sent. The page with this form was deleted, or you can no longer open it."
    )
    page.goto("/")
    page.locator("[data-do=copy]").tap()
    until(page, "() => navigator.clipboard.readText()", "Thank you.")
    page.locator("[data-do=delete]").tap()
    expect(page.locator("[data-waiting]")).to_have_count(0)
    assert waiting(page) == []


def test_waiting_form_is_sent_once_even_if_two_tabs_are_open(page, conversation, monkeypatch):
    asked, real = [], waiting_forms._take
    monkeypatch.setattr(waiting_forms, "_take", lambda *args: (asked.append(1), real(*args))[1])
    write_offline(page, conversation)
    others = [page.context.new_page() for _ in range(3)]
    for other in others:
        other.goto(conversation.get_absolute_url())
        expect(other.locator(FORM)).to_be_visible()
    page.context.set_offline(False)
    for other in [page, *others]:
        expect(other.locator(FORM)).to_have_count(0)
    assert bodies() == ["Where is it?", "Thank you."]
    assert asked == [1]


def test_form_of_a_signed_out_person_waits_until_they_sign_in_again(page, patron, conversation, signed_in):
    write_offline(page, conversation)
    Session.objects.all().delete()
    page.context.set_offline(False)
    expect(page.locator(f"{FORM} [data-part=state]")).to_have_text("Waits on this phone. Sign in to send it.")
    page.goto("/sign-in/")
    expect(page.locator("[data-waiting=list] summary")).to_have_text(
        "Waiting on this phone to be sent: 1 of at most 50"
    )
    expect(page.locator("[data-waiting=list] p")).to_have_text(
        "Sign in to send what is waiting on this phone. If someone else signs in first, it is deleted."
    )
    assert "Thank you." not in page.content()
    assert bodies() == ["Where is it?"]
    signed_in(patron, page)
    page.goto("/")
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]


@pytest.mark.core
@pytest.mark.parametrize("refused", [None, rarely(409)], ids=["not tried yet", "refused"])
def test_another_person_neither_sees_nor_sends_the_waiting_forms(page, conversation, signed_in, refused):
    write_offline(page, conversation)
    [row] = waiting(page)
    page.evaluate(WAITING, [row | {"refused": refused, "words": "No."}])
    Session.objects.all().delete()
    page.goto("about:blank")
    page.context.set_offline(False)
    other = UserFactory()
    signed_in(other, page)
    page.goto("/")
    assert "Thank you." not in page.content()
    until(page, COUNT, 0)
    expect(page.locator("[data-waiting]")).to_have_count(0)
    assert bodies() == ["Where is it?"]


def sign_out(page):
    page.goto("/me/")
    page.locator("#sign-out").tap()


def fail(page):
    """Connect the phone, let the server return an error for each reply, and wait until the page stops sending."""
    page.context.route("**/reply/", lambda route: route.fulfill(status=503))
    with page.expect_response("**/reply/"):
        page.context.set_offline(False)
    wait_until_nothing_is_sent(page)


def wait_until_nothing_is_sent(page):
    """Wait until the page no longer sends waiting forms. The page holds a lock while it sends them."""
    until(page, "async () => (await navigator.locks.query()).held.length", 0)


def make_wait(page, conversation, patron):
    """Write a message that waits because the server answers 503, although the phone is online."""
    write_offline(page, conversation)
    fail(page)


@pytest.mark.core
def test_signing_out_asks_whether_to_send_or_delete_the_waiting_forms(page, conversation, patron):
    make_wait(page, conversation, patron)
    sign_out(page)
    asked = page.locator("[data-waiting=leaving]")
    expect(asked.locator("[data-part=count]")).to_have_text(
        "Still waiting on this phone to be sent: 1. If you go on, everything that waits is deleted."
    )
    asked.locator("[data-do=send]").tap()
    expect(asked.locator("[data-part=failed]")).to_be_visible()
    asked.locator("[data-do=stay]").tap()
    expect(asked).to_have_count(0)
    assert len(waiting(page)) == 1

    sign_out(page)
    page.context.unroute("**/reply/")
    asked.locator("[data-do=send]").tap()
    expect(page.locator("h1")).to_have_text("You're signed out")
    assert bodies() == ["Where is it?", "Thank you."]


@pytest.mark.parametrize("ending", ["signing out", "ending the choice"])
def test_waiting_forms_are_deleted_if_the_person_chooses_to_delete_them(page, conversation, patron, ending):
    make_wait(page, conversation, patron)
    if ending == "signing out":
        sign_out(page)
    else:
        page.goto("/me/offline/")
        page.locator("#end-kept").tap()
    page.locator("[data-waiting=leaving] [data-do=discard]").tap()
    expect(page.locator("[data-waiting]")).to_have_count(0)
    until(page, COUNT, 0)
    page.context.unroute("**/reply/")
    page.goto("/")
    assert bodies() == ["Where is it?"]


def test_leave_quickly_button_deletes_the_waiting_forms_without_asking(
    page, conversation, patron, branch, staff, show
):
    make_wait(page, conversation, patron)
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    page.goto(f"/c/{code_for(quiet)}/")
    expect(page.locator(".leave + [data-waiting=list]")).to_be_visible()
    page.route("**/leave/", lambda route: route.fulfill(body="left"))
    page.locator("#leave").tap()
    expect(page.locator("body")).to_have_text("left")
    page.goto("/offline/")
    until(page, COUNT, 0)


def test_form_about_a_quiet_visit_never_waits_on_the_phone(page, branch, staff):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    [item] = recommend_in(quiet)
    page.goto(f"/c/{code_for(quiet)}/")
    assert page.locator("body").get_attribute("data-kept-device")
    go_offline(page)
    page.locator(f"#helped-{item.public_id}").tap()
    expect(page.locator("#failed")).to_be_visible()
    assert waiting(page) == []


def test_forms_do_not_wait_on_a_phone_that_keeps_no_pages(signed_in, patron, conversation):
    page = signed_in(patron)
    page.goto(conversation.get_absolute_url())
    page.context.set_offline(True)
    write(page, "Thank you.")
    expect(page.locator("#failed")).to_be_visible()
    expect(page.locator("#id_body")).to_have_value("Thank you.")
    assert page.evaluate("async () => (await indexedDB.databases()).map(found => found.name)") == []


def test_text_stays_on_the_page_if_the_phone_cannot_store_the_form(page, patron, conversation):
    page.context.set_offline(True)
    page.goto(conversation.get_absolute_url())
    rows = [
        {
            **{"token": f"t{number}", "number": number, "writer": str(patron.public_id), "kind": "save"},
            **{"address": f"/lists/save/{number}/", "fields": [], "page": "/", "about": "A book", "text": ""},
            "at": 1e14,
        }
        for number in range(50)
    ]
    page.evaluate(WAITING, rows)
    page.reload()
    expect(page.locator("[data-waiting=list] summary")).to_have_text(
        "Waiting on this phone to be sent: 50 of at most 50"
    )
    write(page, "Thank you.")
    expect(page.locator("#failed")).to_be_visible()
    expect(page.locator("#id_body")).to_have_value("Thank you.")
    assert len(waiting(page)) == 50


def test_form_that_has_waited_for_more_than_a_week_is_not_sent_automatically(page, conversation):
    write_offline(page, conversation)
    [row] = waiting(page)
    page.evaluate(WAITING, [row | {"at": row["at"] - 8 * 24 * 3_600_000}])
    page.context.set_offline(False)
    expect(page.locator(f"{FORM} [data-part=state]")).to_have_text(
        "This was not sent, because it waited for more than 7 days."
    )
    assert bodies() == ["Where is it?"]
    page.locator("[data-do=again]").tap()
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]


def test_texts_about_waiting_forms_are_in_the_language_of_the_patron(page, patron, conversation):
    User.objects.filter(pk=patron.pk).update(language="es")
    page.goto(conversation.get_absolute_url())
    until(page, "async () => (await caches.keys()).some(name => name.endsWith(' es'))", True)
    page.reload()
    go_offline(page)
    write(page, "Gracias.")
    expect(page.locator(f"{FORM} [data-part=state]")).to_have_text(
        "Espera en este teléfono. Se enviará cuando haya conexión."
    )
