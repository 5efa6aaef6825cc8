import uuid
from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone

from portal.conversations import desk_actions
from portal.conversations.actions import reply
from portal.conversations.models import MessageRecommendation
from portal.helpsessions import actions as helpsessions
from portal.helpsessions.models import HelpSession
from portal.privacy.corrected_fields import COLUMNS, links_of
from portal.privacy.correcting import correct
from portal.privacy.retention import forget_recommendations
from portal.privacy.wrong_patron import remove_wrong_patron
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    RecommendationFactory,
    recommend_in,
    recommend_in_message,
)

pytestmark = pytest.mark.django_db


def counted():
    """Return (visit_number, never_counted) of each recommendation, oldest first."""
    return list(Recommendation.objects.order_by("pk").values_list("visit_number", "never_counted"))


def record(staff, branch, *, quiet=False):
    return helpsessions.record(
        by=staff,
        at=timezone.now(),
        branch=branch,
        happened_on=timezone.localdate(),
        hour=1,
        mode="in_person",
        question_type="reference",
        topic=None,
        read_level=None,
        minutes=None,
        people=1,
        language="en",
        question="How?",
        summary="",
        quiet=quiet,
        note="",
        items=[ChosenItem(item=item) for item in ItemFactory.create_batch(2)],
    )


def answer(conversation, staff):
    return reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body="Try these.",
        language="en",
        client_token=uuid.uuid4(),
        items=[ChosenItem(item=ItemFactory())],
    )


@pytest.mark.parametrize("quiet", [False, True])
def test_recommendations_of_a_recorded_visit_get_its_visit_number(staff, branch, quiet):
    session = record(staff, branch, quiet=quiet)
    assert counted() == [(session.pk, quiet), (session.pk, quiet)]


@pytest.mark.parametrize("make", [HelpSessionFactory, QuietSessionFactory])
def test_recommendation_in_an_answer_about_a_visit_has_the_number_of_the_visit(staff, branch, make):
    session = make(branch=branch, staff=staff)
    answer(ConversationFactory(help_session=session), staff)
    assert counted() == [(session.pk, session.quiet)]


def test_recommendation_in_a_conversation_without_a_visit_has_the_number_of_the_conversation(
    staff, branch, patron
):
    conversation = ConversationFactory(help_session=None, patron=patron, branch=branch)
    answer(conversation, staff)
    assert counted() == [(-conversation.pk, False)]


@pytest.mark.parametrize("quiet", [True, False])
def test_recommendations_of_a_visit_count_only_if_the_corrected_visit_is_not_quiet(
    staff, branch, patron, quiet
):
    session = HelpSessionFactory(branch=branch, staff=staff, quiet=not quiet)
    recommend_in(session, never_counted=not quiet)
    conversation = ConversationFactory(help_session=session, patron=None)
    recommend_in_message(MessageFactory(conversation=conversation, side="staff"), never_counted=not quiet)
    columns = {name: getattr(session, name) for name in COLUMNS} | {"quiet": quiet}
    items = [ChosenItem(item=link.recommendation.item) for link in links_of(session)]
    correct(session, by=staff, at=timezone.now(), version=0, items=items, note="", **columns)
    assert [never for _number, never in counted()] == [quiet, quiet]


def test_verdicts_of_a_wrong_patron_never_count(staff, branch, patron):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    recommend_in(session, visit_number=session.pk, verdict="helped", decided_at=timezone.now())
    new, _code = remove_wrong_patron(session, patron, by=staff, at=timezone.now())
    assert counted() == [(session.pk, True), (new.pk, False)]


def test_forgotten_verdict_still_has_its_visit_number_but_no_person(staff, branch, patron):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    recommend_in(session, visit_number=session.pk, verdict="helped", decided_at=timezone.now())
    forget_recommendations(Recommendation.objects.all(), timezone.get_current_timezone())
    row = Recommendation.objects.get()
    assert (row.visit_number, row.verdict, row.patron, row.recommended_by) == (
        session.pk,
        "helped",
        None,
        None,
    )


def test_erasing_a_conversation_replaces_the_visit_number_of_its_recommendations(staff, branch, patron):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    conversation = ConversationFactory(help_session=session)
    message = MessageFactory(conversation=conversation, side="staff", author=staff)
    recommend_in_message(message, 2, visit_number=session.pk)
    desk_actions.erase(conversation, by=staff, at=timezone.now())
    (first, _), (second, _) = counted()
    assert first == second < -(10**15)


def test_migration_gives_each_existing_recommendation_a_visit_number(staff, branch, patron):
    fill = import_module("recommendations.migrations.0015_verdicts_count_by_visit").fill
    session = HelpSessionFactory(branch=branch, staff=staff)
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    replaced = HelpSessionFactory(branch=branch, staff=staff, status=HelpSession.Status.REPLACED)
    alone = ConversationFactory(help_session=None, patron=patron, branch=branch)
    expected = []
    for each in (session, quiet, replaced):
        recommend_in(each)
        conversation = ConversationFactory(help_session=each)
        recommend_in_message(MessageFactory(conversation=conversation, side="staff"))
        expected += [(each.pk, each is not session)] * 2
    message = MessageFactory(conversation=alone, side="staff", author=staff)
    in_answer, forgotten = RecommendationFactory.create_batch(2, help_session=session)
    MessageRecommendation.objects.create(message=message, recommendation=in_answer)
    fill(apps, None)
    assert counted() == [*expected, (-alone.pk, False), (-3 * 10**15 - forgotten.pk, True)]
