"""Test which links in check-in emails work, and for how long."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Library, User
from portal.checkins import links
from portal.checkins.answering import Answerer, answer, note_answer
from portal.checkins.models import CheckIn
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure, merging, retention, sharing, unmerging
from tests.factories import (
    HelpSessionFactory,
    LibraryFactory,
    NotificationFactory,
    UserFactory,
    ask_by_email,
)

pytestmark = pytest.mark.django_db


def asked(at=None, **fields):
    """Create a check-in that was sent at `at`, and return (check-in, token of its link)."""
    at = at or timezone.now()
    LibraryFactory()
    visit = HelpSessionFactory(patron=UserFactory(check_ins="email"), kept_at=at)
    check_in, path = ask_by_email(visit, at=at, **fields)
    return check_in, path.split("/")[2]


def test_link_of_a_check_in_works_for_30_days():
    at = timezone.now()
    check_in, token = asked(at)
    assert links.find(token, at=at + timedelta(days=29, hours=23)) == check_in
    assert links.find(token, at=at + timedelta(days=30)) is None


def test_characters_that_a_mail_program_adds_to_a_link_are_ignored():
    check_in, token = asked()
    for text in (f"{token}.", f"{token})", f"{token}>", f"{token}%20"):
        assert links.find(text, at=timezone.now()) == check_in


@pytest.mark.few_cases
@pytest.mark.parametrize("text", ["", "x", "x" * 22, "é" * 22, "\x00" * 22, "x" * 5000])
def test_damaged_link_opens_no_check_in(text):
    asked()
    assert links.find(text, at=timezone.now()) is None


def test_token_of_a_check_in_link_is_not_stored_in_plain_text():
    check_in, token = asked()
    check_in.refresh_from_db()
    assert token not in str([getattr(check_in, field.attname) for field in CheckIn._meta.fields])


@pytest.mark.parametrize(
    "change",
    [
        {"patron": None},
        {"patron": None, "quiet": True},
        {"patron": None, "status": HelpSession.Status.REPLACED},
        {
            "patron": None,
            "staff": None,
            "question": "",
            "summary": "",
            "forgotten_on": timezone.now().date(),
        },
    ],
    ids=["removed from the account", "quiet", "replaced", "forgotten"],
)
def test_check_in_link_stops_working_when_the_visit_is_removed_or_quiet_or_forgotten_or_replaced(change):
    check_in, token = asked()
    HelpSession.objects.filter(pk=check_in.help_session_id).update(**change)
    assert links.find(token, at=timezone.now()) is None


def test_check_in_link_stops_working_when_another_patron_has_the_visit():
    check_in, token = asked()
    HelpSession.objects.filter(pk=check_in.help_session_id).update(patron=UserFactory())
    assert links.find(token, at=timezone.now()) is None


def test_check_in_link_stops_working_when_the_patrons_account_is_closed():
    check_in, token = asked()
    User.objects.filter(pk=check_in.asked_id).update(is_active=False)
    assert links.find(token, at=timezone.now()) is None


def test_check_in_link_stops_working_when_the_patron_is_erased():
    check_in, token = asked()
    CheckIn.objects.update(asked=None)
    HelpSession.objects.filter(pk=check_in.help_session_id).update(patron=None)
    assert links.find(token, at=timezone.now()) is None


def let_go(visit, patron, staff, at):
    sharing.stop_keeping(visit, by=patron, at=at)


def take_out(visit, patron, staff, at):
    sharing.take_out(visit, patron, by=staff, at=at)


def erase(visit, patron, staff, at):
    erasure.erase(patron, language="en", at=at)


def forget(visit, patron, staff, at):
    User.objects.filter(pk=patron.pk).update(remember="30", remember_chosen_at=at - timedelta(days=90))
    HelpSession.objects.filter(pk=visit.pk).update(
        kept_at=at - timedelta(days=60), created_at=at - timedelta(days=60)
    )
    assert retention.forget(at=at)


@pytest.mark.parametrize("end", [let_go, take_out, erase, forget])
def test_check_in_link_stops_working_when_the_patron_loses_the_visit(end):
    check_in, token = asked()
    visit, at = check_in.help_session, timezone.now()
    end(visit, check_in.asked, visit.staff, at)
    assert links.find(token, at=at) is None


@pytest.mark.parametrize("is_deleted", [True, False], ids=["other record stays", "own record stays"])
def test_check_in_link_still_works_after_the_patrons_record_is_merged(is_deleted):
    check_in, token = asked()
    own, other = check_in.asked, UserFactory()
    going, into = (own, other) if is_deleted else (other, own)
    merging.merge_people(going, into, by=check_in.help_session.staff, at=timezone.now())
    assert links.find(token, at=timezone.now()) == check_in
    answer(check_in, answerer=Answerer(may_open=False), at=timezone.now(), found="all")
    check_in.refresh_from_db()
    assert (check_in.asked, check_in.status) == (into, "answered")
    assert HelpSession.objects.get().found == "all"


@pytest.mark.parametrize(("state", "works"), [("delivered", True), ("waiting", False), ("pushing", False)])
def test_merge_ends_a_check_in_link_only_if_its_email_still_waits_in_the_outbox(state, works):
    check_in, token = asked(message_id="<check-in@library.example>")
    own, other = check_in.asked, UserFactory()
    NotificationFactory(
        state=state,
        recipient=own,
        message_id=check_in.message_id,
        delivered_at=timezone.now() if state == "delivered" else None,
    )
    merging.merge_people(own, other, by=check_in.help_session.staff, at=timezone.now())
    assert (links.find(token, at=timezone.now()) == check_in) is works


def test_undoing_a_merge_ends_a_check_in_link_that_was_sent_after_the_merge():
    at = timezone.now()
    check_in, token = asked(at - timedelta(hours=2))
    own, other = check_in.asked, UserFactory()
    merge_row = unmerging.merge_for_a_day(own, other, by=check_in.help_session.staff, at=at)
    check_in.refresh_from_db()
    later = links.new_link(check_in, at=at)
    check_in.save()
    restored = unmerging.unmerge(merge_row, by=check_in.help_session.staff, at=at + timedelta(hours=1))
    assert links.find(later, at=at) is None
    assert links.find(token, at=at).asked == restored


def test_sent_check_in_is_marked_as_answered_when_the_patron_answers():
    check_in, _token = asked()
    at = timezone.now()
    note_answer(check_in.help_session, at=at)
    check_in.refresh_from_db()
    assert (check_in.status, check_in.answered_at) == ("answered", at)


@pytest.mark.parametrize(("days", "status"), [(0, "answered"), (1, "planned")])
def test_answer_marks_a_planned_check_in_as_answered_only_if_the_check_in_is_due(days, status):
    at = timezone.now()
    check_in, _token = asked(status="planned", asked_at=None, asked=None)
    due_on = Library.current().today(at) + timedelta(days=days)
    CheckIn.objects.update(due_on=due_on)
    note_answer(check_in.help_session, at=at)
    check_in.refresh_from_db()
    assert check_in.status == status
