"""Test an action on a check-in while another process changes the same row.

The first process changes the row, and locks the row until the second process waits for the lock. The second
process must then see the change. The tests run on PostgreSQL only: SQLite has one writer at a time.
"""

import datetime
import multiprocessing
import time
from types import SimpleNamespace

import pytest
from allauth.account.models import EmailAddress
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from portal.checkins import answering, ending, planning, quotes, reviewing, sending
from portal.checkins.models import CheckIn, CheckInRule, SharedWords
from portal.checkins.weekly_limit import uncount_unsent_email
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification
from tests.factories import CheckInFactory, HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory
from tests.opening_hours import open_on_weekdays
from tests.processes import rounds

# The first process unlocks the row after this many seconds, even if the second process has not waited for the
# lock.
HELD_FOR = 1
DAY = datetime.timedelta(days=1)

pytestmark = [
    pytest.mark.only_long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the whole database"),
]


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0


@pytest.fixture
def world(transactional_db):
    """Return a patron with a confirmed address, and a visit whose check-in is due today."""
    library = LibraryFactory(check_ins=True)
    branch = library.default_branch
    open_on_weekdays(branch, opens=0, closes=24, weekdays=range(7))
    at, staff = timezone.now(), StaffFactory(branch=branch)
    patron = UserFactory(email="ana@example.org", check_ins="email")
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    visit = HelpSessionFactory(
        branch=branch,
        staff=staff,
        patron=patron,
        kept_at=at,
        created_at=at - 3 * DAY,
        question_type="reference",
    )
    check_in = CheckInFactory(
        help_session=visit,
        due_on=library.today(at),
        created_at=at - 3 * DAY,
        reviewed_at=at,
        reviewed_by=staff,
    )
    return SimpleNamespace(
        at=at, today=library.today(at), staff=staff, patron=patron, visit=visit, check_in=check_in
    )


def meanwhile(world, change, act):
    """Run `change` in one process, and `act` in a second process while the changed rows are locked.

    Return what `act` returned, or the class name of its exception.
    """
    has_changed = multiprocessing.get_context("fork").Event()
    outcomes = []

    def hold(_number):
        with transaction.atomic():
            change(world)
            has_changed.set()
            until = time.monotonic() + HELD_FOR
            while time.monotonic() < until and not somebody_waits():
                time.sleep(0.01)

    def follow(_number):
        has_changed.wait(10)
        return act(world)

    refusals = {"NotPlanned", "NotNow", "NotShared"}
    rounds([hold, follow], 1, after=lambda _data, each: outcomes.extend(each), refusals=refusals)
    assert outcomes[0] is None
    world.check_in = CheckIn.objects.filter(pk=world.check_in.pk).first()
    return outcomes[1]


def now_is(**values):
    """Return a function that sets these fields of the check-in."""
    return lambda world: CheckIn.objects.filter(pk=world.check_in.pk).update(**values)


def visit_is(**values):
    return lambda world: HelpSession.objects.filter(pk=world.visit.pk).update(**values)


def answered(world):
    now_is(status="answered", answered_at=world.at)(world)


def skipped(world):
    now_is(status="skipped", ended_at=world.at)(world)


def asked(world):
    now_is(status="asked", asked=world.patron, asked_at=world.at, link_ends_at=world.at + 9 * DAY)(world)


def emails():
    return Notification.objects.count()


def test_patron_cannot_leave_out_a_check_in_that_is_being_answered(world):
    meanwhile(
        world, answered, lambda world: planning.leave_out(world.visit, at=world.at, person=world.patron)
    )
    assert world.check_in.status == "answered"


def test_check_in_that_is_being_answered_does_not_end_when_its_link_expires(world):
    asked(world)
    now_is(link_ends_at=world.at - DAY)(world)
    meanwhile(world, answered, lambda world: ending.end_check_ins(at=world.at))
    assert world.check_in.status == "answered"


def test_ending_the_check_ins_of_a_visit_skips_a_check_in_that_is_being_answered(world):
    asked(world)
    meanwhile(world, answered, lambda world: planning.end_all(world.visit, at=world.at))
    assert world.check_in.status == "answered"


def test_check_in_that_is_being_skipped_is_not_marked_as_answered(world):

    def act(world):
        return answering.note_answer(world.visit, at=world.at)

    meanwhile(world, skipped, act)
    assert world.check_in.status == "skipped"


@pytest.mark.parametrize(
    "act",
    [
        lambda world: planning.skip(world.check_in, by=world.staff, at=world.at),
        lambda world: planning.set_day(
            world.check_in, day=world.today + 9 * DAY, reason="later", by=world.staff, at=world.at
        ),
        lambda world: reviewing.edit(
            world.check_in,
            words="New words",
            tone="",
            by=world.staff,
            at=world.at,
            seen=reviewing.version_of(world.check_in),
        ),
    ],
    ids=["skip", "set the day", "edit"],
)
def test_staff_cannot_change_a_check_in_that_is_being_answered(world, act):
    before = (world.check_in.due_on, world.check_in.words)
    assert meanwhile(world, answered, act) == "NotPlanned"
    assert (world.check_in.status, (world.check_in.due_on, world.check_in.words)) == ("answered", before)


def test_skipped_check_in_is_not_planned_again_if_it_ends_at_the_same_moment(world):
    skipped(world)

    def act(world):
        return planning.unskip(world.check_in, by=world.staff, at=world.at)

    assert meanwhile(world, now_is(status="ended", ended_at=world.at), act) == "NotPlanned"
    assert world.check_in.status == "ended"


def test_check_in_is_not_planned_for_a_visit_that_is_becoming_quiet(world):
    CheckIn.objects.all().delete()

    def act(world):
        planning.plan_on(world.visit, day=world.today + DAY, reason="", by=world.staff, at=world.at)

    assert meanwhile(world, visit_is(quiet=True, patron=None, kept_at=None), act) == "NotPlanned"
    assert not CheckIn.objects.exists()


def test_choosing_to_be_asked_later_replaces_a_check_in_that_is_being_sent(world):
    def act(world):
        planning.ask_later(world.visit, day=world.today + 9 * DAY, at=world.at)

    meanwhile(world, asked, act)
    rows = CheckIn.objects.order_by("pk").values_list("status", "due_on")
    assert list(rows) == [("ended", world.today), ("planned", world.today + 9 * DAY)]


def test_changed_rule_does_not_move_a_check_in_while_staff_choose_its_day(world):
    CheckInRule.objects.update_or_create(question_type="reference", defaults={"since": "visit", "days": 30})
    chosen = now_is(set_by="staff", due_on=world.today + 2 * DAY)
    meanwhile(world, chosen, lambda world: planning.replan_by_rules(question_type="reference"))
    assert (world.check_in.set_by, world.check_in.due_on) == ("staff", world.today + 2 * DAY)


def test_check_in_is_not_approved_while_a_colleague_changes_its_text(world):
    now_is(reviewed_at=None, reviewed_by=None)(world)
    seen = {world.check_in: reviewing.version_of(world.check_in)}

    def act(world):
        return len(reviewing.approve(seen, by=world.staff, at=world.at))

    assert meanwhile(world, now_is(words="Other words"), act) == 0
    assert world.check_in.reviewed_at is None


def used_up(world):
    """Record that the patron got an email about another visit just now."""
    User.objects.filter(pk=world.patron.pk).update(check_in_sent_at=world.at)


@pytest.mark.parametrize(
    "change",
    [skipped, visit_is(patron=None, kept_at=None), used_up],
    ids=["skipped", "removed from the account", "another email this week"],
)
def test_check_in_is_not_sent_if_a_simultaneous_change_forbids_it(world, change):
    meanwhile(world, change, lambda world: sending.send_due_check_ins(at=world.at))
    assert emails() == 0


@pytest.mark.parametrize(
    "change",
    [skipped, visit_is(patron=None, kept_at=None), used_up],
    ids=["skipped", "removed from the account", "another email this week"],
)
def test_staff_cannot_send_a_check_in_that_a_simultaneous_change_forbids(world, change):

    def act(world):
        return sending.send_now(world.check_in, by=world.staff, at=world.at).pk

    assert (meanwhile(world, change, act), emails()) == ("NotNow", 0)


def test_due_check_in_is_sent_if_no_other_process_changes_it(world):
    meanwhile(world, lambda world: None, lambda world: sending.send_due_check_ins(at=world.at))
    assert (world.check_in.status, emails()) == ("asked", 1)


def test_words_are_not_shared_with_the_helper_while_the_visit_is_removed_from_the_account(world):
    visit_is(found="all", found_at=world.at, satisfaction="good", satisfaction_at=world.at)(world)

    def share(world):
        quotes.share_words(
            world.visit, person=world.patron, words="Thanks!", wording="Yes.", language="en", at=world.at
        )

    assert meanwhile(world, visit_is(patron=None, kept_at=None), share) == "NotShared"
    assert not SharedWords.objects.exists()


def test_weekly_limit_still_counts_an_unsent_email_if_another_process_locks_the_patron(world):
    used_up(world)
    asked(world)
    world.check_in.refresh_from_db()

    def rename(world):
        User.objects.filter(pk=world.patron.pk).update(name="Ana Maria")

    meanwhile(world, rename, lambda world: uncount_unsent_email(world.check_in))
    world.patron.refresh_from_db()
    assert (world.patron.name, world.patron.check_in_sent_at) == ("Ana Maria", world.at)
