import datetime

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from portal.conversations.models import Conversation, ReadersForm
from portal.desk.beside import beside_context
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    StaffFactory,
    recommend_in,
    recommend_in_message,
)

pytestmark = pytest.mark.usefixtures("at_noon")


@pytest.fixture
def thread(staff, branch, patron):
    session = HelpSessionFactory(staff=staff, branch=branch, patron=patron)
    recommend_in(session, item=ItemFactory(title="Given now"))
    thread = ConversationFactory(help_session=session)
    MessageFactory(conversation=thread)
    return thread


def earlier(patron, branch, title, *, days=1, **kwargs):
    session = HelpSessionFactory(
        patron=patron, branch=branch, created_at=timezone.now() - datetime.timedelta(days=days)
    )
    return recommend_in(session, item=ItemFactory(title=title), **kwargs)[0]


def shown(desk, thread):
    return desk.get(f"/desk/threads/{thread.public_id}/").content.decode()


def found(thread, staff):
    row = Conversation.objects.select_related("help_session", "readers_form").get(pk=thread.pk)
    return beside_context(row, staff)


def test_what_was_given_before_and_how_it_turned_out_in_words(desk, thread, patron, branch):
    earlier(
        patron,
        branch,
        "An Older Novel",
        verdict="did_not_help",
        why="too_hard",
        decided_at=timezone.now(),
        comment="Too many names",
    )
    page = shown(desk, thread)
    for words in ("Given before", "An Older Novel", "Did not help", "Too many names"):
        assert words in page


def test_the_newest_five_and_nothing_of_this_occasion(thread, staff, patron, branch):
    titles = [f"Older {number}" for number in range(7)]
    for number, title in enumerate(titles):
        earlier(patron, branch, title, days=number + 1)
    recommend_in_message(thread.messages.first(), item=ItemFactory(title="In this thread"))
    assert [recommendation.item.title for recommendation in found(thread, staff)["before"]] == titles[:5]


def test_of_somebody_by_code_only_this_visit(thread, staff, branch):
    by_code = ConversationFactory(help_session=HelpSessionFactory(branch=branch))
    recommend_in(HelpSessionFactory(branch=branch))  # somebody else without a name
    assert found(by_code, staff) == {"readers_form": None, "before": [], "other_threads": []}


def test_nothing_of_a_quiet_visit_whatever_its_rows_say(thread, staff, branch, patron):
    quiet = QuietSessionFactory(branch=branch)
    told = recommend_in(quiet, item=ItemFactory(title="A hard matter"))[0]
    in_thread = ConversationFactory(help_session=quiet, branch=branch)
    answered = recommend_in_message(
        MessageFactory(conversation=in_thread, side="staff"), item=ItemFactory(title="A hard matter too")
    )[0]
    Recommendation.objects.filter(pk__in=[told.pk, answered.pk]).update(patron=patron)
    Conversation.objects.filter(pk=in_thread.pk).update(patron=patron)
    assert found(thread, staff) == {"readers_form": None, "before": [], "other_threads": []}
    assert found(in_thread, staff) == {"readers_form": None, "before": [], "other_threads": []}


def test_other_threads_with_their_state_and_a_link_only_where_one_may_open_them(desk, thread, patron, branch):
    here = ConversationFactory(
        help_session=HelpSessionFactory(patron=patron, branch=branch),
        subject="About the river",
        status="closed",
    )
    hill = HelpSessionFactory(patron=patron, branch=BranchFactory(name="Hill"))
    there = ConversationFactory(help_session=hill, subject="About the hill")
    page = shown(desk, thread)
    assert f'href="/desk/threads/{here.public_id}/"' in page
    assert "About the river" in page
    assert "At Hill" in page
    for hidden in (str(there.public_id), "About the hill"):
        assert hidden not in page


@pytest.mark.parametrize("gone", ["joined", "erased", "another patron's"])
def test_what_is_not_theirs_any_more_is_not_among_them(thread, staff, patron, branch, gone):
    other = ConversationFactory(
        help_session=HelpSessionFactory(patron=patron, branch=branch), status="closed"
    )
    change = {
        "joined": {"joined_into": thread},
        "erased": {"status": "erased"},
        "another patron's": {"patron": StaffFactory()},
    }[gone]
    Conversation.objects.filter(pk=other.pk).update(**change)
    assert found(thread, staff)["other_threads"] == []


def test_the_answers_of_the_readers_form_are_laid_out(desk, thread):
    ReadersForm.objects.create(
        conversation=thread,
        loved="Emma and Persuasion",
        mood="something calm",
        avoid="war",
        for_whom="me",
        formats="large print",
    )
    page = shown(desk, thread)
    for words in ("Loved lately", "Emma and Persuasion", "something calm", "war", "large print"):
        assert words in page


def test_seeing_it_is_in_the_access_log(desk, thread, staff, patron, branch):
    earlier(patron, branch, "An Older Novel")
    shown(desk, thread)
    assert list(AuditEvent.objects.filter(action="opened").values_list("by", "patron")) == [
        (staff.pk, patron.pk)
    ]


@pytest.mark.parametrize("count", [1, 30])
def test_it_costs_two_queries_whatever_there_is(
    thread, staff, patron, branch, count, django_assert_num_queries
):
    for _ in range(count):
        earlier(patron, branch, "Older", verdict="helped", decided_at=timezone.now())
        ConversationFactory(help_session=HelpSessionFactory(patron=patron, branch=branch))
    assert HelpSession.objects.filter(patron=patron).count() == 2 * count + 1
    row = Conversation.objects.select_related("help_session", "readers_form").get(pk=thread.pk)
    staff.desk_branch_ids  # noqa: B018 - known on every page
    with django_assert_num_queries(2):
        context = beside_context(row, staff)
        for recommendation in context["before"]:
            assert recommendation.item.title
            assert recommendation.branch.name
        for other in context["other_threads"]:
            assert other.branch.name
