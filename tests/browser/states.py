"""Build a library that fills every page, and list the address of every state of every page."""

import datetime
import hashlib
import time
import uuid
from dataclasses import dataclass, field

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from django.utils import timezone

from accounts import audit
from accounts.ils import fake
from accounts.models import (
    AddressChange,
    AuditEvent,
    Library,
    LibraryCard,
    OpeningHours,
    StaffRole,
    User,
)
from accounts.patron.people import person_added_at_desk
from accounts.patron.refused_posts import save_refused_post
from accounts.sign_in import desk_pins
from accounts.sign_in.access import BORROWED
from accounts.sign_in.emailed_codes import EmailedCode
from accounts.sign_in.kept_devices import KEEPS_PAGE
from accounts.sign_in.library_cards import person_with_card
from accounts.sign_in.unsent import UNSENT, mark_of
from accounts.staff import shared_desks
from accounts.views.single_sign_on import FIRST_TIME
from portal.checkins.models import CheckIn
from portal.checkins.quotes import share_words
from portal.conversations import actions as conversations
from portal.conversations import call_backs, desk_actions, drafts, outcomes, verdicts
from portal.conversations.models import Conversation, Event, Message, Participation
from portal.conversations.starter_templates import STARTERS
from portal.helpsessions.account_codes import make_code as make_account_code
from portal.helpsessions.models import ClaimCode, SessionRecommendation
from portal.home.address_off import ADDRESS_OFF
from portal.imports.matching import match
from portal.incoming.models import IncomingEmail
from portal.lists.actions import save
from portal.lists.links import address_of, make_link
from portal.lists.own_words import add_title as add_by_patron
from portal.lists.staff_links import end_staff_link, make_staff_link
from portal.notifications.models import NoticeChoice, PushSubscription
from portal.notifications.push.browser import PUSH
from portal.notifications.unsubscribing import unsubscribe_url
from portal.privacy import holds, sharing, unmerging
from portal.privacy.models import Correction, UnfinishedCorrection
from recommendations.actions import record_verdict
from recommendations.models import Holding, QuestionType, Topic
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    CheckInFactory,
    ChildFactory,
    ConversationFactory,
    ErasureFactory,
    ExportFactory,
    HelpSessionFactory,
    IncomingEmailFactory,
    InvitationFactory,
    ItemFactory,
    MessageFactory,
    NotificationFactory,
    PasskeyFactory,
    PushSubscriptionFactory,
    QuietSessionFactory,
    ReplyTemplateFactory,
    SavedItemFactory,
    SavedListFactory,
    SessionNoteFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    ask_by_email,
    attach_to,
    code_for,
    pdf_file,
    photograph,
    picture_file,
    recommend_in,
    recommend_in_message,
)
from tests.push_device import PushDevice

HOSTILE = (
    "<img src=x onerror=alert(1)> {{7*7}} <script>alert(2)</script> javascript:alert(3) http://evil.example/?a=\"b'c "
    "\u202egnirts\u202c Z\u0351\u036b\u0343\u0334\u0489a\u0489l\u0352\u0315g\u035e\u0489o " + "w" * 400
)


@dataclass(frozen=True)
class Words:
    """The texts that people typed and that pages show. Words.hostile() replaces each text with an attack."""

    library: str = "Harbour Library"
    branch: str = "Harbour Main"
    address: str = "1 Harbour Square, Harbourtown"
    name: str = "Sam Okafor"
    helper: str = "Rosa Lindqvist"
    question: str = "How do I start a balcony compost bin without it smelling? My neighbour sits next to it."
    summary: str = "We looked at what works in the shade.\n\nThe course on Saturday is free: https://harbour.example/courses"
    title: str = "Compost City: Practical Composting Know-How for Small-Space Living"
    creators: str = "Rebecca Louie"
    original_title: str = "עיר הקומפוסט"
    original_creators: str = "לואי, רבקה"
    reason: str = "because you asked for something a beginner can follow"
    call_number: str = "631.875 LOU"
    location: str = "Gardening, second floor"
    message: str = "The book was spot on, thank you. What do I do about the flies?"
    comment: str = "Chapter three did it."
    topic: str = "Home and garden"
    url: str = "https://catalogue.example/compost"

    @classmethod
    def hostile(cls):
        short = {
            "library": 120,
            "branch": 120,
            "address": 200,
            "name": 80,
            "helper": 80,
            "call_number": 80,
            "location": 80,
            "topic": 60,
            "creators": 300,
            "original_creators": 300,
            "title": 400,
            "original_title": 400,
            "reason": 400,
        }
        words = {name: HOSTILE[: most // 2].ljust(most, "w") for name, most in short.items()}
        return cls(
            **dict.fromkeys(cls.__dataclass_fields__, HOSTILE) | words | {"url": "javascript:alert(4)"}
        )


@dataclass(frozen=True)
class State:
    """One state of one page.

    `do` is a function that brings the page at `path` into this state. `main` is true for the five states of
    which `make screens` takes screenshots in every variant.
    """

    name: str
    path: str
    do: object = field(default=lambda page: None)
    main: bool = False


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
    """Show the page after the browser sent a subscription at a push service that is not in PUSH_HOSTS."""
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
    """Show the page as it is for a person who gets messages in this browser and in two others."""
    person = User.objects.get(pk=session_of(page)[SESSION_KEY])
    here, *_others = PushSubscriptionFactory.create_batch(3, person=person)
    put_into_session(page, {PUSH: {"": str(here.public_id)}})
    # A service worker would set the badge of the app, and the headless shell crashes then.
    page.evaluate("navigator.serviceWorker.ready.then(found => found.unregister())")
    page.reload()
    page.locator("#try").wait_for()
    # In all other states, the browser gets no messages.
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


def without_address(page):
    """Show the page as it is for a staff member without an email address."""
    person = User.objects.filter(pk=session_of(page)[SESSION_KEY])
    email = person.get().email
    person.update(email=None)
    page.reload()
    page.locator("#no-address").wait_for()
    person.update(email=email)


def address_off(page):
    """Show the page as it is after a sign-in by a person whose address is off."""
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
    """Return a function that searches on the page, and waits for the heading of what was found."""

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
    """Return a function that makes a link after its preview."""

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
    """Show the page as the browser keeps it for reading offline."""
    page.set_extra_http_headers({KEEPS_PAGE: "1"})
    page.goto(page.url)
    page.set_extra_http_headers({})


# Puts rows into the store of waiting forms on this phone.
STORE_WAITING = """async rows => {
    const database = await openKept(), transaction = database.transaction("waiting", "readwrite");
    for (const row of rows) transaction.objectStore("waiting").put(row);
    await new Promise(done => { transaction.oncomplete = done; });
    database.close();
}"""


def let_wait(page, *rows):
    """Store the forms `rows` as waiting in this browser, and block the request that sending them needs."""
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
    """Return a function that answers "No" on the page of a check-in's link.

    The function then answers whether the library should write to the patron.
    """

    def do(page):
        page.locator("#found-no").click()
        page.locator(f"#wish-{wish}").click()
        page.locator("#wish-saved").wait_for()

    return do


def day_by_link(button="#ask-later", words=None):
    """Return a function that opens "Ask me later" on the page of a check-in's link, and presses `button`.

    If `words` is given, the function first types `words` into the date field.
    """

    def do(page):
        page.locator("#later summary").click()
        if words is not None:
            page.locator("#id_day").fill(words)
        page.locator(button).click()
        page.locator("#done, #error-summary").first.wait_for()

    return do


def build(branch, staff, patron, words):
    """Build rows of every kind for `patron`, and visits that are opened by code."""
    now = timezone.now()
    library = Library.current()
    for thing, name in (
        (library, words.library),
        (branch, words.branch),
        (staff, words.helper),
        (patron, words.name),
    ):
        thing.name = name
        thing.save()
    branch.phone, branch.address = "(414) 555-0134", words.address
    branch.save()
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=day, opens=opens, closes=closes)
        for day in range(7)
        for opens, closes in (
            (datetime.time(0), datetime.time(13)),
            (datetime.time(14, 30), datetime.time(23, 59)),
        )
    )
    Library.objects.update(
        check_ins=True,
        check_ins_of_children=True,
        catalog_link="https://catalog.example/isbn/{isbn}",
        catalog_title_link="https://catalog.example/search?title={title}",
    )
    topic = Topic.objects.create(name=words.topic)

    def session(**more):
        day = timezone.localdate() - datetime.timedelta(days=more.pop("days_ago", 2))
        return HelpSessionFactory(
            **{
                "branch": branch,
                "staff": staff,
                "question": words.question,
                "summary": words.summary,
                "topic": topic,
                "happened_on": day,
                "handed_over_at": now,
            }
            | more
        )

    def catalog_item(**more):
        return ItemFactory(title=words.title, creators=words.creators, url=words.url, **more)

    def translation(**more):
        originals = {"original_title": words.original_title, "original_creators": words.original_creators}
        return catalog_item(original_lang="he", **originals, **more)

    def given(help_session, count):
        items = [translation(year="2015"), *(catalog_item(year="2015") for _ in range(count - 1))]
        for item in items:
            Holding.objects.create(
                item=item, branch=branch, call_number=words.call_number, location=words.location
            )
        found = recommend_in(help_session, count, reason=words.reason)
        for recommendation, item in zip(found, items, strict=True):
            recommendation.item = item
            recommendation.save()
        return found

    def conversation(
        help_session, *, about=None, status=Conversation.Status.WAITING_FOR_STAFF, answered=True, earlier=0
    ):
        found = ConversationFactory(
            help_session=help_session,
            recommendation=about,
            subject=words.question[:200],
            status=status,
            promised_at=now,
        )
        MessageFactory(conversation=found, body=words.message)
        if answered:
            answer = MessageFactory(conversation=found, side="staff", author=staff, body=words.message)
            recommend_in_message(
                answer,
                1,
                reason=words.reason,
                item=translation(),
            )
        return found

    kept = session(patron=patron, kept_at=now, found="part", satisfaction="very_good", answered_at=now)
    items = given(kept, 4)
    record_verdict(items[0], verdict="helped", comment=words.comment, at=now)
    record_verdict(items[1], verdict="partly", why="too_hard", comment=words.comment, at=now)
    verdicts.take_verdict(
        items[2], verdict="could_not_get_it", why="checked_out", comment=words.comment, by=patron, at=now
    )
    SessionNoteFactory(help_session=kept, body=words.message, author=staff)
    ExportFactory(person=patron)
    for item in items:
        saved = save(item.item, patron=patron, at=now, recommendation=item)
    waiting = conversation(kept, answered=False)
    answered = conversation(kept, status=Conversation.Status.WAITING_FOR_PATRON)
    for said in answered.messages.all():
        attach_to(said, photograph(f"{words.message}.jpg", size=(900, 600)), alt=words.message)
        attach_to(said, photograph(size=(60, 2000)), photograph(), pdf_file(f"{words.message}.pdf"))
    closed = conversation(kept, status=Conversation.Status.CLOSED)
    caller = call_backs.Caller("+1 414-555-0134 ext. 4071", words.name[:80], may_leave_message=True)

    def with_call(help_session, **fields):
        found = conversation(help_session, answered=False)
        fields = {"by": help_session.patron, "at": timezone.now(), "client_token": uuid.uuid4()} | fields
        return call_backs.ask_in(found, caller, **fields)

    called_by = session(patron=UserFactory(name=words.name), kept_at=now)
    open_call, my_call, tried_call = with_call(kept), with_call(called_by), with_call(called_by)
    given_up_call = with_call(kept)
    # Load the person again as another object, because the cached roles of `staff` change below.
    who_calls = type(staff).objects.get(pk=staff.pk)
    for taken in (my_call, tried_call, given_up_call):
        desk_actions.take(taken, by=who_calls, at=timezone.now())
    call_backs.record_outcome(tried_call, "no_answer", by=who_calls, at=timezone.now())
    call_backs.record_outcome(given_up_call, "give_up", by=who_calls, at=timezone.now())
    conversations.close(answered_twin := conversation(kept), by=patron, side="patron", at=timezone.now())
    uncounted = conversation(kept, status=Conversation.Status.CLOSED)
    Conversation.objects.filter(pk=uncounted.pk).update(count_question="asked")
    unattended = BranchFactory(
        name=words.helper,
        covered_by=branch,
        last_seen_on=timezone.localdate() - datetime.timedelta(days=3),
        unattended_from=now - datetime.timedelta(days=1),
    )
    item = items[0].item
    Holding.objects.create(item=item, branch=unattended, call_number=words.call_number)
    item.publisher, item.series, item.is_fiction = words.creators[:200], words.title[:300], True
    item.isbn, item.summary = "9780679761044", words.summary
    item.save()
    ItemFactory(title=words.title, creators=words.creators, source="catalog", source_key="b1", year="2015")
    older = [
        session(patron=patron, kept_at=now, days_ago=3 + n, question_type=QuestionType.READERS_ADVISORY)
        for n in range(24)
    ]
    given(older[0], 1)

    corrected = session(patron=patron, kept_at=now, corrected_on=timezone.localdate())
    removed, *_rest = given(corrected, 3)
    record_verdict(removed, verdict="did_not_help", comment=words.comment, at=now)
    SessionRecommendation.objects.filter(recommendation=removed).update(removed_at=now)
    corrections = [["question", "items", "reasons"], ["minutes", "read_level", "branch", "note"]]
    for fields in corrections:
        Correction.objects.create(
            help_session=corrected,
            by=staff,
            at=now,
            fields=fields,
            old_words=dict.fromkeys(fields, words.message),
        )
    nobodys = session()
    given(nobodys, 2)
    away = StaffFactory(name=words.helper, branch=branch)
    for person in staff, away:
        UnfinishedCorrection.objects.create(
            help_session=nobodys, by=person, version=0, fields={"question": words.message}, saved_at=now
        )
    code_for(nobodys)

    by_code = session()
    moved = session(
        patron=patron, kept_at=now, branch=BranchFactory(name=f"3 {words.branch[:110]}", closed_at=now)
    )
    code_items = given(by_code, 3)
    verdicts.take_verdict(code_items[0], verdict="did_not_help", why="", comment="", by=None, at=now)
    long = conversation(kept, status=Conversation.Status.WAITING_FOR_PATRON, answered=False)
    AbsenceFactory(
        person=away,
        first_day=timezone.localdate(),
        last_day=timezone.localdate() + datetime.timedelta(days=9),
        cover=staff,
    )
    # The patron has read only the first half of these 40 messages.
    for number in range(40):
        MessageFactory(
            conversation=long,
            side="staff",
            author=away,
            body=words.message,
            sent_at=now + datetime.timedelta(seconds=number - 40),
        )
    Conversation.objects.filter(pk=long.pk).update(closes_at=now + datetime.timedelta(days=9))
    Participation.objects.create(
        conversation=long, person=patron, read_until=now - datetime.timedelta(seconds=20)
    )
    Event.objects.create(
        conversation=closed, kind=Event.Kind.CLOSED_BY_ITSELF, side="staff", at=now, shown_from=now
    )
    Event.objects.create(conversation=closed, kind=Event.Kind.MERGED, side="staff", at=now, shown_from=now)
    emailed = conversation(kept, status=Conversation.Status.WAITING_FOR_PATRON)
    quoted = "\n".join(f"> {line}" for line in words.message.split("\n"))
    own_email = MessageFactory(
        conversation=emailed,
        author=patron,
        by_email="own",
        body=f"{words.message}\n{quoted}\n{words.comment}",
        left_out=[[f"{words.title[:80]}.docx", "unknown"], ["film.mov", "too_large"]],
    )
    IncomingEmailFactory(message=own_email)
    added = MessageFactory(conversation=emailed, author=patron, by_email="added", body=words.message)
    Event.objects.create(
        **{"conversation": emailed, "message": added, "kind": Event.Kind.OTHER_EMAIL_ADDED},
        **{"side": "staff", "by": staff, "at": now, "shown_from": now},
    )
    code_conversation = conversation(by_code, status=Conversation.Status.WAITING_FOR_PATRON)
    quiet = QuietSessionFactory(branch=branch, staff=staff, summary=words.summary)
    quiet_items = given(quiet, 1)
    quiet_conversation = conversation(quiet, status=Conversation.Status.WAITING_FOR_PATRON)

    child = ChildFactory(name=words.name.split()[0])
    with_child = {
        "branch": branch,
        "staff": staff,
        "question": words.question,
        "summary": words.summary,
        "handed_over_at": now,
    }
    shared = SharedSessionFactory(patron=child, kept_at=now, shared_with=patron, **with_child)
    kept_by_nobody = SharedSessionFactory(**with_child)
    childs_conversation = conversation(shared, status=Conversation.Status.WAITING_FOR_PATRON)
    MessageFactory(conversation=childs_conversation, author=patron, body=words.message)
    paper = HelpSessionFactory(
        branch=branch, staff=staff, with_child="paper", question=words.question, summary=words.summary
    )
    given(paper, 2)

    codes = {
        "live": code_for(by_code),
        "quiet": code_for(quiet),
        "card": code_for(None),
        "childs": code_for(kept_by_nobody),
        "shared": code_for(shared),
    }
    codes |= {
        state.value: code_for(session(), state=state)
        for state in (ClaimCode.State.KEPT, ClaimCode.State.REVOKED, ClaimCode.State.FORGOTTEN)
    }
    codes["expired"] = code_for(session(), at=now - datetime.timedelta(days=31))
    PasskeyFactory(person=patron, name=words.name)
    stop = "0123456789abcdef0123456789abcdef01234560"
    leaver = person_with_card(fake.CARDS[0].patron, at=now, language="")
    leaver.email = "a.name.of.somebody.who.leaves@mail.school.example.org"
    leaver.save()
    AddressChange.objects.create(
        person=leaver,
        email="new@example.org",
        token_hash=hashlib.sha256(stop.encode()).hexdigest(),
        begun_at=now,
    )
    save_refused_post(
        patron, path=waiting.get_absolute_url() + "reply/", fields={"body": [words.message]}, at=now
    )

    at = {
        name: found.get_absolute_url()
        for name, found in {"kept": kept, "by_code": by_code, "quiet": quiet, "plain": older[0]}.items()
    }
    conversation_urls = {
        name: found.get_absolute_url()
        for name, found in {
            "waiting": waiting,
            "answered": answered,
            "closed": closed,
            "sorted": answered_twin,
        }.items()
    }

    def verdict(recommendation):
        return f"/recommendations/{recommendation.public_id}/verdict/"

    def empty(field="body", button="#send"):
        def do(page):
            page.locator(f"#id_{field}").fill("")
            page.locator(button).click()
            page.locator(".field-error").first.wait_for()

        return do

    def send_test_email(page):
        page.locator("#send-test").click()
        page.locator("#email-state .notice").wait_for()

    def choose_no_starter(page):
        chosen = page.locator("input[name=chosen]:checked")
        while chosen.count():
            chosen.first.uncheck()
        page.locator("#add-starters").click()
        page.locator("#error-summary").wait_for()

    def save_an_old_form(page):
        """Save the form as if it had been opened before a colleague's corrections."""
        page.locator("#id_version").evaluate("field => { field.value = '0'; }")
        page.locator("#id_was").evaluate(
            "field => { field.value = JSON.stringify({...JSON.parse(field.value), question: 'Before'}); }"
        )
        page.locator("#id_question").fill(f"{words.question} {words.message}")
        page.locator("#save").click()
        page.locator("#error-summary").wait_for()
        page.wait_for_load_state()
        if page.locator("input[name=warned]").count():
            page.locator("#save").click()
        page.locator("#error-summary dl").wait_for()

    def confirm(page):
        if page.locator("#confirm").count():
            page.locator("#confirm").click()
            page.locator("#make-passkey").wait_for(state="attached")

    def changes_address(*, stage=""):
        """Return a function that opens the page for changing the email address, at the step `stage`."""
        new, old = "new@example.org", leaver.email
        known = {"proved_at": time.time()}
        if stage:
            known |= {
                "new_address": new,
                "read_at": {new: time.time(), **({old: time.time()} if stage == "confirmed" else {})},
            }
        if stage == "code":
            known["mailed_code"] = {
                **EmailedCode.initial_state(user=leaver, email=old),
                "purpose": "old_address",
                "code": "123456",
            }

        def do(page):
            put_into_session(page, known)
            page.goto("/me/address/")

        return do

    def add_files(page):
        files = (
            picture_file("shelf.jpg", size=(900, 600)),
            pdf_file(f"{words.message}.pdf"),
            pdf_file(f"{words.message}.exe", b"MZ"),
        )
        page.locator("#id_files").set_input_files(
            [{"name": file.name, "mimeType": "image/jpeg", "buffer": file.read()} for file in files]
        )
        page.locator(".attached .field-error").wait_for()

    def answer_at_desk(page):
        page.locator("#id_body").fill(words.message)
        page.locator("#send").click()

    def snooze_menu(page):
        page.locator("#snooze > summary").click()
        page.locator("#until-1:focus").wait_for()

    def assign_menu(page):
        page.locator("#whose > summary").click()
        page.locator("#id_to:focus").wait_for()

    def stopped(page):
        page.locator("#reply-form [name=seen]").evaluate("field => field.value = 0")
        answer_at_desk(page)
        page.locator("#newer").wait_for()

    def taken(page):
        row = Conversation.objects.filter(pk=waiting.pk)
        row.update(assignee=absence.cover, assigned_at=timezone.now())
        page.locator("#id_body").fill(words.message)
        page.locator("#send_take").click()
        page.locator("#taken-meanwhile").wait_for()
        row.update(assignee=None, assigned_at=None)

    def asked_to_discard(page):
        page.locator("#discard").click()
        page.locator("#discard-question").wait_for()

    def held(page):
        answer_at_desk(page)
        page.locator("#entries .pending-answer button").wait_for()

    def earlier(page):
        page.locator("#show-earlier").click()
        page.locator("#show-earlier").wait_for(state="detached")

    def newer_draft(page):
        whose = {"person": patron, "side": "patron", "kind": "reply"}
        drafts.forget(answered_twin, **whose)
        drafts.save_draft(
            answered_twin,
            **whose,
            client_token=uuid.uuid4(),
            sequence=9,
            body=words.message,
            at=timezone.now(),
        )
        page.locator("#id_body").fill("Older")
        page.locator("#id_body").blur()
        page.locator("#keep-this").wait_for()

    def wrong_number(page):
        page.locator("#id_call_number").fill(words.name[:50])
        page.locator("#send").click()
        page.locator("#error-summary").wait_for()

    def ask_for_code(page, address="new@example.org"):
        page.locator("#id_email").fill(address)
        page.locator("#send-code").click()
        page.locator("#check-code").wait_for()

    def ask_with_wrong_address(page):
        write_question(page)
        page.locator("#id_email").fill("nobody")
        page.locator("#send-code").click()
        page.locator("#error-summary").wait_for()

    def send_after_the_code(page):
        page.locator("#id_body").fill(words.message)
        page.context.clear_cookies()
        page.locator("#send").click()
        page.locator("#failed a").first.wait_for()

    def ask_for_question_code(page):
        write_question(page)
        ask_for_code(page, "asks@example.org")

    def not_sent(page):
        page.locator("#id_body").fill(words.message)
        page.context.clear_cookies()
        page.locator("#send").click()
        page.locator("#not-sent").wait_for()

    def not_sent_then_sign_in(page):
        not_sent(page)
        page.locator("main a.button").first.click()
        page.locator("#send-code").wait_for()

    def unsent(path, **fields):
        """Return a function that opens the page `path`, which shows unsent text."""
        waiting_fields = {name: [value] for name, value in fields.items()}

        def do(page):
            save_refused_post(
                patron, path=path, fields=waiting_fields, at=timezone.now(), browser=mark_of("token")
            )
            value = signing.get_cookie_signer(salt=UNSENT).sign("token")
            page.context.add_cookies([{"name": UNSENT, "value": value, "url": page.url}])
            page.goto(path)
            page.locator("#unsent").wait_for()

        return do

    def discarded(path, **fields):
        """Return a function that deletes the unsent text on the page `path`. The page then offers undo."""

        def do(page):
            unsent(path, **fields)(page)
            page.locator("#discard-unsent").click()
            page.locator("#undo-1").wait_for()

        return do

    wait = [
        {
            "kind": "message",
            "address": f"{conversation_urls['answered']}reply/",
            "about": words.question,
            "text": words.message,
            "withoutFiles": True,
            "refused": "failed",
            "triedAt": time.time() * 1000,
        },
        {
            "kind": "message",
            "address": f"{conversation_urls['answered']}reply/",
            "about": words.question,
            "text": words.message,
        },
        {
            "kind": "visit",
            "address": f"{at['kept']}outcome/",
            "about": words.title,
            "text": words.question,
        },
        {
            "kind": "answer",
            "address": verdict(items[0]),
            "about": words.title,
            "text": words.comment,
            "refused": 409,
            "words": words.message,
        },
        {"kind": "save", "address": "/lists/save/1/", "about": words.title, "text": "", "refused": "old"},
    ]

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

    def first_time(taken):
        """Return a function that opens the page for people who use single sign-on for the first time.

        If `taken` is true, the person's email address belongs to another account.
        """
        who = {
            "subject": "4711",
            "name": words.name,
            "email": patron.email,
            "email_is_proven": False,
            "shown_at": 0,
        }
        noted = {
            "identity": who,
            "borrowed": False,
            "going_to": "",
            "taken": taken,
            "proved": False,
            "at": now.timestamp(),
        }

        def do(page):
            put_into_session(page, {FIRST_TIME: noted})
            page.goto("/sign-in/single-sign-on/first-time/")

        return do

    def write_question(page):
        page.locator("#id_body").fill(words.question)
        page.locator("#send").click()
        page.locator("#by-mail").wait_for()

    def write_another(page):
        write_question(page)
        page.goto("/ask/")
        page.locator("[name=client_token]").evaluate(
            "field => { field.value = '00000000-0000-4000-8000-000000000001'; }"
        )
        page.locator("#id_body").fill(words.message)
        page.locator("#send").click()
        page.locator("#waiting-title").wait_for()

    def answer_all(page):
        fills = (
            lambda: page.locator("#id_words").fill(words.title),
            lambda: page.locator("[value=funny]").check(),
            lambda: page.locator("#id_words").fill(words.reason[:400]),
            lambda: page.locator("[value=me]").check(),
            lambda: page.locator("[value=paper]").check(),
        )
        for number, fill in enumerate(fills, start=1):
            # Several questions have the same fields.
            page.locator(f"main progress[value='{number}']").wait_for()
            fill()
            page.locator("#next").click()
        page.locator("#change-loved").wait_for()

    def no_answer(page):
        page.locator("#next").click()
        page.locator(".field-error").first.wait_for()

    later = ConversationFactory(
        help_session=None,
        patron=UserFactory(),
        branch=branch,
        promised_at=now + datetime.timedelta(days=20),
    )
    MessageFactory(conversation=later, body=words.message)

    def move_promises(page):
        page.locator("#id_promise_hours").fill("400")
        page.locator("#save-branch").click()
        page.locator("#move-promises").wait_for()

    # The staff member can no longer open this conversation, in which they began an answer and a note.
    transferred = conversation(kept)
    for kind in ("reply", "note"):
        drafts.save_draft(
            transferred,
            person=type(staff).objects.get(pk=staff.pk),
            side="staff",
            kind=kind,
            client_token=uuid.uuid4(),
            sequence=1,
            body=words.message,
            at=now,
        )
    transferred.branch = BranchFactory(name=f"2 {words.branch[:110]}")
    transferred.save()
    # Make the staff member a coordinator, because nobody else sees the settings.
    StaffRole.objects.filter(user=staff).update(role=StaffRole.Role.COORDINATOR)
    invited = "89abcdef0123456789abcdef0123456789abcdef"
    InvitationFactory(
        name=words.name,
        email=patron.email,
        invited_by=staff,
        branch=branch,
        token_hash=hashlib.sha256(invited.encode()).hexdigest(),
    )
    absence = AbsenceFactory(person=staff, cover=StaffFactory(name=words.name, branch=branch))
    ReplyTemplateFactory(name=STARTERS[6].name, language=STARTERS[6].language)
    template = ReplyTemplateFactory(
        name=words.question[:80], body=f"{words.message} {{patron}} {{item}} {{me}}"
    )

    holds.hold(closed, reason=words.reason, by=staff, at=now)
    holds.hold(corrected, reason=words.reason, by=staff, at=now)
    holds.lift(holds.hold(by_code, reason=words.reason, by=staff, at=now), by=staff, at=now)
    holds.hold(older[3], reason=words.reason, by=staff, at=now)
    let_go = SharedSessionFactory(
        branch=branch, staff=staff, patron=ChildFactory(), shared_with=UserFactory(), question=words.question
    )
    holds.hold(let_go.shared_with, reason=words.reason, by=staff, at=now)
    sharing.stop_keeping(let_go, by=let_go.shared_with, at=now)

    asks = [
        session(patron=UserFactory(), kept_at=now),
        session(patron=UserFactory(check_in_titles=True), kept_at=now, summary=""),
        session(patron=patron, kept_at=now, summary=""),
        session(patron=UserFactory(check_ins="push"), kept_at=now),
    ]
    how, how_titles, how_signed_in, how_by_push = [ask_by_email(visit)[1] for visit in asks]
    for visit in asks[1:3]:
        given(visit, 3)
    unsubscribe_path = unsubscribe_url(patron, ["conversations/answer"]).removeprefix(settings.BASE_URL)
    unsubscribe_check_ins = unsubscribe_url(patron, ["checkins/check_in"]).removeprefix(settings.BASE_URL)
    undelivered = NotificationFactory(recipient=patron, dead=True)
    Message.objects.filter(conversation__patron=patron, side="staff").update(mail_id=undelivered.message_id)
    NotificationFactory(recipient=None, kind="account/mail", dead=True)

    unmatched = IncomingEmailFactory(
        **{"conversation": waiting, "person": patron, "subject": words.question[:200]},
        text=f"{quoted}\n{words.message}",
    )
    unknown = IncomingEmailFactory(
        reason="no_address", sender=f"{'long.' * 12}name@example.net", text=words.message, subject=""
    )
    IncomingEmail.objects.create(came_at=now, reason="erased")

    def open_delete(page):
        page.locator("#delete-email > summary").click()

    def delete_all(page):
        IncomingEmail.objects.filter(message=None).delete()
        page.reload()

    def pick_template(page):
        page.locator("#templates").click()
        page.locator("#template-list [data-text]").first.wait_for()

    unmerging.merge_for_a_day(UserFactory(name=words.name, email=None), patron, by=staff, at=now)
    far = UserFactory(name=words.name, email="far.away@example.org")
    for subject in (kept, waiting, patron):
        audit.record("opened", subject, by=staff, patron=patron, where=AuditEvent.Where.QUEUE)
    audit.record(
        "opened", far, by=staff, patron=far, where=AuditEvent.Where.PEOPLE, reason=words.message[:300]
    )

    shared_desks.unlock(branch=branch, name=words.branch[:60], by=staff, at=now)
    desk_pins.set_pin(staff, pin="4071", at=now)

    tomorrow = library.today() + datetime.timedelta(days=1)
    # This person has a name of their own, because a search at the desk lists at most eight people with one
    # name.
    asked_by_email = UserFactory(name="Ana Ruiz", check_ins="email", check_in_titles=True)

    def check_in(by=staff, due_on=tomorrow, **fields):
        about = session(staff=by, patron=asked_by_email)
        given(about, 2)
        return CheckInFactory(help_session=about, due_on=due_on, reason=words.reason[:120], **fields)

    told_about = session(staff=staff, patron=asked_by_email)
    given(told_about, 1)
    an_hour_ago = now - datetime.timedelta(hours=1)
    outcomes.take_outcome(told_about, by=asked_by_email, at=an_hour_ago, found="part", by_link=True)
    told = outcomes.wish_for_answer(
        told_about,
        wanted=False,
        by=asked_by_email,
        at=an_hour_ago,
        language="en",
        body=words.message,
        by_link=True,
    )
    thanked = session(staff=staff, patron=asked_by_email)
    share_words(
        thanked, person=asked_by_email, words=words.message[:500], wording="Yes.", language="en", at=now
    )
    HelpSessionFactory.create_batch(
        7,
        staff=staff,
        branch=branch,
        found="all",
        happened_on=tomorrow - datetime.timedelta(days=100),
        created_at=now - datetime.timedelta(days=100),
    )

    planned = check_in()
    check_in(reviewed_at=now, reviewed_by=staff, words=words.message)
    check_in(by=away)
    check_in(due_on=tomorrow + datetime.timedelta(days=5), set_by="patron")
    check_in(due_on=library.today())
    sent = check_in(status="asked", asked_at=now, asked_by=staff, asked=patron, words=words.message)

    def share_and_return(page):
        page.locator("#id_words").fill(words.message[:500])
        page.locator("#share-words").click()
        page.locator("#outcome").wait_for()
        page.goto(f"{at['plain']}words/")

    def save_old_words(page):
        CheckIn.objects.filter(pk=planned.pk).update(words=f"{words.comment} {uuid.uuid4()}")
        page.locator("#save-words").click()
        page.locator("#error-summary").wait_for()

    def open_day(page):
        page.locator("#another-day").click()

    def suggest_check_in(page):
        page.locator("#id_question").fill(words.question)
        page.locator("#suggested q").wait_for()
        page.locator("#ask-on-summary").click()

    known = person_added_at_desk(name=words.name, email="", language="en", by=staff, at=now)
    session(patron=known)
    account_code = make_account_code(
        person_added_at_desk(name=words.name, email="", language="en", by=staff, at=now), by=staff, at=now
    )

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

    def by_name(page):
        page.locator("#id_letters").fill("Zwick")
        page.locator("#id_reason").fill(words.message[:300])
        page.locator("#look-up-name").click()
        page.locator("#found-title").wait_for()

    # The search refuses a name that more than eight people have.
    UserFactory(name=f"{words.name} Zwick")
    cardholder = UserFactory(name=words.name)
    LibraryCard.objects.create(person=cardholder, ils_id="7777", barcode="2123400007777", seen_at=now)

    def record_for(typed, shows):
        def do(page):
            page.locator("#id_question").fill(words.question)
            page.locator("#id_for_whom").fill(typed)
            page.locator("#id_for_whom").press("Enter")
            page.locator(f"#recipient {shows}").wait_for()

        return do

    def record_without_agreement(page):
        record_for("2123400007777", "#id_agreed")(page)
        page.locator("#save").click()
        page.locator("#error-summary").wait_for()

    def add_by_hand(page):
        page.locator(".by-hand > summary").click()
        page.locator("#id_new-title").fill(words.title)
        page.locator("#add-item").click()
        page.locator(".by-hand[open]").wait_for()
        page.locator(".chosen > li").wait_for()

    def choose_kind(kind):
        def do(page):
            page.locator(".by-hand > summary").click()
            page.locator("#id_new-kind").select_option(kind)

        return do

    def paste_several(page):
        page.locator(".by-hand > summary").click()
        page.locator(".pasting > summary").click()
        pasted = f"{words.title[:300]} | {words.name[:200]}\n10.1000\nSwap | 2027-05-03\n10.1136/bmj.n71\n0306406153"
        page.locator("#id_new-pasted").fill(pasted)
        page.locator("#read-pasted").click()
        page.locator("#understood").wait_for()

    def add_pasted(page):
        paste_several(page)
        page.locator("#add-pasted").click()
        page.locator(".chosen > li").first.wait_for()

    def search_in_vain(page):
        page.locator("#q").fill("zzzzzz")
        page.locator("#by-hand").wait_for()

    def open_tray(page):
        page.locator("#id_question").fill(words.question)
        with page.expect_navigation():
            page.locator("#later").click()
        page.locator("#tray > summary").click()

    def by_address(page):
        page.locator("#id_identifier").fill("far.away@example.org")
        page.locator("#look-up").click()
        page.locator("#open-record").wait_for()

    list_link = make_link(saved.saved_list, with_notes=True, name=words.name[:80], at=now)
    by_hand = ItemFactory(title=words.title, creators=words.name, isbn="9780306406157")
    imported = ItemFactory(
        title=words.title,
        creators=words.name,
        isbn="9780306406157",
        source="marc",
        source_key="by-hand",
        year="1998",
    )
    matched = ItemFactory(title=words.title, creators=words.name)
    match(matched, imported, by=staff, at=now)
    # This list is another patron's, so the other states of lists don't show it.
    others = SavedListFactory(patron=UserFactory(), name=words.title[:80])
    shared_saved = SavedItemFactory(saved_list=others, item__title=words.title, note=words.message[:500])
    add_by_patron(others, title=words.title, creators=words.name, at=now)
    shared_list, empty_list = (
        address_of(make_link(each, with_notes=True, name=words.name[:80], at=now)).removeprefix(
            settings.BASE_URL
        )
        for each in (others, SavedListFactory(patron=others.patron, name="Empty"))
    )
    long_list = SavedListFactory(patron=others.patron, name="Long")
    for number in range(21):
        add_by_patron(long_list, title=f"{number} {words.title}", creators=words.name, at=now)
    long_shared = address_of(make_link(long_list, with_notes=False, at=now)).removeprefix(settings.BASE_URL)
    second_page = f"{long_shared}?after={long_list.saved_items.get(title__startswith='1 ').public_id}"
    shared_answer = answered.messages.filter(side="staff").first()
    share_answer = f"/desk/conversations/{answered.public_id}/answers/{shared_answer.public_id}/share/"
    own_items = [item.item for item in items]
    staff_link, *_others = (
        make_staff_link(own_items[:count], branch=branch, by=staff, at=now) for count in (4, 1)
    )
    end_staff_link(make_staff_link(own_items, branch=branch, by=staff, at=now), by=staff, at=now)
    desk_link = f"/desk/links/{staff_link.public_id}/"
    items_shared = address_of(staff_link).removeprefix(settings.BASE_URL)

    add = f"/lists/{saved.saved_list.public_id}/add/"

    pages = {
        "nobody": [
            State("welcome", "/", main=True),
            State("how", how, main=True),
            State("how-titles", how_titles),
            State("how-by-push", how_by_push, lambda page: page.locator("#later summary").click()),
            State("how-ended", "/how/x/"),
            State("how-yes", how, press("#found-all", "#saved")),
            State("how-no", how, press("#found-no", "#wish-yes")),
            State("how-written", how, write_by_link),
            State("how-no-words", how, press("#send", "#error-summary")),
            State("how-wish", how, wish_by_link("yes")),
            State("how-no-wish", how, wish_by_link("no")),
            State("how-no-day", how, day_by_link(words="")),
            State("how-later", how, day_by_link()),
            State("how-left-out", how, day_by_link(button="#leave-out")),
            State("how-item-failed", how_titles, press("[id^=did_not_help]", "[id^=wish-]")),
            State("how-all-helped", how_titles, press("#all-helped", "#all-marked")),
            State("shared-list", shared_list),
            State("shared-item", f"{shared_list}items/{shared_saved.item.public_id}/"),
            State("shared-list-empty", empty_list),
            State("shared-list-long", long_shared),
            State("shared-list-second-page", second_page),
            State("shared-items", items_shared),
            State("shared-list-ended", "/shared/x/"),
            State("code", "/c/"),
            State("code-missing", "/c/", empty("code", "#open")),
            State("code-unknown", "/c/1234567890123/"),
            *[
                State(f"code-{name}", f"/c/{codes[name]}/")
                for name in ("kept", "revoked", "expired", "forgotten", "card")
            ],
            State("sign-in", "/sign-in/"),
            State("sign-in-error", "/sign-in/", empty("email", "#send-code")),
            State("sign-in-code", "/sign-in/", ask_for_code),
            State("sign-in-wrong-code", "/sign-in/", wrong_code),
            State("sign-in-card", "/sign-in/card/"),
            State("sign-in-single-sign-on", "/sign-in/single-sign-on/"),
            State("sign-in-card-nothing", "/sign-in/card/", empty("card", "#check-card")),
            State("sign-in-card-wrong", "/sign-in/card/", wrong_card),
            State("open-account", f"/c/{account_code}/"),
            State("invitation", f"/invitation/{invited}/"),
            State("signed-out", "/signed-out/"),
            State("no-such-page", "/nowhere/"),
            State("nobody-sessions", "/sessions/"),
            State("nobody-messages", "/messages/"),
            State("sign-in-for-answer", answered.get_absolute_url(), main=True),
            State("sign-in-for-list", "/lists/"),
            State("nobody-privacy", "/privacy/"),
            State("erased", f"/privacy/erased/{ErasureFactory().public_id}/"),
            State("ask", "/ask/"),
            State("ask-new-nothing", "/ask/", empty()),
            State("call-ways", "/ask/call/"),
            State("ask-where", "/ask/", write_question),
            State("ask-where-wrong-address", "/ask/", ask_with_wrong_address),
            State("ask-another", "/ask/", write_another),
            State("ask-not-sent", "/"),
            State("ask-deleted", "/ask/send/", press("#discard", "#undo-1")),
            State("ask-code", "/ask/", ask_for_question_code),
            State("not-sent", "/ask/", not_sent),
            State("sign-in-not-sent", "/ask/", not_sent_then_sign_in),
            *[
                State(f"read-{step}", f"/find-something-to-read/?step={step}")
                for step in ("loved", "mood", "avoid", "whom", "format")
            ],
            State("read-whom-nothing", "/find-something-to-read/?step=whom", no_answer),
            State("read-answers-where", "/find-something-to-read/", answer_all),
            State("sign-on-first-time", "/sign-in/", first_time(taken=False)),
            State("sign-on-taken", "/sign-in/", first_time(taken=True)),
        ],
        "holder of a code": [
            State("code-home", "/"),
            State("code-sessions", "/sessions/"),
            State("session", at["by_code"], main=True),
            State("verdict", verdict(code_items[0]), main=True),
            State("ask-about-session", f"{at['by_code']}ask/"),
            State("call-about-session", f"{at['by_code']}call/"),
            State("call-wrong-number", f"{at['by_code']}call/", wrong_number),
            State("call-from-ask", "/ask/call/"),
            State("ask-nothing", f"{at['by_code']}ask/", empty()),
            State("code-share-titles", f"{at['by_code']}share/"),
            State("ask-about-item", f"/recommendations/{code_items[1].public_id}/ask/"),
            State("code-ask", "/ask/"),
            State("code-conversation", code_conversation.get_absolute_url()),
            State("code-phone", f"{at['by_code']}phone/", show_phone("ready")),
            State("code-phone-ios", f"{at['by_code']}phone/", show_phone("ios")),
            State("keep", f"{at['by_code']}keep/"),
            State("keep-and-save", f"{at['by_code']}keep/?save={code_items[0].public_id}"),
            State(
                "keep-code",
                f"{at['by_code']}keep/?save={code_items[0].public_id}",
                lambda page: ask_for_code(page, "keeps@example.org"),
            ),
            State("keep-and-ask", f"{at['by_code']}keep/?check_ins=email"),
            State("keep-and-ask-by-push", f"{at['by_code']}keep/?check_ins=push"),
            State("code-item", f"/items/{code_items[0].item.public_id}/"),
            State("code-list", "/lists/"),
            State("code-search", "/search/", search_for("compost")),
            State("code-me", "/me/"),
            State("code-privacy", "/privacy/"),
            State("code-outcome", at["by_code"], press("#found-all", "#clear-outcome")),
            State("code-outcome-no", at["by_code"], press("#found-no", "#wish-visit")),
            State(
                "code-outcome-told", at["by_code"], press("#tell-visit", "#outcome:not(:has(#tell-visit))")
            ),
            State("code-outcome-cleared", at["by_code"], press("#clear-outcome", "#outcome [autofocus]")),
            State("code-home-chosen", "/", press("#check_ins-pages", "#undo-1")),
            State("code-session-left-out", at["by_code"], press("#leave-out", "#ask-about-it")),
            # This state clears the cookies that open the visit, so it must be the last one.
            State("code-message-not-sent", code_conversation.get_absolute_url(), send_after_the_code),
        ],
        "holder of a quiet code": [
            State("quiet-home", "/"),
            State("quiet-session", at["quiet"]),
            State("quiet-item", f"/items/{quiet_items[0].item.public_id}/"),
            State("quiet-conversation", quiet_conversation.get_absolute_url()),
            State("quiet-ask", f"{at['quiet']}ask/"),
            State("quiet-ask-new", "/ask/"),
            State("quiet-keep", f"{at['quiet']}keep/"),
            State("quiet-messages", "/messages/"),
        ],
        "holder of a child's code": [
            State("childs-session", kept_by_nobody.get_absolute_url()),
            State("childs-keep", f"{kept_by_nobody.get_absolute_url()}keep/"),
            State("childs-keep-as-child", f"{kept_by_nobody.get_absolute_url()}keep/?as=child"),
            State("childs-keep-as-adult", f"{kept_by_nobody.get_absolute_url()}keep/?as=adult"),
            State("childs-kept-already", f"{shared.get_absolute_url()}keep/?as=adult"),
        ],
        "child": [
            State(
                "child-session",
                shared.get_absolute_url(),
                lambda page: page.locator("#shared summary").click(),
            ),
            State("child-conversation", childs_conversation.get_absolute_url()),
            State("child-privacy", "/privacy/"),
            State("child-me", "/me/"),
            State("child-check-ins", "/me/check-ins/"),
        ],
        "patron": [
            State("home", "/", main=True),
            State("sessions", "/sessions/"),
            State("kept-session", at["kept"]),
            State("plain-session", at["plain"]),
            State("corrected-session", corrected.get_absolute_url()),
            State(
                "shared-session",
                shared.get_absolute_url(),
                lambda page: page.locator("#shared summary").click(),
            ),
            *[State(f"verdict-{item.verdict or 'none'}", verdict(item)) for item in items],
            State("messages", "/messages/"),
            State("conversation", conversation_urls["answered"], main=True),
            *[
                State(f"conversation-{name}", conversation_urls[name])
                for name in ("waiting", "closed", "sorted")
            ],
            State("conversation-call", open_call.get_absolute_url()),
            State("conversation-call-given-up", given_up_call.get_absolute_url()),
            State(
                "conversation-call-canceled", open_call.get_absolute_url(), press("#cancel-call", "#undo-1")
            ),
            State("call-in-conversation", f"{conversation_urls['answered']}call/"),
            State("call-change", f"{open_call.get_absolute_url()}call/"),
            State("conversation-long", long.get_absolute_url()),
            State("conversation-long-read", long.get_absolute_url()),
            State("conversation-earlier", long.get_absolute_url(), earlier),
            State(
                "conversation-around", f"{long.get_absolute_url()}?message={long.messages.first().public_id}"
            ),
            State("conversation-newer-draft", conversation_urls["sorted"], newer_draft),
            State("conversation-emailed", emailed.get_absolute_url()),
            State("conversation-attached", conversation_urls["waiting"], add_files),
            State("reply-nothing", conversation_urls["answered"], empty()),
            State("patron-ask", "/ask/"),
            State("patron-read-answers", "/find-something-to-read/", answer_all),
            State("patron-read-change", "/find-something-to-read/?step=mood&then=check"),
            State("list", "/lists/"),
            State("search", "/search/"),
            State("search-found", "/search/", search_for(words.title[:20])),
            State("search-nothing", "/search/", search_for("volcano zebra")),
            State("search-error", "/search/", search_for_too_little),
            State("session-of-old-branch", moved.get_absolute_url()),
            State("share-saved", f"/lists/share/{saved.public_id}/"),
            State("share-titles", f"{at['kept']}share/"),
            State("share-titles-words", f"{at['kept']}share/?words=1"),
            State("me", "/me/"),
            State("privacy", "/privacy/"),
            State("who-looked", "/privacy/who-looked/"),
            State("prove", "/me/prove/"),
            State("export", "/privacy/copy/"),
            State("erase", "/privacy/erase/"),
            State("remember", "/privacy/remember/"),
            State("remember-error", "/privacy/remember/?remember=until"),
            State("remember-effect", "/privacy/remember/?remember=30"),
            State("notices", "/me/emails/"),
            State("notices-error", "/me/emails/", wrong_time_zone),
            State("notices-phone-lost", "/me/emails/", with_choice_of_phone),
            State("phone", "/me/phone/"),
            State("phone-ready", "/me/phone/", show_phone("ready")),
            *[
                State(f"phone-{state}", "/me/phone/", show_phone(state))
                for state in ("dismissed", "failed", "denied", "ios")
            ],
            State("phone-refused", "/me/phone/", refused_subscription),
            State("phone-borrowed", "/me/phone/", on_borrowed_device),
            State("phone-on", "/me/phone/", with_phones),
            State("check-ins", "/me/check-ins/"),
            State("how-signed-in", how_signed_in),
            State("how-signed-in-yes", how_signed_in, press("#found-all", "#saved")),
            State("unsubscribe", unsubscribe_path),
            State("unsubscribe-check-ins", unsubscribe_check_ins),
            State("unsubscribe-unknown", "/unsubscribe/unknown/"),
            State("stop-address", f"/not-me/{stop}/"),
            State("stop-address-unknown", "/not-me/0123456789abcdef0123456789abcdef01234567/"),
            State("invitation-accept", f"/invitation/{invited}/"),
            State("refused", "/kept/"),
            State(
                "conversation-unsent",
                conversation_urls["waiting"],
                unsent(conversation_urls["waiting"], body=words.message),
            ),
            State("ask-unsent", "/ask/", unsent("/ask/", body=words.message)),
            State("ask-unsent-deleted", "/ask/", discarded("/ask/", body=words.message)),
            State("me-unsent", "/me/", unsent("/me/", name=words.name)),
            State(
                "verdict-unsent",
                verdict(items[0]),
                unsent(verdict(items[0]), verdict="helped", comment=words.message[:200]),
            ),
            State(
                "read-unsent",
                "/find-something-to-read/?step=mood",
                unsent("/find-something-to-read/?step=mood", words="calm", chosen="funny"),
            ),
            # These states change what the states above show.
            State("item", f"/items/{item.public_id}/", main=True),
            State("item-unfolded", f"/items/{item.public_id}/", unfold_branches),
            State(
                "item-verdict",
                f"/items/{items[3].item.public_id}/",
                press("[id^=did_not_help]", "[id^=tell-]"),
            ),
            State("saved-title", f"/lists/titles/{saved.public_id}/"),
            State(
                "saved-title-done",
                f"/lists/titles/{saved.public_id}/",
                press("#reading-done", "#reading-done[value='']"),
            ),
            State("saved-title-note", f"/lists/titles/{saved.public_id}/", write_note(words)),
            State("add-title", f"/lists/{saved.saved_list.public_id}/add/"),
            State("add-title-error", f"/lists/{saved.saved_list.public_id}/add/", empty("title", "#add")),
            State("catalog-found", add, find_in_catalog(words.title[:20], "#found-title"), main=True),
            State("catalog-added", add, add_from_catalog(words.title[:20])),
            State("catalog-nothing", add, find_in_catalog("volcano", "#nothing-found")),
            State("catalog-error", add, find_in_catalog("%", "#error-summary")),
            State("list-added", f"/lists/{saved.saved_list.public_id}/add/", add_title(words)),
            State("list-removed", "/lists/", press("button[id^=remove-]", "button[id^=restore-]")),
            State("removed-titles", "/lists/removed/"),
            State("lists", "/lists/", with_lists(words, patron)),
            State("list-of-several", "/lists/", open_list),
            State("list-change", "/lists/", change_list),
            State("saved-title-with-lists", f"/lists/titles/{saved.public_id}/"),
            State("list-order", f"/lists/{saved.saved_list.public_id}/order/"),
            State("list-ordered", f"/lists/{saved.saved_list.public_id}/order/", move_down),
            State("list-options", f"/lists/{saved.saved_list.public_id}/options/"),
            State("share-list", f"/lists/{saved.saved_list.public_id}/share/"),
            State(
                "share-list-error",
                f"/lists/{saved.saved_list.public_id}/share/",
                long_name_of_link,
            ),
            State("share-list-preview", f"/lists/{saved.saved_list.public_id}/share/", preview_link(words)),
            State("list-link", list_link.get_absolute_url()),
            State("list-link-made", f"/lists/{saved.saved_list.public_id}/share/", make_link_to_list(words)),
            State("list-link-ended", list_link.get_absolute_url(), press("#end-link", "#notices p")),
            State("list-link-that-ended", list_link.get_absolute_url()),
            State("copy-list", f"{shared_list}copy/"),
            State("copy-list-error", f"{shared_list}copy/", empty("name", "#copy-titles")),
            State("copy-list-copied", f"{shared_list}copy/", press("#copy-titles", "#notices p")),
            State("list-print", f"/lists/{saved.saved_list.public_id}/print/"),
            State(
                "list-print-receipt",
                f"/lists/{saved.saved_list.public_id}/print/?paper=receipt&covers=on&with_notes=on&large=on",
            ),
            State("list-print-empty", "/lists/", print_empty_list),
            State("list-email", f"/lists/{saved.saved_list.public_id}/email/"),
            State("list-emailed", f"/lists/{saved.saved_list.public_id}/email/", email_list),
            State("list-cite", f"/lists/{saved.saved_list.public_id}/cite/"),
            State("list-cite-mla-es", f"/lists/{saved.saved_list.public_id}/cite/?style=mla&in=es"),
            State("title-cite", f"/lists/titles/{saved.public_id}/cite/"),
            State("list-name-taken", "/lists/new/", name_taken),
            State("choose-lists", f"/lists/choose/{items[0].public_id}/"),
            State("session-with-lists", at["kept"]),
            State("removed-list", "/lists/", remove_list),
            State("removed-lists", "/lists/removed/"),
            State("removed-deleted", "/lists/removed/", press("button[id^=delete-]", "#notices p")),
            State("session-unsaved", at["kept"], unsave),
            State(
                "session-cleared",
                at["kept"],
                press(".item-card button[id^=clear-]", ".item-card [autofocus]"),
            ),
            State("session-all-helped", at["kept"], mark_all),
            State("check-ins-email", "/me/check-ins/", press("#check_ins-email", "#show-titles")),
            State("check-ins-titles", "/me/check-ins/", press("#show-titles", "#hide-titles")),
            State("session-left-out", at["kept"], press("#leave-out", "#ask-about-it")),
            State("session-got-it", at["plain"], press("[id^=got-]", "[id^=got-][name=undo]")),
            State("session-item-failed", at["plain"], press("[id^=did_not_help]", "[id^=tell-]")),
            State("session-item-told", at["plain"], press("[id^=tell-]", "[id^=wish-]")),
            State("session-found", at["plain"], press("#found-all", "#share-words")),
            State("share-words", f"{at['plain']}words/"),
            State("share-words-nothing", f"{at['plain']}words/", empty("words", "#share-words")),
            State("share-words-shared", f"{at['plain']}words/", share_and_return),
            State("unsubscribe-done", unsubscribe_path, press("#unsubscribe", "main:not(:has(form))")),
            State(
                "unsubscribe-check-ins-done",
                unsubscribe_check_ins,
                press("#unsubscribe", "main:not(:has(form))"),
            ),
            State("keep-pages", "/me/offline/"),
            # From here on, the browser keeps the pages.
            State("keep-pages-on", "/me/offline/", keep_pages),
            State("me-keeps", "/me/"),
            State("session-keeps", at["kept"]),
            State("conversation-keeps", conversation_urls["answered"]),
            State("home-as-of", "/", as_kept),
            State("session-as-of", at["kept"], as_kept),
            # From here on, the browser has forms that wait.
            State("list-searched", "/lists/", search_long_list(words, patron)),
            State("conversation-waits", conversation_urls["answered"], lambda page: let_wait(page, *wait)),
            State("session-waits", at["kept"], wait_for_waiting),
            State("home-waits", "/", wait_for_waiting),
            State("me-asks-about-waiting", "/me/", ask_before_signing_out),
            # From here on, every page says that the address is off.
            State("home-address-off", "/", address_off),
        ],
        "new patron": [
            State("new-home", "/"),
            State("new-sessions", "/sessions/"),
            State("new-messages", "/messages/"),
            State("new-list", "/lists/"),
            State("new-search", "/search/"),
            State("new-removed-titles", "/lists/removed/"),
            State("new-list-form", "/lists/new/"),
            State("new-me", "/me/"),
            State("new-check-ins", "/me/check-ins/", press("#check_ins-email", "#check-ins-address")),
            State("add-address", "/me/address/"),
            State("new-who-looked", "/privacy/who-looked/"),
            State("new-prove", "/me/prove/"),
            State("offer-passkey", "/me/passkeys/offer/"),
            State("add-passkey", "/me/passkeys/add/", confirm),
            State("new-export", "/privacy/copy/"),
            State(
                "new-export-in-hand",
                "/privacy/copy/",
                lambda page: (page.locator("#make-copy").click(), page.locator("progress").wait_for()),
            ),
            State("new-erase", "/privacy/erase/"),
        ],
        "card holder": [
            State("card-me", "/me/"),
            State("card-add-address", "/me/address/"),
            State("card-prove", "/me/prove/"),
        ],
        "asked by email": [
            State("home-check-in-due", "/"),
            State(
                "home-check-in-later",
                "/",
                lambda page: page.locator("[aria-labelledby=due-title] summary").click(),
            ),
        ],
        "leaver": [
            State("prove-by-code-or-card", "/me/prove/?next=/me/address/"),
            State("prove-by-card", "/me/prove/?by=card&next=/me/address/"),
            State("change-address", "/me/address/", changes_address()),
            State("old-address", "/me/address/", changes_address(stage="asked")),
            State("old-address-code", "/me/address/", changes_address(stage="code")),
            State("old-address-confirmed", "/me/address/", changes_address(stage="confirmed")),
            State("leaver-me", "/me/"),
        ],
    }
    desk = [
        State("desk-queue", "/desk/"),
        State("desk-own-pages", "/desk/", lambda page: page.locator("#to-own-pages").click()),
        State("desk-queue-drafts", "/desk/?drafts=1"),
        State("desk-queue-failed", "/desk/?reason=failed"),
        State("desk-made-possible", "/desk/made-possible/"),
        State("desk-record", "/desk/record/"),
        State(
            "desk-record-error",
            "/desk/record/",
            lambda page: (page.locator("#save").click(), page.locator("#error-summary").wait_for()),
        ),
        State("desk-record-check-in", "/desk/record/", suggest_check_in),
        State("desk-check-ins", "/desk/check-ins/"),
        State("desk-check-ins-tomorrow", "/desk/check-ins/tomorrow/"),
        State("desk-check-in", f"/desk/check-ins/{planned.public_id}/"),
        State("desk-check-in-sent", f"/desk/check-ins/{sent.public_id}/"),
        State("desk-check-in-meanwhile", f"/desk/check-ins/{planned.public_id}/", save_old_words),
        State("desk-check-in-of-visit", f"/desk/sessions/{planned.help_session.public_id}/", open_day),
        State("desk-check-in-on-slip", f"/desk/sessions/{planned.help_session.public_id}/slip/"),
        State("desk-record-for", "/desk/record/", record_for("2123400007777", "#id_agreed")),
        State("desk-record-for-address", "/desk/record/", record_for("new@example.org", ".notice")),
        State("desk-record-for-nobody", "/desk/record/", record_for("999", ".field-error")),
        State("desk-record-for-error", "/desk/record/", record_without_agreement),
        State("desk-record-by-hand", "/desk/record/", add_by_hand),
        State("desk-record-event", "/desk/record/", choose_kind("event")),
        State("desk-record-person", "/desk/record/", choose_kind("person")),
        State("desk-record-pasted", "/desk/record/", paste_several),
        State("desk-record-pasted-added", "/desk/record/", add_pasted),
        State("desk-items-by-hand", "/desk/items/by-hand/"),
        State("desk-match", f"/desk/items/{by_hand.public_id}/match/"),
        State("desk-match-chosen", f"/desk/items/{by_hand.public_id}/match/?record={imported.public_id}"),
        State("desk-matched", f"/desk/items/{matched.public_id}/match/"),
        State("desk-record-nothing-found", "/desk/record/", search_in_vain),
        State("desk-record-unfinished", "/desk/record/", open_tray),
        State("desk-conversation", f"/desk/conversations/{waiting.public_id}/"),
        State(
            "desk-conversation-more",
            f"/desk/conversations/{waiting.public_id}/",
            lambda page: page.locator("#more summary").click(),
        ),
        State("desk-conversation-call", f"/desk/conversations/{open_call.public_id}/"),
        State("desk-conversation-my-call", f"/desk/conversations/{my_call.public_id}/"),
        State("desk-conversation-call-tried", f"/desk/conversations/{tried_call.public_id}/"),
        State(
            "desk-conversation-called",
            f"/desk/conversations/{my_call.public_id}/",
            press("#call-spoken", "#undo-1"),
        ),
        State("desk-call", f"/desk/conversations/{waiting.public_id}/call/"),
        State("desk-call-change", f"/desk/conversations/{tried_call.public_id}/call/"),
        State("desk-conversation-snooze", f"/desk/conversations/{waiting.public_id}/", snooze_menu),
        State("desk-conversation-assign", f"/desk/conversations/{waiting.public_id}/", assign_menu),
        State("desk-conversation-told", f"/desk/conversations/{told.public_id}/"),
        State("desk-conversation-error", f"/desk/conversations/{long.public_id}/", empty()),
        State("desk-conversation-stopped", f"/desk/conversations/{long.public_id}/", stopped),
        State("desk-conversation-taken", f"/desk/conversations/{waiting.public_id}/", taken),
        State("desk-conversation-count", f"/desk/conversations/{uncounted.public_id}/"),
        State("desk-conversation-discard", f"/desk/conversations/{long.public_id}/", asked_to_discard),
        State("desk-conversation-held", f"/desk/conversations/{long.public_id}/", held),
        State("desk-conversation-files", f"/desk/conversations/{answered.public_id}/", add_files),
        State("desk-assign", f"/desk/conversations/{waiting.public_id}/assign/"),
        State(
            "desk-join-conversation_urls",
            f"/desk/conversations/{waiting.public_id}/merge/?with={answered.public_id}",
        ),
        State("desk-unsent-text", "/desk/queue/unsent-text/"),
        State("desk-erase", f"/desk/conversations/{waiting.public_id}/erase/"),
        State("desk-sessions", "/desk/sessions/"),
        State("desk-sessions-search-error", "/desk/sessions/?q=how&first_day=2026-03-02&last_day=2026-03-01"),
        State("desk-item", f"/desk/items/{item.public_id}/", unfold_branches),
        State("desk-session", f"/desk/sessions/{kept.public_id}/"),
        State("desk-session-corrected", f"/desk/sessions/{corrected.public_id}/"),
        State("desk-correct", f"/desk/sessions/{kept.public_id}/correct/"),
        State("desk-correct-unsaved", f"/desk/sessions/{nobodys.public_id}/correct/"),
        State("desk-correct-error", f"/desk/sessions/{kept.public_id}/correct/", empty("people", "#save")),
        State("desk-correct-meanwhile", f"/desk/sessions/{corrected.public_id}/correct/", save_an_old_form),
        State("desk-old-words", f"/desk/sessions/{corrected.public_id}/old-words/"),
        State("desk-remove-patron", f"/desk/sessions/{kept.public_id}/remove-patron/"),
        State("desk-delete", f"/desk/sessions/{nobodys.public_id}/delete/"),
        State("desk-delete-refused", f"/desk/sessions/{kept.public_id}/delete/"),
        State("desk-slip", f"/desk/sessions/{by_code.public_id}/slip/"),
        State("desk-slip-paper-only", f"/desk/sessions/{paper.public_id}/slip/"),
        State("desk-paper-only", f"/desk/sessions/{paper.public_id}/slip/?paper=a4"),
        State("desk-receipt-paper-only", f"/desk/sessions/{paper.public_id}/slip/?paper=receipt"),
        State("desk-shared", f"/desk/sessions/{shared.public_id}/"),
        *[
            State(f"desk-take-out-{part}", f"/desk/sessions/{shared.public_id}/take-out/?who={who.public_id}")
            for part, who in (("child", shared.patron), ("adult", patron))
        ],
        State("desk-children", "/desk/settings/children/"),
        State("desk-check-in-settings", "/desk/settings/check-ins/"),
        State("desk-cards", "/desk/cards/"),
        State("desk-people", "/desk/people/"),
        State("desk-person-reason", "/desk/people/", by_address),
        State("desk-people-error", "/desk/people/", empty("identifier", "#look-up")),
        State("desk-people-by-name", "/desk/people/", by_name),
        State("desk-person", f"/desk/people/{patron.public_id}/"),
        State("desk-person-keep", f"/desk/people/{patron.public_id}/?session={by_code.public_id}"),
        State("desk-person-add", "/desk/people/new/"),
        State("desk-person-code", f"/desk/people/{known.public_id}/", make_code),
        State("desk-person-asked", f"/desk/people/{known.public_id}/", ask_at_the_desk),
        State(
            "desk-person-stopped",
            f"/desk/people/{known.public_id}/",
            press("#stop-check-ins", "#check-ins-title ~ p:last-child"),
        ),
        State("desk-person-died", f"/desk/people/{known.public_id}/", note_death),
        State("desk-join", f"/desk/people/{patron.public_id}/merge/"),
        State("desk-join-preview", f"/desk/people/{patron.public_id}/merge/?with={far.public_id}"),
        State("desk-look-ups", "/desk/people/look-ups/"),
        State("desk-settings", "/desk/settings/"),
        State("desk-first-week", "/desk/settings/first-week/"),
        State("desk-first-week-email", "/desk/settings/first-week/email/", send_test_email),
        State("desk-first-week-catalog", "/desk/settings/first-week/catalog/"),
        State("desk-first-week-backup", "/desk/settings/first-week/backup/"),
        State("desk-emails", "/desk/settings/emails/"),
        State("desk-email", f"/desk/settings/emails/{undelivered.public_id}/"),
        State("desk-conversation-emailed", f"/desk/conversations/{emailed.public_id}/"),
        State("desk-not-matched", "/desk/not-matched/"),
        State("desk-not-matched-email", f"/desk/not-matched/{unmatched.public_id}/"),
        State("desk-not-matched-unknown", f"/desk/not-matched/{unknown.public_id}/", open_delete),
        State("desk-starters", "/desk/settings/templates/starters/"),
        State("desk-starters-error", "/desk/settings/templates/starters/", choose_no_starter),
        State("desk-library", "/desk/settings/library/"),
        State("desk-notice-defaults", "/desk/settings/notices/"),
        State("desk-branch", f"/desk/settings/branches/of/{branch.slug}/"),
        State("desk-promises", f"/desk/settings/branches/of/{branch.slug}/", move_promises),
        State("desk-branch-covered", f"/desk/settings/branches/of/{unattended.slug}/"),
        State("desk-topics", f"/desk/settings/topics/?topic={topic.pk}"),
        State("desk-colleagues", "/desk/settings/people/"),
        State("desk-invite-error", "/desk/settings/people/invite/", empty("email", "#send-invitation")),
        State("desk-colleague", f"/desk/settings/people/{absence.cover.public_id}/"),
        State("desk-end-role", f"/desk/settings/people/{staff.public_id}/end/"),
        State("desk-figures", "/desk/figures/"),
        State("desk-holds", "/desk/holds/"),
        State("desk-hold", f"/desk/sessions/{kept.public_id}/hold/"),
        State("desk-hold-error", f"/desk/sessions/{kept.public_id}/hold/", empty("reason", "#hold")),
        State("desk-computers", "/desk/computers/"),
        State("desk-computers-error", "/desk/computers/", empty("name", "#unlock-desk")),
        State("desk-pin-error", "/desk/pin/", empty("pin", "#set-pin")),
        State("desk-notices", "/desk/notices/"),
        State("desk-notices-no-address", "/desk/notices/", without_address),
        State("desk-share-answer", share_answer),
        State("desk-share-session", f"/desk/sessions/{kept.public_id}/share/"),
        State("desk-link-made", share_answer, press("#make-link", "#end-link")),
        State("desk-links", "/desk/links/"),
        State("desk-link", desk_link),
        State("desk-link-ended", desk_link, press("#end-link", "#notices p")),
        State("desk-link-that-ended", desk_link),
        State("desk-absences", "/desk/absences/"),
        State("desk-absences-error", "/desk/absences/", empty("first_day", "#save-absence")),
        State("desk-absence", f"/desk/absences/{absence.public_id}/"),
        State("desk-templates", "/desk/settings/templates/"),
        State("desk-template", f"/desk/settings/templates/{template.public_id}/"),
        State("desk-template-remove", f"/desk/settings/templates/{template.public_id}/remove/"),
        State("desk-template-picker", f"/desk/conversations/{waiting.public_id}/", pick_template),
        State("desk-not-matched-empty", "/desk/not-matched/", delete_all),
        # From here on, every page says that the address is off.
        State("desk-address-off", "/desk/", address_off),
    ]
    people = {
        "patron": patron,
        "child": child,
        "asked by email": asked_by_email,
        "new patron": UserFactory(name="", email=None, joined_at=now),
        "leaver": leaver,
    }
    people["card holder"] = person_with_card(fake.CARDS[1].patron, at=now, language="")
    return Built(library, pages, desk, codes, patron, people)


@dataclass(frozen=True)
class Built:
    library: object
    pages: dict
    desk: list
    codes: dict
    patron: object
    people: dict

    def show_as(self, show, page, who):
        """Sign in as `who`, which is a key of `pages`.

        If `who` is a viewer by code, open visits with their codes instead.
        """
        held = {
            "holder of a code": ["live"],
            "holder of a quiet code": ["quiet"],
            "holder of a child's code": ["childs", "shared"],
        }.get(who, [])
        return show(page, self.people.get(who), codes=[self.codes[name] for name in held])
