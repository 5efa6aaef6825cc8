"""Test what exports, merges, removals, legal holds and erasures do with the phone numbers of calls."""

import datetime
import uuid

import pytest
from django.utils import timezone

from portal.conversations import actions, call_backs, keeping
from portal.conversations.call_backs import Caller
from portal.conversations.merging import merge as merge_conversations
from portal.conversations.models import CallBack
from portal.privacy import contents, erasure, holds, retention, sharing, unlinking
from portal.privacy.call_numbers import forget_call_numbers
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import correct
from portal.privacy.merging import merge_people
from portal.privacy.unmerging import merge_for_a_day, unmerge
from tests.conversations import now_of
from tests.factories import ChildFactory, HelpSessionFactory, SharedSessionFactory, UserFactory

minute, hour, day = (datetime.timedelta(**{name: 1}) for name in ("minutes", "hours", "days"))
NUMBER = "414-555-0134"


@pytest.fixture
def at():
    return timezone.now().replace(microsecond=0)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def shared(staff, branch):
    return SharedSessionFactory(
        staff=staff, branch=branch, patron=ChildFactory(), shared_with=UserFactory(has_shared_visits=True)
    )


def request(about, by, at, number=NUMBER):
    return call_backs.ask(
        Caller(number, "Ada"), by=by, at=at, client_token=uuid.uuid4(), language="en", help_session=about
    )


def exported_numbers(person):
    """Return the phone numbers in the person's export."""
    return [row["number"] for row in contents.entries(contents.TABLES["calls"], person, timezone.now())]


def test_phone_number_is_only_in_the_export_of_the_patron_who_gave_it(session, staff, at):
    request(session, session.patron, at)
    assert [exported_numbers(person) for person in (session.patron, staff, UserFactory())] == [
        [NUMBER],
        [],
        [],
    ]


def test_exports_of_child_and_adult_each_contain_only_their_own_phone_number(shared, at):
    request(shared, shared.patron, at, "414-555-0101")
    request(shared, shared.shared_with, at + minute, "414-555-0102")
    assert (exported_numbers(shared.patron), exported_numbers(shared.shared_with)) == (
        ["414-555-0101"],
        ["414-555-0102"],
    )


def keep(visit, by, at):
    keeping.keep(visit, by=by, at=at, wording="Yes.", language="en")
    visit.refresh_from_db()


def test_export_omits_a_phone_number_entered_before_the_patron_kept_the_visit(staff, branch, at):
    visit, finder = HelpSessionFactory(staff=staff, branch=branch), UserFactory()
    conversation = request(visit, None, at)
    keep(visit, finder, at + minute)
    assert (exported_numbers(finder), CallBack.objects.get().number) == ([], NUMBER)
    # The export still omits the number after the conversation is merged with a conversation about something
    # else.
    other = call_backs.add(
        Caller("414-555-0177"),
        by=staff,
        at=at + hour,
        client_token=uuid.uuid4(),
        patron=finder,
        branch=branch,
    )
    call_backs.cancel(other, by=finder, at=at + 2 * hour)
    forget_call_numbers(at=at + day)
    merge_conversations(now_of(conversation), into=now_of(other), by=staff, at=at + day)
    assert (exported_numbers(finder), CallBack.objects.get().conversation) == ([], other)


def test_export_contains_a_phone_number_that_staff_added_after_the_patron_kept_the_visit(staff, branch, at):
    visit, patron = HelpSessionFactory(staff=staff, branch=branch), UserFactory()
    keep(visit, patron, at)
    call_backs.add(Caller(NUMBER), by=staff, at=at + minute, client_token=uuid.uuid4(), help_session=visit)
    assert exported_numbers(patron) == [NUMBER]


def test_phone_number_added_by_staff_is_in_the_export_only_while_the_call_is_open(staff, patron, branch, at):
    conversation = call_backs.add(
        Caller(NUMBER), by=staff, at=at, client_token=uuid.uuid4(), patron=patron, branch=branch
    )
    assert exported_numbers(patron) == [NUMBER]
    # Once the call is canceled, the export leaves out a number that staff added, because it may belong to
    # somebody else.
    call_backs.cancel(conversation, by=patron, at=at + minute)
    assert exported_numbers(patron) == []


def test_export_of_the_next_patron_omits_a_phone_number_kept_for_a_legal_hold(staff, branch, coordinator, at):
    patron, following = UserFactory(), UserFactory()
    visit = HelpSessionFactory(staff=staff, branch=branch, with_child="own")
    keep(visit, patron, at)
    call_backs.add(Caller(NUMBER), by=staff, at=at + minute, client_token=uuid.uuid4(), help_session=visit)
    holds.hold(visit, reason="Case 12", by=coordinator, at=at + minute)
    assert sharing.take_out(visit, patron, by=staff, at=at + hour)
    keep(visit, following, at + 2 * hour)
    assert [exported_numbers(person) for person in (patron, following)] == [[], []]
    assert CallBack.objects.get().done_at == at + hour


def test_merge_moves_a_phone_number_to_the_other_record_and_unmerging_moves_it_back(session, staff, at):
    into = UserFactory()
    request(session, session.patron, at)
    merge_for_a_day(session.patron, into, by=staff, at=at + minute)
    assert (exported_numbers(into), CallBack.objects.get().by) == ([NUMBER], into)
    conversation = CallBack.objects.get().conversation
    call_backs.ask_in(conversation, Caller("414-555-0199"), by=into, at=at + hour, client_token=uuid.uuid4())
    unmerge(into.merged_records.get(), by=staff, at=at + 2 * hour)
    assert (exported_numbers(session.patron), exported_numbers(into)) == ([NUMBER, "414-555-0199"], [])


@pytest.mark.parametrize("who", ["child", "adult"])
def test_phone_number_is_deleted_when_its_owner_leaves_a_childs_visit(shared, at, who):
    owner, other = shared.patron, shared.shared_with
    if who == "adult":
        owner, other = other, owner
    conversation = request(shared, owner, at)
    sharing.stop_keeping(shared, by=owner, at=at + hour)
    assert CallBack.objects.count() == 0
    call_backs.expire_calls(at=at + hour)
    row = now_of(conversation)
    # The desk reads that the number was deleted, and the conversation stays in the queue.
    assert (row.call_since, row.reason, row.status) == (None, "call", "waiting_for_staff")


def test_phone_number_is_not_deleted_when_another_person_leaves_a_childs_visit(shared, at):
    request(shared, shared.patron, at)
    sharing.stop_keeping(shared, by=shared.shared_with, at=at + hour)
    assert CallBack.objects.get().number == NUMBER


def test_removing_a_wrong_patron_from_a_visit_deletes_their_phone_number(session, at):
    conversation = request(session, session.patron, at)
    unlinking.unlink_wrong_patron(
        session, type(conversation).objects.filter(pk=conversation.pk), at=at + hour
    )
    assert CallBack.objects.count() == 0


@pytest.mark.parametrize("who", ["child", "adult"])
def test_removing_a_person_from_a_childs_visit_deletes_phone_numbers_of_viewers_with_only_a_code(
    shared, staff, at, who
):
    owner, other = shared.patron, shared.shared_with
    if who == "adult":
        owner, other = other, owner
    # The removed person may have entered this number with only the code, before they added the visit to
    # their account.
    conversation = request(shared, None, at)
    request(HelpSessionFactory(staff=staff, branch=shared.branch), None, at, "414-555-0188")
    call_backs.ask_in(
        conversation, Caller("414-555-0199"), by=other, at=at + minute, client_token=uuid.uuid4()
    )
    sharing.take_out(shared, owner, by=staff, at=at + hour)
    assert sorted(CallBack.objects.values_list("number", flat=True)) == ["414-555-0188", "414-555-0199"]


def test_leaving_a_childs_visit_does_not_delete_the_phone_number_of_a_viewer_with_only_a_code(shared, at):
    request(shared, None, at)
    sharing.stop_keeping(shared, by=shared.shared_with, at=at + hour)
    assert CallBack.objects.get().number == NUMBER


def change_number_and_make_quiet(session, at):
    """Ask for a call, change the number, and then make the visit quiet."""
    conversation = request(session, session.patron, at, "414-555-0101")
    call_backs.ask_in(
        conversation, Caller(NUMBER, "Ada"), by=session.patron, at=at + minute, client_token=uuid.uuid4()
    )
    columns = {name: getattr(session, name) for name in COLUMNS} | {"quiet": True}
    correct(session, by=session.staff, at=at + hour, version=0, items=[], note="", **columns)
    session.refresh_from_db()


def numbers():
    return list(CallBack.objects.order_by("asked_at").values_list("number", "ask_for", "by"))


def test_open_call_keeps_its_phone_number_but_no_name_when_the_visit_becomes_quiet(session, at):
    change_number_and_make_quiet(session, at)
    assert numbers() == [(NUMBER, "", None)]


def test_legal_hold_preserves_the_name_in_a_call_about_a_quiet_visit(session, coordinator, at):
    held = holds.hold(session, reason="Case 12", by=coordinator, at=at)
    change_number_and_make_quiet(session, at)
    holds.forget_old_words()
    assert numbers() == [("414-555-0101", "Ada", None), (NUMBER, "Ada", None)]
    holds.lift(held, by=coordinator, at=at + day)
    forget_call_numbers(at=at + day)
    assert numbers() == [(NUMBER, "", None)]


def test_lifting_a_legal_hold_keeps_a_name_entered_after_the_visit_became_quiet(session, coordinator, at):
    held = holds.hold(session, reason="Case 12", by=coordinator, at=at)
    change_number_and_make_quiet(session, at)
    request(session, None, at + 2 * hour, "414-555-0166")
    holds.lift(held, by=coordinator, at=at + day)
    forget_call_numbers(at=at + day)
    assert numbers() == [("414-555-0166", "Ada", None)]


def test_legal_hold_preserves_but_hides_the_phone_number_of_an_ended_call(session, coordinator, at):
    conversation = request(session, session.patron, at)
    held = holds.hold(conversation, reason="Case 12", by=coordinator, at=at + minute)
    actions.close(conversation, by=session.patron, side="patron", at=at + hour)
    forget_call_numbers(at=at + day)
    assert (CallBack.objects.count(), call_backs.open_call(conversation)) == (1, None)
    holds.lift(held, by=coordinator, at=at + 2 * day)
    forget_call_numbers(at=at + 2 * day)
    assert CallBack.objects.count() == 0


def test_erasing_a_person_deletes_all_their_phone_numbers(session, shared, at):
    adult = shared.shared_with
    request(shared, adult, at)
    HelpSessionFactory(patron=adult, staff=session.staff, branch=session.branch)
    request(session, session.patron, at)
    erasure.erase(adult, language="en", at=at + hour)
    assert [call.by for call in CallBack.objects.all()] == [session.patron]
    erasure.erase(session.patron, language="en", at=at + hour)
    assert CallBack.objects.count() == 0


def test_phone_number_is_deleted_when_the_visit_is_forgotten(session, at):
    conversation = request(session, session.patron, at)
    call_backs.cancel(conversation, by=session.patron, at=at + minute)
    type(session).objects.filter(pk=session.pk).update(
        created_at=at - 900 * day, happened_on=(at - 900 * day).date(), kept_at=None
    )
    retention.forget(at=at + 900 * day)
    assert CallBack.objects.count() == 0


def test_merging_records_also_moves_the_phone_number_of_a_canceled_call(session, staff, at):
    into = UserFactory()
    conversation = request(session, session.patron, at)
    call_backs.cancel(conversation, by=session.patron, at=at + minute)
    merge_people(session.patron, into, by=staff, at=at + hour)
    assert CallBack.objects.get().by == into
