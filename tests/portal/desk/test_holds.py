"""Test that only coordinators can set and see legal holds, and that a legal hold prevents erasing."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure, holds
from portal.privacy.models import LegalHold
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    StaffFactory,
)
from tests.portal.pages import part, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def session(branch, staff, patron):
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron)


@pytest.fixture
def conversation(session):
    return MessageFactory(
        conversation=ConversationFactory(help_session=session, status="closed")
    ).conversation


@pytest.mark.parametrize(
    ("route", "what"),
    [("hold_session", "session"), ("hold_conversation", "conversation"), ("hold_person", "patron")],
)
def test_coordinator_sets_a_legal_hold_with_a_reason_and_lifts_it(
    desk, session, conversation, patron, coordinator, route, what
):
    record = {"session": session, "conversation": conversation, "patron": patron}[what]
    assert "Legal hold" in text(desk.get(reverse(route, args=[record.public_id])))
    assert not holds.held(record)
    assert desk.post(reverse(route, args=[record.public_id]), {"reason": "Case 12"}).url == reverse(
        "legal_holds"
    )
    assert holds.held(record)
    found = LegalHold.objects.get()
    assert (found.reason, found.set_by, found.record) == ("Case 12", coordinator, record)
    page = desk.get(reverse("legal_holds"))
    assert "Case 12" in text(page)
    opened = part(page, f"lift-{found.public_id}")
    assert opened.startswith("<details")
    assert "If you lift the hold, records that are past their deletion date are deleted tonight." in opened
    desk.post(reverse("lift_hold", args=[found.public_id]))
    found.refresh_from_db()
    assert (found.lifted_by, found.record, holds.held(record)) == (coordinator, None, False)
    assert list(
        AuditEvent.objects.filter(subject_type="legalhold").order_by("pk").values_list("action", flat=True)
    ) == ["held", "lifted_hold"]
    assert "Case 12" in text(desk.get(reverse("legal_holds")))


def test_legal_hold_without_a_reason_is_refused(desk, session):
    answer = desk.post(reverse("hold_session", args=[session.public_id]), {"reason": "  "})
    assert answer.status_code == 422
    assert not LegalHold.objects.exists()


@pytest.mark.parametrize("status", ["unfinished", "tally"])
def test_unfinished_visits_and_tallies_cannot_get_a_legal_hold(desk, session, status):
    HelpSession.objects.filter(pk=session.pk).update(status=status, patron=None)
    assert (
        desk.post(reverse("hold_session", args=[session.public_id]), {"reason": "Case 12"}).status_code == 404
    )
    assert not LegalHold.objects.exists()


def test_setting_a_legal_hold_twice_creates_only_one_hold(desk, session):
    for _ in range(2):
        desk.post(reverse("hold_session", args=[session.public_id]), {"reason": "Case 12"})
    assert LegalHold.objects.count() == 1


def test_conversation_under_a_legal_hold_cannot_be_erased(desk, conversation, session, coordinator):
    holds.hold(session, reason="Case 12", by=coordinator, at=conversation.opened_at)
    answer = desk.post(reverse("desk_erase", args=[conversation.public_id]), follow=True)
    assert "under a legal hold" in text(answer)
    assert Conversation.objects.get(pk=conversation.pk).messages.exists()


@pytest.mark.parametrize("what", ["session", "conversation", "patron"])
def test_patron_with_a_legal_hold_or_a_held_visit_or_conversation_cannot_be_erased(
    conversation, session, patron, coordinator, what
):
    holds.hold(
        {"session": session, "conversation": conversation, "patron": patron}[what],
        reason="Case 12",
        by=coordinator,
        at=conversation.opened_at,
    )
    with pytest.raises(erasure.HeldByLaw):
        erasure.erase(patron, language="en", at=timezone.now())
    session.refresh_from_db()
    assert (session.patron, conversation.messages.count()) == (patron, 1)


@pytest.mark.parametrize("name", ["legal_holds", "hold_session", "hold_conversation", "hold_person"])
def test_legal_hold_pages_are_404_for_staff_who_are_not_coordinators(
    client, staff, session, conversation, patron, sign_in, name
):
    args = {
        "hold_session": [session.public_id],
        "hold_conversation": [conversation.public_id],
        "hold_person": [patron.public_id],
    }.get(name, [])
    assert sign_in(client, staff).get(reverse(name, args=args)).status_code == 404


def test_legal_hold_is_visible_only_to_coordinators(client, staff, patron, session, coordinator, sign_in):
    holds.hold(patron, reason="Case 12", by=coordinator, at=session.created_at)
    for page in (reverse("privacy"), reverse("who_looked"), session.get_absolute_url()):
        assert "Case 12" not in sign_in(client, patron).get(page).content.decode()
    assert (
        "egal hold"
        not in sign_in(client, staff).get(reverse("desk_session", args=[session.public_id])).content.decode()
    )


def test_legal_holds_page_does_not_link_to_a_visit_of_another_branch(desk, coordinator):
    elsewhere = HelpSessionFactory(branch=BranchFactory(), staff=StaffFactory())
    holds.hold(elsewhere, reason="Case 12", by=coordinator, at=elsewhere.created_at)
    page = desk.get(reverse("legal_holds")).content.decode()
    assert "Case 12" in page
    assert str(elsewhere.public_id) not in page


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 30])
def test_legal_hold_list_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, branch, coordinator, count, django_assert_num_queries
):
    for session in HelpSessionFactory.create_batch(count, branch=branch):
        holds.hold(session, reason="Case 12", by=coordinator, at=session.created_at)
    desk.get(reverse("legal_holds"))
    with django_assert_num_queries(9):
        desk.get(reverse("legal_holds"))
