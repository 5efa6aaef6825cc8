"""Test one whole visit, from the desk to the patron's phone and back."""

import datetime
import re

import pytest
from django.utils import timezone, translation
from playwright.sync_api import expect

from accounts.models import User
from portal.conversations import jobs
from portal.conversations.models import Conversation, Message
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation
from tests.extent import rarely
from tests.factories import HelpSessionFactory, ItemFactory, code_for, recommend_in

from .steps import card, latest, say, sign_in, sign_in_with_second_factor

pytestmark = pytest.mark.browser

QUESTION = "How do I start a balcony compost bin?"
ASKED_AGAIN = "I live on the fourth floor: nothing that smells, please."
ANSWER = "Then worms are the answer. Try this one."
PRIVATE_WORDS = ["ompost", "worm", "Worm", "floor", "balcony"]


@pytest.fixture(autouse=True)
def no_undo_window(monkeypatch):
    monkeypatch.setattr(Message, "UNDO_WINDOW", datetime.timedelta(0))


@pytest.fixture
def catalog(library):
    return [
        ItemFactory(title=title)
        for title in ("Compost City", "The Rodale Guide to Composting", "Worms Eat My Garbage")
    ]


@pytest.mark.core
@pytest.mark.parametrize(
    ("language", "javascript"),
    [
        ("en", True),
        pytest.param("es", True, marks=pytest.mark.only_long),
        pytest.param("es", False, marks=pytest.mark.only_long),
    ],
    ids=["en", "es", "es without JavaScript"],
)
def test_patron_adds_a_visit_to_an_account_and_writes_with_staff_about_the_visit(
    language, javascript, catalog, staff, desk_computer, phone, post
):
    # Test one variant with animated page changes, because most people see them.
    moves = {"motion": language == "en"}
    desk, patron = desk_computer(**moves), phone(language=language, javascript=javascript, **moves)

    sign_in_with_second_factor(desk, staff, post)
    record_by_keyboard(desk)
    patron.goto(desk.input_value("#link"))

    expect(patron.locator("html")).to_have_attribute("lang", language)
    expect(patron.locator("#items")).to_contain_text("because worms need no garden")
    say(patron, "Compost City", "helped")
    say(patron, "The Rodale Guide to Composting", "did_not_help")
    follow_up = card(patron, "The Rodale Guide to Composting").locator(".follow-up")
    expect(follow_up.locator("textarea")).to_have_value(re.compile("Rodale"))
    follow_up.locator("textarea").fill(ASKED_AGAIN)
    follow_up.locator("button").tap()
    expect(patron.locator(".message.mine")).to_have_text(re.compile(ASKED_AGAIN))

    patron.locator("main a[href*='/sessions/']:not(#to-phone)").tap()
    patron.locator("a[href$='/keep/']").tap()
    # The page for the code also asks for the consent, so no other tap is needed.
    sign_in(patron, "sam@example.org", post)
    patron.wait_for_url(re.compile(r"/sessions/[0-9a-f-]{36}/(#.*)?$"))
    expect(patron.locator("a[href$='/keep/']")).to_have_count(0)
    assert HelpSession.objects.get().patron == User.objects.get(email="sam@example.org")
    patron.locator("nav a[href='/messages/']").tap()
    patron.locator("main .rows a").tap()
    patron.wait_for_url(re.compile("/messages/[0-9a-f-]{36}/"))

    answer_from_the_queue(desk)
    jobs.show_pending_answers(at=timezone.now())
    mail = post("sam@example.org")
    with translation.override(language):
        assert mail.subject == translation.gettext("The library has answered")
    everything = mail.message().as_string() + mail.body + mail.alternatives[0].content
    assert [word for word in PRIVATE_WORDS if word in everything] == []

    # The patron returns to the phone, where the conversation is still open.
    if javascript:
        patron.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    else:
        patron.goto("/")
        patron.goto(re.search(r"http://\S+", mail.body)[0])
    expect(patron.locator(".message.theirs .bubble")).to_have_text(ANSWER)
    say(patron, "Worms Eat My Garbage", "helped")
    patron.locator("#sorted").tap()
    expect(patron.locator("#sorted")).to_have_count(0)
    expect(patron.locator("li.event")).to_have_count(1)
    patron.locator("#id_body").fill("It worked, thank you!")
    patron.locator("#send").tap()
    expect(latest(patron)).to_have_text("It worked, thank you!")
    expect(patron.locator("li.event")).to_have_count(2)
    assert Conversation.objects.get().status == Conversation.Status.WAITING_FOR_STAFF
    assert dict(Recommendation.objects.values_list("item__title", "verdict")) == {
        "Compost City": "helped",
        "The Rodale Guide to Composting": "did_not_help",
        "Worms Eat My Garbage": "helped",
    }


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["with JavaScript", "without JavaScript"])
def test_patron_without_an_email_address_uses_a_code_and_adds_the_visit_to_an_account(
    javascript, branch, staff, desk_computer, phone, show
):
    session = HelpSessionFactory(branch=branch, staff=staff, question=QUESTION)
    title = recommend_in(session, 1)[0].item.title
    code = code_for(session)
    desk, patron = show(desk_computer(), staff), phone(javascript=javascript)

    patron.goto("/")
    patron.locator("#id_code").fill(f"{code[:4]} {code[4:7]}-{code[7:10]} {code[10:]}")
    patron.locator("#open").tap()
    say(patron, title, "could_not_get_it")
    patron.locator("#ask a.button").tap()
    patron.locator("#id_body").fill(ASKED_AGAIN)
    patron.locator("#send").tap()
    expect(latest(patron)).to_have_text(ASKED_AGAIN)

    desk.goto("/desk/")
    desk.locator(".queue a").first.click()
    desk.locator("#id_body").fill(ANSWER)
    desk.locator("#send").click()
    expect(desk.locator(".message.mine .bubble")).to_have_text(ANSWER)
    jobs.show_pending_answers(at=timezone.now())

    patron.goto("/")
    patron.locator("main .rows a[href*='/messages/']").tap()
    expect(latest(patron)).to_have_text(ANSWER)
    patron.locator("main a[href*='/sessions/']:not(#to-phone)").first.tap()
    patron.locator("a[href$='/keep/']").tap()
    patron.locator("#keep-here").tap()
    expect(patron.locator("#notices .notice")).to_have_count(1)
    person = User.objects.get(staff_roles=None)
    assert (person.email, HelpSession.objects.get().patron) == (None, person)

    patron.locator("nav a[href='/me/']").tap()
    patron.locator("#sign-out").tap()
    expect(patron).to_have_url(re.compile("/signed-out/"))
    assert {cookie["name"] for cookie in patron.context.cookies()} <= {"csrftoken"}
    patron.goto("/messages/")
    expect(patron.locator("main")).not_to_contain_text(QUESTION)


# The functions below are steps of the test.


def record_by_keyboard(desk):
    desk.locator("a[href='/desk/record/']").first.click()
    keys = desk.keyboard
    expect(desk.locator("#id_question")).to_be_focused()
    # Text that is typed before the scripts are loaded starts no search.
    desk.wait_for_load_state()
    keys.type(QUESTION)
    keys.press("Tab")
    expect(desk.locator("#q")).to_be_focused()
    keys.type("compost")
    # Wait for the results of the whole word. If they replaced earlier results after a key press, the focus
    # would move.
    expect(desk.locator("[data-query=compost] .found-item")).to_have_count(2)
    keys.press("ArrowDown")
    desk.keyboard.press("ArrowUp")
    expect(desk.locator("#q")).to_be_focused()
    keys.press("Control+a")
    keys.type("compost city")
    expect(desk.locator("[data-query='compost city'] .found-item")).to_have_count(1)
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(desk.locator("#id_items-0-reason")).to_be_focused()
    keys.type("because it is for beginners")
    keys.press("Enter")
    expect(desk.locator("#q")).to_be_focused()
    keys.type("rodale")
    expect(desk.locator("[data-query=rodale]")).to_have_count(1)
    keys.press("Enter")
    expect(desk.locator("#id_items-1-reason")).to_be_focused()
    keys.type("because worms need no garden")
    keys.press("Enter")
    expect(desk.locator("#q")).to_be_focused()
    keys.press("Enter")
    expect(desk.locator("#id_for_whom")).to_be_focused()
    keys.press("Enter")
    expect(desk.locator("#id_topic")).to_be_focused()
    keys.press("Control+Enter")
    expect(desk.locator("#code")).to_have_text(re.compile(r"^\d{4} \d{3} \d{3} \d{3}$"))


def answer_from_the_queue(desk):
    desk.goto("/desk/")
    row = desk.locator(".queue li")
    expect(row).to_have_count(1)
    row.locator("a").click()
    # Wait until the page has loaded, because its scripts miss earlier key presses.
    desk.wait_for_url("**/conversations/**")
    expect(desk.locator(".message.theirs .bubble")).to_have_text(ASKED_AGAIN)
    desk.locator("#id_body").fill(ANSWER)
    desk.locator("#q").fill("worms")
    desk.locator(".found-item").click()
    desk.locator("#id_items-0-reason").fill("because it needs no garden")
    desk.keyboard.press("Control+Enter")
    expect(desk.locator(".message.mine .bubble")).to_contain_text(ANSWER)
