import datetime
import re
import uuid
from urllib.parse import urlencode

import pytest
import time_machine
from django.core import signing
from django.utils import timezone

from accounts.models import Absence, StaffRole
from portal.conversations import actions, bulk, changes, desk_actions, verdicts
from portal.conversations.models import BranchQueue, Conversation
from tests.factories import BranchFactory, HelpSessionFactory, StaffFactory, recommend_in

pytestmark = [pytest.mark.sql, pytest.mark.usefixtures("at_noon")]
BULK, UNDO = "/desk/queue/bulk/", "/desk/queue/undo/"
# Undoing a bulk action restores these columns. It doesn't restore counters and the times of changes.
COLUMNS = [
    "status",
    "reason",
    "waiting_since",
    "promised_at",
    "queued_at",
    "at_desk_from",
    "closes_at",
    "closed_at",
    "snoozed_until",
    "assignee",
    "last_message_at",
]


@pytest.fixture
def ask(branch, patron):
    def ask(body="Where is it?", *, at=None, place=None, hours=5):
        at = at or timezone.now() - datetime.timedelta(hours=hours)
        return actions.ask(
            by=patron, at=at, body=body, branch=place or branch, language="en", client_token=uuid.uuid4()
        )

    return ask


@pytest.fixture
def many(ask):
    return [ask(f"Question {number}", hours=number + 2) for number in range(3)]


def checkbox_value(conversation):
    return f"{conversation.public_id}.{Conversation.objects.get(pk=conversation.pk).desk_version}"


def post(desk, conversations, do, **more):
    boxes = [
        conversation if isinstance(conversation, str) else checkbox_value(conversation)
        for conversation in conversations
    ]
    return desk.post(BULK, {"conversation": boxes, "do": do, "back": "/desk/?tab=mine", **more}, follow=True)


def messages_on(answer):
    return " ".join(str(message) for message in answer.context["messages"])


def undo(desk, answer):
    return desk.post(
        re.search(r'action="(/desk/queue/undo/\?key=[^"]+)"', answer.content.decode())[1], follow=True
    )


def rows(conversations):
    return list(
        Conversation.objects.filter(pk__in=[conversation.pk for conversation in conversations])
        .order_by("pk")
        .values(*COLUMNS)
    )


def in_days(days):
    return (timezone.localdate() + datetime.timedelta(days=days)).isoformat()


def say(conversation, by, side, body="More"):
    return actions.reply(
        conversation, by=by, side=side, at=timezone.now(), body=body, language="en", client_token=uuid.uuid4()
    )


def test_bulk_close_redirects_to_the_list_and_says_how_many_conversations_were_closed(desk, many):
    answer = post(desk, many[:2], "close")
    assert answer.redirect_chain == [("/desk/?tab=mine", 302)]
    assert "2 conversations closed." in messages_on(answer)
    assert [conversation["status"] for conversation in rows(many)] == [
        "closed",
        "closed",
        "waiting_for_staff",
    ]


def test_bulk_take_skips_a_conversation_of_a_colleague_and_says_who_has_it(desk, staff, many, branch):
    desk_actions.take(many[0], by=StaffFactory(name="Omar", branch=branch), at=timezone.now())
    answer = post(desk, many, "take")
    assert "2 conversations assigned to you." in messages_on(answer)
    assert "1 conversation was not changed. “Question 0” is assigned to Omar." in messages_on(answer)
    assert [conversation["assignee"] == staff.pk for conversation in rows(many)] == [False, True, True]


def test_bulk_take_includes_an_absent_colleagues_conversation(desk, staff, many, branch):
    gone = StaffFactory(branch=branch)
    desk_actions.take(many[0], by=gone, at=timezone.now())
    Absence.objects.create(person=gone, first_day=timezone.localdate(), last_day=timezone.localdate())
    assert "1 conversation assigned to you." in messages_on(post(desk, many[:1], "take"))


def test_bulk_assign_gives_all_selected_conversations_to_the_chosen_colleague(desk, many, branch):
    omar = StaffFactory(name="Omar", branch=branch)
    assert "3 conversations assigned to Omar." in messages_on(post(desk, many, "assign", to=omar.public_id))
    assert {conversation["assignee"] for conversation in rows(many)} == {omar.pk}


@pytest.mark.parametrize("to", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_bulk_assign_refuses_a_person_of_another_branch_or_an_invalid_person(desk, many, to):
    before = rows(many)
    assert "Choose a colleague first." in messages_on(post(desk, many, "assign", to=to))
    assert "Choose a colleague first." in messages_on(post(desk, many, "assign", to=StaffFactory().public_id))
    assert rows(many) == before


def test_bulk_assign_skips_conversations_of_branches_where_the_colleague_does_not_work(
    desk, staff, ask, branch
):
    hill = BranchFactory(name="Hill")
    staff.staff_roles.create(branch=hill)
    omar = StaffFactory(name="Omar", branch=branch)
    here, there = ask("Here"), ask("There", place=hill)
    answer = messages_on(post(desk, [here, there], "assign", to=omar.public_id))
    assert "1 conversation assigned to Omar." in answer
    assert "“There”" in answer
    assert [conversation["assignee"] for conversation in rows([here, there])] == [omar.pk, None]


@pytest.mark.parametrize(("do", "more"), [("snooze:other", {"day": "2026-03-09"}), ("snooze:2026-03-09", {})])
def test_bulk_snooze_applies_to_all_selected_conversations_until_the_chosen_day(desk, many, do, more):
    assert "3 conversations snoozed." in messages_on(post(desk, many, do, **more))
    assert {conversation["snoozed_until"] for conversation in rows(many)} == {datetime.date(2026, 3, 9)}


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "do",
    [
        "snooze:",
        "snooze:yesterday",
        "snooze:2026-03-04",
        "snooze:2030-01-01",
        "snooze:other",
        "",
        "erase",
        "close_many",
    ],
)
def test_invalid_bulk_action_changes_nothing(desk, many, do):
    before = rows(many)
    post(desk, many, do)
    assert rows(many) == before


@pytest.mark.parametrize("boxes", [[], ["nonsense"], ["00000000-0000-0000-0000-000000000000.1"]])
def test_bulk_action_without_a_selection_says_that_nothing_is_selected(desk, boxes):
    assert "Nothing is selected. Select a conversation first." in messages_on(post(desk, boxes, "close"))


def test_bulk_action_ignores_conversations_of_other_branches(desk, many, ask):
    elsewhere = ask("Elsewhere", place=BranchFactory())
    answer = messages_on(post(desk, [many[0], elsewhere], "close"))
    assert (answer.count("1 conversation closed."), "Elsewhere" in answer, "left" in answer) == (
        1,
        False,
        False,
    )
    assert rows([elsewhere])[0]["status"] == "waiting_for_staff"


@pytest.mark.parametrize(
    ("do", "more"), [("close", {}), ("snooze:2026-03-09", {}), ("assign", {"to": "colleague"})]
)
def test_bulk_action_skips_a_conversation_that_changed_after_the_page_was_loaded(
    desk, patron, many, branch, do, more
):
    omar = StaffFactory(branch=branch)
    boxes = [checkbox_value(conversation) for conversation in many]
    say(many[1], patron, "patron", "Wait, one more thing!")
    before = rows(many[1:2])
    answer = post(desk, boxes, do, **({"to": omar.public_id} if more else {}))
    assert (
        "1 conversation was not changed. “Question 1” has changed since you opened this page"
        in messages_on(answer)
    )
    assert rows(many[1:2]) == before
    assert rows(many[:1]) != before


def test_bulk_assign_skips_a_conversation_that_a_colleague_took_meanwhile(desk, many, branch):
    boxes, omar, lena = (
        [checkbox_value(conversation) for conversation in many],
        StaffFactory(branch=branch),
        StaffFactory(branch=branch),
    )
    desk_actions.take(many[0], by=lena, at=timezone.now())
    post(desk, boxes, "assign", to=omar.public_id)
    assert [conversation["assignee"] for conversation in rows(many)] == [lena.pk, omar.pk, omar.pk]


@pytest.mark.parametrize("do", ["close", "snooze:2026-03-09"])
def test_bulk_action_says_that_a_closed_conversation_cannot_be_changed(desk, staff, many, do):
    actions.close(many[0], by=staff, side="staff", at=timezone.now())
    assert "“Question 0” is already closed." in messages_on(post(desk, many[:1], do))
    assert rows(many[:1])[0]["status"] == "closed"


def test_bulk_assign_names_the_conversation_of_a_branch_where_the_colleague_does_not_work(
    desk, staff, many, branch, ask
):
    other = BranchFactory()
    StaffRole.objects.create(user=staff, branch=other, role=StaffRole.Role.STAFF)
    elsewhere, omar = ask("Elsewhere", place=other), StaffFactory(branch=branch)
    shown = messages_on(post(desk, [many[0], elsewhere], "assign", to=omar.public_id))
    assert (
        "1 conversation was not changed. Your colleague doesn't work at the branch of “Elsewhere”." in shown
    )
    assert [row["assignee"] for row in rows([many[0], elsewhere])] == [omar.pk, None]


@pytest.mark.parametrize("do", ["close", "take", "snooze:2026-03-09", "assign"])
def test_bulk_undo_restores_the_previous_state_of_all_conversations(desk, staff, patron, many, branch, do):
    # One of the three conversations waits for the patron.
    say(many[2], staff, "staff")
    omar = StaffFactory(branch=branch)
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=1), tick=False):
        before = rows(many)
        answer = post(desk, many, do, to=omar.public_id)
        assert rows(many) != before
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=9), tick=False):
        answer = undo(desk, answer)
        assert "The changes to 3 conversations were undone." in messages_on(answer)
    # `last_message_at` changes when the undo window of the answer ends, so don't compare it.
    before[2]["last_message_at"] = rows(many)[2]["last_message_at"]
    assert rows(many) == before


def test_bulk_undo_skips_a_conversation_that_changed_after_the_bulk_action(desk, patron, many):
    answer = post(desk, many, "close")
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=1), tick=False):
        say(many[0], patron, "patron", "But it isn't!")
        answer = undo(desk, answer)
    assert (
        "The changes to 2 conversations were undone. "
        "1 conversation was changed again after your action, so nothing was undone there."
        in messages_on(answer)
    )
    assert many[0].events.filter(kind="closed").exists()


def test_bulk_action_can_be_undone_only_once(desk, many):
    answer = post(desk, many, "close")
    undo(desk, answer)
    before = rows(many)
    assert "3 conversations were changed again after your action" in messages_on(undo(desk, answer))
    assert rows(many) == before


def test_bulk_action_cannot_be_undone_after_ten_minutes(desk, many):
    answer = post(desk, many, "close")
    before = rows(many)
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=10, seconds=2), tick=False):
        assert "can't be undone anymore" in messages_on(undo(desk, answer))
    assert rows(many) == before


def test_staff_member_cannot_undo_a_colleagues_bulk_action(client, desk, many, branch, sign_in):
    answer = post(desk, many, "close")
    before = rows(many)
    sign_in(client, StaffFactory(branch=branch))
    assert "can't be undone anymore" in messages_on(undo(client, answer))
    assert rows(many) == before


@pytest.mark.parametrize("key", ["", "nonsense", "a:b:c"])
def test_unknown_undo_key_is_refused(desk, key):
    assert "can't be undone anymore" in messages_on(
        desk.post(UNDO, {}, QUERY_STRING=f"key={key}", follow=True)
    )


def test_bulk_undo_link_made_by_an_older_portal_version_is_refused(desk, staff):
    key = signing.dumps({"by": staff.pk, "threads": []}, salt=bulk.SALT, compress=True)
    assert "can't be undone anymore" in messages_on(
        desk.post(f"{UNDO}?{urlencode({'key': key})}", follow=True)
    )


def test_bulk_action_that_changed_nothing_offers_no_undo(desk, staff, many):
    for conversation in many:
        desk_actions.take(conversation, by=staff, at=timezone.now())
    answer = post(desk, many, "take")
    assert "3 conversations assigned to you." in messages_on(answer)
    assert "queue/undo" not in answer.content.decode()


def test_undoing_a_bulk_close_reopens_a_conversation_that_began_with_a_verdict(desk, patron, branch):
    given = recommend_in(HelpSessionFactory(branch=branch, patron=patron))[0]
    verdicts.take_verdict(
        given,
        verdict="did_not_help",
        why="",
        comment="",
        by=patron,
        at=timezone.now() - datetime.timedelta(hours=1),
    )
    conversation = Conversation.objects.get()
    before = rows([conversation])
    answer = post(desk, [conversation], "close")
    assert rows([conversation])[0]["status"] == "closed"
    undo(desk, answer)
    assert rows([conversation]) == before


def test_bulk_close_locks_the_queues_of_branches_in_a_fixed_order(
    desk, staff, ask, branch, django_assert_num_queries
):
    """If two bulk actions locked the queues in different orders, each could wait for the other forever."""
    hill = BranchFactory(name="Hill")
    staff.staff_roles.create(branch=hill)
    conversations = [ask("a", place=hill), ask("b"), ask("c", place=hill), ask("d")]
    seen = {
        conversation: conversation.desk_version
        for conversation in Conversation.objects.filter(
            pk__in=[conversation.pk for conversation in conversations]
        )
    }
    raised, raise_queue = [], changes.raise_queue
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            changes,
            "raise_queue",
            lambda branch_id, **more: (raised.append(branch_id), raise_queue(branch_id, **more)),
        )
        bulk.close_many(seen, by=staff, at=timezone.now())
    assert raised == sorted(raised)
    assert len(raised) == 4
    assert set(BranchQueue.objects.values_list("branch", flat=True)) == {branch.pk, hill.pk}


def test_bulk_assign_shows_the_percent_signs_in_a_colleagues_name(desk, many, branch):
    to = StaffFactory(name="Bo 100% %(count)s %s", branch=branch)
    page = post(desk, many[:1], "assign", to=str(to.public_id)).content.decode()
    assert f"1 conversation assigned to {to.name}." in page


def test_bulk_undo_skips_a_conversation_that_is_now_at_another_branch(many, staff):
    done = bulk.close_many(
        {conversation: Conversation.objects.get(pk=conversation.pk).desk_version for conversation in many},
        by=staff,
        at=timezone.now(),
    )
    Conversation.objects.filter(pk=many[0].pk).update(branch=BranchFactory())
    assert bulk.undo(done.undo, by=staff, at=timezone.now()) == (2, 1)
    assert [Conversation.objects.get(pk=conversation.pk).status == "closed" for conversation in many] == [
        True,
        False,
        False,
    ]
