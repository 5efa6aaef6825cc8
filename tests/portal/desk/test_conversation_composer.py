"""Test the composer, where staff write answers.

The tests cover drafts, conflicts with newer messages, and taking back or discarding an answer.
"""

import datetime
import re
import uuid

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone

from portal.conversations import actions, taking_back
from portal.conversations.models import Attachment, Draft, Message
from recommendations.models import Recommendation
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, StaffFactory

pytestmark = pytest.mark.usefixtures("library")

NOON = datetime.datetime(2026, 3, 4, 18, 30, tzinfo=datetime.UTC)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def clock():
    """Stop the clock at noon. A test can move the clock forward with clock.shift(seconds)."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def conversation(staff, branch, patron):
    conversation = ConversationFactory(
        help_session=HelpSessionFactory(staff=staff, branch=branch, patron=patron),
        opened_at=NOON - datetime.timedelta(hours=2),
    )
    MessageFactory(
        conversation=conversation, body="It is checked out", sent_at=NOON - datetime.timedelta(hours=2)
    )
    return conversation


@pytest.fixture
def omar(branch):
    return StaffFactory(name="Omar Haddad", branch=branch)


def address(conversation, part=""):
    return f"/desk/conversations/{conversation.public_id}/{part}"


def typed(conversation, **changes):
    """Return the fields of the composer as a browser posts them."""
    last = conversation.messages.in_order().last()
    fields = {
        "client_token": str(uuid.uuid4()),
        "sequence": "0",
        "seen": str(last.pk if last else 0),
        "body": "There is another copy.",
        "language": "en",
    }
    return {
        **fields,
        "then": "turn",
        "items-TOTAL_FORMS": "0",
        "items-INITIAL_FORMS": "0",
        "action": "send",
        **changes,
    }


def rows_for(item, reason):
    return {
        "items-TOTAL_FORMS": "1",
        "items-0-item": str(item.public_id),
        "items-0-reason": reason,
        "items-0-starred": "on",
    }


def draft_of(conversation, person):
    return Draft.objects.filter(conversation=conversation, person=person, side="staff", kind="reply").first()


def composer(desk, conversation):
    return desk.get(address(conversation)).context["composer"]


def send(desk, conversation, **changes):
    fields = typed(conversation, **changes)
    assert desk.post(address(conversation, "reply/"), fields).status_code == 302
    return Message.objects.get(client_token=fields["client_token"])


# Tests of drafts.


def test_draft_is_restored_on_another_device(desk, sign_in, conversation, staff, item):
    fields = typed(
        conversation,
        sequence="1",
        language="es",
        then="close",
        body="Half a sent",
        **rows_for(item, "on the shelf"),
    )
    assert desk.post(address(conversation, "draft/"), fields).status_code == 204
    page = sign_in(Client(), staff).get(address(conversation))
    composer = page.context["composer"]
    assert (composer["body"], composer["then"], composer["sequence"], str(composer["client_token"])) == (
        "Half a sent",
        "close",
        1,
        fields["client_token"],
    )
    assert [(row["item"], row["reason"], row["starred"]) for row in page.context["picker"].rows] == [
        (str(item.public_id), "on the shelf", "on")
    ]
    assert '<option value="es" selected>' in page.content.decode()


def test_outdated_page_cannot_overwrite_a_newer_draft(desk, conversation, staff):
    desk.post(address(conversation, "draft/"), typed(conversation, sequence="2", body="The newer text"))
    late = desk.post(
        address(conversation, "draft/"), typed(conversation, sequence="2", body="The older text")
    )
    assert late.status_code == 409
    assert "The newer text" in late.content.decode()
    assert (draft_of(conversation, staff).body, draft_of(conversation, staff).sequence) == (
        "The newer text",
        2,
    )
    desk.post(address(conversation, "draft/"), typed(conversation, sequence="3", body="Kept on purpose"))
    assert draft_of(conversation, staff).body == "Kept on purpose"


def test_staff_member_does_not_see_a_colleagues_draft(desk, sign_in, conversation, omar):
    desk.post(address(conversation, "draft/"), typed(conversation, sequence="1", body="Rosa's words"))
    page = sign_in(Client(), omar).get(address(conversation))
    assert page.context["composer"]["body"] == ""
    assert "Rosa's words" not in page.content.decode()


def test_answer_and_note_have_separate_drafts(desk, conversation):
    desk.post(address(conversation, "draft/"), typed(conversation, sequence="1", body="To the patron"))
    desk.post(
        address(conversation, "draft/"),
        {"kind": "note", "client_token": uuid.uuid4(), "sequence": "1", "body": "To colleagues"},
    )
    page = desk.get(address(conversation))
    assert (page.context["composer"]["body"], page.context["note_draft"].body) == (
        "To the patron",
        "To colleagues",
    )


def test_sending_an_answer_deletes_the_draft_and_a_later_autosave_is_refused(desk, conversation, staff):
    fields = typed(conversation, sequence="1")
    desk.post(address(conversation, "draft/"), fields)
    desk.post(address(conversation, "reply/"), fields)
    late = desk.post(address(conversation, "draft/"), {**fields, "sequence": "2"})
    assert late.status_code == 410
    assert uuid.UUID(late.content.decode()) != uuid.UUID(fields["client_token"])
    assert draft_of(conversation, staff) is None


@pytest.mark.parametrize(
    "broken", [{"client_token": "x"}, {"sequence": "-1"}, {"sequence": "x"}, {"kind": "ask"}]
)
def test_invalid_draft_is_refused(desk, conversation, staff, broken):
    assert (
        desk.post(
            address(conversation, "draft/"), typed(conversation, **{"sequence": "1", **broken})
        ).status_code
        == 422
    )
    assert draft_of(conversation, staff) is None


def test_desk_forms_turn_off_browser_autocomplete(desk, conversation):
    """Staff share browsers, so the browser must not suggest what another person typed."""
    pages = [
        desk.get(address(conversation)),
        desk.get("/desk/record/"),
        desk.post(address(conversation, "note/"), {"body": ""}),
    ]
    forms = [
        form for page in pages for form in re.findall(r"<form [^>]*data-form[^>]*>", page.content.decode())
    ]
    assert ['autocomplete="off"' in form for form in forms] == [True] * 4


# Tests of the status after an answer.


@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("turn", "waiting_for_patron"),
        ("ours", "waiting_for_staff"),
        ("close", "closed"),
        ("", "waiting_for_patron"),
    ],
)
def test_answer_sets_the_chosen_status_and_does_not_change_the_assignee(
    desk, conversation, omar, then, status
):
    conversation.assignee, conversation.assigned_at = omar, NOON
    conversation.save()
    send(desk, conversation, then=then)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.assignee) == (status, omar)


def test_composer_ignores_unknown_fields(desk, conversation, staff, omar):
    send(desk, conversation, assignee=omar.pk, status="closed", branch="999", patron=staff.pk)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.assignee, conversation.patron.name) == (
        "waiting_for_patron",
        None,
        "Sam Okafor",
    )


# Tests of answers that conflict with newer messages.


@pytest.fixture
def conflict(desk, conversation, omar, item):
    """Answer as Omar, then post Rosa's answer, which the portal refuses. Return (Rosa's fields, response)."""
    fields = typed(conversation, then="close", language="es", **rows_for(item, "on the shelf"))
    MessageFactory(
        conversation=conversation,
        side="staff",
        author=omar,
        body="I ordered it",
        sent_at=NOON - datetime.timedelta(seconds=40),
    )
    page = desk.post(address(conversation, "reply/"), fields)
    assert page.status_code == 422
    return fields, page


def test_conflict_page_shows_the_colleagues_answer_and_keeps_the_typed_answer(conversation, item, conflict):
    fields, page = conflict
    words = page.content.decode()
    for expected in (
        "Omar Haddad answered 40 seconds ago:",
        "<blockquote",
        "I ordered it",
        "Edit your answer",
        "Send anyway",
        "Discard your answer",
    ):
        assert expected in words
    composer = page.context["composer"]
    assert (composer["body"], composer["then"], str(composer["client_token"])) == (
        fields["body"],
        "close",
        fields["client_token"],
    )
    assert page.context["picker"].rows[0]["reason"] == "on the shelf"
    assert '<option value="es" selected>' in words
    assert conversation.messages.filter(side="staff").count() == 1


def test_staff_can_edit_and_send_the_answer_on_the_conflict_page(desk, conversation, conflict):
    fields, page = conflict
    desk.post(
        address(conversation, "reply/"),
        {**fields, "seen": page.context["composer"]["seen"], "body": "As Omar says."},
    )
    assert [message.body for message in conversation.messages.filter(side="staff").order_by("pk")] == [
        "I ordered it",
        "As Omar says.",
    ]


def test_edited_answer_is_not_sent_if_a_colleague_answers_again_after_the_conflict(
    desk, conversation, conflict, omar
):
    fields, page = conflict
    MessageFactory(conversation=conversation, side="staff", author=omar, body="And it is here")
    again = desk.post(address(conversation, "reply/"), {**fields, "seen": page.context["composer"]["seen"]})
    assert [message.body for message in again.context["composer"]["newer"]] == ["And it is here"]


def test_answer_is_not_sent_if_the_patron_has_written_again(desk, conversation):
    fields = typed(conversation)
    MessageFactory(conversation=conversation, body="Never mind, I found it")
    words = desk.post(address(conversation, "reply/"), fields, headers=HTMX).content.decode()
    assert "The patron wrote again" in words
    assert "Never mind, I found it" in words


def test_answer_can_be_sent_after_a_colleague_took_back_an_answer(desk, conversation, omar):
    answer = actions.reply(
        conversation,
        by=omar,
        side="staff",
        at=NOON,
        body="Wrong conversation",
        language="en",
        client_token=uuid.uuid4(),
    )
    fields = typed(conversation)
    taking_back.take_back(answer, by=omar, at=NOON)
    assert desk.post(address(conversation, "reply/"), fields).status_code == 302


def test_draft_is_discarded_only_after_the_staff_member_confirms(desk, conversation, staff):
    fields = typed(conversation, sequence="1")
    desk.post(address(conversation, "draft/"), fields)
    asked = desk.post(address(conversation, "reply/"), {**fields, "action": "discard"})
    assert "Discard your answer?" in asked.content.decode()
    assert (asked.context["composer"]["body"], draft_of(conversation, staff).body) == (
        fields["body"],
        fields["body"],
    )
    kept = desk.post(
        address(conversation, "reply/"), {**fields, "action": "keep"}, headers=HTMX
    ).content.decode()
    assert fields["body"] in kept
    assert "Discard your answer?" not in kept


def test_confirmed_discard_deletes_the_draft_and_its_files(
    desk, conversation, staff, omar, django_capture_on_commit_callbacks
):
    fields = typed(conversation, sequence="1")
    desk.post(address(conversation, "draft/"), fields)
    mine, other = (add_file(conversation, by, fields["client_token"]) for by in (staff, omar))
    with django_capture_on_commit_callbacks(execute=True):
        desk.post(address(conversation, "reply/"), {**fields, "action": "discard_now"})
    assert draft_of(conversation, staff) is None
    assert [attachment.pk for attachment in Attachment.objects.all()] == [other.pk]
    assert not mine.file.storage.exists(mine.file.name)
    assert composer(desk, conversation)["body"] == ""


def add_file(conversation, by, token):
    attachment = Attachment(
        conversation=conversation,
        client_token=token,
        side="staff",
        added_by=by,
        kind="pdf",
        name="map.pdf",
        size=4,
        added_at=timezone.now(),
    )
    attachment.file.save("map.pdf", ContentFile(b"%PDF"))
    return attachment


# Tests of taking back an answer.


def test_answer_is_hidden_from_the_patron_for_fifteen_seconds(desk, sign_in, conversation, patron, clock):
    phone = sign_in(Client(), patron)
    send(desk, conversation)
    clock.shift(14.9)
    assert "There is another copy." not in phone.get(conversation.get_absolute_url()).content.decode()
    clock.shift(0.2)
    assert "There is another copy." in phone.get(conversation.get_absolute_url()).content.decode()


def test_only_the_author_of_a_pending_answer_sees_the_take_back_button(
    desk, sign_in, conversation, omar, clock
):
    send(desk, conversation)
    clock.shift(3)
    own, theirs = (
        browser.get(address(conversation)).content.decode() for browser in (desk, sign_in(Client(), omar))
    )
    # The author can take the answer back in the first 14 seconds of the undo window, which has 15.
    assert "You can take the answer back for <b data-left>11</b> s" in own
    assert "Take the answer back" in own
    assert "Sending. The patron sees this answer in <b data-left>12</b> s" in theirs
    assert "Take the answer back" not in theirs
    clock.shift(11)
    assert "Take the answer back" not in desk.get(address(conversation)).content.decode()


@pytest.mark.slow
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_taking_back_an_answer_restores_the_whole_draft_and_the_conversation_status(
    desk, conversation, staff, item, headers
):
    fields = typed(conversation, language="es", then="close", **rows_for(item, "on the shelf"))
    added = add_file(conversation, staff, fields["client_token"])
    desk.post(address(conversation, "reply/"), fields)
    sent = Message.objects.get(side="staff")
    desk.post(address(conversation, "take-back/"), {"message": sent.public_id}, headers=headers)
    page = desk.get(address(conversation))
    composer, rows = page.context["composer"], page.context["picker"].rows
    assert (composer["body"], composer["then"]) == ("There is another copy.", "close")
    assert [(row["item"], row["reason"], row["starred"]) for row in rows] == [
        (str(item.public_id), "on the shelf", "on")
    ]
    assert '<option value="es" selected>' in page.content.decode()
    assert [file.pk for file in page.context["attached"]] == [added.pk]
    assert not Recommendation.objects.exists()
    assert not conversation.messages.filter(side="staff").exists()
    conversation.refresh_from_db()
    assert conversation.status == "waiting_for_staff"
    sent_again = {**fields, "client_token": composer["client_token"], "seen": composer["seen"]}
    assert desk.post(address(conversation, "reply/"), sent_again).status_code == 302
    assert conversation.messages.get(side="staff").attachments.get() == added


@pytest.mark.slow
def test_taken_back_answer_is_combined_with_newly_typed_text_and_items(desk, conversation, item):
    sent = send(desk, conversation, **rows_for(item, "on the shelf"))
    begun = typed(
        conversation,
        body="One more thing",
        message=sent.public_id,
        **{"items-TOTAL_FORMS": "1", "items-0-kind": "course", "items-0-title": "A club"},
    )
    part = desk.post(address(conversation, "take-back/"), begun, headers=HTMX).content.decode()
    assert "There is another copy.\n\nOne more thing" in part
    assert part.index("To Kill a Mockingbird") < part.index("A club")
    assert composer(desk, conversation)["body"] == "There is another copy.\n\nOne more thing"


def test_taken_back_answer_is_combined_with_drafts_from_two_devices(desk, conversation):
    sent = send(desk, conversation)
    desk.post(address(conversation, "draft/"), typed(conversation, sequence="5", body="On the phone"))
    part = desk.post(
        address(conversation, "take-back/"),
        typed(conversation, body="At the desk", message=sent.public_id),
        headers=HTMX,
    ).content.decode()
    assert "There is another copy.\n\nOn the phone\n\nAt the desk" in part


def test_answer_cannot_be_taken_back_after_fourteen_seconds(desk, conversation, clock):
    sent = send(desk, conversation)
    clock.shift(14)
    part = desk.post(
        address(conversation, "take-back/"),
        typed(conversation, body="One more thing", message=sent.public_id),
        headers=HTMX,
    ).content.decode()
    assert "too late to take this answer back" in part
    assert (composer(desk, conversation)["body"], conversation.messages.filter(side="staff").count()) == (
        "One more thing",
        1,
    )


@pytest.mark.parametrize("which", ["theirs", "gone", ""])
def test_staff_member_can_take_back_only_their_own_answer(desk, conversation, omar, which):
    answer = actions.reply(
        conversation, by=omar, side="staff", at=NOON, body="Omar's", language="en", client_token=uuid.uuid4()
    )
    which = {"theirs": answer.public_id, "gone": uuid.uuid4()}.get(which, which)
    page = desk.post(address(conversation, "take-back/"), {"message": which}, follow=True).content.decode()
    assert "too late to take this answer back" in page
    assert conversation.messages.filter(body="Omar's").exists()
    assert composer(desk, conversation)["body"] == ""


def test_taking_back_an_answer_twice_restores_the_draft_once(desk, conversation):
    sent = send(desk, conversation)
    for _ in range(2):
        desk.post(address(conversation, "take-back/"), {"message": sent.public_id})
    assert composer(desk, conversation)["body"] == "There is another copy."


def test_sending_an_answer_again_with_different_text_is_refused(desk, conversation):
    fields = typed(conversation)
    desk.post(address(conversation, "reply/"), fields)
    again = desk.post(address(conversation, "reply/"), {**fields, "body": "Other words"})
    assert again.status_code == 422
    assert "You already sent a different message from another page" in again.content.decode()
    assert (
        again.context["composer"]["body"],
        str(again.context["composer"]["client_token"]) == fields["client_token"],
    ) == ("Other words", False)
    assert [message.body for message in conversation.messages.filter(side="staff")] == [
        "There is another copy."
    ]
