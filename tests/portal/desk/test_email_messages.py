"""Test how the desk shows a message that came by email, and who may open the original email."""

import pytest
from django.urls import reverse

from accounts.models import AuditEvent
from tests.factories import (
    RAW_EMAIL,
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    IncomingEmailFactory,
    MessageFactory,
    StaffFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(patron, branch, staff):
    return ConversationFactory(help_session=HelpSessionFactory(patron=patron, branch=branch, staff=staff))


@pytest.fixture
def message(conversation, patron):
    return MessageFactory(conversation=conversation, author=patron, body="Still no luck.", by_email="own")


@pytest.fixture
def email(message):
    return IncomingEmailFactory(message=message)


def page_of(client, conversation):
    return client.get(reverse("desk_conversation", args=[conversation.public_id])).content.decode()


def original(message):
    return reverse("desk_original_email", args=[message.conversation.public_id, message.public_id])


def test_desk_page_says_that_a_message_came_by_email_and_links_to_the_email(
    client, email, message, staff, sign_in
):
    page = page_of(sign_in(client, staff), message.conversation)
    assert f'Sam Okafor · by email (<a href="{original(message)}" download>original email</a>)' in page


def test_desk_page_says_that_staff_added_a_message_from_an_email(client, message, staff, sign_in):
    message.by_email = "added"
    message.save()
    assert "Sam Okafor · by email, added by staff" in page_of(sign_in(client, staff), message.conversation)


def test_desk_page_collapses_the_quotes_in_an_email(client, message, staff, sign_in):
    message.body = "> Did it work?\nYes, it did."
    message.save()
    page = page_of(sign_in(client, staff), message.conversation)
    assert '<summary>Quoted text</summary><blockquote><p dir="auto">Did it work?</p></blockquote>' in page


def test_desk_page_says_which_files_of_an_email_were_not_saved_and_what_to_do(
    client, message, staff, sign_in
):
    message.left_out = [["plan.docx", "unknown"], ["big.pdf", "used_up"]]
    message.save()
    page = page_of(sign_in(client, staff), message.conversation).replace("&#x27;", "'")
    assert (
        "We couldn't save “<bdi>plan.docx</bdi>”. The file is neither a picture (JPEG, PNG, WebP) nor a PDF. "
        "Open the original email, or ask the patron for a picture or a PDF." in page
    )
    assert "“<bdi>big.pdf</bdi>”. There is no room for more files." in page


def test_access_log_records_that_staff_downloaded_an_original_email(
    client, email, message, patron, staff, sign_in
):
    response = sign_in(client, staff).get(original(message))
    assert (response.content, response["Content-Type"]) == (RAW_EMAIL, "message/rfc822")
    event = AuditEvent.objects.get(action="opened")
    assert (event.by, event.patron, event.subject) == (staff, patron, str(message.conversation.public_id))


def test_staff_of_another_branch_cannot_open_an_original_email(client, email, message, sign_in):
    far = StaffFactory(branch=BranchFactory())
    assert sign_in(client, far).get(original(message)).status_code == 404


def test_original_email_is_404_under_the_url_of_another_conversation(
    client, email, message, patron, branch, staff, sign_in
):
    other = ConversationFactory(help_session=HelpSessionFactory(patron=patron, branch=branch, staff=staff))
    address = reverse("desk_original_email", args=[other.public_id, message.public_id])
    assert sign_in(client, staff).get(address).status_code == 404
