"""Test where the focus goes after a swap, and what a screen reader announces."""

import pytest
from django.utils.formats import date_format
from playwright.sync_api import expect

from accounts.models import Library
from portal.lists.models import RESTORE_FOR, SavedItem
from recommendations.models import Recommendation
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SavedItemFactory,
    SavedListFactory,
    recommend_in,
)

from .steps import card, eventually

pytestmark = [pytest.mark.only_long, pytest.mark.browser]


@pytest.fixture
def session(branch, staff, patron):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    recommend_in(session, 3)
    return session


@pytest.fixture
def page(phone, show, patron):
    return show(phone(), patron)


def press(button):
    """Press the button by keyboard, as a person with a screen reader does."""
    button.focus()
    button.press("Enter")


def announced(page, words):
    expect(page.locator("#announce")).to_have_text(words)


@pytest.mark.parametrize("path", ["visit", "home"])
def test_verdict_button_of_a_saved_item_keeps_the_focus_and_the_verdict_is_announced(
    path, session, patron, page
):
    newest = Recommendation.objects.order_by("-recommended_at", "pk").first()
    SavedItemFactory(saved_list__patron=patron, item=newest.item)
    page.goto("/" if path == "home" else session.get_absolute_url())
    verdict = card(page, newest.item.title).locator(".verdict button[value=did_not_help]")
    press(verdict)
    announced(page, "Answer saved: did not help")
    if path == "home":
        # The next question has been loaded.
        expect(page.locator("#asked .item-card")).to_have_count(2)
    expect(verdict).to_be_focused()

    press(card(page, newest.item.title).locator("button[value=too_hard]"))
    announced(page, "Answer saved: too hard")
    expect(card(page, newest.item.title).locator("button[value=too_hard]")).to_be_focused()

    press(card(page, newest.item.title).locator("button[id^=clear-]"))
    announced(page, "Your answer is cleared.")
    expect(page.locator(":focus")).to_have_text("Your answer is cleared.")


def saved_rows():
    """Return the columns of the saved items, except the time of the last change, which undo also changes."""
    columns = [field.attname for field in SavedItem._meta.concrete_fields if field.name != "changed_at"]
    return list(SavedItem.objects.order_by("pk").values(*columns))


def test_save_button_keeps_the_focus_and_saving_can_be_undone(session, page):
    page.goto(session.get_absolute_url())
    button = page.locator("button[id^=save-]").first
    press(button)
    announced(page, "In your list")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()
    [before] = saved_rows()

    press(button)
    announced(page, "Removed from your list.")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(button).to_be_focused()
    assert not SavedItem.objects.in_lists().exists()

    press(page.locator("button[id^=undo-]"))
    announced(page, "In your list")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()
    assert saved_rows() == [before]


def test_focus_moves_to_the_message_that_replaces_a_removed_item(session, patron, page):
    saved_list = SavedListFactory(patron=patron)
    for recommendation in Recommendation.objects.all():
        SavedItemFactory(saved_list=saved_list, item=recommendation.item)
    before = saved_rows()
    page.goto("/lists/")
    titles = page.locator("#saved h3").all_inner_texts()
    press(page.locator("#saved li button[id^=remove-]").nth(1))
    until = date_format(Library.current().today() + RESTORE_FOR, "F j, Y")
    said = f"“{titles[1]}” is no longer in your list. You can restore it until {until}."
    announced(page, said)
    expect(page.locator(":focus")).to_have_text(said)
    # The message is at the place of the removed item.
    expect(page.locator("#saved li").nth(1)).to_contain_text("is no longer in your list")

    press(page.locator("#saved li button[id^=restore-]"))
    announced(page, f"“{titles[1]}” is in your list again.")
    expect(page.locator("#saved h3")).to_have_text(titles)
    expect(page.locator("#saved li").nth(1).locator("button[id^=remove-]")).to_be_focused()
    assert saved_rows() == before


def test_verdicts_set_by_the_all_helped_button_can_be_undone_in_one_step(session, page):
    page.goto(session.get_absolute_url())
    expect(page.locator("#all-helped")).to_contain_text("3 unanswered items")
    press(page.locator("#all-helped"))
    announced(page, "Answer saved for 3 items.")
    expect(page.locator("#all-marked")).to_be_focused()
    expect(page.locator(".verdict button[value=helped][aria-pressed=true]")).to_have_count(3)

    press(page.locator("#undo-all-helped"))
    announced(page, "Your answers for 3 items are cleared.")
    expect(page.locator("#all-undone")).to_be_focused()
    expect(page.locator(".verdict button[aria-pressed=true]")).to_have_count(0)
    assert not Recommendation.objects.exclude(verdict="").exists()


def test_all_helped_button_can_be_undone_without_javascript(session, phone, show, patron):
    page = show(phone(javascript=False), patron)
    page.goto(session.get_absolute_url())
    page.locator("#all-helped").tap()
    page.locator("#undo-all-helped").tap()
    expect(page.locator("#all-helped")).to_contain_text("3 unanswered items")
    assert not Recommendation.objects.exclude(verdict="").exists()


def test_focus_moves_to_the_text_that_replaces_a_pressed_button(session, patron, page):
    conversation = ConversationFactory(help_session=session, patron=patron)
    MessageFactory(conversation=conversation, side="staff")
    page.goto(conversation.get_absolute_url())
    press(page.locator("#sorted"))
    expect(page.locator("#sorted")).to_have_count(0)
    expect(page.locator("#state")).to_be_focused()


def test_focus_does_not_move_if_the_person_has_moved_it_before_the_response(session, page):
    page.goto(session.get_absolute_url())
    held = []
    page.route("**/lists/**", lambda route: held.append(route))
    button = page.locator("button[id^=save-]").first
    press(button)
    expect(button).to_be_disabled()
    other = page.locator("#outcome button").first
    other.focus()
    eventually(page, lambda: len(held), 1)
    held[0].continue_()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(other).to_be_focused()
