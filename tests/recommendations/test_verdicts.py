import datetime

import pytest
from django.utils import timezone

from recommendations import actions
from recommendations.chosen_items import ChosenItem, recommend_chosen
from recommendations.models import QuestionType, Recommendation
from recommendations.verdicts import choices_for, label_for
from tests.factories import ItemFactory

pytestmark = pytest.mark.django_db
AT = datetime.datetime(2026, 3, 2, 15, tzinfo=datetime.UTC)


@pytest.fixture
def recommendation(branch, staff):
    [recommendation] = recommend_chosen(
        [ChosenItem(ItemFactory(), reason="It begins slowly")],
        by=staff,
        at=AT,
        branch=branch,
        topic=None,
        question_type=QuestionType.REFERENCE,
    )
    return recommendation


def test_recommendation_stores_who_made_it_and_where_and_when(recommendation, staff, branch):
    recommendation.refresh_from_db()
    assert (recommendation.recommended_by, recommendation.branch, recommendation.recommended_at) == (
        staff,
        branch,
        AT,
    )
    assert (recommendation.starred, recommendation.verdict, recommendation.decided_at) == (True, "", None)


def test_verdict_can_be_changed_and_removed(recommendation):
    later = AT + datetime.timedelta(days=1)
    actions.record_verdict(
        recommendation, verdict="did_not_help", why="too_hard", comment="Chapter two lost me", at=AT
    )
    actions.record_verdict(recommendation, verdict="partly", at=later)
    stored = Recommendation.objects.get()
    assert (stored.verdict, stored.why, stored.comment, stored.decided_at) == (
        "partly",
        "",
        "Chapter two lost me",
        later,
    )
    actions.record_verdict(recommendation, verdict="", at=later)
    stored = Recommendation.objects.get()
    assert (stored.verdict, stored.why, stored.comment, stored.decided_at) == ("", "", "", None)


def test_repeating_a_verdict_keeps_its_reason_and_comment(recommendation):
    actions.record_verdict(recommendation, verdict="did_not_help", why="too_hard", comment="Too long", at=AT)
    again = Recommendation.objects.get()
    actions.record_verdict(again, verdict="did_not_help", at=AT)
    assert (again.why, again.comment) == ("too_hard", "Too long")


@pytest.mark.parametrize("wrong", [{"verdict": "five stars"}, {"verdict": "helped", "why": "because"}])
def test_unknown_verdict_changes_nothing(recommendation, wrong):
    with pytest.raises(actions.UnknownVerdict):
        actions.record_verdict(recommendation, at=timezone.now(), **wrong)
    assert Recommendation.objects.get().verdict == ""


def test_verdict_labels_depend_on_the_question_type(recommendation):
    assert [str(label) for _, label in choices_for("reference")] == [
        "helped",
        "partly",
        "did not help",
        "could not get the item",
        "not tried yet",
    ]
    assert [str(label) for _, label in choices_for("readers_advisory")] == [
        "liked it",
        "so-so",
        "not for me",
        "could not get the item",
        "not started",
    ]
    assert (
        [value for value, _ in choices_for("reference")]
        == [value for value, _ in choices_for("readers_advisory")]
        == Recommendation.Verdict.values
    )
    assert label_for(recommendation) == ""
    recommendation.question_type, recommendation.verdict = QuestionType.READERS_ADVISORY, "partly"
    assert label_for(recommendation) == "so-so"
