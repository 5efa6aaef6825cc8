"""Test that staff see the conversations of another branch only while their own branch covers for it."""

import datetime
import re
import uuid

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Branch, User
from accounts.staff.attendance import record_attendance
from portal.conversations import bulk, notes
from portal.conversations.models import Conversation, Draft
from portal.desk.people import find
from portal.desk.toolbar import assignment_choices
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    StaffFactory,
    UserFactory,
)
from tests.portal.pages import text

NOON = datetime.datetime(2026, 3, 4, 18, 30, tzinfo=datetime.UTC)
QUEUE_QUERIES = 9
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def hill(library, branch):
    """Return a branch that Harbour Main covers, because nobody has opened its desk since Monday."""
    return BranchFactory(
        name="Hill",
        slug="hill",
        covered_by=branch,
        last_seen_on=datetime.date(2026, 3, 2),
        unattended_from=NOON - HOUR,
    )


@pytest.fixture
def hilda(hill):
    return StaffFactory(name="Hilda", branch=hill)


@pytest.fixture
def conversation(hill, hilda, patron):
    visit = HelpSessionFactory(branch=hill, staff=hilda, patron=patron)
    conversation = ConversationFactory(
        help_session=visit, opened_at=NOON - 30 * HOUR, promised_at=NOON - HOUR, subject="Owls"
    )
    MessageFactory(conversation=conversation, body="Where are the owls?", sent_at=NOON - 30 * HOUR)
    return conversation


def address(conversation, part=""):
    return f"/desk/conversations/{conversation.public_id}/{part}"


def end_cover(hilda):
    record_attendance(User.objects.get(pk=hilda.pk), at=NOON)


def opened():
    return list(AuditEvent.objects.filter(action="opened").values_list("subject", "patron", "where"))


def test_queue_shows_conversations_and_promises_of_a_covered_branch(desk, conversation, hill):
    third = BranchFactory(name="Third", unattended_from=NOON - DAY)
    ConversationFactory(help_session=HelpSessionFactory(branch=third), subject="Not for us")
    page = desk.get("/desk/").content.decode()
    assert "Owls" in page
    assert "Overdue" in page
    assert "Not for us" not in page
    assert "You cover for this branch, because nobody there has opened the desk since" in page
    assert '<option value="hill">Hill</option>' in page
    assert "Owls" in desk.get("/desk/?branch=hill").content.decode()


@pytest.mark.parametrize("tab", ["needs", "mine", "patron", "snoozed", "done"])
def test_each_queue_list_has_exactly_the_conversations_that_covering_staff_may_open(
    desk, conversation, hill, branch, staff, tab
):
    for place in (hill, branch, BranchFactory()):
        for status in ("waiting_for_staff", "waiting_for_patron", "closed"):
            ConversationFactory(help_session=HelpSessionFactory(branch=place), status=status)
    statuses = {
        "needs": ["waiting_for_staff"],
        "mine": [],
        "patron": ["waiting_for_patron"],
        "snoozed": ["snoozed"],
        "done": ["closed"],
    }
    at_desk = Conversation.objects.at_desk_of(User.objects.get(pk=staff.pk)).filter(status__in=statuses[tab])
    shown = re.findall(r'data-conversation="([^"]+)"', desk.get(f"/desk/?tab={tab}").content.decode())
    assert sorted(shown) == sorted(str(row.public_id) for row in at_desk)


def test_cover_for_a_branch_ends_when_its_own_staff_open_the_desk(desk, conversation, hilda):
    page = desk.get(address(conversation))
    assert "You cover for Hill" in page.content.decode()
    end_cover(hilda)
    assert desk.get(address(conversation, "news/")).status_code == 404
    page = desk.get("/desk/").content.decode()
    assert "Owls" not in page
    assert "You cover for" not in page


def typed(conversation, **more):
    return {
        "client_token": str(uuid.uuid4()),
        "sequence": "0",
        "seen": str(conversation.messages.get().pk),
        "body": "In the north tower.",
        "language": "en",
        "items-TOTAL_FORMS": "0",
        "items-INITIAL_FORMS": "0",
        **more,
    }


@pytest.mark.parametrize("htmx", [False, True])
def test_answer_is_saved_as_a_draft_if_cover_for_the_branch_has_ended(
    desk, conversation, hill, hilda, staff, htmx
):
    desk.get(address(conversation))
    end_cover(hilda)
    headers = {"HX-Request": "true"} if htmx else {}
    answer = desk.post(address(conversation, "reply/"), typed(conversation, action="send"), headers=headers)
    assert answer["HX-Redirect" if htmx else "Location"] == "/desk/"
    page = desk.get("/desk/")
    assert "Your branch no longer covers Hill. Your draft is saved." in text(page)
    assert "Owls" not in page.content.decode()
    assert conversation.messages.count() == 1
    draft = Draft.objects.get()
    assert (draft.person, draft.kind, draft.body) == (staff, "reply", "In the north tower.")
    Branch.objects.filter(pk=hill.pk).update(unattended_from=NOON - HOUR)
    assert "In the north tower." in text(desk.get(address(conversation)))


def test_conversation_redirects_to_the_queue_after_cover_for_its_branch_ended(desk, conversation, hilda):
    desk.get(address(conversation))
    end_cover(hilda)
    requests = [desk.get(address(conversation))]
    requests += [desk.post(address(conversation, part)) for part in ("take/", "close/", "snooze/", "note/")]
    assert [answer.headers.get("Location") for answer in requests] == ["/desk/"] * 5
    page = text(desk.get("/desk/"))
    assert "Your branch no longer covers Hill." in page
    assert "Your draft is saved" not in page
    assert Conversation.objects.get().status == "waiting_for_staff"


def test_autosave_of_a_draft_works_after_cover_for_the_branch_ended(desk, conversation, hilda, staff):
    desk.get(address(conversation))
    end_cover(hilda)
    assert desk.post(address(conversation, "draft/"), typed(conversation, sequence="1")).status_code == 204
    note = typed(conversation, sequence="1", kind="note", body="Asked the ranger")
    assert desk.post(address(conversation, "draft/"), note).status_code == 204
    kept = set(Draft.objects.values_list("person", "kind", "body"))
    assert kept == {(staff.pk, "reply", "In the north tower."), (staff.pk, "note", "Asked the ranger")}


def send_all(browser, conversation):
    """Send each request that staff can send about a conversation, and return the set of status codes."""
    parts = ("reply/", "draft/", "take/", "close/", "snooze/", "note/")
    answers = [browser.post(address(conversation, part), typed(conversation, sequence="1")) for part in parts]
    return {answer.status_code for answer in [browser.get(address(conversation)), *answers]}


def test_staff_who_did_not_open_a_conversation_before_cover_ended_get_404(
    desk, conversation, hill, hilda, branch, sign_in
):
    colleague = sign_in(Client(), StaffFactory(branch=branch))
    outsider = sign_in(Client(), StaffFactory())
    colleague.get(address(conversation))
    end_cover(hilda)
    assert send_all(desk, conversation) == {404}
    assert send_all(outsider, conversation) == {404}
    Branch.objects.filter(pk=hill.pk).update(covered_by=None)
    assert send_all(colleague, conversation) == {404}
    assert not Draft.objects.exists()


def test_covering_staff_get_404_after_the_conversation_is_transferred_to_a_third_branch(desk, conversation):
    desk.get(address(conversation))
    Conversation.objects.update(branch=BranchFactory(name="Elsewhere"))
    assert send_all(desk, conversation) == {404}


@pytest.mark.parametrize("when", [-HOUR, HOUR])
def test_cover_for_an_unattended_branch_begins_when_its_opening_day_ends(desk, conversation, hill, when):
    Branch.objects.filter(pk=hill.pk).update(unattended_from=NOON + when)
    assert desk.get(address(conversation)).status_code == (200 if when < datetime.timedelta() else 404)


def test_staff_of_a_third_branch_cannot_open_conversations_of_an_unattended_branch(
    conversation, sign_in, patron, library
):
    outsider = StaffFactory(branch=BranchFactory())
    stranger = UserFactory()
    assert sign_in(Client(), outsider).get(address(conversation)).status_code == 404
    assert sign_in(Client(), stranger).get(address(conversation)).status_code == 404
    assert sign_in(Client(), stranger).get(f"/messages/{conversation.public_id}/").status_code == 404


def test_covering_staff_can_answer_and_take_and_snooze_and_close_a_conversation(desk, conversation, staff):
    typed = {
        "client_token": str(uuid.uuid4()),
        "sequence": "0",
        "seen": str(conversation.messages.get().pk),
        "body": "In the north tower.",
        "language": "en",
        "items-TOTAL_FORMS": "0",
        "items-INITIAL_FORMS": "0",
        "action": "send_take",
    }
    assert desk.post(address(conversation, "reply/"), typed).status_code == 302
    row = Conversation.objects.get(pk=conversation.pk)
    assert (row.status, row.assignee) == ("waiting_for_patron", staff)
    note = {"client_token": str(uuid.uuid4()), "body": "Asked the ranger"}
    assert desk.post(address(conversation, "note/"), note).status_code == 302
    assert desk.post(address(conversation, "snooze/"), {"until": "2026-03-05"}).status_code == 302
    assert desk.post(address(conversation, "close/")).status_code == 302
    assert Conversation.objects.get(pk=conversation.pk).status == "closed"


def test_staff_can_open_a_conversation_that_they_took_even_after_cover_ended(desk, conversation, hilda):
    desk.post(address(conversation, "take/"))
    end_cover(hilda)
    assert desk.get(address(conversation)).status_code == 200


def test_covering_staff_can_open_a_visit_only_if_a_conversation_is_about_the_visit(desk, conversation, hill):
    other = HelpSessionFactory(branch=hill)
    assert desk.get(f"/desk/sessions/{conversation.help_session.public_id}/").status_code == 200
    assert desk.get(f"/desk/sessions/{other.public_id}/").status_code == 404


def test_covering_staff_must_give_a_reason_to_open_a_patrons_record(desk, conversation, patron, staff):
    record = f"/desk/people/{patron.public_id}/"
    assert desk.get(record).templates[0].name == "desk/people/reason.html"
    assert desk.post(f"{record}code/").status_code == 404
    assert not find.at_desk_of(User.objects.get(pk=staff.pk)).exists()
    desk.post(record, {"reason": "She is on the phone"})
    assert desk.get(record).templates[0].name == "desk/people/record.html"


def test_covering_staff_can_open_the_record_of_a_patron_whose_conversation_they_took(
    desk, conversation, patron
):
    record = f"/desk/people/{patron.public_id}/"
    desk.post(address(conversation, "take/"))
    assert desk.get(record).templates[0].name == "desk/people/record.html"


def test_colleagues_of_the_covering_branch_can_be_assigned_and_mentioned(conversation, staff, branch, hilda):
    jun, outsider = StaffFactory(name="Jun", branch=branch), StaffFactory(name="Olga")
    colleagues, _coordinators, _branches = assignment_choices(conversation, NOON.date())
    assert {jun, staff, hilda} <= set(colleagues)
    assert outsider not in colleagues
    mentioned = set(notes.may_be_mentioned(conversation))
    assert {jun, staff, hilda} <= mentioned
    assert outsider not in mentioned
    seen = {conversation: conversation.desk_version}
    done = bulk.assign_many(seen, to=jun, by=User.objects.get(pk=staff.pk), at=NOON)
    assert done.changed == [conversation]


def test_access_log_records_each_time_that_covering_staff_open_a_visit_or_conversation(
    desk, conversation, patron
):
    desk.get(address(conversation), headers={"Referer": "http://testserver/desk/"})
    desk.get(address(conversation) + "?queue=tab%3Dneeds")
    desk.get(f"/desk/sessions/{conversation.help_session.public_id}/")
    assert opened() == [
        (str(conversation.public_id), patron.pk, "cover"),
        (str(conversation.public_id), patron.pk, "cover"),
        (str(conversation.help_session.public_id), patron.pk, "cover"),
    ]


def test_access_log_records_that_covering_staff_opened_a_conversation_without_a_patron(desk, conversation):
    Conversation.objects.filter(pk=conversation.pk).update(patron=None)
    type(conversation.help_session).objects.filter(pk=conversation.help_session_id).update(patron=None)
    desk.get(address(conversation))
    desk.get(address(conversation, "news/"))
    assert opened() == [(str(conversation.public_id), None, "cover")]


def test_access_log_records_that_covering_staff_opened_a_visit_of_a_third_branch(desk, hill, staff):
    third = HelpSessionFactory(branch=BranchFactory(name="Third"))
    mine = HelpSessionFactory(branch=hill, staff=staff)
    for visit in third, mine:
        MessageFactory(conversation=ConversationFactory(help_session=visit, branch=hill, patron=None))
        assert desk.get(f"/desk/sessions/{visit.public_id}/").status_code == 200
    assert opened() == [(str(third.public_id), None, "cover")]


@pytest.mark.parametrize("ended", [False, True], ids=["never had staff", "all left"])
def test_branch_without_staff_cannot_cover_for_another_branch(
    client, coordinator, sign_in, hill, branch, ended
):
    empty = BranchFactory(name="Empty")
    if ended:
        User.objects.filter(pk=StaffFactory(branch=empty).pk).update(is_active=False)
    fields = {
        "name": "Hill",
        "promise_hours": "8",
        "send_button": "send",
        "back_to_writer": "branch",
        "call_tries": "3",
        "check_in_tone": "warm",
        "check_ins_unreviewed": "pages",
    }
    url = reverse("branch_settings", args=["hill"])
    desk = sign_in(client, coordinator)
    page = desk.post(url, fields | {"covered_by": empty.pk})
    assert "Nobody works at Empty" in text(page)
    assert Branch.objects.get(pk=hill.pk).covered_by == branch
    StaffFactory(branch=empty)
    assert desk.post(url, fields | {"covered_by": empty.pk}).status_code == 302
    assert Branch.objects.get(pk=hill.pk).covered_by == empty


def test_access_log_does_not_mention_cover_if_staff_open_a_conversation_of_their_branch(
    desk, branch, patron, hill
):
    own = ConversationFactory(help_session=HelpSessionFactory(branch=branch, patron=patron))
    MessageFactory(conversation=own)
    desk.get(address(own))
    assert opened() == [(str(own.public_id), patron.pk, "")]


@pytest.mark.parametrize("rows", [1, 30])
def test_queue_runs_one_more_query_while_staff_cover_for_a_branch(
    desk, hill, hilda, patron, rows, django_assert_num_queries, branch
):
    for _ in range(rows):
        ConversationFactory(help_session=HelpSessionFactory(branch=hill, staff=hilda, patron=patron))
    desk.get("/desk/")
    Branch.objects.filter(pk=hill.pk).update(covered_by=None)
    with django_assert_num_queries(QUEUE_QUERIES):
        desk.get("/desk/")
    Branch.objects.filter(pk=hill.pk).update(covered_by=branch)
    with django_assert_num_queries(QUEUE_QUERIES + 1):
        assert desk.get("/desk/").content.decode().count('data-conversation="') == min(rows, 25)


def test_branch_settings_say_who_covers_for_the_branch_and_since_when(
    client, coordinator, sign_in, hill, branch
):
    browser = sign_in(client, coordinator)
    url = reverse("branch_settings", args=["hill"])
    page = browser.get(url).content.decode()
    assert "Nobody at this branch has opened the desk since" in page
    assert "Harbour Main covers for it." in page
    Branch.objects.filter(pk=hill.pk).update(unattended_from=NOON + HOUR)
    page = browser.get(url).content.decode()
    assert "Harbour Main covers for this branch from" in page
    Branch.objects.filter(pk=hill.pk).update(covered_by=None)
    assert 'id="cover"' not in browser.get(url).content.decode()


def test_branch_cannot_be_covered_by_itself_or_by_a_closed_branch(client, coordinator, sign_in, hill, branch):
    closed = BranchFactory(name="Old depot", closed_at=NOON)
    page = sign_in(client, coordinator).get(reverse("branch_settings", args=["hill"]))
    offered = page.context["form"].fields["covered_by"].queryset
    assert (branch in offered, hill in offered, closed in offered) == (True, False, False)
