import datetime
import re
import uuid
from html import unescape

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.test import Client
from django.utils import timezone

from accounts.models import Absence, StaffRole, private_storage
from portal.conversations import actions, desk_actions, drafts, merging, notes
from portal.conversations.models import Attachment, Conversation, ConversationNote, Draft, NoteMention
from portal.desk.toolbar import snooze_days
from portal.helpsessions.models import HelpSession, UnfinishedForm
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    StaffFactory,
    attach_to,
    code_for,
)
from tests.portal.pages import asks_to_sign_in

# All tests run at noon on Wednesday, March 4, 2026.
pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def conversation(staff, branch, patron):
    session = HelpSessionFactory(staff=staff, branch=branch, patron=patron)
    conversation = ConversationFactory(
        help_session=session, opened_at=timezone.now() - datetime.timedelta(hours=3)
    )
    MessageFactory(
        conversation=conversation,
        body="It is checked out",
        sent_at=timezone.now() - datetime.timedelta(hours=3),
    )
    return conversation


@pytest.fixture
def omar(branch):
    return StaffFactory(name="Omar Haddad", branch=branch)


def address(conversation, part=""):
    return f"/desk/conversations/{conversation.public_id}/{part}"


def do(desk, conversation, part, **fields):
    """Post a form of the conversation page, follow the redirect, and return the text of the next page."""
    response = desk.post(address(conversation, part), fields, follow=True)
    assert response.status_code == 200
    return unescape(response.content.decode())


def undo(desk, page):
    return unescape(
        desk.post(re.search(r'action="([^"]*/undo/\?[^"]*)"', page)[1], follow=True).content.decode()
    )


def reloaded(conversation):
    return Conversation.objects.get(pk=conversation.pk)


def assign_fields(conversation, to, was=None):
    return {
        "to": to if isinstance(to, str) else f"person:{to.public_id}",
        "was": str(was.public_id) if was else "",
    }


def test_staff_member_can_undo_taking_a_conversation(desk, conversation, staff):
    page = desk.get(address(conversation)).content.decode()
    assert "<span>Assign</span>" in page
    assert 'id="take" data-key="m"' in page
    page = do(desk, conversation, "take/")
    assert "Assigned to you." in page
    assert "Rosa Lindqvist took this conversation" in page
    assert 'id="take"' not in page
    assert reloaded(conversation).assignee == staff
    assert "Your last change was undone." in undo(desk, page)
    assert reloaded(conversation).assignee is None


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (30, "Omar Haddad took this conversation a moment ago, so your change was not made."),
        (600, "Omar Haddad took this conversation 10\xa0minutes ago, so your change was not made."),
    ],
)
def test_taking_a_colleagues_conversation_fails_and_says_who_took_it(desk, conversation, omar, ago, said):
    desk_actions.take(conversation, by=omar, at=timezone.now() - datetime.timedelta(seconds=ago))
    assert said in do(desk, conversation, "take/")
    assert reloaded(conversation).assignee == omar
    assert conversation.desk_events.count() == 1


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (
            30,
            "Ines Coordinator assigned this conversation to Omar Haddad a moment ago, so your change was not made.",
        ),
        (
            600,
            "Ines Coordinator assigned this conversation to Omar Haddad 10\xa0minutes ago, so your change was not made.",
        ),
    ],
)
def test_taking_an_assigned_conversation_fails_and_says_who_assigned_it(desk, conversation, omar, ago, said):
    ines = StaffFactory(name="Ines Coordinator", branch=conversation.branch)
    at = timezone.now() - datetime.timedelta(seconds=ago)
    desk_actions.take(conversation, by=ines, at=at - datetime.timedelta(minutes=1))
    desk_actions.assign(conversation, to=omar, by=ines, at=at, was=ines)
    page = do(desk, conversation, "take/")
    assert said in page
    assert "took this conversation" not in page.partition(said)[2].partition("</p>")[0]
    assert reloaded(conversation).assignee == omar


def test_taking_a_conversation_fails_and_names_the_assignee_that_an_undo_restored(
    desk, conversation, omar, coordinator
):
    desk_actions.take(conversation, by=omar, at=timezone.now())
    taken = desk_actions.assign(conversation, to=coordinator, by=omar, at=timezone.now(), was=omar)
    desk_actions.undo(conversation, done_at=taken.changed_at, by=omar, at=timezone.now())
    page = do(desk, conversation, "take/")
    assert "Omar Haddad took this conversation a moment ago, so your change was not made." in page
    assert reloaded(conversation).assignee == omar


def test_taking_a_conversation_fails_and_names_the_assignee_that_a_merge_set(desk, conversation, omar):
    Conversation.objects.filter(pk=conversation.pk).update(assignee=omar, assigned_at=timezone.now())
    page = do(desk, conversation, "take/")
    assert "This conversation is now assigned to Omar Haddad, so your change was not made." in page


def test_conversation_of_an_absent_colleague_can_be_taken(desk, conversation, staff, omar):
    desk_actions.take(conversation, by=omar, at=timezone.now())
    page = desk.get(address(conversation)).content.decode()
    assert 'id="take"' not in page
    Absence.objects.create(person=omar, first_day="2026-03-01", last_day="2026-03-06")
    page = desk.get(address(conversation)).content.decode()
    assert 'id="take"' in page
    assert "Away until" in page
    do(desk, conversation, "take/")
    assert reloaded(conversation).assignee == staff


@pytest.mark.slow
def test_staff_can_assign_a_conversation_to_colleagues_and_coordinators_and_unassign_it(
    desk, conversation, omar
):
    far = StaffFactory(name="Far Coordinator", branch=BranchFactory(name="Hill"), branch__role="coordinator")
    form = desk.get(address(conversation, "assign/")).content.decode()
    for offered in ("Omar Haddad", "Far Coordinator", "Hill", "Nobody"):
        assert offered in form
    page = do(desk, conversation, "assign/", **assign_fields(conversation, far))
    assert reloaded(conversation).assignee == far
    assert "Assigned to Far Coordinator." in page
    do(desk, conversation, "assign/", **assign_fields(conversation, omar, was=far))
    page = do(desk, conversation, "assign/", **assign_fields(conversation, "nobody", was=omar))
    assert reloaded(conversation).assignee is None
    undo(desk, page)
    assert reloaded(conversation).assignee == omar
    assert list(conversation.desk_events.order_by("pk").values_list("kind", flat=True)) == [
        "assigned",
        "assigned",
        "unassigned",
        "assigned",
    ]


@pytest.mark.parametrize("to", ["omar", "branch:hill", "nobody"])
def test_outdated_assign_form_changes_nothing_and_shows_the_new_assignee(desk, conversation, omar, to):
    BranchFactory(name="Hill", slug="hill")
    ines = StaffFactory(name="Ines Coordinator", branch=conversation.branch)
    desk_actions.take(conversation, by=ines, at=timezone.now())
    page = do(desk, conversation, "assign/", **assign_fields(conversation, omar if to == "omar" else to))
    assert "Ines Coordinator took this conversation a moment ago, so your change was not made." in page
    assert (reloaded(conversation).assignee, reloaded(conversation).branch) == (ines, conversation.branch)


def test_outdated_assign_form_is_refused_after_the_conversation_was_unassigned(desk, conversation, omar):
    page = do(desk, conversation, "assign/", **assign_fields(conversation, omar, was=omar))
    assert "Nobody is assigned anymore, so your change was not made." in page
    assert reloaded(conversation).assignee is None


def test_assigning_a_conversation_redirects_to_the_queue_if_staff_lose_access(
    desk, conversation, staff, omar
):
    Conversation.objects.update(branch=BranchFactory(name="Hill"), assignee=staff, assigned_at=timezone.now())
    far = StaffFactory(name="Far Coordinator", branch=BranchFactory(name="Dale"), branch__role="coordinator")
    response = desk.post(
        address(conversation, "assign/"), assign_fields(conversation, far, was=staff), follow=True
    )
    assert response.redirect_chain[-1][0] == "/desk/"
    assert "Assigned to Far Coordinator." in response.content.decode()


def test_assignee_who_takes_the_conversation_again_is_offered_no_undo(desk, conversation, staff):
    desk_actions.take(conversation, by=staff, at=timezone.now() - datetime.timedelta(hours=1))
    page = do(desk, conversation, "take/")
    assert "Assigned to you." in page
    assert "/undo/?" not in page


def test_conversation_cannot_be_assigned_to_a_person_who_may_not_open_it(
    desk, conversation, elsewhere, patron
):
    for person in (elsewhere, patron):
        response = desk.post(address(conversation, "assign/"), assign_fields(conversation, person))
        assert response.status_code == 422
        assert "This choice is no longer available" in response.content.decode()
    assert reloaded(conversation).assignee is None


def test_transfer_to_another_branch_redirects_to_the_queue(desk, conversation):
    hill = BranchFactory(name="Hill", slug="hill")
    response = desk.post(
        address(conversation, "assign/"), assign_fields(conversation, "branch:hill"), follow=True
    )
    assert response.redirect_chain[-1][0] == "/desk/"
    assert "Transferred to Hill." in response.content.decode()
    assert reloaded(conversation).branch == hill
    assert desk.get(address(conversation)).status_code == 404


def transfer_to_hill(desk, conversation):
    """Transfer the conversation to the branch Hill, and return (the branch, the text of the next page)."""
    hill = BranchFactory(name="Hill", slug="hill")
    was = reloaded(conversation).assignee
    return hill, do(desk, conversation, "assign/", **assign_fields(conversation, "branch:hill", was=was))


def undo_url(page):
    return re.search(r'action="(/desk/queue/undo-transfer/[^"]+)"', page)[1]


def test_staff_can_undo_a_transfer_even_if_they_can_no_longer_open_the_conversation(
    desk, conversation, staff, omar, branch
):
    desk_actions.assign(conversation, to=omar, by=staff, at=timezone.now(), was=None)
    before = reloaded(conversation)
    hill, page = transfer_to_hill(desk, conversation)
    assert desk.get(address(conversation)).status_code == 404
    url = undo_url(page)
    response = desk.post(url, follow=True)
    assert f"Transfer undone. The conversation is at {branch} again." in response.content.decode()
    after = reloaded(conversation)
    for name in (
        "branch",
        "assignee",
        "status",
        "queued_at",
        "promised_at",
        "comes_back_to",
        "waiting_since",
    ):
        assert getattr(after, name) == getattr(before, name), name
    assert not after.desk_events.filter(kind="handed_over").exists()
    # The undo key can be used only once.
    desk_actions.transfer(after, branch=hill, by=staff, at=timezone.now(), was=omar)
    assert "too late to undo this transfer" in desk.post(url, follow=True).content.decode()
    assert reloaded(conversation).branch == hill


def test_staff_who_work_at_both_branches_can_undo_a_transfer(desk, conversation, staff, branch):
    hill = BranchFactory(name="Hill", slug="hill")
    StaffRole.objects.create(user=staff, branch=hill, role="staff")
    page = do(desk, conversation, "assign/", **assign_fields(conversation, "branch:hill"))
    response = desk.post(undo_url(page), follow=True)
    assert response.redirect_chain[-1][0] == address(conversation)
    assert reloaded(conversation).branch == branch


@pytest.mark.few_cases
@pytest.mark.parametrize("late", ["nobody", "taken", "noted", "patron wrote", "draft", "erased", "too late"])
def test_transfer_cannot_be_undone_after_ten_minutes_or_after_another_change(desk, conversation, late):
    hill, page = transfer_to_hill(desk, conversation)
    there, at = StaffFactory(name="Hilda", branch=hill), timezone.now()
    row = reloaded(conversation)
    if late == "taken":
        desk_actions.take(row, by=there, at=at)
        desk_actions.assign(reloaded(conversation), to=None, by=there, at=at, was=there)
    elif late == "noted":
        notes.write_note(row, by=there, at=at, body="Mine", client_token=uuid.uuid4())
    elif late == "patron wrote":
        actions.reply(
            row, by=row.patron, side="patron", at=at, body="And?", language="en", client_token=uuid.uuid4()
        )
    elif late == "draft":
        key = {"person": there, "side": "staff", "kind": "reply", "client_token": uuid.uuid4()}
        later = at + datetime.timedelta(seconds=1)
        drafts.save_draft(row, sequence=1, body="Half", at=later, **key)
    elif late == "erased":
        desk_actions.erase(row, by=there, at=at)
    url = undo_url(page)
    with time_machine.travel(at + datetime.timedelta(minutes=11 if late == "too late" else 5), tick=False):
        desk.post(url)
    assert (reloaded(conversation).branch == hill) == (late != "nobody")


def test_undo_link_of_a_transfer_does_not_work_for_a_colleague(desk, conversation, omar, sign_in, client):
    hill, page = transfer_to_hill(desk, conversation)
    assert sign_in(client, omar).post(undo_url(page)).status_code == 302
    assert reloaded(conversation).branch == hill
    assert desk.post("/desk/queue/undo-transfer/?key=wrong").status_code == 302
    assert reloaded(conversation).branch == hill


@pytest.mark.parametrize("kind", ["reply", "note"])
def test_transfer_is_refused_if_staff_would_lose_access_to_their_draft(desk, conversation, staff, kind):
    hill = BranchFactory(name="Hill", slug="hill")
    draft = Draft.objects.create(
        conversation=conversation,
        person=staff,
        side="staff",
        kind=kind,
        body="Half an answer",
        sequence=1,
        client_token=uuid.uuid4(),
        saved_at=timezone.now(),
    )
    fields = assign_fields(conversation, "branch:hill")
    response = desk.post(address(conversation, "assign/"), fields)
    assert response.status_code == 422
    assert "You have an unsent answer or note in this conversation" in response.content.decode()
    assert reloaded(conversation).branch != hill
    StaffRole.objects.create(user=staff, branch=hill, role="staff")
    do(desk, conversation, "assign/", **fields)
    assert reloaded(conversation).branch == hill
    assert Draft.objects.get() == draft


def begin_draft(conversation, person, **fields):
    words = {"kind": "reply", "body": "", "sequence": 1, "saved_at": timezone.now()} | fields
    return Draft.objects.create(
        conversation=conversation, person=person, side="staff", client_token=uuid.uuid4(), **words
    )


def test_transfer_is_refused_if_staff_would_lose_access_to_added_items_or_files(desk, conversation, staff):
    hill = BranchFactory(name="Hill", slug="hill")
    draft = begin_draft(conversation, staff, typed={"items-TOTAL_FORMS": "0", "then": "turn"})
    typed = {"items-TOTAL_FORMS": "1", "items-0-item": str(ItemFactory().public_id)}
    Draft.objects.filter(pk=draft.pk).update(typed=typed)
    fields = assign_fields(conversation, "branch:hill")
    assert desk.post(address(conversation, "assign/"), fields).status_code == 422
    draft.delete()
    file = attach_to(MessageFactory(conversation=conversation, side="staff", author=staff))
    Attachment.objects.filter(pk=file.pk).update(message=None)
    assert desk.post(address(conversation, "assign/"), fields).status_code == 422
    file.delete()
    begin_draft(conversation, staff, typed={"items-TOTAL_FORMS": "0", "then": "turn"})
    do(desk, conversation, "assign/", **fields)
    assert reloaded(conversation).branch == hill


def test_transferring_a_conversation_with_a_colleagues_draft_needs_confirmation(
    desk, conversation, omar, sign_in, elsewhere
):
    omars_desk = sign_in(Client(), omar)
    item = ItemFactory(title="Bees at home")
    typed = {"items-TOTAL_FORMS": "1", "items-0-item": str(item.public_id), "items-0-reason": "Short"}
    begin_draft(conversation, omar, body="Half <b>an answer", typed=typed)
    begin_draft(conversation, omar, kind="note", body="Ask Hilda")
    dale = BranchFactory(name="Dale", slug="dale")
    fields = assign_fields(conversation, "branch:dale")
    response = desk.post(address(conversation, "assign/"), fields)
    page = unescape(response.content.decode())
    assert (response.status_code, reloaded(conversation).branch == dale) == (422, False)
    assert "Unsent answer or note by: Omar Haddad. They can't open the conversation" in page
    assert "Half" not in page
    # A confirmation for one branch is not a confirmation for another branch.
    assert desk.post(address(conversation, "assign/"), fields | {"anyway": "branch:other"}).status_code == 422
    queue = omars_desk.get("/desk/").content.decode()
    assert 'id="unsent-text"' not in queue
    do(desk, conversation, "assign/", **fields, anyway="branch:dale")
    assert reloaded(conversation).branch == dale
    assert 'id="unsent-text"' not in desk.get("/desk/").content.decode()
    queue = omars_desk.get("/desk/")
    assert (queue.context["counts"].out_of_reach, 'id="unsent-text"' in queue.content.decode()) == (2, True)
    page = omars_desk.get("/desk/queue/unsent-text/")
    words = page.content.decode()
    for part in ("Half &lt;b&gt;an answer", "Bees at home", "Short", "Ask Hilda", "conversation of Dale"):
        assert part in words, part
    for secret in (conversation.subject, conversation.help_session.patron.name, "It is checked out"):
        assert secret not in words
    for stranger in (desk, sign_in(Client(), elsewhere)):
        assert stranger.get("/desk/queue/unsent-text/").context["drafts"] == []
    [note] = Draft.objects.filter(kind="note")
    desk.post("/desk/queue/unsent-text/", {"draft": note.client_token})
    assert Draft.objects.count() == 2
    omars_desk.post("/desk/queue/unsent-text/", {"draft": note.client_token})
    assert [draft.kind for draft in Draft.objects.all()] == ["reply"]
    assert omars_desk.get("/desk/").context["counts"].out_of_reach == 1
    # If the conversation is transferred back, its page shows the draft again.
    Conversation.objects.filter(pk=conversation.pk).update(branch=conversation.branch)
    assert omars_desk.get("/desk/queue/unsent-text/").context["drafts"] == []
    assert omars_desk.get("/desk/").context["counts"].out_of_reach == 0


@pytest.fixture
def out_of_reach(conversation, omar):
    """Return Omar's draft answer in a conversation that was transferred to another branch."""
    draft = begin_draft(conversation, omar, body="Half an answer")
    Conversation.objects.filter(pk=conversation.pk).update(branch=BranchFactory(name="Dale", slug="dale"))
    return draft


def delete_unsent(omars_desk, draft):
    """Delete the draft on the page "Your unsent text", and return the URL of the undo button."""
    page = omars_desk.post("/desk/queue/unsent-text/", {"draft": draft.client_token}, follow=True)
    assert "You can undo this for 5 minutes." in page.content.decode()
    [address] = re.findall(r'action="(/desk/queue/unsent-text/\?restore=[^"]+)"', page.content.decode())
    return address


def test_deleted_unsent_text_can_be_restored_for_five_minutes(desk, omar, sign_in, out_of_reach):
    omars_desk = sign_in(Client(), omar)
    address = delete_unsent(omars_desk, out_of_reach)
    assert omars_desk.get("/desk/queue/unsent-text/").context["drafts"] == []
    desk.post(address)
    assert omars_desk.get("/desk/queue/unsent-text/").context["drafts"] == []
    page = omars_desk.post(address, follow=True)
    assert [draft.body for draft in page.context["drafts"]] == ["Half an answer"]
    address = delete_unsent(omars_desk, out_of_reach)
    later = timezone.now() + datetime.timedelta(minutes=5, seconds=1)
    with time_machine.travel(later, tick=False):
        page = omars_desk.post(address, follow=True)
    assert "can't be brought back" in unescape(page.content.decode())
    assert page.context["drafts"] == []
    drafts.forget_old_drafts(at=later)
    assert not Draft.with_discarded.exists()


def test_restored_unsent_text_is_added_to_newer_text(conversation, omar, sign_in, out_of_reach):
    omars_desk = sign_in(Client(), omar)
    address = delete_unsent(omars_desk, out_of_reach)
    begin_draft(conversation, omar, body="Another answer")
    omars_desk.post(address)
    assert [draft.body for draft in Draft.with_discarded.all()] == ["Another answer\n\nHalf an answer"]


def test_erasing_a_conversation_also_deletes_unsent_text_that_could_be_restored(
    conversation, omar, sign_in, out_of_reach
):
    address = delete_unsent(sign_in(Client(), omar), out_of_reach)
    desk_actions.erase(reloaded(conversation), by=omar, at=timezone.now())
    assert not Draft.with_discarded.exists()
    page = sign_in(Client(), omar).post(address, follow=True)
    assert "can't be brought back" in unescape(page.content.decode())


def test_htmx_request_for_the_assign_panel_returns_only_the_panel(desk, conversation):
    part = desk.get(address(conversation, "assign/"), headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith("<form")
    assert "<html" not in part


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("fields", "until"),
    [
        ({"until": "2026-03-05"}, datetime.date(2026, 3, 5)),
        ({"until": "other", "day": "2026-04-01"}, datetime.date(2026, 4, 1)),
        # A conversation can't be snoozed until today.
        ({"until": "2026-03-04"}, None),
        ({"until": "other", "day": "2026-03-03"}, None),
        ({"until": "other", "day": ""}, None),
        ({"until": "2028-01-01"}, None),
        ({"until": "soon"}, None),
        ({}, None),
    ],
)
def test_conversation_can_be_snoozed_only_until_a_future_day(desk, conversation, fields, until):
    page = do(desk, conversation, "snooze/", **fields)
    assert reloaded(conversation).snoozed_until == until
    if until:
        assert "Snoozed until" in page
        assert "End snooze" in page
        undo(desk, page)
        assert (reloaded(conversation).status, reloaded(conversation).waiting_since) == (
            "waiting_for_staff",
            conversation.waiting_since,
        )
    else:
        assert "day" in page
        assert reloaded(conversation).status == "waiting_for_staff"


def test_closed_conversation_cannot_be_snoozed(desk, conversation, staff):
    actions.close(conversation, by=staff, side="staff", at=timezone.now())
    assert "This conversation is closed, so it can't be snoozed." in do(
        desk, conversation, "snooze/", until="2026-03-05"
    )
    assert reloaded(conversation).status == "closed"


@pytest.mark.parametrize(
    ("today", "days"),
    [
        ("2026-03-04", ["Tomorrow 2026-03-05", "Next Monday 2026-03-09", "In a week 2026-03-11"]),
        ("2026-03-08", ["Tomorrow 2026-03-09", "In a week 2026-03-15"]),
        ("2026-03-09", ["Tomorrow 2026-03-10", "Next Monday 2026-03-16"]),
    ],
    ids=["Wednesday", "Sunday", "Monday"],
)
def test_snooze_menu_offers_each_day_once(today, days):
    assert [f"{words} {day}" for words, day in snooze_days(datetime.date.fromisoformat(today))] == days


def test_staff_can_undo_ending_a_snooze(desk, conversation, staff):
    desk_actions.snooze(
        conversation,
        until=datetime.date(2026, 3, 9),
        by=staff,
        at=timezone.now() - datetime.timedelta(hours=1),
    )
    page = do(desk, conversation, "wake/")
    assert reloaded(conversation).status == "waiting_for_staff"
    undo(desk, page)
    assert (reloaded(conversation).status, reloaded(conversation).snoozed_until) == (
        "snoozed",
        datetime.date(2026, 3, 9),
    )


def test_undo_reopens_a_closed_conversation(desk, conversation):
    page = do(desk, conversation, "close/")
    assert reloaded(conversation).status == "closed"
    assert "Your last change was undone." in undo(desk, page)
    assert (reloaded(conversation).status, conversation.events.count()) == ("waiting_for_staff", 0)


def test_undo_is_refused_after_another_change_to_the_conversation(desk, conversation, patron):
    page = do(desk, conversation, "close/")
    actions.reply(
        conversation,
        by=patron,
        side="patron",
        at=timezone.now() + datetime.timedelta(seconds=1),
        body="Wait",
        language="en",
        client_token=uuid.uuid4(),
    )
    assert "too late to undo this" in undo(desk, page)


@pytest.mark.parametrize("done", ["", "soon", "2026-03-04T10:00", "9" * 40])
def test_undo_with_an_invalid_time_in_the_url_is_404(desk, conversation, done):
    assert desk.post(address(conversation, f"undo/?done={done}")).status_code == 404


def test_toolbar_works_without_javascript(desk, conversation):
    page = desk.get(address(conversation)).content.decode()
    assert page.count('<details name="handling"') == 3
    assert f'href="{address(conversation, "assign/")}"' in page


# Tests of notes.


def note_fields(conversation, body, **fields):
    return {"body": body, "client_token": str(uuid.uuid4()), **fields}


def test_note_is_shown_in_the_timeline_and_not_stored_as_a_message(desk, conversation):
    page = do(desk, conversation, "note/", **note_fields(conversation, "Ask at the archive"))
    assert re.search(r'<li class="note-entry" id="note-[^"]+">.*?Ask at the archive', page, re.DOTALL)
    assert "Only staff read this" in page
    assert not conversation.messages.filter(body="Ask at the archive").exists()


def test_note_and_answer_have_separate_composers(desk, conversation, staff):
    typed = {"kind": "note", "client_token": uuid.uuid4(), "body": "Half a note", "sequence": 4}
    drafts.save_draft(conversation, person=staff, side="staff", at=timezone.now(), **typed)
    page = desk.get(address(conversation)).content.decode()
    form = re.search(r'<form[^>]*id="note-form".*?</form>', page, re.DOTALL)[0]
    assert f'action="{address(conversation, "note/")}"' in form
    assert 'name="sequence" value="4"' in form
    assert "Half a note" in form
    assert "Half a note" not in page.replace(form, "")


def test_note_posted_twice_is_saved_once(desk, conversation):
    fields = note_fields(conversation, "Once")
    for _ in range(2):
        do(desk, conversation, "note/", **fields)
    assert ConversationNote.objects.count() == 1


def test_note_that_mentions_an_unknown_name_is_saved_only_after_confirmation(desk, conversation, omar):
    fields = note_fields(conversation, "@Omra please look")
    response = desk.post(address(conversation, "note/"), fields)
    page = unescape(response.content.decode())
    assert response.status_code == 422
    for words in ("which colleague “Omra” is", "@Omar Haddad", "@Omra please look", "Save the note as it is"):
        assert words in page
    assert not ConversationNote.objects.exists()
    do(desk, conversation, "note/", **fields, warned="1")
    assert ConversationNote.objects.get().body == "@Omra please look"


def test_queue_shows_a_mention_until_the_mentioned_colleague_opens_the_conversation(
    desk, client, conversation, omar, sign_in
):
    assert "tell Omar Haddad about it" in do(
        desk, conversation, "note/", **note_fields(conversation, "@Omar Haddad please")
    )
    assert "you were mentioned" not in desk.get("/desk/").content.decode()
    sign_in(client, omar)
    queue = client.get("/desk/").content.decode()
    assert "conversation with a note that mentions you" in queue
    assert "please" not in queue
    client.get(address(conversation))
    assert NoteMention.objects.filter(person=omar, seen_at=None).count() == 0
    assert "you were mentioned" not in client.get("/desk/").content.decode()


def test_empty_note_is_a_form_error(desk, conversation):
    response = desk.post(address(conversation, "note/"), note_fields(conversation, "  "))
    assert response.status_code == 422
    assert "Write your note first." in response.content.decode()


def test_mention_list_has_only_colleagues_who_can_open_the_conversation(desk, conversation, omar, elsewhere):
    names = desk.get(address(conversation, "colleagues/")).content.decode()
    assert 'data-name="Omar Haddad"' in names
    for other in (elsewhere.name, "Rosa", "Sam Okafor"):
        assert other not in names


# Tests of merging conversations.


@pytest.fixture
def other(patron, branch, staff):
    other = ConversationFactory(
        help_session=HelpSessionFactory(patron=patron, branch=branch, staff=staff), subject="The other matter"
    )
    MessageFactory(conversation=other, body="First of the other")
    return other


def test_merge_preview_shows_both_conversations_before_they_are_merged(desk, conversation, other):
    listed = desk.get(address(conversation, "merge/")).content.decode()
    link = re.search(r'href="([^"]+)"[^>]*>The other matter', listed)[1]
    assert link == address(conversation, f"merge/?with={other.public_id}")
    preview = desk.get(link).content.decode()
    for words in ("First of the other", "It is checked out", "Merge the conversations"):
        assert words in preview
    assert reloaded(other).merged_into is None
    page = do(desk, conversation, "merge/", **{"with": str(other.public_id)})
    assert "First of the other" in page
    assert "It is checked out" in page
    assert desk.get(address(other)).url == address(conversation)


def test_patron_is_redirected_from_a_merged_conversation_to_the_remaining_conversation(
    desk, client, conversation, other, sign_in, patron
):
    do(desk, conversation, "merge/", **{"with": str(other.public_id)})
    sign_in(client, patron)
    response = client.get(f"/messages/{other.public_id}/", follow=True)
    assert response.redirect_chain[0][0] == f"/messages/{conversation.public_id}/"
    assert "First of the other" in response.content.decode()


@pytest.mark.parametrize("whose", ["another patron's", "of a branch that isn't mine", "quiet"])
def test_merge_page_hides_and_refuses_conversations_of_other_patrons_and_branches(
    desk, conversation, patron, branch, whose
):
    session = {
        "another patron's": lambda: HelpSessionFactory(branch=branch, patron=StaffFactory()),
        "of a branch that isn't mine": lambda: HelpSessionFactory(patron=patron),
        "quiet": lambda: QuietSessionFactory(branch=branch),
    }[whose]()
    foreign = ConversationFactory(help_session=session, subject="Not to be seen")
    MessageFactory(conversation=foreign, body="Not to be read")
    for query in ("", f"?with={foreign.public_id}"):
        page = desk.get(address(conversation, f"merge/{query}")).content.decode()
        assert "Not to be" not in page
    do(desk, conversation, "merge/", **{"with": str(foreign.public_id)})
    assert reloaded(foreign).merged_into is None


def test_action_on_a_merged_conversation_applies_to_the_remaining_conversation(
    desk, conversation, other, staff
):
    do(desk, conversation, "merge/", **{"with": str(other.public_id)})
    do(desk, other, "take/")
    assert (reloaded(conversation).assignee, reloaded(other).assignee) == (staff, None)


def test_staff_cannot_change_another_branchs_conversation_through_a_merged_conversation(
    desk, conversation, other, staff
):
    merging.merge(other, into=conversation, by=staff, at=timezone.now())
    Conversation.objects.filter(pk=conversation.pk).update(branch=BranchFactory())
    for part in ("take/", "note/", "snooze/", "wake/"):
        assert desk.post(address(other, part), note_fields(other, "x")).status_code == 404
    assert reloaded(conversation).assignee is None


# Tests of erasing a conversation.


@pytest.fixture
def coordinators_desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


def test_coordinator_can_erase_a_conversation_and_its_files_after_a_preview(
    coordinators_desk, conversation, patron, sign_in, client, django_capture_on_commit_callbacks
):
    path = private_storage().save("attachments/secret.png", ContentFile(b"picture"))
    file = {
        "client_token": uuid.uuid4(),
        "side": "patron",
        "kind": "picture",
        "file": path,
        "name": "x.png",
        "size": 7,
        "added_at": timezone.now(),
    }
    Attachment.objects.create(conversation=conversation, message=conversation.messages.first(), **file)
    page = coordinators_desk.get(address(conversation, "erase/")).content.decode()
    for words in ("1 message", "1 file"):
        assert words in page
    assert reloaded(conversation).status == "waiting_for_staff"
    with django_capture_on_commit_callbacks(execute=True):
        page = do(coordinators_desk, conversation, "erase/")
    assert "It is checked out" not in page
    assert "Ines Coordinator" in page
    assert not private_storage().exists(path)
    sign_in(client, patron)
    assert client.get(f"/messages/{conversation.public_id}/").status_code == 404


def test_erased_conversation_cannot_be_opened_by_code(coordinators_desk, client, branch, show_code):
    session = HelpSessionFactory(branch=branch, handed_over_at=timezone.now())
    conversation = ConversationFactory(help_session=session)
    MessageFactory(conversation=conversation)
    do(coordinators_desk, conversation, "erase/")
    client.logout()
    show_code(client, code_for(session))
    assert client.get(f"/sessions/{session.public_id}/", follow=True).status_code in {200, 404}
    assert asks_to_sign_in(client.get(f"/messages/{conversation.public_id}/"))


def test_staff_who_are_not_coordinators_cannot_erase_a_conversation(desk, conversation):
    assert "Erase" not in desk.get(address(conversation)).content.decode()
    for method in (desk.get, desk.post):
        assert method(address(conversation, "erase/")).status_code == 404
    assert reloaded(conversation).status == "waiting_for_staff"


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "part",
    ["take/", "snooze/", "wake/", "note/", "merge/", "assign/", "undo/?done=2026-03-04T18:00:00%2B00:00"],
)
def test_action_on_an_erased_conversation_redirects_to_its_page(
    coordinators_desk, conversation, coordinator, part
):
    desk_actions.erase(conversation, by=coordinator, at=timezone.now())
    response = coordinators_desk.post(address(conversation, part), note_fields(conversation, "x"))
    assert (response.status_code, response.url) == (302, address(conversation))
    assert ConversationNote.objects.count() == 0


# Tests of counting a conversation as a contact.


def contact_fields(typed, conversation, **changes):
    return typed(conversation=str(conversation.public_id), action="save_only", **changes)


def test_form_that_counts_a_contact_has_the_patrons_question_but_no_name(desk, conversation, branch):
    MessageFactory(conversation=conversation, side="staff", body="An answer")
    page = desk.get(f"/desk/record/?conversation={conversation.public_id}")
    form = page.context["form"]
    assert [form[name].value() for name in ("question", "mode", "language", "branch")] == [
        "It is checked out",
        "web_form",
        "en",
        branch.pk,
    ]
    shown = page.content.decode()
    assert "Count the contact" in shown
    for absent in ("Sam Okafor", "Save and give to the patron", "Code on the code card"):
        assert absent not in shown


def test_conversation_can_be_counted_as_a_contact_only_once(desk, conversation, typed):
    fields = contact_fields(typed, conversation, minutes="25")
    page = unescape(desk.post("/desk/record/", fields, follow=True).content.decode())
    contact = HelpSession.objects.get(minutes=25)
    assert (
        contact.patron,
        contact.status,
        contact.claim_codes.count(),
        reloaded(conversation).logged_as,
    ) == (
        None,
        "recorded",
        0,
        contact,
    )
    for words in (
        "Counted as a contact",
        "Rosa Lindqvist counted this conversation as a contact",
        f"/desk/sessions/{contact.public_id}/",
    ):
        assert words in page
    assert "Count this conversation as a contact" not in page
    # Post the same form a second time.
    desk.post("/desk/record/", fields)
    other = desk.post("/desk/record/", contact_fields(typed, conversation, minutes="25"))
    assert other.status_code == 422
    assert "already counted as a contact" in other.content.decode()
    assert HelpSession.objects.filter(status="recorded", minutes=25).count() == 1
    assert desk.get(f"/desk/record/?conversation={conversation.public_id}").url == address(conversation)


def test_record_form_of_an_older_portal_version_can_still_count_a_contact(desk, conversation, typed):
    fields = contact_fields(typed, conversation)
    fields["thread"] = fields.pop("conversation")
    desk.post("/desk/record/autosave/", fields)
    assert UnfinishedForm.objects.get().fields["conversation"] == str(fields["thread"])
    desk.post("/desk/record/", fields)
    assert reloaded(conversation).logged_as is not None
    answer = desk.get(f"/desk/record/?thread={conversation.public_id}")
    assert answer.url == address(conversation)


def test_contact_that_was_counted_for_a_conversation_cannot_be_handed_over(desk, conversation, typed):
    """A slip, an emailed code or a code card would let a stranger read the patron's question."""
    card = code_for(None)
    desk.post("/desk/record/", contact_fields(typed, conversation))
    contact = reloaded(conversation).logged_as
    page = desk.get(f"/desk/sessions/{contact.public_id}/")
    assert (page.status_code, "hand-over/" in page.content.decode(), "card/" in page.content.decode()) == (
        200,
        False,
        False,
    )
    assert desk.get(f"/desk/sessions/{contact.public_id}/slip/").status_code == 404
    for part, fields in (
        ("hand-over/", {}),
        ("hand-over/", {"address": "other@example.org"}),
        ("card/", {"code": card}),
    ):
        assert desk.post(f"/desk/sessions/{contact.public_id}/{part}", fields).status_code == 404
    assert contact.claim_codes.count() == 0


def test_form_that_counts_a_contact_can_be_saved_for_later(desk, conversation, typed):
    desk.post("/desk/record/", contact_fields(typed, conversation) | {"action": "later"})
    begun = HelpSession.objects.get(status="unfinished")
    page = desk.get(f"/desk/record/{begun.public_id}/")
    assert page.context["form"]["conversation"].value() == str(conversation.public_id)
    desk.post("/desk/record/", contact_fields(typed, conversation, token=str(begun.public_id)))
    assert reloaded(conversation).logged_as == begun


@pytest.mark.parametrize("method", ["get", "post"])
def test_staff_of_another_branch_cannot_count_a_conversation_as_a_contact(
    client, elsewhere, sign_in, conversation, typed, method
):
    sign_in(client, elsewhere)
    fields = contact_fields(typed, conversation, branch=str(elsewhere.desk_branch_ids[0]))
    response = (
        client.get(f"/desk/record/?conversation={conversation.public_id}")
        if method == "get"
        else client.post("/desk/record/", fields)
    )
    assert response.status_code == 404
    assert not HelpSession.objects.filter(status="recorded").exclude(pk=conversation.help_session_id).exists()


def test_form_that_counts_a_contact_has_the_quiet_switch_on_for_a_quiet_visit(desk, branch):
    conversation = ConversationFactory(help_session=QuietSessionFactory(branch=branch))
    MessageFactory(conversation=conversation)
    assert (
        desk.get(f"/desk/record/?conversation={conversation.public_id}").context["form"]["quiet"].value()
        is True
    )
