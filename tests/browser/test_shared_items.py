import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.lists.models import SavedItem, StaffLink
from portal.lists.own_words import add_title
from tests.extent import rarely
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SavedListFactory,
    recommend_in_message,
)

from .conftest import LOOKS

pytestmark = pytest.mark.browser


@pytest.fixture
def answer(branch, staff, patron):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    conversation = ConversationFactory(help_session=session)
    answer = MessageFactory(
        conversation=conversation, side="staff", author=staff, sent_at=timezone.now() - timedelta(minutes=5)
    )
    recommend_in_message(answer, 2)
    return answer


@pytest.mark.core
@pytest.mark.parametrize(
    ("screen", "language", "javascript"),
    [("desk", "en", True), rarely("phone", "es", True), rarely("phone", "en", False)],
    ids=["desk", "phone in Spanish", "no JavaScript"],
)
def test_staff_share_the_items_of_an_answer(
    screen, language, javascript, answer, staff, phone, desk_computer, show
):
    staff.language = language
    staff.save()
    opened = {"desk": desk_computer, "phone": phone}[screen]
    page = show(opened(**LOOKS[language], javascript=javascript), staff)
    page.goto(f"/desk/conversations/{answer.conversation.public_id}/")
    page.locator(f"#share-{answer.public_id}").click()
    expect(page.locator("#shown li")).to_have_count(2)
    shown = page.locator("#shown").inner_text()
    page.locator("#make-link").click()
    address = page.locator("#shared-text")
    expect(address).to_have_value(re.compile(r"/shared/[\w-]{22}/$"))
    path = address.input_value()[address.input_value().index("/shared/") :]

    visitor = phone(**LOOKS[language], javascript=javascript)
    visitor.goto(path)
    expect(visitor.locator("#shown a")).to_have_count(2)
    assert visitor.locator("#shown").inner_text() == shown

    page.locator("#end-link").click()
    expect(page.locator("#links li")).to_have_count(1)
    visitor.goto(path)
    expect(visitor.locator("#shown")).to_have_count(0)
    assert StaffLink.objects.get().ended_at is not None


def test_double_tap_without_javascript_makes_only_one_link_to_items(answer, staff, phone, show):
    page = show(phone(javascript=False), staff)
    page.goto(f"/desk/conversations/{answer.conversation.public_id}/answers/{answer.public_id}/share/")
    page.locator("#make-link").dblclick()
    expect(page.locator("#shared-text")).to_have_value(re.compile(r"/shared/[\w-]{22}/$"))
    assert StaffLink.objects.count() == 1


@pytest.mark.parametrize("javascript", [True, False])
def test_patron_sees_every_page_of_a_long_list_in_the_preview(javascript, patron, phone, show):
    saved_list = SavedListFactory(patron=patron, name="Long")
    for number in range(22):
        add_title(saved_list, title=f"Title {number}", at=timezone.now())
    SavedItem.objects.update(note="See https://example.org/page")
    page = show(phone(javascript=javascript), patron)
    page.goto(f"/lists/{saved_list.public_id}/share/")
    page.locator("#id_with_notes").check()
    page.locator("#preview").click()
    expect(page.locator("#shown li")).to_have_count(20)
    page.locator("#more").click()
    expect(page.locator("#shown strong")).to_have_text(["Title 1", "Title 0"])
    expect(page.locator("#shown .prose").first).to_have_text("See https://example.org/page")
    expect(page.locator("#shown a")).to_have_count(0)
    page.locator("#to-start").click()
    expect(page.locator("#shown li")).to_have_count(20)
    page.locator("#make-link").click()
    expect(page.locator("#shared-text")).to_be_visible()
    page.goto(page.locator("#shared-text").input_value())
    page.locator("[rel=next]").click()
    expect(page.locator("#shown strong")).to_have_text(["Title 1", "Title 0"])
