"""Test that the text that a patron types on one device is saved and appears on their other devices."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import RefusedPost
from portal.conversations import actions
from portal.conversations.models import Draft, Message
from tests.factories import HelpSessionFactory, QuietSessionFactory, code_for
from tests.portal.pages import HTMX, asks_to_sign_in, text


@pytest.fixture
def conversation(patron, staff, branch):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    return actions.ask(
        by=patron,
        at=timezone.now(),
        help_session=session,
        body="Is there a class?",
        language="en",
        client_token=uuid.uuid4(),
    )


@pytest.fixture
def phone(patron, sign_in):
    return sign_in(Client(), patron)


@pytest.fixture
def tablet(patron, sign_in):
    return sign_in(Client(), patron)


class Composer:
    """The reply form of one open page. It sends what drafts.js would send."""

    def __init__(self, browser, conversation):
        self.browser, self.conversation = browser, conversation
        page = browser.get(conversation.get_absolute_url())
        self.shown = page.context["typed"]
        self.token, self.sequence = page.context["token"], page.context["sequence"]

    def save(self, body, *, sequence=None):
        sequence = sequence or self.sequence + 1
        answer = self.browser.post(
            reverse("conversation_draft", args=[self.conversation.public_id]),
            {"body": body, "client_token": self.token, "sequence": sequence},
        )
        if answer.status_code == 204:
            self.sequence = sequence
        return answer

    def send(self, body, **more):
        return self.browser.post(
            reverse("reply", args=[self.conversation.public_id]),
            {"body": body, "client_token": self.token, "sequence": self.sequence},
            **more,
        )


def messages(conversation):
    return list(conversation.messages.in_order().values_list("body", flat=True))[1:]


def test_draft_typed_on_a_phone_appears_on_a_tablet(phone, tablet, conversation):
    assert Composer(phone, conversation).save("Is it on Thurs").status_code == 204
    assert Composer(tablet, conversation).shown == "Is it on Thurs"


def test_draft_reappears_after_the_patron_signs_in_again(phone, conversation, patron, sign_in):
    Composer(phone, conversation).save("Is it on Thurs")
    phone.post(reverse("sign_out"))
    assert asks_to_sign_in(phone.get(conversation.get_absolute_url()))
    assert Composer(sign_in(phone, patron), conversation).shown == "Is it on Thurs"


def test_all_viewers_with_the_same_visit_code_share_one_draft(client, phone, branch, staff, show_code):
    session = HelpSessionFactory(branch=branch, staff=staff)
    code = code_for(session)
    conversation = actions.ask(
        by=None,
        at=timezone.now(),
        help_session=session,
        body="Is there a class?",
        language="en",
        client_token=uuid.uuid4(),
    )
    Composer(show_code(client, code), conversation).save("Is it on Thurs")
    assert Draft.objects.get().person is None
    assert Composer(show_code(Client(), code), conversation).shown == "Is it on Thurs"
    # The patron is signed in, but the visit is not in their account.
    assert Composer(show_code(phone, code), conversation).shown == "Is it on Thurs"


@pytest.mark.parametrize(
    ("kept", "shown"), [(True, "Words of the patron"), (False, "Words of the holder of the code")]
)
def test_viewer_sees_their_own_draft_in_a_conversation_with_two_drafts(
    phone, patron, branch, staff, show_code, kept, shown
):
    """If the visit is in the patron's account, the patron sees their own draft.

    Otherwise the patron opens the visit by code, and sees the draft of viewers by code.
    """
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron if kept else None)
    conversation = actions.ask(
        by=None,
        at=timezone.now(),
        help_session=session,
        body="Is there a class?",
        language="en",
        client_token=uuid.uuid4(),
    )
    for name, person in (("patron", patron), ("holder of the code", None)):
        words = {
            "client_token": uuid.uuid4(),
            "body": f"Words of the {name}",
            "typed": {},
            "sequence": 1,
            "saved_at": timezone.now(),
        }
        Draft.objects.create(conversation=conversation, person=person, side="patron", kind="reply", **words)
    if not kept:
        show_code(phone, code_for(session))
    assert Composer(phone, conversation).shown == shown


def test_outdated_tab_cannot_overwrite_a_newer_draft(phone, tablet, conversation):
    older, newer = Composer(phone, conversation), Composer(tablet, conversation)
    newer.save("Is it on Thursday")
    newer.save("Is it on Thursday, or on Friday?")
    answer = older.save("Is it")
    assert answer.status_code == 409
    assert "Is it on Thursday, or on Friday?" in text(answer)
    assert f'data-sequence="{newer.sequence}"' in answer.content.decode()
    assert Draft.objects.get().body == "Is it on Thursday, or on Friday?"
    # The button "Keep this draft" saves the old draft again, with a higher sequence number than the newer
    # draft.
    assert older.save("Is it", sequence=newer.sequence + 1).status_code == 204
    assert Draft.objects.get().body == "Is it"


def test_saving_the_same_draft_twice_causes_no_conflict(phone, conversation):
    composer = Composer(phone, conversation)
    assert [composer.save("Is it on", sequence=1).status_code for _again in range(2)] == [204, 204]


def test_sending_a_message_deletes_its_draft(phone, conversation):
    composer = Composer(phone, conversation)
    composer.save("Is it on Thursday?")
    composer.send("Is it on Thursday?")
    assert messages(conversation) == ["Is it on Thursday?"]
    assert not Draft.objects.exists()
    assert Composer(phone, conversation).shown == ""


def test_saving_a_draft_after_its_message_was_sent_returns_410_and_a_new_token(phone, conversation):
    composer = Composer(phone, conversation)
    composer.send("Is it on Thursday?")
    answer = composer.save("Is it on Thursday?")
    assert answer.status_code == 410
    assert uuid.UUID(answer.content.decode()) != composer.token
    assert not Draft.objects.exists()


def test_sending_an_older_text_does_not_delete_a_newer_draft(phone, tablet, conversation):
    Composer(phone, conversation).save("Is it on")
    older, newer = Composer(phone, conversation), Composer(tablet, conversation)
    newer.save("Is it on Thursday? And is it free?")
    older.send("Is it on Friday?")
    again = Composer(tablet, conversation)
    assert again.shown == "Is it on Thursday? And is it free?"
    again.send(again.shown)
    assert messages(conversation) == ["Is it on Friday?", "Is it on Thursday? And is it free?"]


@pytest.mark.parametrize("htmx", [True, False])
def test_two_devices_with_the_same_token_can_send_different_messages(phone, tablet, conversation, htmx):
    Composer(phone, conversation).save("Is it on")
    first, second = Composer(phone, conversation), Composer(tablet, conversation)
    assert first.token == second.token
    first.send("Is it on Thursday?")
    answer = second.send("Is it on Friday?", **(HTMX if htmx else {}))
    assert answer.status_code == (200 if htmx else 422)
    assert "You already sent a different message from another page." in text(answer)
    assert "Is it on Friday?" in text(answer)
    second.token = re.search(r'name="client_token" value="([^"]+)"', answer.content.decode())[1]
    second.send("Is it on Friday?")
    assert messages(conversation) == ["Is it on Thursday?", "Is it on Friday?"]


def test_text_that_is_too_long_for_a_message_can_be_saved_as_a_draft(phone, conversation):
    composer = Composer(phone, conversation)
    assert composer.save("x" * 6000).status_code == 204
    assert composer.send("x" * 6000).status_code == 422
    assert Composer(phone, conversation).shown == "x" * 6000


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"sequence": 0},
        {"sequence": "x"},
        {"sequence": 10**12},
        {"client_token": "x"},
        {"body": "x" * 20_001},
    ],
)
def test_invalid_draft_is_refused(phone, conversation, fields):
    data = {"body": "Is it", "client_token": uuid.uuid4(), "sequence": 1} | fields if fields else {}
    assert phone.post(reverse("conversation_draft", args=[conversation.public_id]), data).status_code == 422
    assert not Draft.objects.exists()


def test_saving_a_draft_sends_no_message(phone, conversation):
    Composer(phone, conversation).save("Is it on")
    assert Message.objects.count() == 1


def test_draft_with_an_expired_csrf_token_is_not_stored(patron, conversation, sign_in):
    browser = sign_in(Client(enforce_csrf_checks=True), patron)
    browser.get(conversation.get_absolute_url())
    answer = browser.post(
        reverse("conversation_draft", args=[conversation.public_id]),
        {"body": "Is it", "client_token": uuid.uuid4(), "sequence": 1},
        HTTP_SEC_FETCH_SITE="same-origin",
    )
    assert answer.status_code == 403
    assert not RefusedPost.objects.exists()


@pytest.mark.parametrize(
    ("opens_by_code", "kept"), [(HelpSessionFactory, False), (QuietSessionFactory, False), (None, True)]
)
def test_patron_form_with_an_expired_csrf_token_is_not_saved_if_a_visit_was_opened_by_code(
    patron, branch, staff, conversation, sign_in, show_code, opens_by_code, kept
):
    browser = sign_in(Client(enforce_csrf_checks=True), patron)
    session = conversation.help_session
    if opens_by_code:
        session = opens_by_code(branch=branch, staff=staff)
        show_code(browser, code_for(session))
    ask = reverse("ask_about_session", args=[session.public_id])
    browser.get(ask)
    answer = browser.post(
        ask, {"body": "Please help", "client_token": uuid.uuid4()}, HTTP_SEC_FETCH_SITE="same-origin"
    )
    assert (answer.status_code, RefusedPost.objects.exists()) == ((302, True) if kept else (403, False))


def test_desk_form_with_an_expired_csrf_token_is_saved_if_a_visit_was_opened_by_code(
    staff, branch, sign_in, show_code
):
    browser = show_code(
        sign_in(Client(enforce_csrf_checks=True), staff),
        code_for(QuietSessionFactory(branch=branch, staff=staff)),
    )
    browser.get(reverse("record"))
    assert (
        browser.post(
            reverse("record"), {"summary": "A long answer"}, HTTP_SEC_FETCH_SITE="same-origin"
        ).status_code
        == 302
    )
    assert RefusedPost.objects.get().fields == {"summary": ["A long answer"]}
