"""Test the layout of desk pages: on a phone, with large text, and without JavaScript."""

import datetime
import uuid

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import OpeningHours
from portal.conversations import actions
from portal.privacy import holds
from tests.factories import HelpSessionFactory, UserFactory

from .conftest import DESK, PHONE
from .test_large_text import BROKEN

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

LARGE_TEXT = "document.documentElement.style.fontSize = '200%'"
HAS_HIDDEN_TEXT = "field => field.scrollWidth > field.clientWidth || field.scrollHeight > field.clientHeight"
PLACE = "element => [element.getBoundingClientRect().x, element.getBoundingClientRect().y + scrollY]"
SUBJECT = "Where do I find building permits of the harbor district?"


@pytest.fixture
def page(branch, staff, opened, show):
    return show(opened(PHONE), staff)


@pytest.fixture
def waiting(branch):
    """Return a conversation that waits for an answer."""
    return actions.ask(
        by=UserFactory(name="Sam Okafor"),
        at=timezone.now() - datetime.timedelta(hours=1),
        body=SUBJECT,
        language="en",
        client_token=uuid.uuid4(),
        branch=branch,
    )


def lines(element):
    """Return how many lines of text `element` shows."""
    return element.evaluate(
        "shown => Math.round(shown.clientHeight / parseFloat(getComputedStyle(shown).lineHeight))"
    )


def test_personal_menu_of_the_desk_fits_the_screen_with_large_text(page):
    page.goto("/desk/")
    page.evaluate(LARGE_TEXT)
    page.locator("#to-own-pages").tap()
    menu = page.locator("#own-pages > div").bounding_box()
    assert menu["x"] >= 0
    assert menu["x"] + menu["width"] <= PHONE["viewport"]["width"]


def test_queue_row_shows_more_lines_of_the_subject_if_the_text_is_large(waiting, page):
    page.goto("/desk/")
    subject = page.locator(".queue .cover-all")
    assert lines(subject) == 1
    page.evaluate(LARGE_TEXT)
    assert lines(subject) == 4


def test_two_periods_of_opening_hours_are_in_view_on_a_phone(branch, staff, page):
    staff.staff_roles.update(role="coordinator")
    for opens, closes in ((9, 13), (14, 20)):
        OpeningHours.objects.create(
            branch=branch, weekday=0, opens=datetime.time(opens), closes=datetime.time(closes)
        )
    page.goto(f"/desk/settings/branches/of/{branch.slug}/")
    for large in (False, True):
        if large:
            page.evaluate(LARGE_TEXT)
        field = page.locator("[name=day0]")
        expect(field).to_have_value("9:00\xa0a.m.–1:00\xa0p.m., 2:00\xa0p.m.–8:00\xa0p.m.")
        assert field.evaluate(HAS_HIDDEN_TEXT) is False


def test_snooze_menu_with_large_text_has_no_broken_words(waiting, page):
    page.goto(f"/desk/conversations/{waiting.public_id}/")
    page.wait_for_load_state()
    page.evaluate(LARGE_TEXT)
    page.locator("#snooze > summary").tap()
    expect(page.locator("#until-1")).to_be_focused()
    assert page.evaluate(BROKEN, "#snooze .button") == []


def test_link_above_the_help_sessions_moves_the_focus_to_the_code_field(branch, staff, page):
    HelpSessionFactory.create_batch(8, branch=branch, staff=staff)
    page.goto("/desk/sessions/")
    expect(page.locator("#id_code")).not_to_be_in_viewport()
    page.locator("a[href='#id_code']").tap()
    expect(page.locator("#id_code")).to_be_in_viewport()
    expect(page.locator("#id_code")).to_be_focused()


def test_record_form_shows_the_date_on_its_own_line(page):
    page.goto("/desk/record/")
    day, minutes = (page.locator(f"#id_{name}").bounding_box() for name in ("happened_on", "minutes"))
    assert day["width"] > 2 * minutes["width"]


def test_legal_hold_page_shows_its_text_over_the_whole_width(branch, coordinator, opened, show):
    visit = HelpSessionFactory(branch=branch, staff=coordinator)
    holds.hold(visit, reason="Court order 47", by=coordinator, at=timezone.now())
    page = show(opened(PHONE), coordinator)
    page.goto("/desk/holds/")
    reason, lift = (page.locator(f".holds > li > {part}").bounding_box() for part in (".grow", "details"))
    assert reason["y"] + reason["height"] <= lift["y"]


def test_composer_covers_no_message_without_javascript(waiting, staff, opened, show):
    page = show(opened(DESK, javascript=False), staff)
    page.goto(f"/desk/conversations/{waiting.public_id}/")
    message, composer = (
        page.locator(part).bounding_box() for part in ("#entries .message >> nth=-1", "#reply-form")
    )
    assert message["y"] + message["height"] <= composer["y"]
    # The composer grows when staff begin to write, so that they can send their answer.
    page.locator("#id_body").click()
    page.keyboard.type("We have it.")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("width", [360, 1024, 1280])
@pytest.mark.parametrize("unfinished", [0, 1])
def test_tally_button_of_the_record_form_stays_in_its_place(width, unfinished, branch, staff, page):
    HelpSessionFactory.create_batch(unfinished, branch=branch, staff=staff, status="unfinished")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/desk/record/")
    button = page.locator("#tally-button")
    places = [button.evaluate(PLACE)]
    button.click()
    expect(page.locator("#undo-tally")).to_be_visible()
    places.append(button.evaluate(PLACE))
    page.locator("#undo-tally").click()
    expect(page.locator("#undo-tally")).to_have_count(0)
    places.append(button.evaluate(PLACE))
    assert places == [places[0]] * 3
