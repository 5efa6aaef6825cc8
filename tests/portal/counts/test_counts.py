"""Test the tables of counts: what they count, and that no figure changes when sessions are forgotten."""

import datetime
import io
from collections import Counter
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.counts import actions
from portal.counts.models import (
    TABLES,
    DayCount,
    GroupCount,
    HourTotal,
    LanguageCount,
    LevelTotal,
    ModeTotal,
    OwnCount,
    PointTotal,
    TopicCount,
    TypeTotal,
)
from portal.helpsessions.models import HelpSession, OwnField
from portal.privacy import erasure, retention
from portal.privacy.correcting import correct
from portal.privacy.deleting import delete_session
from tests.factories import (
    BranchFactory,
    CheckInFactory,
    HelpSessionFactory,
    PatronGroupFactory,
    ServicePointFactory,
    TallyKindFactory,
    TopicFactory,
    UserFactory,
)

# 11:30 a.m. and 2:30 a.m. in the library's time zone.
AT = datetime.datetime(2026, 11, 20, 17, 30, tzinfo=datetime.UTC)
NIGHT = datetime.datetime(2026, 11, 20, 8, 30, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
MARCH, APRIL = datetime.date(2026, 3, 1), datetime.date(2026, 4, 1)
NUMBERS = DayCount.NUMBERS

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


def figures(table):
    """Return {key: numbers} of a table. The numbers include both forgotten and existing sessions."""
    sums: dict = {}
    for row in table.objects.values_list(*table.KEY, *table.NUMBERS):
        key, numbers = row[: len(table.KEY)], row[len(table.KEY) :]
        sums[key] = tuple(a + b for a, b in zip(sums.get(key, (0,) * len(numbers)), numbers, strict=True))
    return sums


def all_figures():
    return {table.__name__: figures(table) for table in TABLES}


def made(branch, day, **fields):
    created_at = timezone.make_aware(datetime.datetime.combine(day, datetime.time(20)), datetime.UTC)
    return HelpSessionFactory(branch=branch, happened_on=day, created_at=created_at, **fields)


@pytest.fixture
def own_value(library):
    return OwnField.objects.create(name="Format").values.create(name="Paper")


@pytest.fixture
def year(branch, patron, own_value):
    """Make sessions in two months, and return them.

    Together, the sessions have every fact that is counted. Some of the sessions must not be counted.
    """
    west, topic, group = BranchFactory(name="West"), TopicFactory(), PatronGroupFactory()
    point = ServicePointFactory(branch=branch)
    own_values = {str(own_value.field_id): own_value.pk}
    full = {
        "topic": topic,
        "patron_group": group,
        "language": "es",
        "service_point": point,
        "read_level": 3,
        "own_values": own_values,
        "mode": "phone",
    }
    march, april = MARCH + 3 * DAY, APRIL
    sessions = [
        made(branch, march, patron=patron, kept_at=AT - 250 * DAY, handed_over_at=AT, minutes=10, **full),
        made(branch, march, minutes=5, **full),
        made(branch, march, hour=9, questions=4),
        made(west, march, minutes=7, topic=topic, language="fr"),
        made(branch, APRIL - DAY, minutes=20, handed_over_at=AT),
        made(branch, april, minutes=1, patron_group=group),
        made(branch, april, quiet=True, **full),
        made(branch, april, with_child="own", **full),
        made(branch, april, status="tally", tally_kind=TallyKindFactory(service_point=point), language="en"),
        made(branch, april, status="unfinished", **full),
        made(branch, april, status="replaced", **full),
    ]
    CheckInFactory(help_session=sessions[0], asked_at=AT - 200 * DAY, status="ended", ended_at=AT)
    CheckInFactory(help_session=sessions[1])
    return sessions


def expected(table):
    """Return what figures(table) must return. Count all sessions one by one, in plain Python."""
    counted: Counter = Counter()
    for session in HelpSession.objects.filter(status__in=["recorded", "tally"]):
        month = session.happened_on.replace(day=1)
        is_described = session.status == "recorded" and not session.quiet and not session.with_child
        is_tally, kind = session.status == "tally", session.tally_kind_id
        branch, point = session.branch_id, session.service_point_id
        mode, question_type, level = session.mode, session.question_type, session.read_level
        weekday = session.happened_on.weekday()
        keys = {
            DayCount: [
                (session.happened_on, session.hour, branch, point, mode, question_type, level, is_tally, kind)
            ],
            PointTotal: [(month, branch, point, is_tally, kind)],
            ModeTotal: [(month, branch, mode)],
            TypeTotal: [(month, branch, is_tally, question_type)],
            LevelTotal: [(month, branch, is_tally, level)],
            HourTotal: [(month, branch, session.hour, weekday)],
            TopicCount: [(month, branch, session.topic_id)] * is_described,
            GroupCount: [(month, branch, session.patron_group_id)] * is_described,
            LanguageCount: [(month, branch, session.language)] * is_described,
            OwnCount: [(month, branch, value) for value in session.own_values.values() if is_described],
        }
        sent = session.check_ins_made.filter(asked_at__isnull=False).count()
        handed_over = int(session.handed_over_at is not None)
        numbers = (1, session.minutes or 0, handed_over, sent, session.questions)
        for key in keys[table]:
            counted.update({(key, name): number for name, number in zip(NUMBERS, numbers, strict=True)})
    keys = {key for key, _name in counted}
    return {key: tuple(counted[key, name] for name in table.NUMBERS) for key in keys}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_count_tables_have_the_same_numbers_as_sessions_that_are_counted_one_by_one(year, table):
    actions.rebuild()
    wanted = expected(table)
    assert wanted
    assert figures(table) == wanted


def test_no_figure_changes_when_sessions_are_forgotten(year):
    actions.rebuild()
    before = all_figures()
    retention.forget(at=AT - 220 * DAY)
    assert 0 < HelpSession.objects.exclude(forgotten_on=None).count() < 9
    assert all_figures() == before
    retention.forget(at=AT + 400 * DAY)
    assert not HelpSession.objects.filter(forgotten_on=None, status__in=["recorded", "tally"]).exists()
    assert all_figures() == before
    assert actions.rebuild() == 0
    assert all_figures() == before
    assert not any(table.objects.filter(is_final=False).exists() for table in TABLES)


def test_no_figure_changes_when_a_patron_is_erased(year, patron):
    actions.rebuild()
    before = all_figures()
    erasure.erase(patron, language="en", at=AT)
    assert year[0].check_ins_made.count() == 0
    assert all_figures() == before
    actions.rebuild()
    assert all_figures() == before


def test_sessions_that_were_not_counted_yet_are_counted_before_they_are_forgotten(year):
    retention.forget(at=AT + 400 * DAY)
    after = all_figures()
    assert after["DayCount"]
    assert sum(numbers[0] for numbers in after["DayCount"].values()) == 9


def test_nothing_that_was_counted_remains_in_a_forgotten_session(year):
    retention.forget(at=AT + 400 * DAY)
    names = "hour service_point tally_kind patron_group language own_values is_group_from_card is_counted"
    forgotten = HelpSession.objects.exclude(forgotten_on=None).values_list(*names.split())
    assert [*forgotten] == [(None, None, None, None, "", {}, False, True)] * 9


def test_day_is_counted_again_when_a_session_is_corrected_or_deleted(branch, staff):
    session, other = (made(branch, MARCH, staff=staff, minutes=minutes) for minutes in (4, 6))
    actions.rebuild()
    columns = {
        name: getattr(session, name)
        for name in [
            "question",
            "summary",
            "quiet",
            "with_child",
            "mode",
            "question_type",
            "topic",
            "read_level",
            "people",
            "language",
            "patron_group",
            "own_values",
            "hour",
            "branch",
            "service_point",
        ]
    }
    moved = {"minutes": 9, "happened_on": APRIL}
    correct(session, by=staff, at=AT, version=0, items=[], note="", **columns | moved)
    actions.count_contacts(at=NIGHT)
    assert {key[0]: numbers[:2] for key, numbers in figures(DayCount).items()} == {
        MARCH: (1, 6),
        APRIL: (1, 9),
    }
    delete_session(other, by=staff, at=AT)
    actions.rebuild()
    assert {key[0] for key in figures(DayCount)} == {APRIL}
    assert {key[0] for key in figures(TopicCount)} == {APRIL}


def test_contacts_of_today_are_counted_in_the_daytime_and_older_changes_at_night(branch):
    old = made(branch, MARCH)
    made(branch, AT.date())
    late = HelpSessionFactory(branch=branch, happened_on=APRIL, created_at=AT)
    actions.count_contacts(at=AT)
    assert {key[0] for key in figures(DayCount)} == {AT.date(), late.happened_on}
    actions.count_contacts(at=NIGHT)
    assert {key[0] for key in figures(DayCount)} == {AT.date(), late.happened_on, old.happened_on}


def test_counting_an_unchanged_month_again_writes_nothing(year):
    assert actions.rebuild() > 0
    pks = [set(table.objects.values_list("pk", flat=True)) for table in TABLES]
    assert actions.rebuild() == 0
    assert [set(table.objects.values_list("pk", flat=True)) for table in TABLES] == pks


def test_rebuilding_the_counts_changes_no_number_and_keeps_counts_of_forgotten_sessions(year):
    actions.rebuild()
    retention.forget(at=AT - 220 * DAY)
    before = all_figures()
    for table in TABLES:
        table.objects.filter(is_final=False).delete()
    out = io.StringIO()
    call_command("rebuild_counts", stdout=out)
    assert all_figures() == before
    assert "Counted again." in out.getvalue()


def test_forgotten_session_from_before_count_tables_existed_is_counted_and_loses_details(branch, own_value):
    group = PatronGroupFactory()
    made(
        branch, MARCH, staff=None, question="", summary="", forgotten_on=APRIL, patron_group=group, minutes=3
    )
    wanted = {table: expected(table) for table in TABLES}
    for _time in range(2):
        actions.count_contacts(at=AT)
        assert {table: figures(table) for table in TABLES} == wanted
    session = HelpSession.objects.get()
    assert (session.hour, session.patron_group, session.is_counted) == (None, None, True)


def test_no_count_table_combines_a_fact_about_the_patron_with_an_hour_or_a_second_fact():
    columns = {table: {field.name for field in table._meta.fields} for table in TABLES}
    shared = {"id", "branch", "is_final", "log_import", "estimated_minutes", *NUMBERS}
    assert columns.pop(DayCount) - shared == {
        *("happened_on", "hour", "service_point", "mode", "question_type", "read_level"),
        *("is_tally", "tally_kind"),
    }
    assert {table: names - shared for table, names in columns.items()} == {
        PointTotal: {"month", "service_point", "is_tally", "tally_kind"},
        ModeTotal: {"month", "mode"},
        TypeTotal: {"month", "is_tally", "question_type"},
        LevelTotal: {"month", "is_tally", "read_level"},
        HourTotal: {"month", "hour", "weekday"},
        TopicCount: {"month", "topic"},
        GroupCount: {"month", "patron_group"},
        LanguageCount: {"month", "language"},
        OwnCount: {"month", "own_value"},
    }


def test_no_figure_changes_when_patrons_of_one_group_are_erased_one_by_one(branch):
    group = PatronGroupFactory()
    one, two = UserFactory(), UserFactory()
    for person in (one, two):
        made(branch, MARCH, patron=person, kept_at=AT, patron_group=group)
    actions.rebuild()
    before = all_figures()
    for person in (one, two):
        erasure.erase(person, language="en", at=AT)
        assert all_figures() == before


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan depends on the database")
def test_job_uses_an_index_to_find_recent_contacts(library, branch):
    made(branch, AT.date())
    with CaptureQueriesContext(connection) as queries:
        actions.count_contacts(at=AT)
    [recent] = [query["sql"] for query in queries if '"created_at" >=' in query["sql"]]
    with connection.cursor() as cursor:
        # Delete the statistics that SQLite collected in other tests. If the statistics say that the table is
        # small, SQLite reads the whole table instead of the index.
        for statement in ("ANALYZE", "DELETE FROM sqlite_stat1", "ANALYZE sqlite_schema"):
            cursor.execute(statement)
        cursor.execute(f"EXPLAIN QUERY PLAN {recent}")
        assert "sessions_not_forgotten" in str(cursor.fetchall())


def test_other_processes_can_write_after_each_month_that_a_rebuild_has_counted(library, branch, monkeypatch):
    made(branch, MARCH)
    made(branch, APRIL)
    written = []

    @contextmanager
    def pause():
        yield
        written.append({*DayCount.objects.values_list("happened_on", flat=True)})

    monkeypatch.setattr(actions, "pause_after_writing", pause)
    actions.rebuild()
    assert written == [{MARCH}, {MARCH, APRIL}]


def test_rebuild_locks_and_writes_only_months_that_have_changed(library, branch, monkeypatch):
    made(branch, MARCH)
    session = made(branch, APRIL, minutes=5)
    actions.rebuild()
    HelpSession.objects.filter(pk=session.pk).update(minutes=7)
    written = []
    monkeypatch.setattr(actions, "lock_counts", lambda: written.append("locked"))
    count_month = actions.count_month
    monkeypatch.setattr(actions, "count_month", lambda month: written.append(month) or count_month(month))
    changed = actions.rebuild()
    assert (written, changed > 0) == ([APRIL, "locked"], True)
    assert {table: figures(table) for table in TABLES} == {table: expected(table) for table in TABLES}
    with CaptureQueriesContext(connection) as queries:
        assert actions.rebuild() == 0
    assert {query["sql"].split()[0] for query in queries} == {"SELECT"}
