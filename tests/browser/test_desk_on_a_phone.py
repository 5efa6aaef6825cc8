"""Test the queue by touch, by keyboard, without JavaScript and while it changes."""

import datetime
import re
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations import actions, desk_actions
from portal.conversations.models import Conversation
from tests.factories import StaffFactory, UserFactory

from .bars import problems
from .conftest import DESK, PHONE
from .steps import answered

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

# Return the visible placeholders that are wider than their fields. Measure each placeholder as typed text. A
# search field then also shows its clear button, so the text has the least room.
CUT_PLACEHOLDERS = """() => [...document.querySelectorAll('[placeholder]')].filter(field => {
    if (!field.checkVisibility() || getComputedStyle(field, '::placeholder').color === 'rgba(0, 0, 0, 0)') return false;
    const typed = field.value;
    field.value = field.placeholder;
    const isCut = field.scrollWidth > field.clientWidth;
    field.value = typed;
    return isCut;
}).map(field => field.placeholder)"""
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


@pytest.fixture
def ask(branch):
    def ask(body, *, hours=1):
        at = timezone.now() - datetime.timedelta(hours=hours)
        return actions.ask(
            by=UserFactory(name="Sam Okafor"),
            at=at,
            body=body,
            language="en",
            client_token=uuid.uuid4(),
            branch=branch,
        )

    return ask


@pytest.fixture
def queue(ask, branch, staff):
    """Create six waiting conversations.

    The first is overdue, the second is assigned to Omar, and the last has a very long subject.
    """
    conversations = [
        ask(f"Question {number}\nIt is about the {number}th floor.", hours=60 - number) for number in range(5)
    ]
    conversations.append(ask(LONG, hours=1))
    Conversation.objects.filter(pk=conversations[0].pk).update(
        promised_at=timezone.now() - datetime.timedelta(hours=2)
    )
    desk_actions.take(conversations[1], by=StaffFactory(name="Omar", branch=branch), at=timezone.now())
    return conversations


def row(page, subject):
    return page.locator(".queue > li").filter(has=page.get_by_role("link", name=subject, exact=True))


def links(page):
    return page.locator(".queue .cover-all")


def subjects(page):
    return links(page).all_inner_texts()


def focused(page):
    return page.evaluate("document.activeElement.textContent")


@pytest.mark.long
def test_queue_works_by_touch_on_a_phone(queue, staff, opened, show):
    page = show(opened(PHONE), staff)
    page.goto("/desk/")
    tabs = page.locator(".queue-tabs").bounding_box()
    # The tabs are at the bottom edge, near the thumb.
    assert tabs["y"] + tabs["height"] >= 739
    assert problems(page) == []

    row(page, "Question 0").locator(".pick").tap()
    row(page, "Question 2").locator(".pick").tap()
    expect(page.locator("#chosen")).to_have_text(re.compile("2$"))
    expect(page.locator(".queue-tabs")).to_be_hidden()
    bar = page.locator(".bulk").bounding_box()
    assert bar["y"] + bar["height"] >= 739
    assert problems(page) == []

    page.locator("#bulk-snooze").tap()
    page.locator("#snooze-1").tap()
    expect(page.locator("#notices")).to_contain_text("2")
    expect(links(page)).to_have_text(["Question 1", "Question 3", "Question 4", LONG])
    page.locator("#undo-1").tap()
    expect(row(page, "Question 0")).to_be_visible()
    expect(links(page)).to_have_count(6)
    row(page, "Question 4").locator(".pick").tap()
    page.locator("#bulk-close").tap()
    expect(page.locator("#undo-1")).to_be_in_viewport()
    page.locator("#undo-1").tap()
    expect(row(page, "Question 4")).to_be_visible()

    page.locator("#tab-mine").tap()
    expect(page).to_have_url(re.compile(r"\?tab=mine$"))
    assert problems(page) == []


def test_staff_member_on_a_phone_can_answer_and_open_the_next_conversation(queue, staff, opened, show):
    page = show(opened(PHONE), staff)
    page.goto("/desk/")
    row(page, "Question 2").locator(".cover-all").tap()
    expect(page.locator("h1")).to_have_text("Question 2")
    # Wait for the scripts. Without them, sending the answer would load the page again.
    page.wait_for_load_state()
    page.locator("#id_body").fill("On the second floor.")
    page.locator("#reply-form [data-main]").tap()
    expect(page.locator("#conversation")).to_contain_text("On the second floor.")
    expect(page.locator("#entries .pending-answer button")).to_be_in_viewport()
    page.locator("#composer-says a").tap()
    expect(page.locator("h1")).to_have_text("Question 3")
    page.locator("#to-queue").tap()
    expect(row(page, "Question 3")).to_be_visible()
    expect(row(page, "Question 2")).to_have_count(0)


def test_queue_works_by_keyboard(queue, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    keys = page.keyboard
    keys.press("?")
    expect(page.locator("#keys li").first).to_be_visible()
    keys.press("j")
    keys.press("ArrowDown")
    keys.press("j")
    keys.press("k")
    assert focused(page) == "Question 1"
    keys.press("x")
    keys.press("j")
    keys.press("x")
    expect(page.locator("#chosen")).to_have_text(re.compile("2$"))
    keys.press("Escape")
    expect(page.locator("#chosen")).to_be_hidden()

    # If no row is selected, the key "e" applies to the current row.
    keys.press("e")
    expect(page.locator("#notices")).to_contain_text("1")
    # The next row becomes the current row.
    expect(page.locator(".current .cover-all")).to_have_text("Question 3")
    assert "Question 2" not in subjects(page)
    # A key does nothing until the scripts are loaded.
    page.wait_for_load_state()
    keys.press("j")
    keys.press("m")
    expect(row(page, "Question 4").locator(".yours")).to_be_visible()
    page.wait_for_load_state()

    keys.press("s")
    expect(page.locator("#snooze-1")).to_be_focused()
    keys.press("Escape")
    expect(page.locator("#bulk-snooze")).to_be_focused()

    keys.press("2")
    expect(page).to_have_url(re.compile(r"\?tab=mine$"))
    expect(links(page)).to_have_text(["Question 4"])
    page.wait_for_load_state()
    keys.press("1")
    expect(page).to_have_url(re.compile(r"/desk/$"))
    page.wait_for_load_state()

    keys.press("/")
    expect(page.locator("#queue-search")).to_be_focused()
    # Shortcuts don't work while typing.
    keys.type("jxea2?s")
    expect(page.locator("#queue-search")).to_have_value("jxea2?s")
    page.locator("#queue-search").fill("floor")
    keys.press("Enter")
    expect(page).to_have_url(re.compile(r"/desk/\?q=floor$"))
    page.wait_for_load_state()
    keys.press("j")
    keys.press("Enter")
    expect(page.locator("h1")).to_have_text("Question 0")
    page.wait_for_load_state()
    keys.press("j")
    expect(page.locator("h1")).to_have_text("Question 1")
    page.wait_for_load_state()
    keys.press("u")
    expect(page).to_have_url(re.compile(r"/desk/\?q=floor$"))


def test_single_letter_shortcuts_can_be_switched_off(queue, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    page.keyboard.press("?")
    page.locator("#use-keys").uncheck()
    page.reload()
    with answered(page):
        page.keyboard.press("j")
        page.keyboard.press("2")
        page.keyboard.press("?")
    assert (
        focused(page) in subjects(page),
        page.locator("#keys").get_attribute("open"),
        page.url.endswith("/desk/"),
    ) == (False, None, True)
    page.keyboard.press("ArrowDown")
    assert focused(page) == subjects(page)[0]
    page.locator("#keys summary").click()
    page.locator("#use-keys").check()
    page.locator("h1").click()
    page.keyboard.press("j")
    assert focused(page) == subjects(page)[1]


def test_shortcut_for_selected_conversations_does_nothing_without_a_selection(queue, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    expect(page.locator("#bulk-close")).to_be_hidden()
    page.keyboard.press("e")
    expect(page.locator("#announce")).to_have_text("Nothing is selected. Select a conversation first.")
    assert Conversation.objects.filter(status="closed").count() == 0


def test_shift_click_selects_a_range_and_a_button_selects_all_conversations(queue, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    boxes = page.locator(".queue [name=conversation]")
    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])
    assert [box.is_checked() for box in boxes.all()] == [False, True, True, True, True, False]
    page.locator("#select-all").click()
    assert all(box.is_checked() for box in boxes.all())
    page.locator("#bulk-take").click()
    # One conversation stays assigned to Omar, and the notice says so.
    expect(page.locator("#notices")).to_contain_text("Omar")


def test_queue_works_without_javascript(queue, staff, opened, show):
    page = show(opened(DESK, javascript=False), staff)
    page.goto("/desk/")
    row(page, "Question 0").locator("[name=conversation]").check()
    page.locator("#bulk-snooze").click()
    page.locator("#bulk-day").fill((timezone.localdate() + datetime.timedelta(days=9)).isoformat())
    page.locator("#snooze-until").click()
    expect(row(page, "Question 0")).to_have_count(0)
    page.locator("#tab-snoozed").click()
    expect(row(page, "Question 0")).to_be_visible()
    page.locator("#queue-search").fill("nothing like this")
    page.locator("#queue-find").click()
    expect(page.locator(".empty")).to_be_visible()


def test_rows_of_an_open_queue_page_do_not_move_when_new_conversations_arrive(
    queue, ask, staff, patron, opened, show
):
    page = show(opened(DESK), staff)
    page.clock.install()
    page.goto("/desk/")
    row(page, "Question 3").locator("[name=conversation]").check()
    page.locator(".queue .cover-all").nth(2).focus()
    before, place = subjects(page), row(page, "Question 3").bounding_box()

    ask("Somebody new", hours=0)
    desk_actions.take(queue[0], by=StaffFactory(name="Lena", branch=queue[0].branch), at=timezone.now())
    desk_actions.snooze(
        queue[3], until=timezone.localdate() + datetime.timedelta(days=3), by=staff, at=timezone.now()
    )
    page.clock.run_for(6000)

    expect(page.locator("#show-news")).to_contain_text("1 new conversation in this list")
    expect(page.locator("#announce")).to_have_text("1 new conversation in this list")
    expect(page.locator("#count-needs")).to_have_text("6")
    expect(row(page, "Question 0")).to_contain_text("Lena")
    # Question 3 was snoozed. Its row stays on the page and says that the conversation left the list.
    expect(row(page, "Question 3").locator(".changed")).to_be_visible()
    assert (subjects(page), row(page, "Question 3").bounding_box(), focused(page)) == (
        before,
        place,
        "Question 2",
    )
    expect(row(page, "Question 3").locator("[name=conversation]")).to_be_checked()
    page.locator("#show-news").click()
    expect(row(page, "Somebody new")).to_be_visible()
    expect(row(page, "Question 3")).to_have_count(0)


def test_hidden_queue_page_does_not_poll(queue, staff, opened, show):
    page = show(opened(DESK), staff)
    page.clock.install()
    page.goto("/desk/")
    asked = []
    page.on("request", lambda request: "queue/news" in request.url and asked.append(request.url))
    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden'})")
    with answered(page):
        page.clock.run_for(60_000)
    assert asked == []


def test_filters_of_help_sessions_have_two_columns_on_a_phone(staff, opened, show):
    page = show(opened(PHONE), staff)
    page.goto("/desk/sessions/?mode=phone")
    fields = page.locator("#search-sessions .filters :is(select, input)")
    expect(fields).to_have_count(6)
    places = [field.bounding_box() for field in fields.all()]
    assert len({round(place["width"]) for place in places}) == 1
    assert len({round(place["x"]) for place in places}) == 2
    assert problems(page) == []
    # A field with an error is as wide as the page, so that its error message needs few lines.
    page.goto("/desk/sessions/?first_day=2026-03-02&last_day=2026-03-01")
    wrong = page.locator("#search-sessions .field:has(.field-error)").bounding_box()
    assert wrong["width"] > 300


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_placeholder_is_cut_off_on_a_phone(queue, staff, opened, show, language):
    staff.language = language
    staff.save()
    page = show(opened(PHONE, language=language), staff)
    for path in ("/desk/", "/desk/record/", "/desk/sessions/"):
        page.goto(path)
        assert page.evaluate(CUT_PLACEHOLDERS) == []
