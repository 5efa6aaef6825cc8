import datetime
import uuid

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, Consent
from portal.helpsessions import actions, handover, keeping, tallies, unfinished
from portal.helpsessions.models import ClaimCode, HelpSession, SessionNote, UnfinishedForm
from recommendations.chosen_items import ChosenItem
from recommendations.models import Item, Recommendation
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)

NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
BASE = "https://portal.example.org"


@pytest.fixture
def typed(staff, branch):
    """Return arguments for actions.record(), as the form for a help session passes them."""
    return {
        "by": staff,
        "at": NOW,
        "branch": branch,
        "happened_on": datetime.date(2026, 3, 3),
        "hour": 14,
        "mode": HelpSession.Mode.IN_PERSON,
        "question_type": "reference",
        "topic": None,
        "read_level": 3,
        "minutes": 12,
        "people": 1,
        "language": "en",
        "question": "Danish kids who hid people in the war",
        "summary": "Two books and a museum page",
        "quiet": False,
        "note": "",
        "items": [],
    }


def test_new_visit_is_saved_in_one_statement_with_the_time_of_its_handover(typed):
    with CaptureQueriesContext(connection) as statements:
        session, _code = actions.record_and_hand_over(**typed)
    assert not [each["sql"] for each in statements if each["sql"].startswith("UPDATE")]
    session.refresh_from_db()
    assert session.handed_over_at == NOW


def test_recorded_help_session_has_its_items_in_order_and_a_separate_note(typed, branch):
    found = ItemFactory(title="Number the Stars")
    typed["items"] = [
        ChosenItem(item=found, reason="age 11"),
        ChosenItem(
            kind="web_page",
            title="Museum encyclopedia",
            url="https://example.org/maps",
            call_number="K 12",
            reason="maps",
            starred=False,
        ),
    ]

    session = actions.record(**typed | {"note": "was in a hurry"})

    recommendations = Recommendation.objects.filter(sessionrecommendation__help_session=session).order_by(
        "sessionrecommendation__position"
    )
    assert [(r.item.title, r.reason, r.starred, r.patron) for r in recommendations] == [
        ("Number the Stars", "age 11", True, None),
        ("Museum encyclopedia", "maps", False, None),
    ]
    assert recommendations[1].item.holdings.get().call_number == "K 12"
    assert SessionNote.objects.get().body == "was in a hurry"
    assert "hurry" not in session.question + session.summary


def test_sending_the_help_session_form_twice_creates_one_help_session(typed):
    token = uuid.uuid4()
    first = actions.record(**typed, token=token)
    second = actions.record(**typed, token=token)
    assert first == second
    assert HelpSession.objects.count() == 1


def test_reused_form_token_cannot_overwrite_a_colleagues_help_session(typed, library):
    other = HelpSessionFactory(status=HelpSession.Status.UNFINISHED)
    with pytest.raises(IntegrityError, match="another staff member"):
        actions.record(**typed, token=other.public_id)


def test_recording_an_unfinished_help_session_deletes_its_form_data(typed, staff, branch):
    begun = unfinished.start_unfinished(
        by=staff, at=NOW, branch=branch, fields={"question": "half a qu", "minutes": "abc"}
    )
    session = actions.record(**typed, unfinished=begun)
    assert session.pk == begun.pk
    assert session.status == "recorded"
    assert not UnfinishedForm.objects.exists()


def test_unfinished_form_stores_invalid_values_as_typed(staff, branch):
    begun = unfinished.start_unfinished(by=staff, at=NOW, branch=branch, fields={"minutes": "abc"})
    unfinished.save_unfinished(begun, fields={"minutes": "ab"}, at=NOW)
    assert UnfinishedForm.objects.get().fields == {"minutes": "ab"}


def test_autosave_does_not_change_a_recorded_help_session(typed, staff, branch):
    begun = unfinished.start_unfinished(by=staff, at=NOW, branch=branch, fields={})
    actions.record(**typed, unfinished=begun)
    unfinished.save_unfinished(begun, fields={"question": "late"}, at=NOW)
    assert not UnfinishedForm.objects.exists()


def test_day_and_hour_of_a_tally_are_in_the_librarys_time_zone(staff, branch):
    # This is 19:15 on March 3 in Chicago.
    after_midnight_utc = datetime.datetime(2026, 3, 4, 1, 15, tzinfo=datetime.UTC)
    tally = tallies.tally(by=staff, at=after_midnight_utc, branch=branch)
    assert (tally.happened_on, tally.hour, tally.question_type, tally.status) == (
        datetime.date(2026, 3, 3),
        19,
        "directional",
        "tally",
    )


def test_staff_member_cannot_undo_a_colleagues_tally(staff, coordinator, branch):
    tally = tallies.tally(by=staff, at=NOW, branch=branch)
    tallies.undo_tally(tally, by=coordinator, at=NOW)
    assert HelpSession.objects.filter(pk=tally.pk).exists()
    tallies.undo_tally(tally, by=staff, at=NOW)
    assert not HelpSession.objects.filter(pk=tally.pk).exists()


def test_undoing_a_tally_never_deletes_a_recorded_session(typed, staff):
    session = actions.record(**typed)
    tallies.undo_tally(session, by=staff, at=NOW)
    assert HelpSession.objects.filter(pk=session.pk).exists()


def test_claim_code_opens_its_help_session_for_thirty_days(typed, staff):
    session = actions.record(**typed)
    code = handover.hand_over(session, by=staff, at=NOW, base_url=BASE)

    assert handover.open_by_code(code, at=NOW + datetime.timedelta(days=29)).help_session == session
    with pytest.raises(handover.CodeExpired):
        handover.open_by_code(code, at=NOW + datetime.timedelta(days=30))
    session.refresh_from_db()
    assert session.handed_over_at == NOW


def test_claim_code_is_stored_only_as_a_hash(typed, staff):
    code = handover.hand_over(actions.record(**typed), by=staff, at=NOW, base_url=BASE)
    for claim in ClaimCode.objects.values():
        assert code not in str(claim)


def test_quiet_session_cannot_be_emailed(staff, library):
    with pytest.raises(keeping.QuietSession):
        handover.hand_over(QuietSessionFactory(), by=staff, at=NOW, base_url=BASE, to_address="a@example.org")


@pytest.mark.few_cases
@pytest.mark.parametrize("typed_code", ["", "123", "no digits", "9" * 13, "9" * 300, "٩" * 13])
def test_malformed_claim_code_is_refused_as_unknown(library, typed_code):
    with pytest.raises(handover.CodeUnknown):
        handover.open_by_code(typed_code, at=NOW)


def test_claim_code_may_be_typed_with_spaces_or_dashes_or_arabic_digits(library):
    session = HelpSessionFactory()
    code = code_for(session)
    arabic = code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    for spelled in (f" {code[:4]}-{code[4:9]} {code[9:]} ", arabic):
        assert handover.open_by_code(spelled, at=timezone.now()).help_session == session


def test_code_card_opens_no_visit_until_the_help_session_is_recorded(typed, staff, branch):
    (code,) = handover.print_code_cards(by=staff, at=NOW, branch=branch, count=1)
    with pytest.raises(handover.CodeCardNotReady):
        handover.open_by_code(code, at=NOW)
    begun = unfinished.start_unfinished(by=staff, at=NOW, branch=branch, fields={})
    handover.attach_code_card(begun, code=code, by=staff, at=NOW)
    with pytest.raises(handover.CodeCardNotReady):
        handover.open_by_code(code, at=NOW)
    session = actions.record(**typed, unfinished=begun)
    assert handover.open_by_code(code, at=NOW).help_session == session


def test_code_card_cannot_be_attached_to_a_second_help_session(staff, branch):
    (code,) = handover.print_code_cards(by=staff, at=NOW, branch=branch, count=1)
    session, other = HelpSessionFactory(branch=branch), HelpSessionFactory(branch=branch)
    handover.attach_code_card(session, code=code, by=staff, at=NOW)
    handover.attach_code_card(session, code=code, by=staff, at=NOW)
    with pytest.raises(handover.CodeCardAlreadyAttached):
        handover.attach_code_card(other, code=code, by=staff, at=NOW)
    with pytest.raises(handover.UnknownCodeCard):
        handover.attach_code_card(other, code="0" * 13, by=staff, at=NOW)


def test_revoked_code_card_cannot_be_attached_to_its_help_session_again(staff, branch):
    (code,) = handover.print_code_cards(by=staff, at=NOW, branch=branch, count=1)
    session = HelpSessionFactory(branch=branch)
    handover.attach_code_card(session, code=code, by=staff, at=NOW)
    handover.revoke_codes(session, by=staff, at=NOW)
    with pytest.raises(handover.CodeCardAlreadyAttached):
        handover.attach_code_card(session, code=code, by=staff, at=NOW)


def test_revoking_the_codes_of_a_help_session_affects_no_other_help_session(staff, library):
    session, other = HelpSessionFactory(), HelpSessionFactory()
    first, second, foreign = code_for(session), code_for(session), code_for(other)
    handover.revoke_codes(session, by=staff, at=NOW)
    for code in (first, second):
        with pytest.raises(handover.CodeRevoked):
            handover.open_by_code(code, at=NOW)
    assert handover.open_by_code(foreign, at=NOW).help_session == other


def test_adding_a_visit_to_an_account_stores_the_patron_and_the_consent(patron, library):
    session = HelpSessionFactory()
    (recommendation,) = recommend_in(session)
    code = code_for(session)

    keeping.keep(session, by=patron, at=NOW, wording="Keep it, please", language="en")

    session.refresh_from_db()
    recommendation.refresh_from_db()
    assert (session.patron, session.kept_at, recommendation.patron) == (patron, NOW, patron)
    consent = Consent.objects.get()
    assert (consent.person, consent.subject, consent.wording, consent.given_at) == (
        patron,
        session.public_id,
        "Keep it, please",
        NOW,
    )
    with pytest.raises(handover.CodeKept):
        handover.open_by_code(code, at=NOW)
    assert AuditEvent.objects.get(action="kept").patron == patron


def test_help_session_cannot_be_added_to_the_account_of_a_second_patron(patron, library):
    session = HelpSessionFactory()
    keeping.keep(session, by=patron, at=NOW, wording="", language="en")
    keeping.keep(session, by=patron, at=NOW, wording="", language="en")
    assert Consent.objects.count() == 1
    with pytest.raises(keeping.AlreadyKept):
        keeping.keep(session, by=UserFactory(), at=NOW, wording="", language="en")


def test_quiet_session_cannot_be_added_to_an_account(patron, library):
    with pytest.raises(keeping.QuietSession):
        keeping.keep(QuietSessionFactory(), by=patron, at=NOW, wording="", language="en")


def test_title_of_a_quiet_help_session_contains_only_the_date(library):
    session = QuietSessionFactory(happened_on=datetime.date(2026, 3, 3))
    assert session.title == "Your visit on Tuesday, March 3"


def test_unfinished_help_session_can_be_discarded_but_a_recorded_session_cannot(typed, staff, branch):
    begun = unfinished.start_unfinished(by=staff, at=NOW, branch=branch, fields={"question": "x"})
    recorded = actions.record(**typed)
    unfinished.discard_unfinished(begun, by=staff, at=NOW)
    unfinished.discard_unfinished(recorded, by=staff, at=NOW)
    assert list(HelpSession.objects.all()) == [recorded]


def test_only_the_helper_and_staff_of_the_branch_can_see_a_help_session(staff, branch, library):
    here, elsewhere = HelpSessionFactory(branch=branch), HelpSessionFactory(branch=BranchFactory())
    recorded_elsewhere = HelpSessionFactory(branch=BranchFactory(), staff=staff)
    assert set(HelpSession.objects.at_desk_of(staff)) == {here, recorded_elsewhere}
    assert elsewhere not in HelpSession.objects.at_desk_of(staff)


def test_items_added_by_hand_have_the_chosen_kind(typed):
    typed["items"] = [ChosenItem(kind="person", title="Data librarian")]
    actions.record(**typed)
    assert Item.objects.get().kind == "person"
