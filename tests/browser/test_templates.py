"""Test that staff can find and insert reply templates while they type an answer."""

import pytest
from playwright.sync_api import expect

from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, ReplyTemplateFactory

from .steps import answered

pytestmark = [pytest.mark.only_long, pytest.mark.browser]


@pytest.fixture
def conversation(branch, staff, patron):
    ReplyTemplateFactory(name="Closing", body="Goodbye, {patron}.", branch=branch)
    ReplyTemplateFactory(name="On hold", body="{item|The book} is here.\n\n{me}")
    ReplyTemplateFactory(name="Renovado", body="Se renovó, {patron}.", language="es")
    conversation = ConversationFactory(
        help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    )
    MessageFactory(conversation=conversation)
    return conversation


@pytest.fixture
def at_desk(show, staff, conversation):
    def at_desk(page):
        show(page, staff).goto(f"/desk/conversations/{conversation.public_id}/")
        return page

    return at_desk


def offered(page):
    return page.locator("#template-list [data-text]:visible strong")


def test_typing_a_slash_lists_templates_and_enter_inserts_the_selected_one(
    desk_computer, at_desk, conversation
):
    page = at_desk(desk_computer())
    answer = page.locator("#id_body")
    answer.click()
    page.keyboard.type("Good morning and/or evening. /")
    expect(offered(page)).to_have_text(["Closing", "On hold", "Renovado"])
    page.keyboard.press("ArrowDown")
    expect(page.locator("[aria-selected=true] strong")).to_have_text("On hold")
    expect(answer).to_have_attribute(
        "aria-activedescendant", page.locator("[aria-selected=true]").get_attribute("id")
    )
    page.keyboard.type("good")
    expect(offered(page)).to_have_text(["Closing"])
    with answered(page):
        page.keyboard.press("Enter")
    expect(answer).to_have_value("Good morning and/or evening. Goodbye, Sam Okafor.")
    expect(page.locator("#template-list")).to_be_hidden()
    # The caret is at the end of the template.
    page.keyboard.type(" And more.")
    expect(answer).to_have_value("Good morning and/or evening. Goodbye, Sam Okafor. And more.")
    # Inserting a template sends nothing.
    assert conversation.messages.count() == 1


def test_typed_slash_remains_in_the_text_if_no_template_is_inserted(desk_computer, at_desk):
    page = at_desk(desk_computer())
    answer = page.locator("#id_body")
    answer.click()
    page.keyboard.type("/")
    expect(offered(page)).to_have_count(3)
    page.keyboard.press("Escape")
    page.keyboard.type("hold")
    expect(page.locator("#template-list")).to_be_hidden()
    page.keyboard.type(" /")
    expect(offered(page)).to_have_count(3)
    page.keyboard.type("xyz")
    expect(page.locator("#template-list")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(answer).to_have_value("/hold /xyz\n")


def test_template_inserted_into_an_empty_answer_sets_the_language_of_the_answer(desk_computer, at_desk):
    page = at_desk(desk_computer())
    page.locator("#id_body").click()
    page.keyboard.type("/renovo")
    expect(offered(page)).to_have_text(["Renovado"])
    page.keyboard.press("Enter")
    expect(page.locator("#id_body")).to_have_value("Se renovó, Sam Okafor.")
    expect(page.locator("[name=language]")).to_have_value("es")


def test_pressing_slash_outside_the_answer_field_focuses_the_template_list(desk_computer, at_desk):
    page = at_desk(desk_computer())
    page.keyboard.press("/")
    expect(page.locator("#template-list [data-text]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#id_body")).to_have_value("Goodbye, Sam Okafor.")
    expect(page.locator("#id_body")).to_be_focused()


def test_staff_member_can_insert_a_template_by_tapping_on_a_phone(phone, at_desk):
    page = at_desk(phone())
    page.locator("#templates").tap()
    page.locator("#template-list [data-text]", has_text="On hold").tap()
    expect(page.locator("#id_body")).to_have_value("The book is here.\n\nRosa Lindqvist")
    expect(page.locator("#template-list")).to_be_hidden()


def test_reply_templates_work_without_javascript(desk_computer, at_desk, conversation):
    page = at_desk(desk_computer(javascript=False))
    page.locator("#id_body").fill("Half a sentence.")
    page.locator("#templates").click()
    page.locator("#template-list [data-text]", has_text="Closing").click()
    expect(page.locator("#id_body")).to_have_value("Half a sentence.\n\nGoodbye, Sam Okafor.")
    assert conversation.messages.count() == 1
