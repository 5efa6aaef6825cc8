"""Test which rows retention deletes, reduces to counts, leaves for later or never changes."""

import datetime
import uuid
from datetime import timedelta

import pytest
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import models
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent, Consent, Library, LookingReason, User
from accounts.patron import retention_choice
from portal.conversations import actions as conversations
from portal.conversations import notes, search
from portal.conversations.models import Attachment, Conversation, ConversationWords, Message
from portal.helpsessions import forgetting, handover, keeping, tallies, unfinished
from portal.helpsessions.models import ClaimCode, HelpSession, SessionNote, UnfinishedForm
from portal.lists.links import ENDED_KEPT_FOR, make_link
from portal.lists.models import RESTORE_FOR, ListLink, SavedItem, SavedList
from portal.privacy import holds, retention
from portal.privacy.models import LegalHold
from recommendations.models import Recommendation
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    PatronGroupFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    ServicePointFactory,
    SessionNoteFactory,
    SharedSessionFactory,
    UserFactory,
    attach_to,
    code_for,
    recommend_in,
    recommend_in_message,
)

pytestmark = pytest.mark.sql

# 2:30 a.m. in the library's time zone.
AT = datetime.datetime(2026, 11, 20, 8, 30, tzinfo=datetime.UTC)
DAY = timedelta(days=1)
LONG_AGO = AT - 15 * DAY  # Retention may forget a visit whose last message is this old.
COUNTED = (
    "branch",
    "happened_on",
    "mode",
    "question_type",
    "topic",
    "read_level",
    "minutes",
    "people",
    "quiet",
    "found",
    "satisfaction",
)


@pytest.fixture
def visit_not_due(library):
    """Return a visit that is still too new to be forgotten."""
    return HelpSessionFactory(branch=library.default_branch, created_at=AT - 29 * DAY, question="Not yet")


def make_kept_visit(patron, branch, days_ago, **more):
    at = AT - timedelta(days=days_ago)
    return HelpSessionFactory(
        branch=branch,
        patron=patron,
        created_at=at,
        happened_on=at.date(),
        handed_over_at=at,
        kept_at=at,
        **more,
    )


def words_of(session):
    session.refresh_from_db()
    return session.question


@pytest.mark.django_db
@pytest.mark.parametrize(("days_ago", "gone"), [(29, False), (31, True)])
@pytest.mark.parametrize("session", [HelpSessionFactory, QuietSessionFactory])
def test_visit_that_nobody_kept_is_forgotten_after_30_days(branch, session, days_ago, gone):
    found = session(branch=branch, created_at=AT - timedelta(days=days_ago))
    retention.forget(at=AT)
    assert (words_of(found) == "") == gone


@pytest.mark.django_db
def test_visit_is_not_forgotten_before_its_code_expires(branch, visit_not_due):
    session = HelpSessionFactory(branch=branch, created_at=AT - 50 * DAY)
    code_for(session, at=AT - 29 * DAY)
    retention.forget(at=AT)
    assert words_of(session)
    retention.forget(at=AT + 2 * DAY)
    assert words_of(session) == ""


@pytest.mark.django_db
def test_forgetting_a_visit_keeps_only_its_statistics(patron, staff, branch, visit_not_due):
    session = make_kept_visit(
        patron,
        branch,
        366,
        staff=staff,
        service_point=ServicePointFactory(branch=branch),
        patron_group=PatronGroupFactory(),
        read_level=3,
        minutes=20,
        found="part",
        satisfaction="good",
        answered_at=AT - 362 * DAY,
        public_id=uuid.UUID(int=7),
    )
    SessionNoteFactory(help_session=session)
    code = code_for(session, at=session.created_at, state=ClaimCode.State.KEPT)
    [recommendation] = recommend_in(session)
    Recommendation.objects.filter(pk=recommendation.pk).update(
        verdict="helped", comment="It did", decided_at=AT - 360 * DAY
    )
    SavedItemFactory(saved_list__patron=patron, item=recommendation.item, recommendation=recommendation)
    before = HelpSession.objects.values(*COUNTED).get(pk=session.pk)
    retention.forget(at=AT)
    assert HelpSession.objects.values(*COUNTED).get(pk=session.pk) == before
    session.refresh_from_db()
    assert (session.question, session.summary, session.patron, session.staff, session.forgotten_on) == (
        "",
        "",
        None,
        None,
        datetime.date(2026, 11, 20),
    )
    assert session.public_id != uuid.UUID(int=7)
    day = datetime.datetime.combine(session.happened_on, datetime.time(), zone())
    assert [session.created_at, session.handed_over_at, session.kept_at, session.answered_at] == [day] * 4
    emptied = (session.hour, session.service_point, session.patron_group, session.language)
    assert (*emptied, session.is_counted) == (None, None, None, "", True)
    assert session.answered_within == "week"
    assert not SessionNote.objects.exists()
    with pytest.raises(handover.CodeForgotten):
        handover.open_by_code(code, at=AT)
    recommendation.refresh_from_db()
    assert (
        recommendation.reason,
        recommendation.comment,
        recommendation.patron,
        recommendation.recommended_by,
    ) == ("", "", None, None)
    assert recommendation.verdict == "helped"
    assert recommendation.decided_at.astimezone(zone()).time() == datetime.time(0)
    assert SavedItem.objects.values_list("saved_list__patron", "recommendation").get() == (patron.pk, None)
    assert words_of(visit_not_due) == "Not yet"


def zone():
    return Library.current().zone


@pytest.mark.django_db
def test_code_of_a_forgotten_visit_shows_only_that_the_visit_was_deleted(client, branch):
    session = HelpSessionFactory(branch=branch, created_at=AT - 40 * DAY)
    code = code_for(session, at=AT - 40 * DAY)
    retention.forget(at=AT)
    answer = client.get(f"/c/{code}/")
    assert answer.status_code == 410
    assert "This visit was deleted" in answer.content.decode()
    assert "compost" not in answer.content.decode()


@pytest.mark.django_db
def test_conversations_of_a_forgotten_visit_are_deleted(patron, staff, branch):
    session = make_kept_visit(patron, branch, 366)
    conversation = ConversationFactory(
        help_session=session, status="closed", opened_at=AT - 366 * DAY, closed_at=AT - 300 * DAY
    )
    answer = MessageFactory(conversation=conversation, side="staff", author=staff, sent_at=AT - 300 * DAY)
    [given] = recommend_in_message(answer)
    file = attach_to(answer)
    notes.write_note(conversation, by=staff, at=AT - 300 * DAY, body="STAFF ONLY", client_token=uuid.uuid4())
    search.index_conversation(conversation)
    joined = ConversationFactory(help_session=session, status="closed", merged_into=conversation)
    stored = file.stored_names()
    assert all(storages["private"].exists(name) for name in stored)
    retention.forget(at=AT)
    assert not Conversation.objects.filter(pk__in=[conversation.pk, joined.pk]).exists()
    assert not Message.objects.exists()
    assert not Attachment.objects.exists()
    assert not ConversationWords.objects.exists()
    given.refresh_from_db()
    assert (given.reason, given.patron) == ("", None)


@pytest.mark.django_db(transaction=True)
def test_files_of_a_forgotten_visit_are_deleted_from_disk(patron, branch):
    session = make_kept_visit(patron, branch, 366)
    stored = attach_to(
        MessageFactory(
            conversation=ConversationFactory(help_session=session, status="closed"), sent_at=LONG_AGO
        )
    ).stored_names()
    retention.forget(at=AT)
    assert [name for name in stored if storages["private"].exists(name)] == []


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["waiting_for_staff", "waiting_for_patron"])
def test_visit_is_not_forgotten_while_its_conversation_is_open(patron, branch, status):
    session = make_kept_visit(patron, branch, 400)
    conversation = ConversationFactory(help_session=session, status=status)
    MessageFactory(conversation=conversation, sent_at=LONG_AGO)
    retention.forget(at=AT)
    assert words_of(session)
    assert conversation.messages.exists()
    conversations.close(conversation, by=patron, side="patron", at=timezone.now())
    retention.forget(at=AT)
    assert words_of(session) == ""
    assert not Message.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(("age", "kept"), [(14 * DAY - timedelta(seconds=1), True), (14 * DAY, False)])
def test_visit_is_kept_for_14_days_after_the_last_message_of_its_closed_conversation(
    patron, staff, branch, merged, age, kept
):
    """The patron asks on day 28 of 30. Staff answer on day 31. The patron must be able to read the answer."""
    patron.remember = User.Remember.DAYS_30
    patron.save()
    session = make_kept_visit(patron, branch, 31)
    conversation = answered = ConversationFactory(help_session=session, status="closed")
    if merged:
        answered = ConversationFactory(help_session=None, patron=patron, branch=branch, status="closed")
        conversation.merged_into = answered
        conversation.save()
    MessageFactory(conversation=answered, side="staff", author=staff, sent_at=AT - age)
    retention.forget(at=AT)
    assert bool(words_of(session)) is kept
    assert Message.objects.exists() is (kept or merged)


@pytest.mark.django_db
@pytest.mark.parametrize(("age", "kept"), [(14 * DAY - timedelta(seconds=1), True), (14 * DAY, False)])
def test_closed_conversation_without_a_visit_is_kept_for_14_days_after_its_last_message(
    patron, staff, branch, age, kept
):
    yesterday = (AT - DAY).date()
    patron.remember, patron.remember_until = User.Remember.UNTIL, yesterday
    patron.save()
    conversation = ConversationFactory(
        help_session=None, patron=patron, branch=branch, status="closed", closed_at=AT - age
    )
    MessageFactory(conversation=conversation, side="staff", author=staff, sent_at=AT - age)
    retention.forget(at=AT)
    assert Message.objects.exists() is kept


@pytest.mark.django_db
def test_visit_is_not_forgotten_if_its_conversation_was_merged_into_an_open_conversation(patron, branch):
    session = make_kept_visit(patron, branch, 400)
    into = ConversationFactory(help_session=None, patron=patron, branch=branch)
    ConversationFactory(help_session=session, status="closed", merged_into=into)
    retention.forget(at=AT)
    assert words_of(session)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("whose", "days", "gone"),
    [("a patron", 364, False), ("a patron", 366, True), ("nobody", 29, False), ("nobody", 31, True)],
)
def test_closed_conversation_without_a_visit_is_deleted_after_the_retention_time(
    patron, branch, whose, days, gone
):
    patron = patron if whose == "a patron" else None
    conversation = ConversationFactory(
        help_session=None, patron=patron, branch=branch, status="closed", closed_at=AT - days * DAY
    )
    MessageFactory(conversation=conversation, author=patron, sent_at=LONG_AGO)
    retention.forget(at=AT)
    assert Conversation.objects.exists() != gone
    assert Message.objects.exists() != gone


@pytest.mark.django_db
def test_old_tally_loses_its_staff_member_and_its_exact_time(staff, branch):
    tally = tallies.tally(by=staff, at=AT - 31 * DAY, branch=branch)
    retention.forget(at=AT)
    tally.refresh_from_db()
    assert (tally.staff, tally.created_at.minute, tally.status) == (None, 0, "tally")


@pytest.mark.django_db
def test_text_of_an_old_unfinished_help_session_is_deleted_and_its_row_stays(staff, branch):
    begun = unfinished.start_unfinished(
        by=staff, at=AT - 31 * DAY, branch=branch, fields={"question": "Where is the shelter?"}
    )
    retention.forget(at=AT)
    assert not UnfinishedForm.objects.exists()
    assert list(HelpSession.objects.at_desk_of(staff).unfinished()) == [begun]


@pytest.mark.django_db
def test_audit_events_are_deleted_after_two_years(patron, staff):
    for days in (729, 731):
        audit.record("opened", patron, by=staff, patron=patron, at=AT - days * DAY)
    retention.forget(at=AT)
    assert list(AuditEvent.objects.values_list("at", flat=True)) == [AT - 729 * DAY]


@pytest.mark.django_db
def test_forgotten_visit_cannot_be_opened_or_kept_or_handed_over(patron, staff, branch):
    session = HelpSessionFactory(branch=branch, staff=staff, created_at=AT - 40 * DAY)
    retention.forget(at=AT)
    assert list(HelpSession.objects.at_desk_of(staff)) == []
    with pytest.raises(keeping.AlreadyKept):
        handover.hand_over(session, by=staff, at=AT, base_url="")
    with pytest.raises(keeping.AlreadyKept):
        keeping.keep(session, by=patron, at=AT, wording="", language="en")


# Tests of the patron's retention choice.


def make_choice(patron, remember, *, at, until=None):
    retention_choice.choose(patron, remember=remember, until=until, wording="As read", language="en", at=at)
    patron.refresh_from_db()


@pytest.mark.few_cases
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("remember", "until", "days_ago", "gone"),
    [
        ("30", None, 29, False),
        ("30", None, 31, True),
        ("90", None, 89, False),
        ("90", None, 91, True),
        ("365", None, 364, False),
        ("365", None, 366, True),
        ("until", datetime.date(2026, 11, 20), 400, False),
        ("until", datetime.date(2026, 11, 19), 19, True),
        ("until", datetime.date(2026, 11, 1), 3, False),
        ("nothing", None, 16, True),
        ("nothing", None, 14, False),
    ],
)
def test_visit_is_forgotten_when_the_patrons_chosen_retention_time_ends(
    patron, branch, remember, until, days_ago, gone
):
    make_choice(patron, remember, until=until, at=AT - 15 * DAY)
    session = make_kept_visit(patron, branch, days_ago)
    retention.forget(at=AT)
    assert (words_of(session) == "") == gone
    assert (retention_choice.ends_at(patron, AT - days_ago * DAY, library=Library.current()) <= AT) == gone


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [23, 25])
def test_new_retention_choice_applies_after_one_day(patron, branch, hours):
    session = make_kept_visit(patron, branch, 100)
    make_choice(patron, "nothing", at=AT - timedelta(hours=hours))
    retention.forget(at=AT)
    assert (words_of(session) == "") == (hours > 24)


@pytest.mark.django_db
def test_retention_choice_is_recorded_with_wording_and_time(patron):
    make_choice(patron, "90", at=AT)
    assert Consent.objects.values_list("person", "purpose", "wording", "given_at").get() == (
        patron.pk,
        "remember",
        "As read",
        AT,
    )
    assert AuditEvent.objects.values_list("action", "by", "patron", "at").get() == (
        "chose_how_long",
        patron.pk,
        patron.pk,
        AT,
    )


@pytest.mark.django_db
def test_python_code_and_sql_query_find_the_same_due_visits_for_every_retention_choice(library, branch):
    people = [UserFactory() for _ in range(7)]
    days = [AT - timedelta(hours=hours) for hours in (1, 23, 25, 70, 715, 725, 2150, 2170, 8750, 8770)]
    for patron, remember in zip(people, ["30", "90", "365", "until", "until", "nothing", "365"], strict=True):
        until = AT.date() - timedelta(days=1 + patron.pk % 2) if remember == "until" else None
        User.objects.filter(pk=patron.pk).update(
            remember=remember,
            remember_until=until,
            remember_chosen_at=AT - timedelta(hours=30) if patron != people[-1] else None,
        )
        patron.refresh_from_db()
        for at in days:
            HelpSessionFactory(branch=branch, patron=patron, kept_at=at, created_at=at)
    found = set(retention.due_sessions(AT))
    assert {
        session
        for session in HelpSession.objects.select_related("patron")
        if retention_choice.ends_at(session.patron, session.kept_at, library=library) <= AT
    } == found
    assert 20 < len(found) < 60


# Tests of legal holds.


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("what", ["person", "session", "conversation", "contact"])
def test_everything_connected_to_a_legal_hold_is_preserved_until_the_hold_is_lifted(
    patron, coordinator, branch, what
):
    session = make_kept_visit(patron, branch, 400)
    SessionNoteFactory(help_session=session)
    # The desk recorded this help session to count the conversation as a contact.
    contact = HelpSessionFactory(branch=branch, created_at=AT - 400 * DAY)
    conversation = ConversationFactory(help_session=session, status="closed", logged_as=contact)
    MessageFactory(conversation=conversation, sent_at=LONG_AGO)
    other = make_kept_visit(UserFactory(), branch, 400)
    record = {"person": patron, "session": session, "conversation": conversation, "contact": contact}[what]
    hold = holds.hold(record, reason="Case 12", by=coordinator, at=AT)
    assert [holds.held(found) for found in (patron, session, conversation, other, other.patron)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    retention.forget(at=AT)
    assert [bool(words_of(found)) for found in (session, contact)] == [True, True]
    assert conversation.messages.exists()
    assert session.note
    assert words_of(other) == ""
    holds.lift(hold, by=coordinator, at=AT)
    retention.forget(at=AT)
    assert (words_of(session), words_of(contact)) == ("", "")
    assert list(
        AuditEvent.objects.filter(subject_type="legalhold")
        .order_by("pk")
        .values_list("action", "by", "patron")
    ) == [
        ("held", coordinator.pk, None),
        ("lifted_hold", coordinator.pk, None),
    ]


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("record", ["patron", "adult", "visit", "conversation"])
def test_access_log_entries_about_held_data_are_not_deleted_after_730_days(
    patron, staff, coordinator, branch, record
):
    visit = SharedSessionFactory(
        branch=branch, patron=patron, shared_with=UserFactory(), kept_at=AT, shared_at=AT
    )
    records = {
        "patron": patron,
        "adult": visit.shared_with,
        "visit": visit,
        "conversation": ConversationFactory(help_session=visit),
    }
    # Staff opened the visit before anyone kept it, so the events about the visit name no patron.
    old_events = [
        audit.record("looked_up", patron, by=staff, patron=patron, at=AT - 731 * DAY, reason="Case 12"),
        audit.record("opened", visit.shared_with, by=staff, patron=visit.shared_with, at=AT - 731 * DAY),
        audit.record("opened_by_code", visit, by=staff, at=AT - 731 * DAY),
        audit.record("opened", records["conversation"], by=staff, at=AT - 731 * DAY),
    ]
    audit.record("opened", UserFactory(), by=staff, at=AT - 731 * DAY)
    looked_up, opened_adult, *opened_visit = [event.pk for event in old_events]
    kept = {
        "patron": {looked_up, *opened_visit},
        "adult": {opened_adult, *opened_visit},
        "visit": set(opened_visit),
        "conversation": set(opened_visit),
    }[record]
    hold = holds.hold(records[record], reason="Case 12", by=coordinator, at=AT)
    old = AuditEvent.objects.filter(at__lt=AT - 730 * DAY)
    retention.forget(at=AT)
    assert set(old.values_list("pk", flat=True)) == kept
    assert LookingReason.objects.exists() is (record == "patron")
    holds.lift(hold, by=coordinator, at=AT)
    retention.forget(at=AT)
    assert not old.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("held", ["remaining", "merged"])
def test_merged_conversations_are_not_deleted_if_one_of_them_is_under_a_legal_hold(
    patron, coordinator, branch, held
):
    into = ConversationFactory(
        help_session=None, patron=patron, branch=branch, status="closed", closed_at=AT - 400 * DAY
    )
    joined = ConversationFactory(
        help_session=make_kept_visit(patron, branch, 400), status="closed", merged_into=into
    )
    MessageFactory(conversation=into)
    holds.hold({"remaining": into, "merged": joined}[held], reason="Case 12", by=coordinator, at=AT)
    retention.forget(at=AT)
    assert Message.objects.exists()
    assert words_of(joined.help_session)


@pytest.mark.django_db
def test_database_refuses_to_delete_a_person_under_legal_hold(patron, coordinator):
    holds.hold(patron, reason="Case 12", by=coordinator, at=AT)
    with pytest.raises(models.ProtectedError):
        patron.delete()


@pytest.mark.django_db
def test_lifted_legal_hold_is_deleted_after_two_years(patron, coordinator):
    holds.lift(
        holds.hold(patron, reason="Case 12", by=coordinator, at=AT - 800 * DAY),
        by=coordinator,
        at=AT - 731 * DAY,
    )
    retention.forget(at=AT)
    assert not LegalHold.objects.exists()


# Tests of how the retention job runs.


def test_removed_list_items_are_deleted_after_the_last_day_for_restoring_them(patron, coordinator, library):
    now = timezone.now()
    held = UserFactory()
    legal_hold = holds.hold(held, reason="Case 12", by=coordinator, at=now)
    in_list = SavedItemFactory(saved_list__patron=patron)
    today = timezone.localtime(now, library.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    still_shown, too_old, of_held = (
        SavedItemFactory(saved_list=saved_list, removed_at=removed_at)
        for saved_list, removed_at in (
            (in_list.saved_list, today - RESTORE_FOR),
            (in_list.saved_list, today - RESTORE_FOR - timedelta(seconds=1)),
            (SavedListFactory(patron=held), today - RESTORE_FOR - timedelta(seconds=1)),
        )
    )
    lists = [
        SavedListFactory(patron=person, name="Removed", removed_at=too_old.removed_at)
        for person in (patron, held)
    ]
    of_lists = [SavedItemFactory(saved_list=each) for each in lists]
    due = retention.due(at=now)
    assert (due.removed_items, due.removed_lists) == (1, 1)
    retention.forget(at=now)
    assert set(SavedItem.objects.all()) == {in_list, still_shown, of_held, of_lists[1]}
    holds.lift(legal_hold, by=coordinator, at=now)
    retention.forget(at=now)
    assert set(SavedItem.objects.all()) == {in_list, still_shown}
    assert not SavedList.objects.filter(name="Removed").exists()


def test_link_to_a_list_is_deleted_a_week_after_it_stops_working(patron, coordinator, library):
    now = timezone.now()
    held = UserFactory()
    legal_hold = holds.hold(held, reason="Case 12", by=coordinator, at=now)
    own, of_held = SavedListFactory(patron=patron), SavedListFactory(patron=held)
    week, second = ENDED_KEPT_FOR, timedelta(seconds=1)

    def link(saved_list=own, **times):
        made = make_link(saved_list, with_notes=False, at=now)
        ListLink.objects.filter(pk=made.pk).update(**times)
        return made

    works, fresh, fresh_end = link(), link(ends_at=now - week), link(ended_at=now - week)
    over, ended = link(ends_at=now - week - second), link(ended_at=now - week - second)
    held_link = link(of_held, ended_at=now - week - second)
    assert retention.due(at=now).ended_links == 2
    retention.forget(at=now)
    assert set(ListLink.objects.all()) == {works, fresh, fresh_end, held_link}
    assert not {over, ended} & set(ListLink.objects.all())
    holds.lift(legal_hold, by=coordinator, at=now)
    retention.forget(at=now)
    assert set(ListLink.objects.all()) == {works, fresh, fresh_end}


@pytest.mark.django_db
@pytest.mark.parametrize(("hour", "runs"), [(0, False), (1, True), (5, True), (6, False), (14, False)])
def test_worker_forgets_visits_only_at_night_in_the_librarys_time_zone(library, branch, hour, runs):
    at = datetime.datetime(2026, 11, 20, hour, 30, tzinfo=library.zone)
    session = HelpSessionFactory(branch=branch, created_at=at - 31 * DAY)
    retention.forget_what_is_due(at=at)
    assert (words_of(session) == "") == runs


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_next_retention_job_forgets_the_visits_that_a_killed_job_left(branch, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    HelpSessionFactory.create_batch(10, branch=branch, staff=None, created_at=AT - 31 * DAY)
    whole, calls = forgetting.forget, []

    def killed(*args, **kwargs):
        whole(*args, **kwargs)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(forgetting, "forget", killed)
    with pytest.raises(KeyboardInterrupt):
        retention.forget(at=AT)
    assert HelpSession.objects.filter(question="").count() == 3
    assert retention.forget(at=AT) == 7
    assert HelpSession.objects.filter(question="", forgotten_on=AT.date()).count() == 10
    assert retention.forget(at=AT) == 0


@pytest.mark.django_db
def test_retention_job_stops_after_the_given_number_of_seconds(branch, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    HelpSessionFactory.create_batch(10, branch=branch, created_at=AT - 31 * DAY)
    assert retention.forget(at=AT, seconds=0) == 3


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("sessions", [1, 30])
def test_retention_batch_runs_the_same_number_of_queries_for_1_and_30_visits(
    patron, branch, sessions, django_assert_num_queries
):
    visits = [make_kept_visit(patron, branch, 366) for _ in range(sessions)]
    for visit in visits:
        recommend_in(visit)
    with django_assert_num_queries(QUERIES_A_BATCH):
        retention._forget_some_sessions([visit.pk for visit in visits], AT)


QUERIES_A_BATCH = 99


@pytest.mark.django_db
def test_all_batches_of_the_retention_job_share_one_search_for_due_visits(branch, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 3)
    find, found = retention.due_sessions, []
    monkeypatch.setattr(retention, "due_sessions", lambda at: found.append(at) or find(at))
    HelpSessionFactory.create_batch(10, branch=branch, created_at=AT - 31 * DAY)
    assert retention.forget(at=AT) == 10
    # The first call finds all due sessions. Each of the four batches then calls the function once more, to
    # check its own sessions again.
    assert len(found) == 1 + 4


@pytest.mark.slow
@pytest.mark.django_db
def test_dry_run_of_the_forget_command_counts_due_rows_and_changes_nothing(
    patron, branch, capsys, time_machine
):
    time_machine.move_to(AT, tick=False)
    session = make_kept_visit(patron, branch, 366)
    SessionNoteFactory(help_session=session)
    recommend_in(session, 2)
    MessageFactory(conversation=ConversationFactory(help_session=session, status="closed"), sent_at=LONG_AGO)
    call_command("forget", dry_run=True)
    said = {
        line.split(maxsplit=1)[1]: int(line.split()[0]) for line in capsys.readouterr().out.splitlines()[1:]
    }
    assert said == {
        **{
            "help sessions": 1,
            "conversations": 1,
            "messages": 1,
            "notes": 1,
            "files": 0,
            "recommendations": 2,
        },
        **{"unfinished forms": 0, "events": 0, "lifted holds": 0, "emails not matched": 0},
        **{"removed items": 0, "removed lists": 0, "ended links": 0},
    }
    assert words_of(session)
    call_command("forget")
    assert words_of(session) == ""
