"""Test that typed text and pressed buttons are not lost if people have to sign in first."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import RefusedPost, User
from portal.conversations.models import Message
from portal.helpsessions.keeping import keep
from portal.lists.models import SavedItem
from recommendations.models import Recommendation
from tests.extent import rarely
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, code_for, recommend_in

from .bars import problems
from .steps import card, latest, sign_in

pytestmark = [pytest.mark.only_long, pytest.mark.browser, pytest.mark.long]

WORDS = "Is it on Thursday?"
BOTH = pytest.mark.parametrize(
    ("language", "javascript"), [("en", True), ("es", False)], ids=["en", "es without JavaScript"]
)


@pytest.fixture
def session(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff, question="How do I start a compost bin?")


@pytest.fixture
def kept(session, patron):
    return keep(session, by=patron, at=timezone.now(), wording="yes", language="en")


@pytest.fixture
def conversation(kept, patron):
    return MessageFactory(conversation=ConversationFactory(help_session=kept, patron=patron)).conversation


def end_session(page, how):
    if how == "cookies deleted":
        page.context.clear_cookies()
    elif how == "session expired":
        Session.objects.all().delete()
    else:
        tab = page.context.new_page()
        tab.goto("/me/")
        tab.locator("#sign-out").tap()
        expect(tab).to_have_url(re.compile("/signed-out/"))
        tab.close()


def has_no_problems(page, javascript):
    # Without JavaScript, `problems` can't run its scripts in the page.
    return not javascript or problems(page) == []


def go_to_sign_in(page, javascript):
    """Go to the sign-in page. If a page with the unsent text is shown first, use its button."""
    expect(page.locator("#not-sent, #id_email").first).to_be_visible()
    if page.locator("#not-sent").count():
        expect(page.locator("#not-sent")).to_have_value(WORDS)
        assert has_no_problems(page, javascript)
        page.locator("main a.button").first.tap()
    expect(page).to_have_url(re.compile("/sign-in/"))


@pytest.mark.parametrize(
    ("language", "javascript", "how"),
    [
        ("en", True, "session expired"),
        ("es", False, "session expired"),
    ],
)
def test_unsent_reply_is_in_the_composer_after_signing_in_again(
    conversation, patron, phone, show, post, language, javascript, how
):
    page = show(phone(language=language, javascript=javascript), patron)
    page.goto("/me/")
    page.goto(conversation.get_absolute_url())
    page.locator("#id_body").fill(WORDS)
    end_session(page, how)
    page.locator("#send").tap()
    go_to_sign_in(page, javascript)
    sign_in(page, patron.email, post)
    expect(page).to_have_url(re.compile(rf":\d+{conversation.get_absolute_url()}"))
    expect(page.locator("#id_body")).to_have_value(WORDS)
    expect(page.locator("#unsent")).to_be_visible()
    assert has_no_problems(page, javascript)
    page.locator("#send").tap()
    expect(latest(page)).to_have_text(WORDS)
    expect(page.locator("#id_body")).to_have_value("")
    expect(page.locator("#unsent")).to_have_count(0)
    assert (Message.objects.filter(body=WORDS).count(), RefusedPost.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("language", "javascript", "how"),
    [
        ("en", True, "signed out in another tab"),
        ("es", False, "cookies deleted"),
        rarely("en", True, "cookies deleted"),
        rarely("es", False, "signed out in another tab"),
    ],
)
def test_unsent_reply_of_an_unknown_author_can_be_copied_but_is_not_saved(
    conversation, patron, phone, show, post, language, javascript, how
):
    page = show(phone(language=language, javascript=javascript), patron)
    page.goto("/me/")
    page.goto(conversation.get_absolute_url())
    page.locator("#id_body").fill(WORDS)
    end_session(page, how)
    page.locator("#send").tap()
    # With JavaScript, the text stays in the composer.
    if javascript:
        expect(page.locator("main a[href*='/sign-in/']").first).to_be_visible()
    expect(page.locator("#id_body" if javascript else "#not-sent")).to_have_value(WORDS)
    assert has_no_problems(page, javascript)
    assert not RefusedPost.objects.exists()
    page.locator("main a[href*='/sign-in/']").first.tap()
    sign_in(page, patron.email, post)
    expect(page).to_have_url(re.compile(rf":\d+{conversation.get_absolute_url()}"))
    expect(page.locator("#id_body")).to_be_visible()
    expect(page.locator("#unsent")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "javascript", "how"),
    [
        ("en", True, "session expired"),
        ("es", False, "session expired"),
    ],
)
def test_unsent_follow_up_question_is_in_the_form_after_signing_in_again(
    kept, patron, phone, show, post, language, javascript, how
):
    page = show(phone(language=language, javascript=javascript), patron)
    page.goto("/me/")
    page.goto(f"{kept.get_absolute_url()}ask/")
    page.locator("#id_body").fill(WORDS)
    end_session(page, how)
    page.locator("#send").tap()
    go_to_sign_in(page, javascript)
    sign_in(page, patron.email, post)
    expect(page.locator("#id_body")).to_have_value(WORDS)
    page.locator("#send").tap()
    expect(latest(page)).to_have_text(WORDS)
    assert (Message.objects.filter(body=WORDS).count(), RefusedPost.objects.count()) == (1, 0)


@BOTH
def test_unsent_reply_can_be_deleted(conversation, patron, phone, show, post, language, javascript):
    page = show(phone(language=language, javascript=javascript), patron)
    page.goto("/me/")
    page.goto(conversation.get_absolute_url())
    page.locator("#id_body").fill(WORDS)
    end_session(page, "session expired")
    page.locator("#send").tap()
    sign_in(page, patron.email, post)
    expect(page.locator("#id_body")).to_have_value(WORDS)
    page.locator("#discard-unsent").tap()
    expect(page.locator("#unsent")).to_have_count(0)
    expect(page.locator("#id_body")).to_have_value("")
    assert not RefusedPost.objects.filter(discarded_at=None).exists()


@BOTH
def test_unsaved_name_is_in_the_form_after_signing_in_again(patron, phone, show, post, language, javascript):
    page = show(phone(language=language, javascript=javascript), patron)
    page.goto("/me/")
    page.locator("#id_name").fill("Samuel Okafor")
    end_session(page, "session expired")
    page.locator("#save-name").tap()
    sign_in(page, patron.email, post)
    expect(page.locator("#id_name")).to_have_value("Samuel Okafor")
    page.locator("#save-name").tap()
    expect(page.locator("#notices .notice")).to_have_count(1)
    assert User.objects.get(pk=patron.pk).name == "Samuel Okafor"


@BOTH
def test_tapped_verdict_is_saved_after_signing_in_again_if_the_sign_in_had_expired(
    kept, patron, phone, show, post, language, javascript
):
    [recommendation] = recommend_in(kept, 1)
    page = show(phone(language=language, javascript=javascript), patron)
    page.goto("/me/")
    page.goto(kept.get_absolute_url())
    end_session(page, "session expired")
    button = card(page, recommendation.item.title).locator(".verdict button[value=helped]")
    button.tap()
    expect(page).to_have_url(re.compile("/sign-in/"))
    sign_in(page, patron.email, post)
    expect(page).to_have_url(re.compile(rf":\d+{kept.get_absolute_url()}$"))
    notice = page.locator("#notices .notice")
    expect(notice).to_contain_text(recommendation.item.title)
    expect(notice).to_be_in_viewport()
    if javascript:
        expect(page.locator("#announce")).to_have_text(notice.inner_text())
    expect(button).to_have_attribute("aria-pressed", "true")
    assert Recommendation.objects.get().verdict == "helped"


@BOTH
def test_unsent_text_is_shown_if_someone_else_has_added_the_visit_to_an_account(
    session, patron, phone, language, javascript
):
    page = phone(language=language, javascript=javascript)
    page.goto(f"/c/{code_for(session)}/")
    page.goto(f"{session.get_absolute_url()}ask/")
    page.locator("#id_body").fill(WORDS)
    keep(session, by=patron, at=timezone.now(), wording="yes", language="en")
    page.locator("#send").tap()
    expect(page.locator("#not-sent")).to_have_value(WORDS)
    expect(page.locator("main a[href='/ask/']")).to_be_visible()
    assert not RefusedPost.objects.exists()


@BOTH
def test_viewer_with_only_a_code_signs_in_and_saves_an_item_in_three_taps(
    session, phone, post, language, javascript
):
    [recommendation] = recommend_in(session, 1)
    title = recommendation.item.title
    page = phone(language=language, javascript=javascript)
    page.goto(f"/c/{code_for(session)}/")
    # The first tap: the button that saves the item.
    card(page, title).locator("button[id^='save-']").tap()
    expect(page).to_have_url(re.compile(r"/keep/\?save="))
    expect(page.locator("main")).to_contain_text(f"“{title}”" if language == "en" else title)
    assert has_no_problems(page, javascript)
    # The second tap asks for a code by email. The third tap submits the typed code and the consent.
    sign_in(page, "sam@example.org", post)
    expect(page).to_have_url(re.compile(f"{session.get_absolute_url()}#rec-"))
    expect(page.locator("#notices .notice")).to_contain_text(title)
    expect(card(page, title).locator("button[id^='save-']")).to_have_attribute("aria-pressed", "true")
    session.refresh_from_db()
    saved = SavedItem.objects.get()
    assert (session.patron.email, saved.item, saved.saved_list.patron) == (
        "sam@example.org",
        recommendation.item,
        session.patron,
    )
