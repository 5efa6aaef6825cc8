"""Test wrong codes, double taps and expired sign-ins: nothing is revealed and nothing is lost."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from portal.conversations.models import Message
from portal.helpsessions.keeping import keep
from portal.helpsessions.models import HelpSession
from tests.accounts.test_second_factor import app_code
from tests.extent import rarely
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, code_for, recommend_in

from .steps import latest, sign_in, sign_in_with_second_factor

pytestmark = pytest.mark.browser

QUESTION = "How do I start a balcony compost bin?"


@pytest.fixture
def session(branch, staff):
    session = HelpSessionFactory(branch=branch, staff=staff, question=QUESTION)
    recommend_in(session, 1)
    return session


@pytest.mark.parametrize(
    ("language", "javascript"), [("en", True), ("es", False)], ids=["en", "es without JavaScript"]
)
def test_signed_out_patron_opens_the_answer_after_signing_in(
    session, patron, phone, post, language, javascript
):
    conversation = ConversationFactory(help_session=session, patron=patron)
    MessageFactory(conversation=conversation, side="staff", body="Yes, on Thursday.")
    page = phone(language=language, javascript=javascript)
    page.goto(conversation.get_absolute_url())
    expect(page).to_have_url(re.compile("/sign-in/"))
    expect(page.locator(f"main a[href='{reverse('open_code')}']")).to_have_count(1)
    sign_in(page, patron.email, post)
    expect(page).to_have_url(f"{conversation.get_absolute_url()}#latest")
    expect(latest(page)).to_contain_text("Yes, on Thursday.")


def test_unusable_visit_code_shows_the_reason_but_nothing_about_the_visit(
    session, patron, staff, phone, desk_computer, show
):
    code, page = code_for(session), phone()

    def refused(status):
        assert page.goto(f"/c/{code}/").status == status
        expect(page.locator("main")).not_to_contain_text("compost")
        expect(page.locator("#id_code")).to_have_count(1)
        return page.locator("h1").inner_text()

    page.goto("/c/")
    page.locator("#id_code").fill("1234 567 890 123")
    with page.expect_navigation() as going:
        page.locator("#open").tap()
    assert going.value.status == 404
    said = [page.locator("h1").inner_text()]

    page.goto(f"/c/{code}/")
    expect(page.locator("main")).to_contain_text(QUESTION)
    desk = show(desk_computer(), staff)
    desk.goto(f"/desk/sessions/{session.public_id}/")
    desk.locator("#revoke").click()
    expect(desk.locator("#revoke")).to_have_count(0)
    said.append(refused(410))
    page.goto(session.get_absolute_url())
    expect(page).to_have_url(re.compile("/sign-in/"))

    code = code_for(session)
    keep(session, by=patron, at=timezone.now(), wording="yes", language="en")
    said.append(refused(410))
    assert len(set(said)) == 3


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["with JavaScript", "without JavaScript"])
def test_double_tap_on_send_creates_only_one_message(javascript, session, phone):
    page = phone(javascript=javascript)
    page.goto(f"/c/{code_for(session)}/")
    page.locator("#ask a.button").tap()
    page.locator("#id_body").fill("Once")
    page.locator("#send").dblclick()
    expect(page.locator(".message.mine")).to_have_count(1)
    page.locator("#id_body").fill("Twice")
    page.locator("#send").dblclick()
    expect(page.locator(".message.mine")).to_have_count(2)
    page.goto("/messages/")
    expect(page.locator("main .rows li")).to_have_count(1)
    assert sorted(Message.objects.values_list("body", flat=True)) == ["Once", "Twice"]


@pytest.mark.core
def test_desk_form_is_restored_after_a_reload_or_an_expired_sign_in(staff, desk_computer, post):
    desk = desk_computer()
    secret = sign_in_with_second_factor(desk, staff, post)

    desk.goto("/desk/record/")
    desk.locator("#id_question").fill(QUESTION)
    # The page saves the unfinished form automatically, and then has this URL.
    desk.wait_for_url(re.compile(r"/desk/record/[0-9a-f-]{36}/"))
    desk.reload()
    expect(desk.locator("#id_question")).to_have_value(QUESTION)

    desk.locator("#id_summary").fill("We found three books.")
    Session.objects.all().delete()
    desk.locator("#save").click()
    sign_in(desk, staff.email, post)
    desk.locator("#id_code").fill(app_code(secret, later=1))
    desk.locator("#open-desk").click()
    expect(desk.locator("main blockquote")).to_contain_text(QUESTION)
    desk.locator("main button[id^='send-']").click()
    expect(desk.locator("#code")).to_be_visible()
    recorded = HelpSession.objects.get()
    assert (recorded.status, recorded.question, recorded.summary) == (
        HelpSession.Status.RECORDED,
        QUESTION,
        "We found three books.",
    )
