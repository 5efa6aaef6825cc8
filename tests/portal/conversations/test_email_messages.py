"""Test how a patron's page shows a message that came by email, and who may open its original."""

import pytest
from django.urls import reverse

from portal.conversations import email_messages
from portal.incoming.models import IncomingEmail
from tests.factories import (
    RAW_EMAIL,
    ConversationFactory,
    IncomingEmailFactory,
    MessageFactory,
    SharedSessionFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def message(patron, branch):
    conversation = ConversationFactory(patron=patron, branch=branch, help_session=None)
    return MessageFactory(conversation=conversation, author=patron, body="Still no luck.", by_email="own")


@pytest.fixture
def email(message):
    return IncomingEmailFactory(message=message)


def page_of(client, conversation):
    return client.get(conversation.get_absolute_url()).content.decode()


def original(message):
    return reverse("original_email", args=[message.public_id])


def test_patron_page_says_that_a_message_came_by_email_and_links_to_the_original(
    client, email, message, patron, sign_in
):
    page = page_of(sign_in(client, patron), message.conversation)
    assert f'You · by email (<a href="{original(message)}" download>original email</a>)' in page


def test_message_written_on_the_page_is_not_marked_as_email(client, message, patron, sign_in):
    message.by_email = ""
    message.save()
    page = page_of(sign_in(client, patron), message.conversation)
    assert "by email" not in page
    assert original(message) not in page


def test_patron_page_says_that_staff_added_a_message_from_an_email(client, message, patron, sign_in):
    message.by_email = "added"
    message.save()
    assert "You · by email, added by staff" in page_of(sign_in(client, patron), message.conversation)


def test_quotes_in_an_email_are_collapsed(client, message, patron, sign_in):
    message.body = "On Monday, Rosa wrote:\n> Did it work?\nYes, it did.\n> And the flies?\n\nThey are gone."
    message.save()
    page = page_of(sign_in(client, patron), message.conversation)
    quoted = (
        '<details class="quoted"><summary>Quoted text</summary><blockquote><p dir="auto">{}</p></blockquote>'
    )
    assert page.count('<details class="quoted">') == 2
    for words in ("Did it work?", "And the flies?"):
        assert quoted.format(words) in page
    assert '<p dir="auto">Yes, it did.</p>' in page


def test_angle_brackets_in_a_message_written_on_the_page_are_not_quotes(client, message, patron, sign_in):
    message.by_email, message.body = "", "> 10 degrees"
    message.save()
    page = page_of(sign_in(client, patron), message.conversation)
    assert "&gt; 10 degrees" in page
    assert '<details class="quoted">' not in page


def test_html_in_a_quote_is_escaped():
    html = email_messages.text("> <script>alert(1)</script>\nYes")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_patron_reads_which_files_of_an_email_were_not_kept_and_why(client, message, patron, sign_in):
    message.left_out = [["plan <b>.docx", "unknown"], ["scan.pdf", "too_large"]]
    message.save()
    page = page_of(sign_in(client, patron), message.conversation)
    assert (
        "We couldn't save “<bdi>plan &lt;b&gt;.docx</bdi>”. You can only send pictures (JPEG"
        in page.replace("&#x27;", "'")
    )
    assert "“<bdi>scan.pdf</bdi>”. This file is larger than 10 MB." in page


def test_sender_can_download_the_unchanged_original_email(client, email, message, patron, sign_in):
    response = sign_in(client, patron).get(original(message))
    assert response.content == RAW_EMAIL
    assert response["Content-Type"] == "message/rfc822"
    assert response["Content-Disposition"].startswith('attachment; filename="email-')
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]


def test_adult_of_a_shared_visit_cannot_open_the_original_email_of_the_child(
    client, patron, branch, staff, sign_in
):
    adult = UserFactory()
    session = SharedSessionFactory(branch=branch, staff=staff, patron=patron, shared_with=adult)
    message = MessageFactory(
        conversation=ConversationFactory(help_session=session), author=patron, by_email="own"
    )
    IncomingEmailFactory(message=message)
    sign_in(client, adult)
    page = page_of(client, message.conversation)
    assert "The child · by email" in page
    assert original(message) not in page
    assert client.get(original(message)).status_code == 404


def test_stranger_cannot_open_an_original_email(client, email, message, sign_in):
    assert sign_in(client, UserFactory()).get(original(message)).status_code == 404


def test_sender_cannot_open_the_original_email_in_a_conversation_of_another_patron(
    client, email, message, patron, sign_in
):
    message.conversation.patron = UserFactory()
    message.conversation.save()
    assert sign_in(client, patron).get(original(message)).status_code == 404


def test_link_to_a_deleted_original_email_is_404(client, email, message, patron, sign_in):
    IncomingEmail.objects.update(file="")
    assert sign_in(client, patron).get(original(message)).status_code == 404
