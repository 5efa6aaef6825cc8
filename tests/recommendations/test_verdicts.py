import datetime

import pytest
from django.utils import timezone

from portal.helpsessions.recommendation_panels import first_line
from recommendations import actions
from recommendations.chosen_items import ChosenItem, recommend_chosen
from recommendations.models import QuestionType, Recommendation
from recommendations.verdicts import choices_for, label_for, reasons_for
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
        visit_number=1,
        never_counted=False,
    )
    return recommendation


def test_recommendation_stores_the_staff_member_and_the_branch_and_the_time(recommendation, staff, branch):
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


FOR_INFORMATION = ["helped", "partly", "did not help", "could not get the item", "not tried yet"]
FOR_ENJOYMENT = ["liked it", "so-so", "not for me", "could not get the item", "not started"]


def test_verdict_labels_depend_on_the_question_type(recommendation):
    assert labels(recommendation) == FOR_INFORMATION
    recommendation.question_type = QuestionType.READERS_ADVISORY
    assert labels(recommendation) == FOR_ENJOYMENT
    assert label_for(recommendation) == ""
    recommendation.verdict = "partly"
    assert label_for(recommendation) == "so-so"


def labels(recommendation):
    choices = choices_for(recommendation)
    assert [value for value, _ in choices] == Recommendation.Verdict.values
    return [str(label) for _, label in choices]


@pytest.mark.parametrize(
    ("item", "question_type", "words"),
    [
        ({"kind": "book", "is_fiction": True}, "known_item", FOR_ENJOYMENT),
        ({"kind": "audiobook", "is_fiction": True}, "known_item", FOR_ENJOYMENT),
        ({"kind": "video"}, "known_item", FOR_ENJOYMENT),
        ({"kind": "sound"}, "known_item", FOR_ENJOYMENT),
        ({"kind": "audiobook"}, "known_item", FOR_INFORMATION),
        ({"kind": "score"}, "known_item", FOR_INFORMATION),
        ({"kind": "book"}, "known_item", FOR_INFORMATION),
        ({"kind": "map"}, "known_item", FOR_INFORMATION),
        # A patron who writes a paper about a novel is asked whether it helped, not whether they liked it.
        ({"kind": "book", "is_fiction": True}, "reference", FOR_INFORMATION),
        ({"kind": "video"}, "reference", FOR_INFORMATION),
        ({"kind": "sound"}, "reference", FOR_INFORMATION),
        ({"kind": "book"}, "readers_advisory", FOR_ENJOYMENT),
    ],
)
def test_verdict_labels_depend_on_the_question_type_and_the_kind_of_item(
    recommendation, item, question_type, words
):
    recommendation.item = ItemFactory(**item)
    recommendation.question_type = question_type
    assert labels(recommendation) == words
    recommendation.verdict = "helped"
    assert str(label_for(recommendation)) == words[0]


@pytest.mark.parametrize("question_type", ["reference", "readers_advisory"])
@pytest.mark.parametrize(
    ("kind", "words", "message"),
    [
        ("book", "could not get the item", "I couldn't get “It”. Is there another way to get it,"),
        (
            "person",
            "could not talk to them",
            "I couldn't talk to “It”. Is there another way, or somebody else?",
        ),
        ("course", "could not go", "I couldn't go to “It”. Is there another time,"),
        ("event", "could not go", "I couldn't go to “It”. Is there another time,"),
        ("web_page", "could not open it", "I couldn't open “It”. Is there another way,"),
        ("database", "could not open it", "I couldn't open “It”. Is there another way,"),
    ],
)
def test_could_not_get_it_verdict_is_worded_to_fit_the_kind_of_item(
    recommendation, kind, words, message, question_type
):
    recommendation.item = ItemFactory(kind=kind, title="It")
    recommendation.question_type = question_type
    recommendation.verdict = "could_not_get_it"
    assert str(label_for(recommendation)) == words
    assert first_line(recommendation).startswith(message)
    is_begun = kind == "book" and question_type == "readers_advisory"
    not_yet = "have not gone yet" if kind in ("course", "event") else "not tried yet"
    assert labels(recommendation)[-1] == ("not started" if is_begun else not_yet)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("event", ["enjoyed it", "so-so", "did not enjoy it", "could not go", "have not gone yet"]),
        ("course", ["enjoyed it", "so-so", "did not enjoy it", "could not go", "have not gone yet"]),
        ("person", ["helped", "partly", "did not help", "could not talk to them", "not tried yet"]),
    ],
)
def test_verdict_labels_after_readers_advisory_fit_an_event_or_a_person(recommendation, kind, words):
    recommendation.item = ItemFactory(kind=kind)
    recommendation.question_type = "readers_advisory"
    assert labels(recommendation) == words


LINK = "https://example.org/"
TOO_FAR = ["too hard", "too basic", "off topic"]


@pytest.mark.parametrize(
    ("item", "not_gotten", "not_helpful"),
    [
        ({"kind": "book"}, ["checked out"], [*TOO_FAR, "stopped before the end"]),
        ({"kind": "map"}, ["checked out"], TOO_FAR),
        (
            {"kind": "audiobook", "url": LINK},
            ["checked out", "needs sign-in or payment", "link broken"],
            [*TOO_FAR, "stopped before the end"],
        ),
        ({"kind": "web_page", "url": LINK}, ["needs sign-in or payment", "link broken"], TOO_FAR),
        ({"kind": "database"}, ["needs sign-in or payment", "link broken"], TOO_FAR),
        (
            {"kind": "article"},
            ["needs sign-in or payment", "link broken"],
            [*TOO_FAR, "stopped before the end"],
        ),
        ({"kind": "person"}, ["could not be reached"], ["too basic", "off topic"]),
        (
            {"kind": "course"},
            ["full or already over", "wrong time or place"],
            [*TOO_FAR, "stopped before the end"],
        ),
        (
            {"kind": "event", "url": LINK},
            ["full or already over", "wrong time or place", "needs sign-in or payment", "link broken"],
            TOO_FAR,
        ),
        ({"kind": "other"}, ["checked out"], TOO_FAR),
    ],
)
def test_offered_reasons_for_a_verdict_fit_the_kind_of_item(recommendation, item, not_gotten, not_helpful):
    recommendation.item = ItemFactory(**item)
    for verdict, reasons in (
        ("could_not_get_it", [*not_gotten, "another reason"]),
        ("partly", [*not_helpful, "another reason"]),
        ("did_not_help", [*not_helpful, "another reason"]),
        ("helped", []),
        ("not_tried", []),
        ("", []),
    ):
        recommendation.verdict = verdict
        assert [str(label) for _, label in reasons_for(recommendation)] == reasons


def test_reasons_called_too_basic_and_off_topic_are_not_offered_for_a_novel(recommendation):
    recommendation.item = ItemFactory(is_fiction=True)
    recommendation.question_type, recommendation.verdict = QuestionType.KNOWN_ITEM, "did_not_help"
    assert [value for value, _ in reasons_for(recommendation)] == ["too_hard", "stopped", "other"]


def test_reason_called_too_hard_is_not_offered_for_music(recommendation):
    recommendation.item = ItemFactory(kind="sound")
    recommendation.question_type, recommendation.verdict = QuestionType.KNOWN_ITEM, "did_not_help"
    assert [value for value, _ in reasons_for(recommendation)] == ["stopped", "other"]


def test_reason_that_the_patron_has_chosen_is_always_offered(recommendation):
    recommendation.item = ItemFactory(kind="person")
    recommendation.verdict, recommendation.why = "could_not_get_it", "checked_out"
    assert [value for value, _ in reasons_for(recommendation)] == ["unreachable", "checked_out", "other"]
