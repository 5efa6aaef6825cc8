"""Test how staff attach, send, take back and open the files of a conversation."""

import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, RefusedPost
from portal.conversations import merging
from portal.conversations.models import Attachment, Draft, Message
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    StaffFactory,
    attach_to,
    pdf_file,
    picture_file,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def conversation(branch, staff, patron):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=timezone.now())
    return MessageFactory(conversation=ConversationFactory(help_session=session)).conversation


@pytest.fixture
def desk(client, sign_in, staff):
    return sign_in(client, staff)


@pytest.fixture
def token():
    return uuid.uuid4()


def attach(browser, conversation, token, file, **fields):
    return browser.post(
        reverse("desk_attach", args=[conversation.public_id]),
        {"client_token": token, "files": file, **fields},
        headers=HTMX,
    )


def answer(browser, conversation, token, body="Here it is.", **fields):
    seen = conversation.messages.in_order().last().pk
    typed = {
        "client_token": token,
        "body": body,
        "language": "en",
        "seen": seen,
        "action": "send",
        "items-TOTAL_FORMS": 0,
    }
    return browser.post(reverse("desk_reply", args=[conversation.public_id]), typed | fields)


def address(attachment, route="desk_attachment"):
    return reverse(route, args=[attachment.conversation.public_id, attachment.public_id])


def page_of(browser, conversation):
    return browser.get(reverse("desk_conversation", args=[conversation.public_id])).content.decode()


def test_patron_sees_a_picture_in_an_answer_only_after_the_undo_window_ends(
    desk, conversation, token, patron, sign_in, time_machine
):
    time_machine.move_to(timezone.now(), tick=False)
    attach(desk, conversation, token, picture_file())
    added = Attachment.objects.get()
    assert address(added) in page_of(desk, conversation)
    answer(desk, conversation, token, **{f"alt-{added.public_id}": "The sign at the door"})
    added.refresh_from_db()
    assert (added.message, added.alt) == (Message.objects.get(client_token=token), "The sign at the door")
    picture = rf'src="{address(added)}\?size=small"\s+alt="The sign at the door"'
    assert re.search(picture, page_of(desk, conversation))
    theirs = sign_in(Client(), patron)
    assert theirs.get(address(added, "attachment")).status_code == 404
    time_machine.shift(Message.UNDO_WINDOW)
    assert theirs.get(address(added, "attachment")).status_code == 200


def test_files_are_in_the_composer_again_after_the_answer_is_taken_back(desk, conversation, token):
    attach(desk, conversation, token, picture_file())
    answer(desk, conversation, token)
    sent = Message.objects.get(client_token=token)
    desk.post(reverse("desk_take_back", args=[conversation.public_id]), {"message": sent.public_id})
    back = Attachment.objects.get()
    assert (back.message, back.client_token) == (None, token)
    assert re.search(rf'name="take_out"\s+value="{back.public_id}"', page_of(desk, conversation))


def test_files_are_sent_with_the_answer_without_javascript(desk, conversation, token):
    assert answer(desk, conversation, token, files=[picture_file(), pdf_file()]).status_code == 302
    assert Message.objects.get(client_token=token).attachments.count() == 2


@pytest.mark.parametrize("what", ["no words", "a file that is not taken", "answered meanwhile"])
def test_text_and_files_are_not_lost_if_the_answer_cannot_be_sent(desk, conversation, token, staff, what):
    fields = {"body": "" if what == "no words" else "My words.", "files": [picture_file("shelf.jpg")]}
    if what == "a file that is not taken":
        fields["files"].append(pdf_file("page.pdf", b"<html>"))
    if what == "answered meanwhile":
        fields["seen"] = conversation.messages.get().pk
        MessageFactory(
            conversation=conversation, side="staff", author=StaffFactory(branch=conversation.branch)
        )
    page = answer(desk, conversation, token, **fields).content.decode()
    added = Attachment.objects.get()
    assert Message.objects.filter(client_token=token).count() == 0
    assert (added.message, added.name, added.client_token) == (None, "shelf.jpg", token)
    assert re.search(rf'name="take_out"\s+value="{added.public_id}"', page)
    assert fields["body"] in page
    assert ("only send pictures" in page) == (what == "a file that is not taken")


def test_removing_a_file_without_javascript_keeps_the_typed_answer(desk, conversation, token, staff):
    answer(desk, conversation, token, body="", files=[picture_file()])
    typed = {
        "client_token": token,
        "body": "Half a sent",
        "language": "es",
        "sequence": 0,
        "then": "close",
        "items-TOTAL_FORMS": 1,
        "items-0-title": "Emma",
    }
    response = desk.post(
        reverse("desk_attach", args=[conversation.public_id]),
        typed | {"take_out": Attachment.objects.get().public_id},
    )
    assert response.url == reverse("desk_conversation", args=[conversation.public_id]) + "#id_body"
    draft = Draft.objects.get(person=staff)
    assert (draft.body, draft.language, draft.typed["then"], draft.typed["items-0-title"]) == (
        "Half a sent",
        "es",
        "close",
        "Emma",
    )
    assert Attachment.objects.count() == 0


@pytest.mark.parametrize(("by_script", "status", "kept"), [(True, 401, []), (False, 302, ["Half a sent"])])
def test_server_stores_the_text_of_a_refused_form_only_for_browsers_without_javascript(
    desk, conversation, token, by_script, status, kept
):
    desk.get(reverse("me"))
    desk.session.flush()
    typed = {"client_token": token, "body": "Half a sent", "files": picture_file()}
    headers = {"sec-fetch-site": "same-origin"} | (HTMX if by_script else {})
    assert (
        desk.post(reverse("desk_attach", args=[conversation.public_id]), typed, headers=headers).status_code
        == status
    )
    assert [post.fields["body"][0] for post in RefusedPost.objects.all()] == kept


def test_discarding_an_answer_deletes_its_files(
    desk, conversation, token, django_capture_on_commit_callbacks
):
    attach(desk, conversation, token, picture_file())
    file = Attachment.objects.get().file
    assert file.storage.exists(file.name)
    with django_capture_on_commit_callbacks(execute=True):
        answer(desk, conversation, token, action="discard_now")
    assert Attachment.objects.count() == 0
    assert not file.storage.exists(file.name)


def test_colleague_cannot_see_or_remove_an_unsent_file(desk, conversation, token, branch, sign_in):
    attach(desk, conversation, token, picture_file())
    added = Attachment.objects.get()
    colleague = sign_in(Client(), StaffFactory(branch=branch))
    assert colleague.get(address(added)).status_code == 404
    assert str(added.public_id) not in page_of(colleague, conversation)
    colleague.post(
        reverse("desk_attach", args=[conversation.public_id]),
        {"client_token": token, "take_out": added.public_id},
        headers=HTMX,
    )
    assert Attachment.objects.count() == 1
    answer(desk, conversation, token)
    assert colleague.get(address(added)).status_code == 200


def test_staff_cannot_open_a_file_that_the_patron_has_not_sent(desk, conversation, token, patron, sign_in):
    sign_in(Client(), patron).post(
        reverse("attach", args=[conversation.public_id]),
        {"client_token": token, "files": picture_file()},
        headers=HTMX,
    )
    added = Attachment.objects.get()
    assert desk.get(address(added)).status_code == 404
    assert str(added.public_id) not in page_of(desk, conversation)


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("staff of the branch", 200),
        ("the assignee elsewhere", 200),
        ("staff elsewhere", 404),
        ("the patron", 404),
        ("nobody", 302),
    ],
)
def test_only_the_assignee_and_staff_of_the_branch_can_open_a_file_of_a_conversation(
    client, sign_in, conversation, staff, patron, who, status
):
    file = attach_to(conversation.messages.get())
    elsewhere = StaffFactory(branch=BranchFactory())
    if who == "the assignee elsewhere":
        conversation.assignee, conversation.assigned_at = elsewhere, timezone.now()
        conversation.save()
    people = {
        "staff of the branch": staff,
        "the assignee elsewhere": elsewhere,
        "staff elsewhere": elsewhere,
        "the patron": patron,
    }
    if who in people:
        sign_in(client, people[who])
    assert [client.get(address(file) + small).status_code for small in ("", "?size=small")] == [status] * 2


def test_access_log_records_an_opened_file_but_not_a_picture_preview(desk, conversation, patron, staff):
    picture, pdf = attach_to(conversation.messages.get()), attach_to(conversation.messages.get(), pdf_file())
    desk.get(f"{address(picture)}?size=small")
    assert AuditEvent.objects.filter(action="opened").count() == 0
    desk.get(address(picture))
    desk.get(f"{address(pdf)}?size=small")
    assert (
        list(AuditEvent.objects.values_list("action", "by", "patron", "subject"))
        == [("opened", staff.pk, patron.pk, str(conversation.public_id))] * 2
    )


@pytest.mark.slow
def test_conversation_page_runs_one_additional_query_for_any_number_of_files(
    desk, conversation, token, django_assert_num_queries
):
    page_of(desk, conversation)
    with django_assert_num_queries(13):
        page_of(desk, conversation)
    for n in range(5):
        attach_to(MessageFactory(conversation=conversation), picture_file(f"{n}.jpg"), pdf_file(f"{n}.pdf"))
    attach(desk, conversation, token, picture_file())
    page_of(desk, conversation)
    with django_assert_num_queries(14):
        page_of(desk, conversation)


@pytest.mark.parametrize(("may_open", "status"), [(True, 200), (False, 404)])
def test_files_of_a_merged_conversation_require_access_to_the_remaining_conversation(
    desk, conversation, token, staff, patron, may_open, status
):
    file = attach_to(conversation.messages.get())
    there = BranchFactory() if not may_open else conversation.branch
    into = MessageFactory(
        conversation=ConversationFactory(help_session=HelpSessionFactory(branch=there, patron=patron))
    ).conversation
    merging.merge(conversation, into=into, by=staff, at=timezone.now())
    answers = [
        attach(desk, conversation, token, pdf_file()),
        desk.get(reverse("desk_attachment", args=[conversation.public_id, file.public_id])),
    ]
    assert [answer.status_code for answer in answers] == [status, status]
    assert into.attachments.filter(message=None).exists() is may_open
    assert AuditEvent.objects.filter(action="opened", subject=str(into.public_id)).exists() is may_open
