import datetime

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from portal.conversations.models import Conversation, ReadersForm
from portal.desk.patron_history import patron_history_context
from portal.desk.templatetags.desk import given_before
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

pytestmark = [pytest.mark.sql, pytest.mark.usefixtures("at_noon")]


@pytest.fixture
def conversation(staff, branch, patron):
    session = HelpSessionFactory(staff=staff, branch=branch, patron=patron)
    recommend_in(session, item=ItemFactory(title="Given now"))
    conversation = ConversationFactory(help_session=session)
    MessageFactory(conversation=conversation)
    return conversation


def earlier_recommendation(patron, branch, title, *, days=1, **kwargs):
    session = HelpSessionFactory(
        patron=patron, branch=branch, created_at=timezone.now() - datetime.timedelta(days=days)
    )
    return recommend_in(session, item=ItemFactory(title=title), **kwargs)[0]


def shown(desk, conversation):
    return desk.get(f"/desk/conversations/{conversation.public_id}/").content.decode()


def history_of(conversation, staff):
    row = Conversation.objects.select_related("help_session", "readers_form").get(pk=conversation.pk)
    return patron_history_context(row, staff)


def test_conversation_page_shows_earlier_recommendations_with_their_verdicts(
    desk, conversation, patron, branch
):
    earlier_recommendation(
        patron,
        branch,
        "An Older Novel",
        verdict="did_not_help",
        why="too_hard",
        decided_at=timezone.now(),
        comment="Too many names",
    )
    page = shown(desk, conversation)
    for words in ("Recommended before", "An Older Novel", "Did not help", "Too many names"):
        assert words in page


def test_patron_history_shows_the_five_most_recent_earlier_recommendations(
    conversation, staff, patron, branch
):
    titles = [f"Older {number}" for number in range(7)]
    for number, title in enumerate(titles):
        earlier_recommendation(patron, branch, title, days=number + 1)
    recommend_in_message(conversation.messages.first(), item=ItemFactory(title="In this conversation"))
    assert [
        recommendation.item.title for recommendation in history_of(conversation, staff)["before"]
    ] == titles[:5]


def test_patron_history_is_empty_if_the_visit_has_no_patron(conversation, staff, branch):
    by_code = ConversationFactory(help_session=HelpSessionFactory(branch=branch))
    # This second visit has no patron either, but it may belong to another person.
    recommend_in(HelpSessionFactory(branch=branch))
    assert history_of(by_code, staff) == {"readers_form": None, "before": [], "other_conversations": []}


def test_patron_history_never_includes_a_quiet_visit(conversation, staff, branch, patron):
    quiet = QuietSessionFactory(branch=branch)
    told = recommend_in(quiet, item=ItemFactory(title="A hard matter"))[0]
    in_conversation = ConversationFactory(help_session=quiet, branch=branch)
    answered = recommend_in_message(
        MessageFactory(conversation=in_conversation, side="staff"),
        item=ItemFactory(title="A hard matter too"),
    )[0]
    Recommendation.objects.filter(pk__in=[told.pk, answered.pk]).update(patron=patron)
    Conversation.objects.filter(pk=in_conversation.pk).update(patron=patron)
    assert history_of(conversation, staff) == {"readers_form": None, "before": [], "other_conversations": []}
    assert history_of(in_conversation, staff) == {
        "readers_form": None,
        "before": [],
        "other_conversations": [],
    }


def test_patron_history_links_only_to_conversations_that_the_staff_member_may_open(
    desk, conversation, patron, branch
):
    here = ConversationFactory(
        help_session=HelpSessionFactory(patron=patron, branch=branch),
        subject="About the river",
        status="closed",
    )
    hill = HelpSessionFactory(patron=patron, branch=BranchFactory(name="Hill"))
    there = ConversationFactory(help_session=hill, subject="About the hill")
    page = shown(desk, conversation)
    assert f'href="/desk/conversations/{here.public_id}/"' in page
    assert "About the river" in page
    assert "At Hill" in page
    for hidden in (str(there.public_id), "About the hill"):
        assert hidden not in page


@pytest.mark.parametrize("gone", ["joined", "erased", "another patron's"])
def test_patron_history_excludes_other_patrons_and_merged_or_erased_conversations(
    conversation, staff, patron, branch, gone
):
    other = ConversationFactory(
        help_session=HelpSessionFactory(patron=patron, branch=branch), status="closed"
    )
    change = {
        "joined": {"merged_into": conversation},
        "erased": {"status": "erased"},
        "another patron's": {"patron": StaffFactory()},
    }[gone]
    Conversation.objects.filter(pk=other.pk).update(**change)
    assert history_of(conversation, staff)["other_conversations"] == []


def test_conversation_page_shows_what_the_patron_wrote_in_the_reading_form(desk, conversation):
    ReadersForm.objects.create(
        conversation=conversation,
        loved="Emma and Persuasion",
        mood="something calm",
        avoid="war",
        for_whom="me",
        formats="large print",
    )
    page = shown(desk, conversation)
    for words in ("Recent favorites", "Emma and Persuasion", "something calm", "war", "large print"):
        assert words in page


def test_access_log_records_that_staff_saw_the_patron_history(desk, conversation, staff, patron, branch):
    earlier_recommendation(patron, branch, "An Older Novel")
    shown(desk, conversation)
    assert list(AuditEvent.objects.filter(action="opened").values_list("by", "patron")) == [
        (staff.pk, patron.pk)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 30])
def test_patron_history_runs_two_queries_for_any_amount_of_data(
    conversation, staff, patron, branch, count, django_assert_num_queries
):
    for _ in range(count):
        # The text of this verdict depends on the item. So the query for the verdict must also load the item.
        said = {"question_type": "known_item", "verdict": "helped", "decided_at": timezone.now()}
        earlier_recommendation(patron, branch, "Older", **said)
        ConversationFactory(help_session=HelpSessionFactory(patron=patron, branch=branch))
    assert HelpSession.objects.filter(patron=patron).count() == 2 * count + 1
    row = Conversation.objects.select_related("help_session", "readers_form").get(pk=conversation.pk)
    staff.desk_branch_ids  # noqa: B018  Every page has read the branches before, so don't count this query.
    with django_assert_num_queries(2):
        context = patron_history_context(row, staff)
        for recommendation in context["before"]:
            assert given_before(recommendation)
        for other in context["other_conversations"]:
            assert other.branch.name
