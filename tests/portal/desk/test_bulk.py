import datetime
import re
import uuid

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Absence
from portal.conversations import actions, bulk, changes, desk_actions, verdicts
from portal.conversations.models import BranchQueue, Conversation
from tests.factories import BranchFactory, HelpSessionFactory, StaffFactory, recommend_in

pytestmark = pytest.mark.usefixtures("at_noon")
BULK, UNDO = "/desk/queue/bulk/", "/desk/queue/undo/"
# What undoing puts back: what a row says but for its counters and clocks.
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


def box(conversation):
    return f"{conversation.public_id}.{Conversation.objects.get(pk=conversation.pk).desk_version}"


def post(desk, conversations, do, **more):
    boxes = [
        conversation if isinstance(conversation, str) else box(conversation) for conversation in conversations
    ]
    return desk.post(BULK, {"conversation": boxes, "do": do, "back": "/desk/?tab=mine", **more}, follow=True)


def said(answer):
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


def test_closing_many_says_how_many_and_goes_back_to_the_list(desk, many):
    answer = post(desk, many[:2], "close")
    assert answer.redirect_chain == [("/desk/?tab=mine", 302)]
    assert "2 closed." in said(answer)
    assert [conversation["status"] for conversation in rows(many)] == [
        "closed",
        "closed",
        "waiting_for_staff",
    ]


def test_taking_many_leaves_those_of_others_and_says_whose_they_are(desk, staff, many, branch):
    desk_actions.take(many[0], by=StaffFactory(name="Omar", branch=branch), at=timezone.now())
    answer = post(desk, many, "take")
    assert "2 assigned to you." in said(answer)
    assert "1 was not changed. “Question 0” is assigned to Omar." in said(answer)
    assert [conversation["assignee"] == staff.pk for conversation in rows(many)] == [False, True, True]


def test_what_belongs_to_somebody_who_is_away_can_be_taken(desk, staff, many, branch):
    gone = StaffFactory(branch=branch)
    desk_actions.take(many[0], by=gone, at=timezone.now())
    Absence.objects.create(person=gone, first_day=timezone.localdate(), last_day=timezone.localdate())
    assert "1 assigned to you." in said(post(desk, many[:1], "take"))


def test_assigning_many_to_a_colleague(desk, many, branch):
    omar = StaffFactory(name="Omar", branch=branch)
    assert "3 assigned to Omar." in said(post(desk, many, "assign", to=omar.public_id))
    assert {conversation["assignee"] for conversation in rows(many)} == {omar.pk}


@pytest.mark.parametrize("to", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_only_a_colleague_of_ones_own_desks_is_assigned(desk, many, to):
    before = rows(many)
    assert "Choose a colleague first." in said(post(desk, many, "assign", to=to))
    assert "Choose a colleague first." in said(post(desk, many, "assign", to=StaffFactory().public_id))
    assert rows(many) == before


def test_a_colleague_is_not_given_the_conversations_of_a_branch_where_they_do_not_work(
    desk, staff, ask, branch
):
    hill = BranchFactory(name="Hill")
    staff.staff_roles.create(branch=hill)
    omar = StaffFactory(name="Omar", branch=branch)
    here, there = ask("Here"), ask("There", place=hill)
    answer = said(post(desk, [here, there], "assign", to=omar.public_id))
    assert "1 assigned to Omar." in answer
    assert "“There”" in answer
    assert [conversation["assignee"] for conversation in rows([here, there])] == [omar.pk, None]


@pytest.mark.parametrize(("do", "more"), [("snooze:other", {"day": "2026-03-09"}), ("snooze:2026-03-09", {})])
def test_snoozing_many(desk, many, do, more):
    assert "3 snoozed." in said(post(desk, many, do, **more))
    assert {conversation["snoozed_until"] for conversation in rows(many)} == {datetime.date(2026, 3, 9)}


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
def test_what_makes_no_sense_changes_nothing(desk, many, do):
    before = rows(many)
    post(desk, many, do)
    assert rows(many) == before


@pytest.mark.parametrize("boxes", [[], ["nonsense"], ["00000000-0000-0000-0000-000000000000.1"]])
def test_nothing_selected_says_so(desk, boxes):
    assert "Nothing is selected." in said(post(desk, boxes, "close"))


def test_conversations_of_another_desk_are_as_if_they_were_not_there(desk, many, ask):
    elsewhere = ask("Elsewhere", place=BranchFactory())
    answer = said(post(desk, [many[0], elsewhere], "close"))
    assert (answer.count("1 closed."), "Elsewhere" in answer, "left" in answer) == (1, False, False)
    assert rows([elsewhere])[0]["status"] == "waiting_for_staff"


@pytest.mark.parametrize(
    ("do", "more"), [("close", {}), ("snooze:2026-03-09", {}), ("assign", {"to": "colleague"})]
)
def test_a_page_that_is_out_of_date_changes_nothing_that_it_did_not_show(
    desk, patron, many, branch, do, more
):
    """Nobody has read what the patron wrote since."""
    omar = StaffFactory(branch=branch)
    boxes = [box(conversation) for conversation in many]
    say(many[1], patron, "patron", "Wait, one more thing!")
    before = rows(many[1:2])
    answer = post(desk, boxes, do, **({"to": omar.public_id} if more else {}))
    assert "1 was not changed. “Question 1” has changed since you opened this page" in said(answer)
    assert rows(many[1:2]) == before
    assert rows(many[:1]) != before


def test_a_page_that_is_out_of_date_takes_a_conversation_from_nobody(desk, many, branch):
    boxes, omar, lena = (
        [box(conversation) for conversation in many],
        StaffFactory(branch=branch),
        StaffFactory(branch=branch),
    )
    desk_actions.take(many[0], by=lena, at=timezone.now())
    post(desk, boxes, "assign", to=omar.public_id)
    assert [conversation["assignee"] for conversation in rows(many)] == [lena.pk, omar.pk, omar.pk]


@pytest.mark.parametrize("do", ["close", "snooze:2026-03-09"])
def test_of_what_is_closed_it_is_said_that_this_can_not_be_done(desk, staff, many, do):
    actions.close(many[0], by=staff, side="staff", at=timezone.now())
    assert "“Question 0” can't be changed like this." in said(post(desk, many[:1], do))
    assert rows(many[:1])[0]["status"] == "closed"


@pytest.mark.parametrize("do", ["close", "take", "snooze:2026-03-09", "assign"])
def test_undo_puts_everything_back(desk, staff, patron, many, branch, do):
    say(many[2], staff, "staff")  # one that waits for the patron
    omar = StaffFactory(branch=branch)
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=1), tick=False):
        before = rows(many)
        answer = post(desk, many, do, to=omar.public_id)
        assert rows(many) != before
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=9), tick=False):
        answer = undo(desk, answer)
        assert "3 are as they were before." in said(answer)
    before[2]["last_message_at"] = rows(many)[2]["last_message_at"]  # shown meanwhile
    assert rows(many) == before


def test_undo_leaves_what_has_gone_on(desk, patron, many):
    answer = post(desk, many, "close")
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=1), tick=False):
        say(many[0], patron, "patron", "But it isn't!")
        answer = undo(desk, answer)
    assert "2 are as they were before. 1 has changed since and was left as it is." in said(answer)
    assert many[0].events.filter(kind="closed").exists()


def test_undoing_twice_undoes_once(desk, many):
    answer = post(desk, many, "close")
    undo(desk, answer)
    before = rows(many)
    assert "3 have changed since" in said(undo(desk, answer))
    assert rows(many) == before


def test_undo_is_over_after_ten_minutes(desk, many):
    answer = post(desk, many, "close")
    before = rows(many)
    with time_machine.travel(timezone.now() + datetime.timedelta(minutes=10, seconds=2), tick=False):
        assert "can't be undone any more" in said(undo(desk, answer))
    assert rows(many) == before


def test_nobody_undoes_what_somebody_else_did(client, desk, many, branch, sign_in):
    answer = post(desk, many, "close")
    before = rows(many)
    sign_in(client, StaffFactory(branch=branch))
    assert "can't be undone any more" in said(undo(client, answer))
    assert rows(many) == before


@pytest.mark.parametrize("key", ["", "nonsense", "a:b:c"])
def test_a_key_that_was_never_given_opens_nothing(desk, key):
    assert "can't be undone any more" in said(desk.post(UNDO, {}, QUERY_STRING=f"key={key}", follow=True))


def test_what_was_so_already_has_nothing_to_undo(desk, staff, many):
    for conversation in many:
        desk_actions.take(conversation, by=staff, at=timezone.now())
    answer = post(desk, many, "take")
    assert "3 assigned to you." in said(answer)
    assert "queue/undo" not in answer.content.decode()


def test_a_conversation_that_only_a_verdict_opened_is_closed_and_opened_again(desk, patron, branch):
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


def test_the_queues_of_all_branches_hear_of_it_once_their_conversations_are_locked(
    desk, staff, ask, branch, django_assert_num_queries
):
    """In one order, whichever conversations were chosen: two who do this at once must not wait for each other."""
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


def test_a_colleague_may_have_any_name(desk, many, branch):
    to = StaffFactory(name="Bo 100% %(count)s %s", branch=branch)
    page = post(desk, many[:1], "assign", to=str(to.public_id)).content.decode()
    assert f"1 assigned to {to.name}." in page


def test_what_is_no_longer_before_a_colleague_they_undo_no_more(many, staff):
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
