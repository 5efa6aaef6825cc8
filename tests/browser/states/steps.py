"""Functions that bring an open page into one of its states."""

import time

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from accounts.models import Library, User
from accounts.sign_in.access import BORROWED
from accounts.sign_in.kept_devices import KEEPS_PAGE
from portal.helpsessions.models import TallyKind
from portal.home.address_off import ADDRESS_OFF
from portal.incoming.models import IncomingEmail
from portal.notifications.models import NoticeChoice, PushSubscription
from portal.notifications.push.browser import PUSH
from tests.factories import (
    PushSubscriptionFactory,
    SavedItemFactory,
    SavedListFactory,
)
from tests.push_device import PushDevice


def wrong_time_zone(page):
    page.fill("#id_time_zone", "Nowhere")
    page.click("#save-notices")
    page.wait_for_selector("#error-summary")


def show_phone(state):
    """Return a function that puts the page into a state that depends on push, which the headless shell lacks."""

    def do(page):
        page.evaluate(
            """state => {
                document.getElementById("before").hidden = ["denied", "ios"].includes(state);
                for (const part of document.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== state;
                // The page adapts the strip above the tab bar to what is shown now.
                dispatchEvent(new Event("resize"));
            }""",
            state,
        )

    return do


def refused_subscription(page):
    """Show the page after the portal refused a subscription at a push service that is not in PUSH_HOSTS."""
    device = PushDevice(f"https://push.example.org/{'x' * 100}")
    page.evaluate(
        """keys => {
            const form = document.getElementById("turn-on");
            for (const [name, value] of Object.entries(keys)) form.elements[name].value = value;
            form.submit();
        }""",
        device.keys,
    )
    page.locator("#error-summary").wait_for(state="attached")
    show_phone("ready")(page)


def on_borrowed_device(page):
    put_into_session(page, {BORROWED: True})
    page.reload()
    remove_from_session(page, BORROWED)


def with_phones(page):
    """Show the page as it is for a person who gets messages in this browser and in two other browsers."""
    person = User.objects.get(pk=session_of(page)[SESSION_KEY])
    here, *_others = PushSubscriptionFactory.create_batch(3, person=person)
    put_into_session(page, {PUSH: {"": str(here.public_id)}})
    # A service worker would set the badge of the app, and the headless shell crashes then.
    page.evaluate("navigator.serviceWorker.ready.then(found => found.unregister())")
    page.reload()
    page.locator("#try").wait_for()
    # Delete the subscriptions again, because the other states need a browser that gets no messages.
    remove_from_session(page, PUSH)
    PushSubscription.objects.filter(person=person).delete()


def with_choice_of_phone(page):
    person = User.objects.get(pk=session_of(page)[SESSION_KEY])
    NoticeChoice.objects.update_or_create(
        person=person,
        kind="conversations/answer",
        branch=None,
        defaults={"channel": "push", "rhythm": "at_once"},
    )
    page.reload()
    page.locator("#no-phone").wait_for()


def with_staff_figures(page):
    """Show the page as it is if the library shows figures by staff member."""
    Library.objects.update(staff_figures=Library.StaffFigures.BRANCH)
    page.reload()
    page.locator("#not-to-judge").wait_for()
    Library.objects.update(staff_figures=Library.StaffFigures.OFF)


def without_kinds(page):
    """Show the tick sheet as it is if the service point has no kinds of tallies."""
    kinds = TallyKind.objects.filter(retired_at=None)
    pks = list(kinds.values_list("pk", flat=True))
    kinds.update(retired_at=timezone.now())
    page.reload()
    page.locator("#no-kinds").wait_for()
    TallyKind.objects.filter(pk__in=pks).update(retired_at=None)


def without_address(page):
    """Show the page as it is for a staff member without an email address."""
    person = User.objects.filter(pk=session_of(page)[SESSION_KEY])
    email = person.get().email
    person.update(email=None)
    page.reload()
    page.locator("#no-address").wait_for()
    person.update(email=email)


def address_off(page):
    """Show the page as it is for a person who signed in while notices to their address were turned off."""
    person = User.objects.get(pk=session_of(page)[SESSION_KEY])
    put_into_session(page, {ADDRESS_OFF: person.email})
    page.reload()
    page.locator("#try-address").wait_for()


def press(button, then):
    """Return a function that presses the first matching button, and waits for the element that replaces it."""

    def do(page):
        page.locator(button).first.click()
        page.locator(then).first.wait_for()

    return do


def unsave(page):
    button = page.locator("button[id^=save-]").first
    if button.get_attribute("aria-pressed") == "false":
        button.click()
        page.locator("button[id^=save-][aria-pressed=true]").first.wait_for()
    button.click()
    page.locator("button[id^=undo-]").first.wait_for()


def write_note(words):
    def do(page):
        page.locator("#id_note").fill(words.message)
        page.locator("#save-note").click()
        page.locator("#saved").wait_for()

    return do


def add_title(words):
    def do(page):
        page.locator("#id_title").fill(words.title)
        page.locator("#id_creators").fill(words.name)
        page.locator("#add").click()
        page.locator("#saved").wait_for()

    return do


def with_lists(words, patron):
    """Return a function that gives the patron more lists, and reloads the page."""

    def do(page):
        full = SavedListFactory(patron=patron, name=words.question[:80])
        SavedItemFactory(saved_list=full, item__title=words.title)
        SavedListFactory(patron=patron, name="Empty")
        page.reload()
        page.locator("#lists").wait_for()

    return do


def open_list(page):
    page.locator("#lists a").nth(1).click()
    page.locator("#saved").wait_for()


def search_for(words):
    """Return a function that searches on the page, and waits for the heading of the results."""

    def do(page):
        page.locator("#id_words").fill(words)
        page.locator("#search button").click()
        page.locator("#found").wait_for()

    return do


def search_long_list(words, patron):
    """Return a function that opens a list of 30 titles and searches in it."""

    def do(page):
        long = SavedListFactory(patron=patron, name="Long")
        for number in range(30):
            note = words.comment if number % 10 == 0 else ""
            SavedItemFactory(saved_list=long, item__title=f"{words.title[:380]} {number}", note=note)
        page.goto(f"{page.url}{long.public_id}/")
        search_for(words.comment[:20])(page)

    return do


def find_in_catalog(words, then):
    """Return a function that searches the catalog for a title to add, and waits for the element `then`."""

    def do(page):
        page.locator("#id_words").fill(words)
        page.locator("#find-in-catalog").click()
        page.locator(then).wait_for()

    return do


def find_as_typed(page):
    find_in_catalog("gardne", "#as-typed")(page)
    page.locator("#as-typed button").click()
    page.locator("#instead").wait_for()


def add_from_catalog(words):
    """Return a function that adds a found title to the list, without leaving the results."""

    def do(page):
        find_in_catalog(words, "#found-title")(page)
        page.locator("[id^=add-]").first.click()
        page.locator("[id^=found-] .tag").wait_for()

    return do


def unfold_branches(page):
    page.locator("main details").first.evaluate("details => { details.open = true; }")


def search_for_too_little(page):
    page.locator("#id_words").fill("%")
    page.locator("#find").click()
    page.locator("#error-summary").wait_for()


def print_empty_list(page):
    page.get_by_role("link", name="Empty").click()
    page.goto(f"{page.url}print/")
    page.locator("main .empty").wait_for()


def change_list(page):
    open_list(page)
    page.locator("#change-list").click()
    page.locator("#rename-list").wait_for()


def remove_list(page):
    change_list(page)
    page.locator("#remove-list").click()
    page.locator("#undo-1").wait_for()


def move_down(page):
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.locator("button[id^=down-]").first.click()
    page.locator("[aria-busy=true]").wait_for(state="hidden")


def long_name_of_link(page):
    page.locator("#id_name").evaluate("field => field.removeAttribute('maxlength')")
    page.locator("#id_name").fill("x" * 81)
    page.locator("#preview").click()
    page.locator("#error-summary").wait_for()


def preview_link(words):
    """Return a function that opens the preview of a link with notes and a name."""

    def do(page):
        page.locator("#id_with_notes").check()
        page.locator("#id_name").fill(words.name[:80])
        page.locator("#preview").click()
        page.locator("#make-link").wait_for()

    return do


def make_link_to_list(words):
    """Return a function that opens the preview of a link, and then makes the link."""

    def do(page):
        preview_link(words)(page)
        page.locator("#make-link").click()
        page.locator("#end-link").wait_for()

    return do


def email_list(page):
    page.locator("#send-list").click()
    page.locator("#notices p").wait_for()


def name_taken(page):
    page.locator("#id_name").fill("Empty")
    page.locator("#make-list").click()
    page.locator("#error-summary").wait_for()


def mark_all(page):
    # Only items without a verdict are marked.
    while page.locator(".item-card button[id^=clear-]").count():
        page.locator(".item-card button[id^=clear-]").first.click()
        page.locator(".item-card [autofocus]").first.wait_for()
        page.reload()
    page.locator("#all-helped").click()
    page.locator("#all-marked").wait_for()


def keep_pages(page):
    session = session_of(page)
    UserSession.objects.get_or_create(
        session_key=session.session_key, defaults={"user_id": session[SESSION_KEY], "ip": "127.0.0.1"}
    )
    page.click("#keep-pages")
    page.wait_for_selector("#end-kept")


def as_kept(page):
    """Show the version of the page that a browser stores for reading offline."""
    page.set_extra_http_headers({KEEPS_PAGE: "1"})
    page.goto(page.url)
    page.set_extra_http_headers({})


# Put rows into the store of waiting forms on this phone.
STORE_WAITING = """async rows => {
    const database = await openKept(), transaction = database.transaction("waiting", "readwrite");
    for (const row of rows) transaction.objectStore("waiting").put(row);
    await new Promise(done => { transaction.oncomplete = done; });
    database.close();
}"""


def let_wait(page, *rows):
    """Store the forms `rows` as waiting in this browser, and stop the browser from sending them."""
    page.route("**/waiting/", lambda route: route.abort())
    writer = page.locator("body").get_attribute("data-writer")
    common = {"writer": writer, "fields": [], "page": "/", "at": time.time() * 1000}
    page.evaluate(
        STORE_WAITING, [common | {"token": f"t{n}", "number": n} | row for n, row in enumerate(rows)]
    )
    page.reload()
    page.locator("[data-waiting=form]").first.wait_for()


def ask_before_signing_out(page):
    page.locator("#sign-out").click()
    page.locator("[data-waiting=leaving]").wait_for()


def session_of(page):
    """Return the Django session of the browser that shows `page`."""
    key = next(
        cookie["value"] for cookie in page.context.cookies() if cookie["name"] == settings.SESSION_COOKIE_NAME
    )
    return SessionStore(key)


def put_into_session(page, values):
    """Put the values into the Django session of the browser that shows `page`."""
    session = session_of(page)
    session.update(values)
    session.save()


def remove_from_session(page, name):
    session = session_of(page)
    del session[name]
    session.save()


def write_by_link(page):
    page.locator("#id_body").fill("It rained all week.")
    page.locator("#send").click()
    page.locator("#saved").wait_for()


def wish_by_link(wish):
    """Return a function that answers "No" on the page that a check-in email links to.

    The function then answers whether the library should write to the patron.
    """

    def do(page):
        page.locator("#found-no").click()
        page.locator(f"#wish-{wish}").click()
        page.locator("#wish-saved").wait_for()

    return do


def day_by_link(button="#ask-later", words=None):
    """Return a function that opens "Ask me later" on the page that a check-in email links to.

    The function then presses `button`. If `words` is given, the function first types `words` into the date
    field.
    """

    def do(page):
        page.locator("#later summary").click()
        if words is not None:
            page.locator("#id_day").fill(words)
        page.locator(button).click()
        page.locator("#done, #error-summary").first.wait_for()

    return do


def empty(field="body", button="#send"):
    def do(page):
        page.locator(f"#id_{field}").fill("")
        page.locator(button).click()
        page.locator(".field-error").first.wait_for()

    return do


def send_test_email(page):
    page.locator("#send-test").click()
    page.locator("#email-state .notice").wait_for()


def make_token(page):
    page.locator("#id_name").fill("Chat service")
    page.locator("input[name=scopes]").first.check()
    page.locator("input[name=branches]").first.check()
    page.locator("#make-token").click()
    page.locator("#made").wait_for()


def choose_no_starter(page):
    chosen = page.locator("input[name=chosen]:checked")
    while chosen.count():
        chosen.first.uncheck()
    page.locator("#add-starters").click()
    page.locator("#error-summary").wait_for()


def confirm(page):
    if page.locator("#confirm").count():
        page.locator("#confirm").click()
        page.locator("#make-passkey").wait_for(state="attached")


def snooze_menu(page):
    page.locator("#snooze > summary").click()
    page.locator("#until-1:focus").wait_for()


def choose_another_item(words):
    """Return a function that searches for a replacement for the item that the patron couldn't get."""

    def do(page):
        page.locator("[name=kind][value=other_item]").check()
        page.locator("#id_promised_on").fill(page.locator("#id_promised_on").get_attribute("max"))
        page.locator("#id_other").fill(words.title[:60])
        page.locator("#save-step").click()
        page.locator("#found-items").wait_for()

    return do


def assign_menu(page):
    page.locator("#whose > summary").click()
    page.locator("#id_to:focus").wait_for()


def asked_to_discard(page):
    page.locator("#discard").click()
    page.locator("#discard-question").wait_for()


def earlier(page):
    page.locator("#show-earlier").click()
    page.locator("#show-earlier").wait_for(state="detached")


def ask_for_code(page, address="new@example.org"):
    page.locator("#id_email").fill(address)
    page.locator("#send-code").click()
    page.locator("#check-code").wait_for()


def wait_for_waiting(page):
    page.locator("[data-waiting=form]").first.wait_for()


def wrong_code(page):
    ask_for_code(page)
    page.locator("#id_code").fill("12")
    page.locator("#check-code").click()
    page.locator(".field-error").first.wait_for()


def wrong_card(page):
    page.locator("#id_card").fill("20001001")
    page.locator("#id_pin").fill("9999")
    page.locator("#check-card").click()
    page.locator("#error-summary").wait_for()


def no_answer(page):
    page.locator("#next").click()
    page.locator(".field-error").first.wait_for()


def move_promises(page):
    page.locator("#id_promise_hours").fill("400")
    page.locator("#save-branch").click()
    page.locator("#move-promises").wait_for()


def open_delete(page):
    page.locator("#delete-email > summary").click()


def delete_all(page):
    IncomingEmail.objects.filter(message=None).delete()
    page.reload()


def pick_template(page):
    page.locator("#templates").click()
    page.locator("#template-list [data-text]").first.wait_for()


def open_day(page):
    page.locator("#another-day").click()


def make_code(page):
    page.locator("#make-code").click()
    page.locator("#code").wait_for()


def ask_at_the_desk(page):
    page.locator("#ask-aloud > summary").click()
    page.locator("#check_ins-pages").wait_for()


def note_death(page):
    page.locator("#has-died > summary").click()
    page.locator("#died").click()
    page.locator("#undo-death").wait_for()


def choose_kind(kind):
    def do(page):
        page.locator(".by-hand > summary").click()
        page.locator("#id_new-kind").select_option(kind)

    return do


def search_with_a_typing_error(page):
    page.locator("#q").fill("gardne")
    page.locator("#as-typed").wait_for()


def search_for_the_typed_words(page):
    search_with_a_typing_error(page)
    page.locator("#as-typed").click()
    page.locator("#instead").wait_for()


def narrow_the_search(page):
    page.locator("#q").fill("gard")
    page.locator("#narrow-kaudiobook").click()
    page.locator("#narrow-kaudiobook[aria-pressed=true]").wait_for()


def search_in_vain(page):
    page.locator("#q").fill("zzzzzz")
    page.locator("#by-hand").wait_for()


def by_address(page):
    page.locator("#id_identifier").fill("far.away@example.org")
    page.locator("#look-up").click()
    page.locator("#open-record").wait_for()


def show_kits(page):
    page.locator(".by-hand > summary").click()
    page.locator("#show-kits").click()
    page.locator("#kits").wait_for()


def show_kits_in_answer(page):
    page.locator(".recommend > summary").click()
    show_kits(page)


def leave_out_the_date(page):
    """Choose that no column of the desk log has the date, so that the page shows an error."""
    page.locator("#id_column-0").select_option("")
    page.locator("#to-values").click()
    page.locator("#error-summary").wait_for()
