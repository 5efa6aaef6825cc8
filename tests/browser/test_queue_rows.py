"""Test how many rows of the queue fit on a screen, and the title of the browser tab."""

import datetime
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import StaffRole
from portal.conversations import actions, desk_actions, drafts, notes
from portal.conversations.models import Conversation
from tests.extent import rarely
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    IncomingEmailFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
)

from . import bars
from .bars import problems, sizes
from .conftest import DESK, PHONE

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

LONG_SUBJECT = "Where do I find zoning maps and building permits of the harbor district from before the war"
LONG_NAME = "Wilhelmina Alexandrina Quillfeather-Featherstonehaugh"
# Return the number of rows that are fully visible. Such a row ends above the bars at the bottom of the
# screen.
ROWS_IN_VIEW = """() => {
    const bars = [...document.querySelectorAll('.queue-tabs, .bulk')].filter(bar => bar.checkVisibility() && getComputedStyle(bar).position !== 'static');
    const end = Math.min(innerHeight, ...bars.map(bar => bar.getBoundingClientRect().top));
    return [...document.querySelectorAll('.queue > li')].filter(row => row.getBoundingClientRect().bottom <= end).length;
}"""
# Return the number of lines of the menu in the header.
MENU_LINES = (
    "new Set([...document.querySelectorAll('.desk-tabs a')].map(tab => tab.getBoundingClientRect().top)).size"
)
# The maximum height of a row with two lines of text, in pixels.
TWO_LINES = 56
HEIGHT = "Math.max(...[...document.querySelectorAll('.queue > li')].map(row => row.offsetHeight))"


def ask(branch, body, *, hours):
    at = timezone.now() - datetime.timedelta(hours=hours)
    by = UserFactory(name=LONG_NAME)
    return actions.ask(by=by, at=at, body=body, language="en", client_token=uuid.uuid4(), branch=branch)


@pytest.fixture
def full_queue(branch, staff):
    """Create 30 waiting conversations with long subjects and names, and everything that a queue page can show."""
    conversations = [ask(branch, f"{number} {LONG_SUBJECT}", hours=40 - number) for number in range(30)]
    colleague, at = StaffFactory(name=LONG_NAME, branch=branch), timezone.now()
    Conversation.objects.filter(pk__in=[row.pk for row in conversations[::2]]).update(
        assignee=colleague, assigned_at=at, reason="could_not_get_it", topic=TopicFactory(name="Maps" * 9)
    )
    Conversation.objects.filter(pk__in=[row.pk for row in conversations[:4]]).update(promised_at=at)
    fields = {"client_token": uuid.uuid4(), "at": at}
    for conversation in conversations[:3]:
        whose = {"person": staff, "side": "staff", "kind": "reply"}
        drafts.save_draft(conversation, **whose, **fields, sequence=1, body="Half an answer")
    notes.write_note(conversations[0], by=colleague, body=f"@{staff.name} please look", **fields)
    HelpSessionFactory(branch=branch, staff=staff, status="unfinished")
    BranchFactory(
        name=f"Branch at the {LONG_SUBJECT}"[:60],
        covered_by=branch,
        last_seen_on=timezone.localdate() - datetime.timedelta(days=3),
        unattended_from=at - datetime.timedelta(days=1),
    )
    return conversations


@pytest.mark.parametrize(
    ("screen", "rows", "language"),
    [(DESK, 12, "es"), (PHONE, 6, "es"), rarely(DESK, 12, "en"), rarely(PHONE, 6, "en")],
    ids=["desk-es", "phone-es", "desk-en", "phone-en"],
)
def test_queue_with_long_subjects_shows_enough_rows(full_queue, staff, opened, show, screen, rows, language):
    staff.language = language
    staff.save()
    page = show(opened(screen, language=language), staff)
    page.goto("/desk/")
    for chip in ("#mentions", "#tray", "#drafts", "#cover"):
        expect(page.locator(chip)).to_be_visible()
    assert page.evaluate(ROWS_IN_VIEW) >= rows
    assert page.evaluate(HEIGHT) <= TWO_LINES
    assert page.evaluate(MENU_LINES) == 1
    # The button for the search has a visible label at every width.
    assert page.locator("#queue-find > span").bounding_box()["width"] > 30


@pytest.mark.parametrize(("screen", "rows"), [(DESK, 12), (PHONE, 8)], ids=["desk", "phone"])
@pytest.mark.parametrize("language", ["es", rarely("en")])
def test_queue_with_seven_chips_shows_enough_rows(
    full_queue, library, staff, opened, show, screen, rows, language
):
    library.check_ins, library.first_week_hidden_at = True, None
    library.save()
    IncomingEmailFactory(reason="no_address", sender="sam@example.org")
    staff.staff_roles.update(role="coordinator")
    staff.language = language
    staff.save()
    page = show(opened(screen, language=language), staff)
    page.goto("/desk/")
    expect(page.locator(".chips > *")).to_have_count(7)
    assert page.evaluate(ROWS_IN_VIEW) >= rows
    # A hidden chip scrolls into view when it gets the focus, and its list opens as usual.
    page.locator("#to-not-matched").focus()
    expect(page.locator("#to-not-matched")).to_be_in_viewport(ratio=1)
    page.locator("#tray > summary").click()
    expect(page.locator("#tray .rows")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(
    ("language", "font"),
    [
        ("es", bars.WIDE_FONT),
        *(rarely(*other) for other in [("es", None), ("en", bars.WIDE_FONT), ("en", None)]),
    ],
    ids=["es-wide font", "es-own font", "en-wide font", "en-own font"],
)
def test_coordinator_on_a_phone_sees_six_rows_of_the_queue_and_the_menu_on_one_line(
    full_queue, staff, opened, show, language, font
):
    staff.staff_roles.update(role="coordinator")
    staff.language = language
    staff.save()
    page = show(opened(PHONE, language=language), staff)
    page.goto("/desk/")
    if font:
        page.evaluate(bars.FONT, font)
    expect(page.locator(".desk-tabs a")).to_have_count(7)
    if not font:
        assert (
            page.evaluate(
                "(tabs => tabs.scrollWidth - tabs.clientWidth)(document.querySelector('.desk-tabs'))"
            )
            <= 0
        )
    assert page.evaluate(MENU_LINES) == 1
    assert page.evaluate(ROWS_IN_VIEW) >= 6
    page.goto("/desk/settings/")
    expect(page.locator(".desk-tabs [aria-current]")).to_be_in_viewport(ratio=1)
    assert sizes(page) == []


@pytest.mark.parametrize(("screen", "rows"), [(DESK, 12), (PHONE, 6)], ids=["desk", "phone"])
def test_queue_in_a_wide_font_shows_enough_rows(full_queue, staff, opened, show, screen, rows):
    page = show(opened(screen), staff)
    page.goto("/desk/")
    page.evaluate(bars.FONT, bars.WIDE_FONT)
    assert page.evaluate(ROWS_IN_VIEW) >= rows
    assert page.evaluate(HEIGHT) <= TWO_LINES


def test_queue_shows_twelve_rows_while_a_row_is_selected(full_queue, staff, opened, show):
    page = show(opened(DESK), staff)
    page.goto("/desk/")
    page.keyboard.press("j")
    expect(page.locator("#bulk-take")).to_be_visible()
    assert page.evaluate(ROWS_IN_VIEW) >= 12


@pytest.mark.parametrize("language", ["es", rarely("en")])
@pytest.mark.parametrize(("screen", "rows"), [(DESK, 12), (PHONE, 6)], ids=["desk", "phone"])
def test_queue_with_check_ins_shows_enough_rows_after_a_tally(
    full_queue, library, staff, opened, show, screen, rows, language
):
    library.check_ins = True
    library.save()
    staff.language = language
    staff.save()
    page = show(opened(screen, language=language), staff)
    page.goto("/desk/")
    page.locator("#tally-button").click()
    expect(page.locator("#undo-tally")).to_be_visible()
    assert page.evaluate(ROWS_IN_VIEW) >= rows
    page.reload()
    expect(page.locator("#take-back-tally")).to_be_visible()
    assert page.evaluate(ROWS_IN_VIEW) >= rows


@pytest.mark.long
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_chip_above_the_queue_says_which_branch_is_covered(full_queue, staff, opened, show, screen):
    page = show(opened(screen), staff)
    page.goto("/desk/")
    page.locator("#cover > summary").click()
    expect(page.locator("#cover li")).to_contain_text("Branch at the Where do I find")
    expect(page.locator("#cover li")).to_be_in_viewport(ratio=1)
    assert problems(page) == []


@pytest.mark.long
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_chips_above_the_queue_open_lists_and_filter_rows(full_queue, staff, opened, show, screen):
    page = show(opened(screen), staff)
    page.goto("/desk/")
    page.locator("#mentions > summary").click()
    expect(page.locator("#mentions a")).to_be_visible()
    assert sizes(page) == []
    page.locator("#tray > summary").click()
    expect(page.locator("#tray a")).to_be_focused()
    expect(page.locator("#mentions a")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#tray > summary")).to_be_focused()
    expect(page.locator("#tray a")).to_be_hidden()
    page.locator("#drafts").click()
    expect(page.locator(".queue > li")).to_have_count(3)
    expect(page.locator(".queue .draft")).to_have_count(3)
    assert problems(page) == []
    page.locator("#drafts").click()
    expect(page.locator(".queue > li")).to_have_count(25)


def test_browser_tab_shows_the_current_number_of_waiting_conversations(
    full_queue, branch, staff, opened, show
):
    page = show(opened(DESK), staff)
    page.clock.install()
    page.goto("/desk/?tab=done")
    expect(page).to_have_title("(30) Done · Queue · Harbour Library")
    ask(branch, "One more", hours=0)
    page.clock.run_for(6000)
    expect(page).to_have_title("(31) Done · Queue · Harbour Library")
    for conversation in full_queue[:2]:
        desk_actions.snooze(
            conversation,
            until=timezone.localdate() + datetime.timedelta(days=3),
            by=staff,
            at=timezone.now(),
        )
    page.clock.run_for(12000)
    expect(page).to_have_title("(29) Done · Queue · Harbour Library")


def test_open_queue_shows_a_draft_that_was_begun_in_another_tab(full_queue, staff, opened, show):
    page = show(opened(DESK), staff)
    page.clock.install()
    page.goto("/desk/")
    row = page.locator(".queue > li").nth(5)
    row.locator(".cover-all").focus()
    drafts.save_draft(
        full_queue[5],
        person=staff,
        side="staff",
        kind="reply",
        client_token=uuid.uuid4(),
        sequence=1,
        body="Half an answer",
        at=timezone.now(),
    )
    page.clock.run_for(6000)
    expect(row.locator(".draft")).to_be_visible()
    expect(row.locator(".cover-all")).to_be_focused()


# Find selects that are narrower than the text that they show.
CUT = """() => [...document.querySelectorAll('select')].filter(select => select.checkVisibility()).filter(select => {
    const copy = select.cloneNode(true);
    copy.style.cssText = 'position: absolute; inline-size: auto; max-inline-size: none';
    [...copy.options].filter(option => !option.selected).forEach(option => option.remove());
    select.after(copy);
    const needed = copy.offsetWidth;
    copy.remove();
    return select.offsetWidth + 1 < needed;
}).map(select => select.name)"""


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("width", [1280, 900, 360])
def test_queue_filters_show_their_whole_text(branch, staff, opened, show, width, language):
    staff.language = language
    staff.save()
    StaffRole.objects.create(user=staff, branch=BranchFactory())
    TopicFactory()
    page = show(opened({"viewport": {"width": width, "height": 800}}, language=language), staff)
    page.goto("/desk/?drafts=1")
    expect(page.locator(".filters select:visible")).to_have_count(3)
    assert page.evaluate(CUT) == []
