"""Test that the demo library still has every count after four years, but nothing that people wrote."""

import datetime
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection, models

from portal.conversations.models import CallBack, Conversation, ConversationNote, Draft, Message, ReadersForm
from portal.demo import build as demo_build
from portal.helpsessions.models import HelpSession, SessionNote
from portal.jobs import JOBS
from portal.privacy import retention
from recommendations.models import NextStep, Recommendation
from tests.portal.privacy.test_retention import COUNTED, DAY

pytestmark = pytest.mark.only_long

WEDNESDAY = datetime.datetime(2026, 3, 18, 20, tzinfo=datetime.UTC)
FOUR_YEARS_ON = WEDNESDAY + timedelta(days=4 * 365)


@pytest.fixture(scope="module")
def demo(built_once, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_build, "CODES_FILE", tmp_path_factory.mktemp("demo") / "codes.json")
        with built_once(lambda: demo_build.build(at=WEDNESDAY)):
            yield


def written_words():
    """Return all texts longer than 12 characters that people wrote and the worker must delete."""
    texts = set()
    for model, field in [
        (HelpSession, "question"),
        (HelpSession, "summary"),
        (SessionNote, "body"),
        (Recommendation, "reason"),
        (Recommendation, "comment"),
        (Conversation, "subject"),
        (Message, "body"),
        (ConversationNote, "body"),
        (ReadersForm, "loved"),
        (CallBack, "number"),
        (CallBack, "ask_for"),
        (Draft, "body"),
    ]:
        texts |= {text for text in model.objects.values_list(field, flat=True) if len(text) > 12}
    return texts


def all_texts():
    """Yield all values longer than 12 characters, except in the catalog and the reply templates."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if (
                table.startswith(("recommendations_item", "recommendations_text", "recommendations_search"))
                or table == "conversations_replytemplate"
            ):
                continue
            # The catalog and the reply templates are skipped, because they have no data about people.
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                yield from (value for value in row if isinstance(value, str) and len(value) > 12)


def counts():
    rows = HelpSession.objects.order_by("pk").values_list("pk", "status", *COUNTED)
    given = Recommendation.objects.order_by("pk").values_list(
        "pk", "item", "branch", "topic", "question_type", "starred", "verdict", "why"
    )
    yes = [
        (s.pk, bool(s.handed_over_at), bool(s.kept_at), bool(s.answered_at))
        for s in HelpSession.objects.order_by("pk")
    ]
    return list(rows), list(given), yes


@pytest.mark.django_db
def test_after_four_years_the_demo_has_all_counts_but_no_text_that_people_wrote(demo):
    for conversation in Conversation.objects.filter(status__in=Conversation.OPEN):
        Conversation.objects.filter(pk=conversation.pk).update(
            status="closed",
            closed_at=WEDNESDAY + DAY,
            waiting_since=None,
            call_since=None,
            snoozed_until=None,
            closes_at=None,
            pending_from=None,
            patron_status="",
        )
    # An item whose promised day has passed would open its conversation again.
    NextStep.objects.all().delete()
    words, before = written_words(), counts()
    assert len(words) > 150
    for job, _every in jobs():
        job(at=FOUR_YEARS_ON)
    retention.forget(at=FOUR_YEARS_ON)
    left = "\n".join(all_texts())
    assert [text for text in words if text in left] == []
    assert counts() == before
    for label in (
        "conversations.Conversation",
        "conversations.Message",
        "helpsessions.SessionNote",
        "conversations.Attachment",
        "conversations.Draft",
    ):
        assert not apps.get_model(label).objects.exists()
    assert (
        not HelpSession.objects.exclude(status="unfinished")
        .filter(models.Q(patron__isnull=False) | models.Q(staff__isnull=False))
        .exists()
    )
    assert not Recommendation.objects.filter(
        models.Q(patron__isnull=False) | models.Q(recommended_by__isnull=False)
    ).exists()
    assert retention.forget(at=FOUR_YEARS_ON) == 0
    assert set(vars(retention.due(at=FOUR_YEARS_ON)).values()) == {0}


def jobs():
    """Return the worker's jobs that change or delete conversations and help sessions."""
    return [
        (job, every)
        for job, every in JOBS
        if job.__module__.startswith(("portal.conversations.", "portal.helpsessions."))
    ]
