"""Test the page that shows patrons which staff members opened their data."""

import datetime
import html
import re
import zoneinfo

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent, Library
from portal.helpsessions.models import HelpSession
from portal.privacy.access_log_page import who_looked
from portal.privacy.merging import merge_people
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    StaffFactory,
    UserFactory,
)
from tests.portal.pages import text

Where = AuditEvent.Where
ZONE = zoneinfo.ZoneInfo("America/Chicago")
# 12:30 p.m. in the library's time zone.
NOON = datetime.datetime(2026, 3, 4, 18, 30, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def _at_noon():
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def visit(branch, staff, patron):
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron, question="Books about bees?")


def look(subject, by, *, days=0, action="opened", where=Where.QUEUE, patron=None, **more):
    at = timezone.now() - datetime.timedelta(days=days)
    return audit.record(action, subject, by=by, patron=patron or subject.patron, at=at, where=where, **more)


def sentences(person, **how):
    return [
        (str(found.day), html.unescape(re.sub("<[^>]+>", "", found.sentence)), found.where, found.times)
        for found in who_looked(person, zone=ZONE, **how)[0]
    ]


def test_access_log_page_says_who_opened_each_object_and_from_which_desk_page(visit, staff, patron):
    conversation = ConversationFactory(help_session=visit, subject="Which bees?")
    look(conversation, staff)
    look(visit, staff, days=1, where=Where.SESSIONS)
    look(patron, staff, days=2, where=Where.PEOPLE, patron=patron)
    look(patron, staff, days=3, where=Where.PEOPLE, patron=patron, action="looked_up")
    assert sentences(patron) == [
        (
            "2026-03-04",
            "Rosa Lindqvist opened your conversation about “Which bees?”",
            "in the list of conversations",
            1,
        ),
        ("2026-03-03", "Rosa Lindqvist opened your visit “Books about bees?”", "in the list of visits", 1),
        ("2026-03-02", "Rosa Lindqvist opened your record", "on the page for finding patrons", 1),
        ("2026-03-01", "Rosa Lindqvist looked you up", "on the page for finding patrons", 1),
    ]


def test_accesses_by_one_staff_member_on_one_day_are_shown_as_one_line(visit, staff, patron):
    for where in (Where.QUEUE, "", Where.SEARCH):
        look(visit, staff, where=where)
    look(visit, StaffFactory(name="Omar"), where="")
    assert sorted(sentences(patron)) == [
        ("2026-03-04", "Omar opened your visit “Books about bees?”", "", 1),
        (
            "2026-03-04",
            "Rosa Lindqvist opened your visit “Books about bees?”",
            "in the list of conversations and in a search for conversations",
            3,
        ),
    ]


def test_access_log_page_uses_dates_in_the_librarys_time_zone(visit, staff, patron):
    # In the library's time zone, this is 9 p.m. on the day before.
    with time_machine.travel(NOON.replace(hour=3), tick=False):
        look(visit, staff)
    assert sentences(patron)[0][0] == "2026-03-03"


def test_access_log_page_omits_other_patrons_data_and_the_patrons_own_actions(visit, staff, patron):
    stranger = UserFactory()
    look(HelpSessionFactory(patron=stranger, question="Not yours"), staff)
    # A staff member can also be a patron. Here `patron` opens their own visit at the desk.
    look(visit, patron)
    audit.record("kept", visit, by=patron, patron=patron)
    assert sentences(patron) == []


def test_access_log_page_hides_titles_of_visits_that_the_patron_no_longer_has(visit, staff, patron):
    conversation = ConversationFactory(help_session=visit, subject="Which bees?")
    look(conversation, staff)
    look(visit, staff)
    conversation.patron = None
    conversation.save()
    HelpSession.objects.update(patron=None)
    AuditEvent.objects.update(by=None)
    assert {sentence for _day, sentence, _where, _times in sentences(patron)} == {
        "A staff member opened a conversation of yours that no longer exists",
        "A staff member opened a visit of yours that no longer exists",
    }


def test_title_of_a_quiet_visit_never_appears_on_the_access_log_page(staff, patron):
    quiet = QuietSessionFactory(staff=staff)
    conversation = ConversationFactory(
        help_session=quiet, patron=patron, subject="Where can I get help with a violent partner?"
    )
    look(conversation, staff)
    look(quiet, staff, patron=patron)
    assert "violent" not in str(sentences(patron))
    assert len(sentences(patron)) == 2


def test_patron_cannot_read_the_reason_why_staff_opened_the_record(client, sign_in, staff, patron):
    look(patron, staff, patron=patron, reason="They look like my neighbour")
    assert "neighbour" not in client_page(client, sign_in, patron)


def client_page(client, sign_in, patron):
    return sign_in(client, patron).get("/privacy/who-looked/").content.decode()


@pytest.mark.slow
def test_access_log_pages_never_split_a_day_and_skip_no_entry(visit, staff, patron):
    for days in range(50):
        for number in range(3 if days != 7 else 90):
            look(visit, StaffFactory(name=f"Helper {number}") if number else staff, days=days)
    seen, before = [], ""
    while True:
        looks, further = who_looked(patron, zone=ZONE, before=before)
        days = [found.day for found in looks]
        assert days == sorted(days, reverse=True)
        assert not {day for day, _who in seen} & set(days)
        seen += [(found.day, found.sentence) for found in looks]
        if further is None:
            break
        before = further.isoformat()
    assert len(seen) == 49 * 3 + 90


@pytest.mark.parametrize("before", ["nonsense", "2026-99-99", "'", "0001-01-01"])
def test_access_log_page_ignores_an_invalid_day_in_the_url(client, sign_in, patron, before):
    assert sign_in(client, patron).get("/privacy/who-looked/", {"before": before}).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 30])
def test_access_log_page_runs_the_same_number_of_queries_for_1_and_30_rows(
    client, sign_in, visit, branch, staff, patron, rows, django_assert_num_queries
):
    for number in range(rows):
        session = HelpSessionFactory(
            branch=branch, staff=staff, patron=patron, question=f"Question {number}?"
        )
        MessageFactory(conversation=ConversationFactory(help_session=session))
        look(session, staff)
        look(session.conversations.get(), StaffFactory(name=f"Helper {number}"))
    sign_in(client, patron)
    with django_assert_num_queries(8):
        page = client.get("/privacy/who-looked/")
    assert f"Helper {rows - 1} opened your conversation about" in text(page)
    with django_assert_num_queries(11):
        page = client.get("/privacy/")
    assert len(page.context["looks"]) == min(2 * rows, 5)
    assert ("See everyone who looked" in text(page)) == (rows > 1)


@pytest.mark.few_cases
@pytest.mark.parametrize("action", AuditEvent.CHANGES)
def test_access_log_page_lists_each_change_by_staff_to_the_patrons_account_once(
    client, sign_in, staff, patron, action
):
    # The patron's own change is not listed.
    for by in (staff, patron):
        audit.record(action, patron, by=by, patron=patron)
    looks, _further = who_looked(patron, zone=Library.current().zone)
    assert len(looks) == 1
    assert staff.display_name in looks[0].sentence
    assert looks[0].sentence in sign_in(client, patron).get(reverse("who_looked")).content.decode()


def test_merge_by_staff_is_one_line_on_the_access_log_page(staff, patron, library):
    joined = merge_people(UserFactory(), patron, by=staff, at=timezone.now())
    [look] = who_looked(joined, zone=library.zone)[0]
    assert "merged another record into yours" in look.sentence


def test_empty_access_log_page_says_that_nobody_looked(client, sign_in, patron):
    assert "Nobody has looked at your data yet" in client_page(client, sign_in, patron)
