"""Test with random histories that each due check-in is sent once, and only to a person who may get it."""

import datetime

import pytest
from django.db import connection

from accounts.patron import check_ins as consent
from portal.checkins.models import CheckIn
from portal.checkins.sending import send_due_check_ins, still_wanted
from portal.conversations import outcomes
from portal.notifications.models import Notification
from portal.privacy import erasure, sharing
from portal.privacy.merging import merge_people
from portal.privacy.unmerging import merge_for_a_day, unmerge
from tests.extent import times
from tests.factories import CheckInFactory, HelpSessionFactory, LibraryFactory, StaffFactory, UserFactory
from tests.opening_hours import open_on_weekdays
from tests.processes import rounds

from .history import History


@pytest.mark.long
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(times(2, 8)))
def test_each_check_in_of_a_random_history_is_sent_once_to_the_right_person(seed):
    history = History(seed)

    history.run(80)

    assert history.sent, "the history is too short to say anything"


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not")
@pytest.mark.parametrize("seed", range(100, 100 + times(2, 4)))
def test_two_workers_send_each_check_in_once_in_a_random_history(transactional_db, seed):
    history = History(seed, workers=2)

    history.run(80)
    # Sometimes nothing was sent, for example because every patron chose not to be asked.
    if not history.sent:
        history.run(160)

    assert history.sent, "the history is too short to say anything"


@pytest.mark.core
@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not")
def test_two_workers_send_each_check_in_once_while_patrons_and_visits_change(transactional_db):
    """Let patrons and staff act while two workers send check-ins.

    The actions answer questions, refuse check-ins, remove visits from accounts, and erase, merge and unmerge
    records.
    """
    library = LibraryFactory(check_ins=True)
    branch = library.default_branch
    staff = StaffFactory(branch=branch)
    at = datetime.datetime.now(datetime.UTC)
    open_on_weekdays(branch, opens=0, closes=24, weekdays=range(7))
    branch.opening_hours.update(closes=datetime.time(23, 59, 59))

    def before(_number):
        Notification.objects.all().delete()
        CheckIn.objects.all().delete()
        visits = []
        for _ in range(16):
            patron = UserFactory(check_ins="email")
            visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=at, created_at=at)
            CheckInFactory(help_session=visit, due_on=library.today(at), reviewed_at=at)
            visits.append(visit)
        merged = merge_for_a_day(visits[14].patron, visits[15].patron, by=staff, at=at)
        return visits, merged

    def work(_data):
        send_due_check_ins(at=at)

    def let_go(data):
        visits, _merged = data
        sharing.take_out(visits[0], visits[0].patron, by=staff, at=at)
        sharing.take_out(visits[6], visits[6].patron, by=staff, at=at)

    def refuse(data):
        visits, _merged = data
        for visit in (visits[1], visits[7]):
            consent.choose(visit.patron, "none", wording="w", language="en", at=at)

    def erase(data):
        visits, _merged = data
        for visit in (visits[8], visits[2]):
            erasure.erase(visit.patron, language="en", at=at)

    def merge(data):
        visits, _merged = data
        merge_people(visits[3].patron, visits[9].patron, by=visits[9].patron, at=at)
        merge_people(visits[10].patron, visits[4].patron, by=visits[4].patron, at=at)

    def answer(data):
        visits, _merged = data
        for visit in (visits[12], visits[13]):
            answers = {"found": "all", "satisfaction": "good"}
            outcomes.take_outcome(visit, by=visit.patron, at=at, **answers)

    def separate(data):
        _visits, merged = data
        unmerge(merged, by=staff, at=at)

    def after(data, results):
        visits, _merged = data
        assert results[:2] == [None, None]
        assert not {"OperationalError", "IntegrityError"} & {str(result) for result in results}
        emails = list(Notification.objects.filter(kind="checkins/check_in"))
        asked = CheckIn.objects.filter(help_session__in=visits, status="asked")
        answered = CheckIn.objects.filter(help_session__in=visits[12:14])
        assert set(answered.values_list("status", flat=True)) == {"answered"}
        written = asked | answered.exclude(message_id="")
        assert {email.message_id for email in emails} == set(written.values_list("message_id", flat=True))
        assert len(emails) == written.count()
        for visit in (visits[5], visits[11]):
            assert CheckIn.objects.get(help_session=visit).status == "asked"
        for email in emails:
            check_in = CheckIn.objects.get(message_id=email.message_id)
            is_theirs = check_in.help_session.patron_id == email.recipient_id == check_in.asked_id
            # An email that was written before the records were unmerged is dropped.
            assert is_theirs or check_in.help_session in visits[14:]
        gone = [visits[index].pk for index in (0, 6)]
        assert not asked.filter(help_session__in=gone).exists()
        # The worker drops emails to people who turned check-ins off after the email was written.
        for email in emails:
            patron = email.recipient
            wanted = bool(still_wanted([email], patron, at))
            check_in = CheckIn.objects.get(message_id=email.message_id)
            may_go = check_in.status == "asked" and check_in.help_session.patron == patron
            assert wanted == (may_go and patron.check_ins == "email" and email.to_address == patron.email)

    changes = [let_go, refuse, erase, merge, answer, separate]
    rounds([work, work, *changes], times(4, 50), before=before, after=after)
