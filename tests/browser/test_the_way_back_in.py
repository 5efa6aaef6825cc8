"""Test how signed-out people get back in. The tests find everything by role and name, like a screen reader.

Each journey runs in English and in Spanish, with and without JavaScript. Names come from the translations, so
that the tests don't repeat them.
"""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from playwright.sync_api import expect

from accounts.models import RefusedPost, User
from portal.conversations.models import Conversation, Message
from portal.helpsessions.keeping import keep
from portal.lists.models import SavedItem
from recommendations.actions import record_verdict
from recommendations.models import Recommendation
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    code_for,
    recommend_in,
)

from .reader import Reader

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

WORDS = "Is it on Thursday?"
SLIP = 'Have a slip? <a href="%(open_code_url)s">Type its code</a>. You don\'t need to sign in.'
VARIANTS = pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), ("es", False), ("en", False), ("es", True)],
    ids=["en", "es without JavaScript", "en without JavaScript", "es"],
)


@pytest.fixture
def session(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff, question="How do I start a compost bin?")


@pytest.fixture
def recommendation(session):
    return recommend_in(session, 1)[0]


@pytest.fixture
def kept(session, recommendation, patron, language):
    # Pages for signed-in patrons are in the language of their account.
    patron.language = language
    patron.save()
    return keep(session, by=patron, at=timezone.now(), wording="yes", language="en")


@pytest.fixture
def conversation(kept, patron):
    return MessageFactory(conversation=ConversationFactory(help_session=kept, patron=patron)).conversation


@pytest.fixture
def reader(phone, language, javascript):
    return Reader(phone(language=language, javascript=javascript), language)


def expect_address(page, path):
    """Wait until the page at `path` is open.

    Compare the whole path, because the address of the sign-in page also contains `path`, in its query.
    """
    expect(page).to_have_url(re.compile(rf":\d+{path}(#.*)?$"))


# Tests of people who are signed out.


@VARIANTS
@pytest.mark.parametrize(
    ("what", "title"),
    [
        ("conversation", "Sign in to read your answer"),
        ("visit", "Sign in to see your visit"),
        ("lists", "Sign in to see your lists"),
        ("account", "Sign in to see your account"),
    ],
)
def test_signing_in_opens_the_page_that_the_person_wanted_to_open(
    reader, conversation, patron, post, what, title
):
    addresses = {
        "conversation": conversation.get_absolute_url(),
        "visit": conversation.help_session.get_absolute_url(),
        "lists": "/lists/",
        "account": "/me/",
    }
    reader.page.goto(addresses[what])
    reader.reads(title)
    slip = strip_tags(reader.say(SLIP).split("<a ")[1].partition(">")[2].partition("</a>")[0])
    expect(reader.page.get_by_role("main").get_by_role("link", name=slip)).to_be_visible()
    expect(reader.page.get_by_text(reader.say("Code doesn't work? Ask at any desk."))).to_be_visible()
    reader.sign_in(patron.email, post)
    expect_address(reader.page, addresses[what])
    expect(reader.page.get_by_role("heading", level=1)).not_to_have_text(reader.say(title))


@VARIANTS
def test_question_of_a_signed_out_person_is_sent_after_they_sign_in(reader, branch, post):
    reader.page.goto("/ask/")
    reader.field("Your question").fill(WORDS)
    reader.press("Continue")
    reader.sign_in("sam@example.org", post, then="Send now")
    expect(reader.page).to_have_url(re.compile("/messages/.+"))
    expect(reader.page.get_by_role("main")).to_contain_text(WORDS)
    assert Message.objects.get(body=WORDS).author.email == "sam@example.org"


# Tests of people who are signed in.


@VARIANTS
def test_signed_in_person_can_open_their_own_links_but_no_links_of_other_people(
    reader, conversation, patron, branch, staff, show
):
    strangers = MessageFactory(conversation__help_session=HelpSessionFactory(branch=branch, staff=staff))
    show(reader.page, patron)
    for own in (conversation, conversation.help_session):
        reader.page.goto(own.get_absolute_url())
        expect_address(reader.page, own.get_absolute_url())
        expect(reader.find("button", "Sign out", inside=reader.page.get_by_role("banner"))).to_have_count(0)
        expect(reader.page.get_by_role("heading", level=1)).to_contain_text("compost bin")
    main = reader.page.get_by_role("main")
    reader.page.goto(conversation.get_absolute_url())
    expect(reader.find("textbox", "Your message", inside=main)).to_be_visible()
    expect(main.locator("label:not(.visually-hidden)", has_text=reader.say("Your message"))).to_be_visible()
    for other in (strangers.conversation, strangers.conversation.help_session):
        reader.page.goto(other.get_absolute_url())
        reader.reads("Page not found")


# Tests of people whose sign-in has expired.


def forms(conversation, recommendation):
    """Return {form: (its page, the name of its field, the name of its button)}."""
    visit = conversation.help_session.get_absolute_url()
    about_item = reverse("ask_about_item", args=[recommendation.public_id])
    comment = reverse("verdict", args=[recommendation.public_id])
    return {
        "reply": (conversation.get_absolute_url(), "Your message", "Send"),
        "follow-up": (f"{visit}ask/", "Your message", "Send"),
        "item": (about_item, "Your message", "Send"),
        "question": ("/ask/", "Your question", "Send"),
        "reading": ("/find-something-to-read/?step=mood", "Or describe the mood in your own words", "Next"),
        "comment": (comment, "Anything else you want to say about this item?", "Save"),
        "name": ("/me/", "Name", "Save name"),
    }


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


@pytest.mark.parametrize("form", ["reply", "follow-up", "item", "question", "comment", "name"])
@pytest.mark.parametrize(
    ("language", "javascript", "how"),
    [
        ("en", True, "signed out in another tab"),
        ("es", False, "session expired"),
        ("en", False, "cookies deleted"),
        ("es", True, "session expired"),
    ],
    ids=["en", "es without JavaScript", "en without JavaScript", "es"],
)
def test_typed_text_is_sent_after_signing_in_again_if_the_sign_in_had_expired(
    reader, conversation, recommendation, patron, post, show, form, how
):
    record_verdict(recommendation, verdict="helped", at=timezone.now())
    address, field, button = forms(conversation, recommendation)[form]
    show(reader.page, patron)
    reader.page.goto("/me/")
    reader.page.goto(address)
    reader.field(field).fill(WORDS)
    end_session(reader.page, how)
    reader.press(button)
    # If the portal doesn't know the author, only the text of a form that needs no sign-in is saved.
    is_saved = how == "session expired" or form == "question"
    shown_again, email = reader.field("Your text"), reader.field("Your email address")
    beside = reader.page.get_by_text(reader.say("Your text is still in the form. Copy it before you go on."))
    expect(shown_again.or_(email if is_saved else beside).first).to_be_visible()
    if shown_again.count() or not is_saved:
        expect(shown_again if shown_again.count() else reader.field(field)).to_have_value(WORDS)
        reader.follow("Sign in")
    elif form == "question" and "/send/" in reader.page.url:
        # People may ask without signing in, so the question leads to the page that asks for an email address.
        reader.sign_in(patron.email, post, then="Send now")
        expect(reader.page.get_by_role("main")).to_contain_text(WORDS)
        assert Message.objects.get(body=WORDS).author == patron
        return
    reader.sign_in(patron.email, post)
    if not is_saved:
        assert not RefusedPost.objects.exists()
        reader.field(field).fill(WORDS)
    expect(reader.field(field)).to_have_value(WORDS)
    reader.press(button)
    expect(reader.find("button", "Delete")).to_have_count(0)
    assert not RefusedPost.objects.exists()
    saved = {
        "comment": Recommendation.objects.filter(comment=WORDS),
        "name": User.objects.filter(pk=patron.pk, name=WORDS),
    }.get(form, Message.objects.filter(body=WORDS, author=patron))
    for _attempt in range(50):
        if saved.count():
            break
        reader.page.wait_for_timeout(100)
    assert saved.count() == 1


@VARIANTS
def test_reading_form_loses_no_text_if_the_sign_in_has_expired(reader, kept, patron, show):
    show(reader.page, patron)
    reader.page.goto("/me/")
    reader.page.goto("/find-something-to-read/?step=mood")
    reader.field("Or describe the mood in your own words").fill(WORDS)
    end_session(reader.page, "session expired")
    # People may fill in this form without signing in, so the portal shows the next question.
    reader.press("Next")
    reader.reads("What should we leave out?")
    reader.press("Back")
    expect(reader.field("Or describe the mood in your own words")).to_have_value(WORDS)


@VARIANTS
@pytest.mark.parametrize("what", ["verdict", "save", "remove"])
def test_pressed_button_takes_effect_after_signing_in_again_if_the_sign_in_had_expired(
    reader, kept, recommendation, patron, post, show, what
):
    title = recommendation.item.title
    show(reader.page, patron)
    reader.page.goto("/me/")
    if what == "remove":
        SavedItemFactory(saved_list__patron=patron, item=recommendation.item)
        reader.page.goto("/lists/")
    else:
        reader.page.goto(kept.get_absolute_url())
    end_session(reader.page, "session expired")
    reader.press({"verdict": "helped", "save": "Save", "remove": "Remove"}[what], exact=False)
    reader.sign_in(patron.email, post)
    expect_address(reader.page, "/lists/" if what == "remove" else kept.get_absolute_url())
    expect(reader.page.get_by_text(title).first).to_be_visible()
    saved = SavedItem.objects.in_lists().filter(item=recommendation.item).exists()
    recommendation.refresh_from_db()
    assert (recommendation.verdict, saved) == (
        ("helped", False) if what == "verdict" else ("", what == "save")
    )


# Tests of visits that were opened by code.


@VARIANTS
@pytest.mark.parametrize("make", [HelpSessionFactory, QuietSessionFactory], ids=["visit", "quiet visit"])
@pytest.mark.parametrize("form", ["reply", "follow-up"])
def test_unsent_text_is_shown_again_if_the_visit_code_has_expired(
    reader, branch, staff, javascript, make, form
):
    session = make(branch=branch, staff=staff)
    conversation = MessageFactory(conversation__help_session=session).conversation
    reader.page.goto(f"/c/{code_for(session)}/")
    address = session.get_absolute_url() + "ask/" if form == "follow-up" else conversation.get_absolute_url()
    reader.page.goto(address)
    reader.field("Your message").fill(WORDS)
    past = timezone.now() - timedelta(days=1)
    session.claim_codes.update(made_at=past - timedelta(days=30), expires_at=past)
    reader.press("Send")
    if javascript and form == "reply":
        expect(reader.page.get_by_role("main")).to_contain_text(reader.say("Nothing was sent."))
        expect(reader.field("Your message")).to_have_value(WORDS)
    else:
        reader.reads("Your text was not sent")
        expect(reader.field("Your text")).to_have_value(WORDS)
    reader.follow("Ask the library")
    reader.reads("Ask the library")
    assert not RefusedPost.objects.exists()
    assert not Message.objects.filter(body=WORDS).exists()


@VARIANTS
def test_saving_an_item_of_a_visit_opened_by_code_adds_the_visit_to_an_account(
    reader, session, recommendation, post
):
    title = recommendation.item.title
    reader.page.goto(f"/c/{code_for(session)}/")
    reader.page.get_by_role("button", name=f"{reader.say('Save')} {title}").tap()
    reader.reads("Keep this in my library account")
    reader.sign_in("sam@example.org", post, then="Yes, keep it")
    reader.page.get_by_role("button", name=f"{reader.say('In your list')} {title}").wait_for()
    session.refresh_from_db()
    assert SavedItem.objects.get().saved_list.patron == session.patron


@VARIANTS
def test_verdict_and_question_about_a_visit_are_added_to_the_account_with_the_visit(
    reader, session, recommendation, post
):
    page = reader.page
    page.goto(f"/c/{code_for(session)}/")
    reader.press("helped", exact=False)
    helped = page.get_by_role("button", name=reader.say("helped"), pressed=True)
    expect(helped).to_be_visible()
    reader.follow("Ask a follow-up")
    reader.field("Your message").fill(WORDS)
    reader.press("Send")
    expect(page.get_by_role("main")).to_contain_text(WORDS)
    page.goto(session.get_absolute_url())
    reader.follow("Keep this in my library account")
    reader.sign_in("sam@example.org", post, then="Yes, keep it")
    expect(helped).to_be_visible()
    page.goto("/messages/")
    expect(page.get_by_role("main")).to_contain_text(WORDS)
    patron = User.objects.get(email="sam@example.org")
    recommendation.refresh_from_db()
    assert (Conversation.objects.get().patron, recommendation.patron) == (patron, patron)


# Tests on a borrowed device.


@VARIANTS
def test_every_page_on_a_borrowed_device_has_a_sign_out_button(reader, conversation, patron, post):
    page = reader.page
    visit = conversation.help_session.get_absolute_url()
    page.goto(visit)
    reader.sign_in(patron.email, post, borrowed=True)
    expect_address(page, visit)
    for address in (
        "/",
        "/messages/",
        "/lists/",
        "/me/",
        "/privacy/",
        conversation.get_absolute_url(),
        visit,
    ):
        page.goto(address)
        expect(reader.find("button", "Sign out", inside=page.get_by_role("banner"))).to_be_visible()
    reader.press("Sign out", inside=page.get_by_role("banner"))
    reader.reads("You're signed out")
    page.goto(visit)
    reader.reads("Sign in to see your visit")
