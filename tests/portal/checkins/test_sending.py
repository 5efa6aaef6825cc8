import datetime

import pytest
from allauth.account.models import EmailAddress

from accounts.models import ClosedDay, Library
from accounts.patron import check_ins as consent
from portal.checkins import planning
from portal.checkins.due import due_check_in
from portal.checkins.eligibility import Why, with_why
from portal.checkins.models import CheckIn
from portal.checkins.sending import NotNow, send_due_check_ins, send_now, still_wanted
from portal.conversations.models import Conversation
from portal.conversations.viewer import BrowserViewer
from portal.helpsessions.models import HelpSession
from portal.notifications import settling
from portal.notifications.actions import mark_delivered, take_next
from portal.notifications.facts import Sources
from portal.notifications.models import FailingAddress, NoticeTimes, Notification
from portal.privacy import sharing
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import correct
from portal.privacy.merging import merge_people
from portal.privacy.unmerging import merge_for_a_day, unmerge
from tests.factories import (
    CheckInFactory,
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
    recommend_in,
)
from tests.opening_hours import open_on_weekdays

# Wednesday, 10:00 at the library in Chicago.
NOW = datetime.datetime(2026, 3, 4, 16, tzinfo=datetime.UTC)
TODAY = datetime.date(2026, 3, 4)
DAY = datetime.timedelta(days=1)

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


@pytest.fixture
def library(library):
    library.check_ins = True
    library.save()
    return library


@pytest.fixture
def branch(branch):
    open_on_weekdays(branch)
    return branch


@pytest.fixture
def ana(library):
    return UserFactory(name="Ana", email="ana@example.org", check_ins="email")


@pytest.fixture
def due(staff, branch, ana):
    """Return an approved check-in about Ana's visit, due today."""
    return check_in_about(staff, branch, ana)


def check_in_about(staff, branch, patron, *, due_on=TODAY, reviewed_at=NOW - DAY, **fields):
    at = fields.pop("kept_at", NOW - 7 * DAY)
    fields = {"question": "How do I appeal an eviction?", **fields}
    visit = HelpSessionFactory(
        staff=staff, branch=branch, patron=patron, created_at=at, kept_at=at, happened_on=at.date(), **fields
    )
    return CheckInFactory(help_session=visit, due_on=due_on, reviewed_at=reviewed_at)


def emails():
    return list(Notification.objects.filter(kind="checkins/check_in").order_by("pk"))


def why(check_in, at=NOW):
    return with_why(CheckIn.objects.filter(pk=check_in.pk), at=at).get().why_not_by_message


def settled(at):
    """Take the next email from the outbox, as a worker does. Return the email if it may be sent, or None."""
    row = take_next(at=at)
    return row and settling.settle(row, at=at, sources=Sources(unsettled={"checkins/check_in": still_wanted}))


def test_due_check_in_is_sent_once_in_the_name_of_the_helper(due, ana, staff):
    send_due_check_ins(at=NOW)
    send_due_check_ins(at=NOW + datetime.timedelta(minutes=5))

    [email] = emails()
    due.refresh_from_db()
    assert (due.status, due.asked_at, due.asked, due.asked_by) == ("asked", NOW, ana, staff)
    assert (due.message_id, due.link_ends_at) == (email.message_id, NOW + 30 * DAY)
    assert (email.recipient, email.to_address, email.blanked) == (ana, "ana@example.org", True)
    assert email.ends_at == due.link_ends_at
    assert email.branch == due.help_session.branch


def test_link_and_text_of_an_email_are_deleted_after_delivery(due):
    send_due_check_ins(at=NOW)
    [email] = emails()
    assert email.url in email.text
    mark_delivered(settled(NOW), at=NOW)
    [email] = emails()
    assert (email.state, email.text, email.html, email.url) == ("delivered", "", "", "")


def test_check_in_email_mentions_the_helper_but_not_the_subject_of_the_visit(due, staff):
    send_due_check_ins(at=NOW)

    [email] = emails()
    for text in (email.subject, email.text, email.html):
        assert staff.name in text
        assert "eviction" not in text
        assert "«" not in text
    assert "/how/" in email.text
    assert "/how/" in email.html
    assert email.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert email.headers["List-Unsubscribe"].strip("<>") in email.text
    assert "because you agreed" in email.text


def test_check_in_email_leaves_out_the_text_of_the_helper_even_if_titles_are_allowed(due, ana):
    ana.check_in_titles = True
    ana.save()
    CheckIn.objects.update(words="Did the <eviction> letter help?")

    send_due_check_ins(at=NOW)

    [email] = emails()
    assert "eviction" not in email.text + email.html
    assert "can see the titles" in email.text


def test_check_in_link_expires_on_the_day_when_the_visit_is_forgotten(due, ana):
    ana.remember, ana.remember_chosen_at = "30", NOW - 300 * DAY
    ana.save()

    send_due_check_ins(at=NOW)

    due.refresh_from_db()
    assert due.link_ends_at == NOW + 23 * DAY


def test_branch_can_allow_unreviewed_check_ins_to_be_sent_in_its_name(staff, branch, ana):
    check_in = check_in_about(staff, branch, ana, reviewed_at=None)
    send_due_check_ins(at=NOW)
    assert emails() == []
    assert why(check_in) == Why.NOT_REVIEWED

    branch.check_ins_unreviewed = True
    branch.save()
    send_due_check_ins(at=NOW)

    [email] = emails()
    assert staff.name not in email.text + email.subject
    assert branch.name in email.subject
    check_in.refresh_from_db()
    assert check_in.asked_by is None


def test_check_in_is_sent_only_when_it_is_due_and_the_branch_is_open(due, branch):
    for at in (NOW - DAY, NOW.replace(hour=14), NOW.replace(hour=23), NOW + 3 * DAY):
        send_due_check_ins(at=at)
    ClosedDay.objects.create(branch=branch, day=TODAY)
    send_due_check_ins(at=NOW)
    assert emails() == []

    send_due_check_ins(at=NOW + DAY)

    assert len(emails()) == 1


def change_user(**fields):
    return lambda check_in: (
        type(check_in.help_session.patron).objects.filter(pk=check_in.help_session.patron_id).update(**fields)
    )


def change_visit(**fields):
    return lambda check_in: HelpSession.objects.filter(pk=check_in.help_session_id).update(**fields)


def with_topic(check_in):
    change_visit(topic=TopicFactory(never_by_message=True))(check_in)


def with_unconfirmed_address(check_in):
    patron = check_in.help_session.patron
    EmailAddress.objects.create(user=patron, email=patron.email, verified=False)


def with_address_off(check_in):
    patron = check_in.help_session.patron
    FailingAddress.objects.create(person=patron, email=patron.email, failed_at=NOW, off_at=NOW)


def answered(check_in):
    change_visit(found="all", satisfaction="good")(check_in)


def with_open_conversation(check_in):
    ConversationFactory(help_session=check_in.help_session)


def turned_off(check_in):
    Library.objects.update(check_ins=False)


REASONS = {
    Why.OFF: turned_off,
    Why.GONE: change_visit(status="replaced", patron=None),
    Why.QUIET: change_visit(quiet=True, patron=None),
    Why.PAPER: change_visit(with_child="paper", patron=None),
    Why.OVER: change_user(remember="30", remember_chosen_at=NOW - 300 * DAY),
    Why.LEFT_OUT: change_visit(check_ins="none"),
    Why.REFUSED: change_user(check_ins="none"),
    Why.ANSWERED: answered,
    Why.LATE: lambda check_in: CheckIn.objects.update(due_on=TODAY - 31 * DAY),
    Why.CONVERSATION: with_open_conversation,
    Why.NOT_DUE: lambda check_in: CheckIn.objects.update(due_on=TODAY + DAY),
    Why.NOT_KEPT: change_visit(patron=None),
    Why.DIED: change_user(died_at=NOW),
    Why.INACTIVE: change_user(is_active=False),
    Why.SEVERAL: change_visit(people=2),
    Why.TOPIC: with_topic,
    Why.CHILD: change_visit(with_child="own"),
    Why.PAGES: change_user(check_ins="pages"),
    Why.NOT_CHOSEN: change_user(check_ins=""),
    Why.NO_ADDRESS: change_user(email=None),
    Why.UNCONFIRMED: with_unconfirmed_address,
    Why.ADDRESS_OFF: with_address_off,
    Why.NO_PHONE: change_user(check_ins="push"),
    Why.NOT_REVIEWED: lambda check_in: CheckIn.objects.update(reviewed_at=None),
}
ONLY_BY_EMAIL = list(Why)[list(Why).index(Why.NOT_KEPT) :]
LONG_AGO = {Why.OVER: {"kept_at": NOW - 40 * DAY}}


@pytest.mark.parametrize("reason", REASONS)
def test_check_in_is_not_sent_if_there_is_a_reason_against_sending(reason, staff, branch, ana):
    check_in = check_in_about(staff, branch, ana, **LONG_AGO.get(reason, {}))
    assert why(check_in) == ""
    REASONS[reason](check_in)

    send_due_check_ins(at=NOW)

    assert emails() == []
    assert why(check_in) == reason
    ana.refresh_from_db()
    viewer = BrowserViewer.who_opened([check_in.help_session_id], ana)
    shown = due_check_in(viewer, Library.current(), at=NOW)
    # A reason in ONLY_BY_EMAIL prevents only the email, so pages still ask about the visit. But Why.CHILD
    # also prevents the question on pages.
    assert (shown is not None) == (reason in ONLY_BY_EMAIL and reason != Why.CHILD)


def test_every_reason_against_sending_is_tested():
    assert set(Why) - set(REASONS) == {Why.THIS_WEEK, Why.CLOSED}


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "reason",
    [reason for reason in REASONS if reason not in {Why.NOT_DUE, Why.NOT_REVIEWED, Why.LATE, Why.OVER}],
)
def test_worker_discards_a_written_email_if_a_reason_against_sending_arises(reason, due):
    send_due_check_ins(at=NOW)
    REASONS[reason](due)

    assert settled(NOW + datetime.timedelta(minutes=1)) is None
    if reason != Why.ADDRESS_OFF:
        assert emails() == []


def test_worker_sends_a_written_email_if_no_reason_against_sending_arises(due):
    send_due_check_ins(at=NOW)

    assert settled(NOW).message_id == emails()[0].message_id


def test_discarded_check_in_is_sent_later_when_the_reason_no_longer_applies(due, ana):
    send_due_check_ins(at=NOW)
    conversation = ConversationFactory(help_session=due.help_session)
    assert settled(NOW) is None

    send_due_check_ins(at=NOW)
    due.refresh_from_db()
    assert (due.status, due.asked, due.token_hmac) == ("planned", None, None)
    Conversation.objects.filter(pk=conversation.pk).update(status="closed", waiting_since=None, closed_at=NOW)
    send_due_check_ins(at=NOW + datetime.timedelta(minutes=5))

    assert len(emails()) == 1


def test_email_goes_to_the_patrons_new_address_if_the_address_changed_before_delivery(due, ana):
    send_due_check_ins(at=NOW)
    ana.email = "new@example.org"
    ana.save()

    assert settled(NOW) is None
    send_due_check_ins(at=NOW)

    assert [email.to_address for email in emails()] == ["new@example.org"]


def test_check_in_is_sent_after_quiet_hours_only_when_the_branch_is_open(due, ana):
    NoticeTimes.objects.create(person=ana, quiet_from=datetime.time(9), quiet_until=datetime.time(18))
    send_due_check_ins(at=NOW)

    assert settled(NOW) is None
    six_pm = emails()[0].due_at
    assert settled(six_pm) is None

    # The quiet hours end at 18:00. The branch is already closed then, and opens again on Thursday at 9:00.
    assert six_pm == datetime.datetime(2026, 3, 5, 0, tzinfo=datetime.UTC)
    assert emails()[0].due_at == datetime.datetime(2026, 3, 5, 15, tzinfo=datetime.UTC)


def test_patron_gets_one_email_a_week_and_the_first_is_about_the_oldest_visit(staff, branch, ana):
    newer = check_in_about(staff, branch, ana, kept_at=NOW - 3 * DAY)
    older = check_in_about(staff, branch, ana, kept_at=NOW - 20 * DAY)

    send_due_check_ins(at=NOW)
    assert [email.message_id for email in emails()] == [message_id(older)]
    assert why(newer) == Why.THIS_WEEK
    for almost in (6 * DAY, 7 * DAY - datetime.timedelta(minutes=1)):
        send_due_check_ins(at=NOW + almost)
    assert len(emails()) == 1
    send_due_check_ins(at=NOW + 7 * DAY)

    assert [email.message_id for email in emails()] == [message_id(older), message_id(newer)]


def message_id(check_in):
    check_in.refresh_from_db()
    return check_in.message_id


def test_patron_is_asked_first_about_a_visit_that_will_be_forgotten_within_a_week(staff, branch, ana):
    ana.remember, ana.remember_chosen_at = "30", NOW - 300 * DAY
    ana.save()
    today = check_in_about(staff, branch, ana, kept_at=NOW - 3 * DAY)
    urgent = check_in_about(staff, branch, ana, kept_at=NOW - 27 * DAY, due_on=TODAY + DAY)

    send_due_check_ins(at=NOW)
    assert emails() == []
    send_due_check_ins(at=NOW + DAY)

    assert [email.message_id for email in emails()] == [message_id(urgent)]
    assert why(today, NOW + DAY) == Why.THIS_WEEK


def test_check_in_emails_to_two_patrons_are_sent_on_the_same_day(staff, branch, ana):
    check_in_about(staff, branch, ana)
    check_in_about(staff, branch, UserFactory(check_ins="email"))

    send_due_check_ins(at=NOW)

    assert len(emails()) == 2


def test_child_is_emailed_only_if_the_library_emails_children(staff, branch, library):
    child = ChildFactory(email="mia@example.org", check_ins="email")
    check_in = check_in_about(
        staff, branch, child, with_child="shared", shared_with=UserFactory(check_ins="email")
    )
    assert why(check_in) == Why.CHILD

    library.check_ins_of_children = True
    library.save()
    send_due_check_ins(at=NOW)

    assert [email.recipient for email in emails()] == [child]


def test_rule_about_emailing_children_applies_even_if_a_visit_is_not_marked_with_a_child(
    staff, branch, library
):
    child = ChildFactory(email="mia@example.org", check_ins="email")
    check_in = check_in_about(staff, branch, child)
    assert why(check_in) == Why.CHILD

    library.check_ins_of_children = True
    library.save()

    assert why(check_in) == ""


def test_adult_who_keeps_a_visit_with_a_child_is_not_emailed(staff, branch, library, ana):
    library.check_ins_of_children = True
    library.save()
    shared = check_in_about(staff, branch, None, with_child="shared", shared_with=ana)
    own = check_in_about(staff, branch, ana, with_child="own")

    assert (why(shared), why(own)) == (Why.NOT_KEPT, Why.CHILD)


def test_patron_is_asked_about_a_visit_until_every_item_has_a_verdict(due):
    answered(due)
    recommendation = recommend_in(due.help_session)[0]
    assert why(due) == ""

    type(recommendation).objects.update(verdict="helped", decided_at=NOW)

    assert why(due) == Why.ANSWERED


def test_check_in_can_be_sent_until_30_days_after_its_due_day(due):
    CheckIn.objects.update(due_on=TODAY - 30 * DAY)
    assert why(due) == ""


@pytest.mark.parametrize(
    ("hour", "minute", "is_open"),
    [(8, 59, False), (9, 0, True), (16, 59, True), (17, 0, False)],
)
def test_branch_without_opening_hours_is_open_from_9_to_5(due, branch, hour, minute, is_open):
    branch.opening_hours.all().delete()
    at = NOW.replace(hour=hour + 6, minute=minute)
    assert why(due, at) == ("" if is_open else Why.CLOSED)


def test_check_in_can_be_sent_for_a_month_after_the_conversation_that_delayed_it_closed(due):
    CheckIn.objects.update(due_on=TODAY - 40 * DAY)
    conversation = ConversationFactory(help_session=due.help_session, status="closed", closed_at=NOW - DAY)
    assert why(due) == ""

    Conversation.objects.filter(pk=conversation.pk).update(closed_at=NOW - 31 * DAY)

    assert why(due) == Why.LATE


def test_check_in_is_sent_in_the_name_of_the_branch_after_the_helper_left(due, staff):
    staff.staff_roles.all().delete()

    send_due_check_ins(at=NOW)

    due.refresh_from_db()
    assert due.asked_by is None


def test_staff_can_send_a_check_in_before_its_day(staff, branch, ana):
    check_in = check_in_about(staff, branch, ana, due_on=TODAY + 3 * DAY, reviewed_at=None)

    send_now(check_in, by=staff, at=NOW)

    check_in.refresh_from_db()
    assert (check_in.status, check_in.asked_by, check_in.reviewed_by) == ("asked", staff, staff)
    assert len(emails()) == 1
    with pytest.raises(NotNow) as error:
        send_now(check_in, by=staff, at=NOW)
    assert error.value.why == Why.GONE


def test_staff_cannot_send_a_patron_a_second_check_in_within_a_week(due, staff, branch, ana):
    second = check_in_about(staff, branch, ana)
    send_now(due, by=staff, at=NOW)

    with pytest.raises(NotNow) as error:
        send_now(second, by=staff, at=NOW)

    assert error.value.why == Why.THIS_WEEK
    assert len(emails()) == 1


def test_check_in_is_not_sent_if_the_patron_stopped_check_ins_or_left_out_this_visit(due, ana, staff):
    consent.stop(ana, by=staff, at=NOW)
    assert why(due) == Why.REFUSED
    planning.leave_out(due.help_session, at=NOW)
    assert why(due) == Why.LEFT_OUT


def test_no_email_is_sent_about_a_visit_if_the_patron_wants_to_be_asked_only_on_pages(due):
    change_visit(check_ins="pages")(due)
    send_due_check_ins(at=NOW)
    assert emails() == []
    assert why(due) == Why.PAGES


def test_check_in_is_sent_even_if_the_previous_check_in_email_has_a_future_date(staff, branch, ana):
    check_in_about(staff, branch, ana)
    ana.check_in_sent_at = NOW + 300 * DAY
    ana.save()

    send_due_check_ins(at=NOW)

    assert len(emails()) == 1


QUERIES_OF_A_BATCH = 33


def test_sending_runs_the_same_number_of_queries_for_1_and_30_check_ins(
    staff, branch, library, django_assert_num_queries
):
    for number in (1, 30):
        for _ in range(number):
            check_in_about(
                StaffFactory(branch=branch), branch, UserFactory(check_ins="email"), topic=TopicFactory()
            )
        with django_assert_num_queries(QUERIES_OF_A_BATCH):
            send_due_check_ins(at=NOW)
    assert len(emails()) == 31


def test_staff_cannot_send_a_check_in_before_the_day_that_the_patron_chose(staff, branch, ana):
    check_in = check_in_about(staff, branch, ana, due_on=TODAY + 3 * DAY)
    CheckIn.objects.update(set_by="patron")

    with pytest.raises(NotNow) as error:
        send_now(check_in, by=staff, at=NOW)

    assert error.value.why == Why.NOT_DUE
    assert emails() == []


def test_check_in_is_not_sent_again_after_its_email_was_deleted(due):
    send_due_check_ins(at=NOW)
    Notification.objects.all().delete()

    send_due_check_ins(at=NOW + 31 * DAY)

    due.refresh_from_db()
    assert due.status == "asked"
    assert emails() == []


def test_spanish_email_has_links_for_answering_and_changing_the_choice_and_unsubscribing(staff, branch, ana):
    check_in_about(staff, branch, ana, language="es")
    send_due_check_ins(at=NOW)
    (email,) = emails()
    assert f"{staff.name} pregunta: ¿cómo le fue?" == email.subject
    assert ">Responder</a>" in " ".join(email.html.split())
    assert "Elija si le preguntamos por sus visitas:\nhttp" in email.text
    assert "No me pregunten más:\nhttp" in email.text


# Tests of the weekly limit: an email that was written and never sent doesn't count.


def leave_out(check_in):
    planning.leave_out(check_in.help_session, at=NOW)


def ask_later(check_in):
    planning.ask_later(check_in.help_session, day=TODAY + DAY, at=NOW)


def take_out(check_in):
    visit = check_in.help_session
    sharing.take_out(visit, visit.patron, by=visit.staff, at=NOW)


def make_quiet(check_in):
    visit = check_in.help_session
    columns = {name: getattr(visit, name) for name in COLUMNS} | {"quiet": True}
    correct(visit, by=visit.staff, at=NOW, version=0, items=[], note="", **columns)


ENDS_THE_CHECK_IN = pytest.mark.parametrize("change", [leave_out, ask_later, take_out, make_quiet])


@ENDS_THE_CHECK_IN
def test_email_that_was_never_sent_does_not_delay_the_email_about_another_visit(
    staff, branch, ana, due, change
):
    send_due_check_ins(at=NOW)
    change(due)
    assert settled(NOW) is None
    other = check_in_about(staff, branch, ana)

    send_due_check_ins(at=NOW + datetime.timedelta(minutes=5))

    assert [email.message_id for email in emails()] == [message_id(other)]


@ENDS_THE_CHECK_IN
def test_sent_email_counts_for_the_weekly_limit_even_if_its_check_in_ends(staff, branch, ana, due, change):
    send_due_check_ins(at=NOW)
    mark_delivered(settled(NOW), at=NOW)
    change(due)
    other = check_in_about(staff, branch, ana)

    send_due_check_ins(at=NOW + datetime.timedelta(minutes=5))

    assert why(other) == Why.THIS_WEEK


def test_email_sent_before_a_merge_still_counts_for_the_weekly_limit(staff, branch, ana, due):
    bo = UserFactory(check_ins="email")
    check_in_about(staff, branch, bo)
    send_now(due, by=staff, at=NOW - 3 * DAY)
    mark_delivered(settled(NOW), at=NOW)
    send_due_check_ins(at=NOW)
    merge_people(bo, ana, by=ana, at=NOW)
    assert settled(NOW) is None

    send_due_check_ins(at=NOW + datetime.timedelta(minutes=5))
    assert len(emails()) == 1
    send_due_check_ins(at=NOW + 5 * DAY)

    assert len(emails()) == 2


@pytest.mark.parametrize("is_sent", [True, False])
def test_weekly_limit_still_counts_an_earlier_email_after_records_are_unmerged(
    staff, branch, ana, due, is_sent
):
    without_address = UserFactory(email=None, check_ins="email")
    HelpSession.objects.filter(pk=due.help_session_id).update(patron=without_address)
    other = check_in_about(staff, branch, ana, due_on=TODAY + DAY)
    merged = merge_for_a_day(ana, without_address, by=staff, at=NOW - DAY / 2)
    send_due_check_ins(at=NOW)
    [email] = emails()
    assert email.to_address == "ana@example.org"
    if is_sent:
        mark_delivered(settled(NOW), at=NOW)

    ana = unmerge(merged, by=staff, at=NOW + DAY / 24)

    assert ana.email == "ana@example.org"
    assert (why(other, NOW + DAY) == Why.THIS_WEEK) is is_sent
    assert why(other, NOW + 8 * DAY) == ""
