"""Test how staff get back to a page of the desk, and that their text is not lost.

Like a screen reader, the tests find everything by role and name. Each journey runs in English and in Spanish,
with and without JavaScript.
"""

import datetime
import re
import uuid

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import RefusedPost
from portal.conversations import actions
from portal.helpsessions.models import HelpSession
from tests.accounts.test_second_factor import app_code
from tests.factories import HelpSessionFactory, recommend_in

from .conftest import DESK
from .reader import Reader

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

WORDS = "It is on the second floor."
QUESTION = "How do I start a compost bin?"
VARIANTS = pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), ("es", False), ("en", False), ("es", True)],
    ids=["en", "es without JavaScript", "en without JavaScript", "es"],
)
# {form: (label of its field, beginning of its button's name)}. The name can end with a keyboard shortcut.
FORMS = {
    "record": ("Question", "Save and give to the patron"),
    "correct": ("Question", "Save the correction"),
    "answer": ("Your answer", "Send and close"),
    "note": ("Note", "Save the note"),
}
which_form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def person(staff, language):
    # The desk is in the language of the account.
    staff.language = language
    staff.save()
    return staff


@pytest.fixture
def secret(person):
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    return secret


@pytest.fixture
def reader(opened, language, javascript):
    return Reader(opened(DESK, language=language, javascript=javascript), language, act="click")


@pytest.fixture
def visit(branch, staff):
    yesterday = (timezone.now() - datetime.timedelta(days=1)).date()
    visit = HelpSessionFactory(branch=branch, staff=staff, question=QUESTION, happened_on=yesterday)
    recommend_in(visit, 1)
    return visit


@pytest.fixture
def conversation(branch, staff, patron):
    return actions.ask(
        by=patron,
        at=timezone.now() - datetime.timedelta(hours=5),
        help_session=HelpSessionFactory(branch=branch, staff=staff, patron=patron, question="Where is it?"),
        body="Where is it?",
        language="en",
        client_token=uuid.uuid4(),
    )


@pytest.fixture
def addresses(visit, conversation):
    return {
        "record": "/desk/record/",
        "correct": f"/desk/sessions/{visit.public_id}/correct/",
        "answer": f"/desk/conversations/{conversation.public_id}/",
        "note": f"/desk/conversations/{conversation.public_id}/",
    }


def get_in(reader, person, secret, post):
    """Sign in on the page that is open, and show the second factor."""
    reader.sign_in(person.email, post)
    reader.reads("Open the desk")
    reader.field("Code from your authenticator app").fill(app_code(secret))
    reader.press("Open the desk")


def field_of(reader, form):
    if form == "note":
        reader.page.get_by_text(reader.say("Write a note for colleagues")).click()
    return reader.field(FORMS[form][0])


def saved(form, visit, conversation):
    """Return the text that this form has saved in the database."""
    visit.refresh_from_db()
    recorded = HelpSession.objects.filter(status="recorded").order_by("-pk").first()
    return {
        "record": lambda: recorded.question,
        "correct": lambda: visit.question,
        "answer": lambda: conversation.messages.in_order().last().body,
        "note": lambda: conversation.notes.get().body,
    }[form]()


@VARIANTS
@which_form
def test_requested_desk_page_opens_after_staff_sign_in_with_a_second_factor(
    reader, person, secret, addresses, post, form
):
    reader.page.goto(addresses[form])
    get_in(reader, person, secret, post)
    expect(reader.page).to_have_url(re.compile(rf":\d+{addresses[form]}(#.*)?$"))
    expect(field_of(reader, form)).to_be_visible()


@VARIANTS
@which_form
def test_staff_can_send_their_text_after_signing_in_again_if_the_sign_in_had_expired(
    reader, person, secret, addresses, visit, conversation, post, show, form
):
    show(reader.page, person)
    reader.page.goto(addresses[form])
    field_of(reader, form).fill(WORDS)
    Session.objects.all().delete()
    reader.press(FORMS[form][1], exact=False)
    get_in(reader, person, secret, post)
    reader.reads("We saved this for you")
    expect(reader.page.get_by_role("main")).to_contain_text(WORDS)
    reader.press("Send now")
    expect(reader.page).to_have_url(re.compile("/desk/"))
    expect(reader.page.get_by_role("main")).to_contain_text(WORDS)
    assert saved(form, visit, conversation) == WORDS
    assert not RefusedPost.objects.exists()
