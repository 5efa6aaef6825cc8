"""Test the figures about the work of the desk. Forgetting a session or erasing a person changes no number."""

import csv
import datetime
import html
import io
import re
from urllib.parse import parse_qsl

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal.counts import actions
from portal.counts.answers import LONGER
from portal.counts.models import (
    AnswerCount,
    DayCount,
    HourTotal,
    LevelTotal,
    LogImport,
    ModeTotal,
    PointTotal,
    TypeTotal,
)
from portal.desk.figures import views, workload
from portal.desk.figures.by_staff import figure_by_staff
from portal.desk.figures.charts import chart_of, sentence_of
from portal.desk.figures.labels import of_period
from portal.desk.figures.month_email import write_month_emails
from portal.desk.figures.periods import Period
from portal.helpsessions.models import HelpSession, OwnField
from portal.notifications.models import Notification
from portal.privacy import erasure, retention
from portal.times import time_of_day
from tests.factories import (
    BranchFactory,
    CheckInFactory,
    ConversationFactory,
    HelpSessionFactory,
    PatronGroupFactory,
    ServicePointFactory,
    StaffFactory,
    TallyKindFactory,
    TopicFactory,
)
from tests.portal.pages import text

pytestmark = [pytest.mark.sql, pytest.mark.django_db]

AT = datetime.datetime(2026, 11, 20, 17, 30, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
MARCH = datetime.date(2026, 3, 1)
IN_MARCH, IN_SPRING = Period.of_month(MARCH), Period(MARCH, datetime.date(2026, 4, 30))
# {breakdown: the SQL expression of its key}
COLUMNS = {
    "branch": "branch_id",
    "service_point": "service_point_id",
    "mode": "mode",
    "question_type": "CASE WHEN status = 'tally' THEN 'tally' ELSE question_type END",
    "read_level": "CASE WHEN status = 'tally' THEN -1 ELSE read_level END",
    "tally_kind": "CASE WHEN status = 'tally' THEN tally_kind_id ELSE -1 END",
    "hour": "hour",
    "time": "happened_on",
    "weekday": "happened_on",
}


def made(branch, day, count=1, **fields):
    created_at = timezone.make_aware(datetime.datetime.combine(day, datetime.time(20)), datetime.UTC)
    return HelpSessionFactory.create_batch(
        count, branch=branch, happened_on=day, created_at=created_at, **fields
    )


@pytest.fixture
def own_value(library):
    return OwnField.objects.create(name="Format").values.create(name="Paper")


@pytest.fixture
def spring(branch, patron, own_value):
    """Make sessions for every breakdown, and two sessions that must not be counted.

    Return the branch West.
    """
    west, point = BranchFactory(name="West"), ServicePointFactory(branch=branch)
    health, group = TopicFactory(name="Health"), PatronGroupFactory()
    full = {
        "topic": health,
        "patron_group": group,
        "language": "es",
        "service_point": point,
        "read_level": 3,
        "mode": "phone",
        "own_values": {str(own_value.field_id): own_value.pk},
    }
    made(branch, MARCH + 3 * DAY, 6, minutes=10, **full)
    made(branch, MARCH, 3, topic=TopicFactory(name="Law"), hour=9, question_type="technology")
    made(branch, MARCH + 30 * DAY, 2, quiet=True, **full)
    made(branch, MARCH + 31 * DAY, 4, with_child="own", **full)
    made(west, MARCH + 2 * DAY, 5, minutes=7, topic=health)
    kind = TallyKindFactory(service_point=point)
    made(branch, MARCH, 2, status="tally", tally_kind=kind, question_type="directional")
    made(branch, MARCH, status="unfinished", **full)
    made(branch, MARCH, status="replaced", **full)
    kept = made(branch, MARCH + 5 * DAY, patron=patron, kept_at=AT - 200 * DAY, handed_over_at=AT, **full)
    CheckInFactory(help_session=kept[0], asked_at=AT - 200 * DAY, status="ended", ended_at=AT)
    actions.rebuild()
    return west


def sums_in_sql(by, period, branches):
    """Count help sessions in SQL. Return {key: [contacts, minutes, handed over, check-ins]}."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {COLUMNS[by]}, COUNT(*), COALESCE(SUM(minutes), 0), COUNT(handed_over_at), SUM((
                SELECT COUNT(*) FROM checkins_checkin c WHERE c.help_session_id = s.id AND asked_at IS NOT NULL
            ))
            FROM helpsessions_helpsession s
            WHERE status IN ('recorded', 'tally') AND happened_on BETWEEN %s AND %s
              AND branch_id IN ({", ".join(map(str, branches))})
            GROUP BY 1
            """,
            [period.first, period.last],
        )
        return {key: list(map(int, numbers)) for key, *numbers in cursor.fetchall()}


def key_in_sql(by, key):
    """Return the key of a figure's row as the SQL in COLUMNS returns it."""
    if isinstance(key, tuple):
        is_tally, value = key
        if by == "tally_kind":
            return value if is_tally else -1
        return {"question_type": "tally", "read_level": -1}[by] if is_tally else value
    return key


def every_figure(branches, period=IN_SPRING):
    own = [f"own-{field.pk}" for field in OwnField.objects.all()]
    names = [*workload.BY_DAY, workload.GRID, *workload.BY_MONTH, *own]
    return {by: workload.figure(period, branches, by, earlier=period.before).table() for by in names}


@pytest.mark.parametrize(
    "period", [IN_MARCH, IN_SPRING, Period(MARCH, MARCH), Period(MARCH, MARCH + 3 * DAY)]
)
def test_figure_has_the_same_numbers_as_plain_sql(spring, branch, period):
    branches = [branch.pk, spring.pk]
    for by in workload.BY_DAY:
        wanted = sums_in_sql(by, period, branches)
        if by in ("time", "weekday"):
            wanted = by_place(wanted, period, by)
        found = workload.figure(period, branches, by)
        rows = {key_in_sql(by, row.key): list(row.numbers) for row in found.rows if any(row.numbers)}
        assert rows == wanted
        assert list(found.total.numbers) == [sum(column) for column in zip(*wanted.values(), strict=True)]


def by_place(days, period, by):
    """Change {day: numbers} into {key of a figure's row: numbers}.

    If `by` is "weekday", the key is the weekday. Otherwise, it is the number of days since the first day of
    the period. Add up the numbers of days with the same key.
    """
    places = {}
    for day, numbers in days.items():
        day = datetime.date.fromisoformat(str(day))
        place = day.weekday() if by == "weekday" else (day - period.first).days
        places[place] = [a + b for a, b in zip(places.get(place, [0] * 4), numbers, strict=True)]
    return places


def test_figure_by_hour_and_weekday_adds_up_to_the_figures_by_hour_and_by_weekday(spring, branch):
    branches = [branch.pk, spring.pk]
    grid, by_hour, by_weekday = (
        workload.figure(IN_SPRING, branches, by) for by in (workload.GRID, "hour", "weekday")
    )
    assert [row.contacts for row in grid.rows] == [row.contacts for row in by_hour.rows]
    assert all(sum(row.numbers[1:]) == row.contacts for row in grid.rows)
    assert list(grid.total.numbers[1:]) == [row.contacts for row in by_weekday.rows]
    # Three contacts at 9 a.m. were on a Sunday.
    assert next(row.numbers for row in grid.rows if row.key == 9) == (3, 0, 0, 0, 0, 0, 0, 3)


def test_no_figure_changes_when_sessions_are_forgotten_and_people_are_erased(spring, branch, patron):
    before = every_figure([branch.pk, spring.pk])
    assert all(len(table) > 1 for table in before.values())
    erasure.erase(patron, language="en", at=AT)
    assert every_figure([branch.pk, spring.pk]) == before
    retention.forget(at=AT + 400 * DAY)
    assert not HelpSession.objects.filter(forgotten_on=None, status__in=["recorded", "tally"]).exists()
    assert every_figure([branch.pk, spring.pk]) == before


def test_figures_of_each_month_and_branch_add_up_to_the_figure_of_all_branches(spring, branch):
    branches = [branch.pk, spring.pk]
    for by in workload.BY_DAY:
        whole = workload.figure(IN_SPRING, branches, by).total.numbers
        halves = [
            workload.figure(period, [pk], by).total.numbers
            for period in (IN_MARCH, IN_MARCH.after)
            for pk in branches
        ]
        assert tuple(map(sum, zip(*halves, strict=True))) == whole


def test_rare_topics_and_quiet_sessions_and_visits_with_a_child_appear_only_in_other(spring, branch):
    made(branch, MARCH, 2, topic=TopicFactory(name="Taxes"))
    actions.rebuild()
    figure = workload.figure(IN_SPRING, [branch.pk, spring.pk], "topic")
    # Health has 6 + 5 + 1 contacts. Other has 3 contacts about law, 2 about taxes, 2 quiet sessions and 4
    # visits with a child.
    assert figure.table()[:-1] == [["Health", 12], ["Other", 11]]
    assert figure.total.contacts == 23


def test_comparing_the_rows_named_other_of_two_breakdowns_reveals_no_number_below_five(spring, branch):
    topics, groups = (
        workload.figure(IN_SPRING, [branch.pk, spring.pk], by).table() for by in ("topic", "patron_group")
    )
    # If both tables showed all large rows, Other would have 9 contacts by topic and 6 by group. Both numbers
    # would include the same 6 quiet sessions and visits with a child. So everyone could calculate that 3
    # contacts were about law.
    assert topics[:-1] == [["Other", 21]]
    assert groups[:-1] == [["Not asked", 8], ["Other", 13]]


def test_second_smallest_row_is_added_to_the_row_other_if_that_row_is_below_five(branch):
    made(branch, MARCH, 7, topic=TopicFactory(name="Health"))
    made(branch, MARCH, 5, topic=TopicFactory(name="Law"))
    made(branch, MARCH, 1, topic=TopicFactory(name="Taxes"))
    actions.rebuild()
    assert workload.figure(IN_MARCH, [branch.pk], "topic").table()[:-1] == [["Health", 7], ["Other", 6]]


def test_period_is_compared_with_the_days_before_or_with_the_same_days_a_year_before():
    year = Period(datetime.date(2024, 1, 1), datetime.date(2024, 12, 31))
    leap = Period.of_month(datetime.date(2024, 2, 5))
    ten_days = Period(datetime.date(2026, 3, 1), datetime.date(2026, 3, 10))
    assert (year.before, year.before.first) == (year.year_before, datetime.date(2023, 1, 1))
    assert (leap.before.last, leap.year_before.last) == (
        datetime.date(2024, 1, 31),
        datetime.date(2023, 2, 28),
    )
    assert ten_days.before == Period(datetime.date(2026, 2, 19), datetime.date(2026, 2, 28))
    assert IN_MARCH.before == Period.of_month(datetime.date(2026, 2, 1))


def test_long_period_is_divided_into_reporting_years(branch, library):
    library.year_starts_in = 7
    library.save()
    made(branch, datetime.date(2025, 6, 30), 2)
    made(branch, datetime.date(2025, 7, 1), 3)
    actions.rebuild()
    period = Period(datetime.date(2022, 9, 1), datetime.date(2026, 6, 30))
    figure = workload.figure(period, [branch.pk], "time")
    assert [(row.label, row.contacts) for row in figure.rows] == [
        ("July 2022 – June 2023", 0),
        ("July 2023 – June 2024", 0),
        ("July 2024 – June 2025", 2),
        ("July 2025 – June 2026", 3),
    ]


def test_figures_page_offers_reporting_years_and_links_to_the_years_before_and_after(desk, branch, library):
    library.year_starts_in = 7
    library.save()
    for day, count in (("2023-06-30", 1), ("2023-07-01", 2), ("2024-06-30", 3), ("2024-07-01", 7)):
        made(branch, datetime.date.fromisoformat(day), count)
    actions.rebuild()
    page = desk.get(reverse("figures"), {"dates": "2023", "by": "mode", "compare": "year"})
    assert "July 2023 – June 2024: 5 contacts. July 2022 – June 2023: 1." in text(page)
    assert (page.context["earlier"], page.context["later"]) == (
        "?dates=2022&by=mode&compare=year",
        "?dates=2024&by=mode&compare=year",
    )
    assert "July 2022 – June 2023" in text(page)
    page = desk.get(reverse("figures"), {"dates": "2022"})
    assert (page.context["earlier"], page.context["figure"].total.contacts) == (None, 1)
    # These twelve months are not a reporting year.
    page = desk.get(reverse("figures"), {"first_day": "2024-01-01", "last_day": "2024-12-31"})
    assert (page.context["earlier"], page.context["later"]) == (None, None)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2025-07-01", "2026-06-30", "July 2025 – June 2026"),
        ("2026-01-01", "2026-12-31", "2026"),
        ("2026-03-01", "2026-03-31", "March 2026"),
        ("2026-03-04", "2026-03-04", "March 4, 2026"),
        ("2026-03-04", "2026-04-30", "March 4, 2026 – April 30, 2026"),
    ],
)
def test_period_is_described_without_repeating_a_month_or_a_year(first, last, words):
    assert of_period(Period(*map(datetime.date.fromisoformat, (first, last)))) == words


@pytest.mark.parametrize(
    ("first", "last", "rows"),
    [("2026-03-04", "2026-03-04", 1), ("2026-03-01", "2026-04-30", 61), ("2016-05-01", "2026-04-30", 11)],
)
def test_figure_of_a_short_or_long_period_has_a_readable_number_of_rows(spring, branch, first, last, rows):
    period = Period(*map(datetime.date.fromisoformat, (first, last)))
    figure = workload.figure(period, [branch.pk], "time")
    assert len(figure.rows) == rows
    assert chart_of(figure)


def test_chart_sentence_names_the_row_with_the_most_contacts_unless_there_is_a_tie(branch):
    made(branch, MARCH, hour=9)
    actions.rebuild()
    figure = workload.figure(IN_MARCH, [branch.pk], "hour")
    assert sentence_of(figure) == "March 2026: 1 contact."
    made(branch, MARCH, hour=10)
    actions.rebuild()
    figure = workload.figure(IN_MARCH, [branch.pk], "hour", earlier=IN_MARCH.before)
    assert sentence_of(figure) == "March 2026: 2 contacts. February 2026: 0."
    made(branch, MARCH, hour=10)
    actions.rebuild()
    figure = workload.figure(IN_MARCH, [branch.pk], "hour")
    assert sentence_of(figure) == f"March 2026: 3 contacts. “{time_of_day(10)}” has the most: 2."


@pytest.fixture
def desk(client, staff, sign_in):
    return sign_in(client, staff)


def shown(page):
    """Return the rows of the page's table as lists of cells."""
    part = html.unescape(page.content.decode()).partition('<table id="figure">')[2].partition("</table>")[0]
    rows = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", part, re.DOTALL)
    ]
    return [["" if cell == "–" else cell for cell in row] for row in rows]


@pytest.mark.parametrize("compare", ["", "before", "year"])
def test_figures_file_has_the_same_cells_as_the_page(spring, desk, branch, compare):
    own = [f"own-{field.pk}" for field in OwnField.objects.all()]
    for up_to in (60, LONGER):
        AnswerCount.objects.create(month=MARCH, branch=branch, up_to=up_to, is_late=not up_to, answers=3)
    for by in [*workload.BY_DAY, *workload.BY_MONTH, *own, workload.GRID, workload.ANSWERS]:
        if by == "branch":
            continue
        asked = {"dates": "2026-03", "by": by, "compare": compare}
        content = desk.get(reverse("figures_csv"), asked).content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(content)))
        assert len(rows) > 2
        assert rows == shown(desk.get(reverse("figures"), asked))


@pytest.fixture
def estimates(branch):
    """Import 3 contacts with 45 minutes, of which 20 are estimated. Record 1 more contact at the desk."""
    log = LogImport.objects.create(started_at=AT, ended_at=AT, file_key="1")
    counts = {"branch": branch, "is_final": True, "log_import": log, "handed_over": 0, "check_ins": 0}
    counts |= {"contacts": 3, "minutes": 45, "estimated_minutes": 20}
    kind = {"mode": "phone", "question_type": "reference"}
    DayCount.objects.create(**counts, **kind, happened_on=MARCH + DAY, hour=9, questions=3)
    of_month = counts | {"month": MARCH}
    PointTotal.objects.create(**of_month)
    ModeTotal.objects.create(**of_month, mode="phone")
    TypeTotal.objects.create(**of_month, question_type="reference")
    LevelTotal.objects.create(**of_month)
    HourTotal.objects.create(**of_month, hour=9, weekday=0)
    made(branch, MARCH, minutes=5, mode="chat")
    actions.rebuild()


@pytest.mark.parametrize("by", workload.BY_DAY)
@pytest.mark.parametrize("last_day", ["2026-03-31", "2026-03-30"])
def test_estimated_minutes_have_a_column_on_the_page_and_in_the_file(estimates, desk, by, last_day):
    if by == "branch":
        return
    asked = {"first_day": "2026-03-01", "last_day": last_day, "by": by, "compare": "year"}
    page = desk.get(reverse("figures"), asked)
    heading, *_rows, total = rows = shown(page)
    assert heading[4:6] == ["Minutes", "Minutes, estimated part"]
    assert total[4:6] == ["50", "20"]
    assert "Some minutes are estimates." in text(page)
    content = desk.get(reverse("figures_csv"), asked).content.decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(content))) == rows


def test_column_of_estimated_minutes_is_shown_only_if_some_minutes_are_estimated(estimates, desk, branch):
    asked = {"dates": "2026-03", "by": "mode"}
    rows = {row[0]: row[2:4] for row in shown(desk.get(reverse("figures"), asked))[1:]}
    assert rows == {"Phone": ["45", "20"], "Chat": ["5", "0"], "Total": ["50", "20"]}
    LogImport.objects.all().delete()
    page = desk.get(reverse("figures"), asked)
    assert "estimated" not in page.content.decode()
    assert shown(page)[0] == ["Mode", "Contacts", "Minutes", "Visits given to the patron", "Check-ins sent"]


def test_directors_page_marks_estimated_minutes(estimates, client, coordinator, sign_in):
    page = sign_in(client, coordinator).get(reverse("director"), {"dates": "2026-03"})
    assert "Minutes, estimated part An imported desk log gave only a range of minutes, such as 10–30. 20" in (
        text(page)
    )
    page = client.get(reverse("director"), {"dates": "2026"})
    assert "Minutes, estimated part" in text(page)
    LogImport.objects.all().delete()
    assert "estimated" not in text(client.get(reverse("director"), {"dates": "2026-03"}))


def test_monthly_email_has_the_same_numbers_as_the_page(
    spring, estimates, client, coordinator, branch, sign_in
):
    AnswerCount.objects.create(month=MARCH, branch=branch, up_to=60, is_late=False, answers=3)
    made(branch, datetime.date(2025, 3, 9), 7, minutes=1)
    actions.rebuild()
    both = StaffFactory(branch=branch, branch__role="coordinator", email="both@example.org")
    spring.staff_roles.create(user=both, role="coordinator")
    write_month_emails(at=datetime.datetime(2026, 4, 3, 14, tzinfo=datetime.UTC))
    for person in (coordinator, both):
        email = Notification.objects.get(recipient=person)
        sign_in(client, person)
        asked = dict(parse_qsl(email.url.partition("?")[2]))
        page = client.get(reverse("figures"), asked | {"compare": "year"})
        total = shown(page)[-1]
        lines = dict(line.split(": ", 1) for line in email.text.splitlines() if ": " in line)
        for label, number in zip(shown(page)[0], total, strict=True):
            if label in ("Contacts", "Minutes", "Visits given to the patron", "Check-ins sent"):
                assert lines[label].split(" ")[0] == number
        assert f"(March 2025: {total[2]})" in lines["Contacts"]
        assert f"{total[5]} of these minutes are estimated." in email.text
        rows = {row[0]: row[1] for row in shown(page)[1:-1]}
        if person == both:
            assert {name: lines[name] for name in rows} == rows
            assert len(rows) == 2
        asked |= {"by": "answers"}
        assert client.get(reverse("figures"), asked).context["sentence"] in email.text


def test_figures_page_separates_thousands_but_the_file_does_not(desk, branch):
    made(branch, MARCH)
    actions.rebuild()
    DayCount.objects.update(contacts=12345)
    asked = {"dates": "2026-03", "by": "mode"}
    page = desk.get(reverse("figures"), asked)
    assert shown(page)[-1][1] == "12,345"
    assert "March 2026: 12,345 contacts." in text(page)
    assert ",12345," in desk.get(reverse("figures_csv"), asked).content.decode()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"compare": "year"}, True),
        ({"compare": ""}, False),
        ({"compare": "year", "by": "mode"}, False),
        ({"compare": "year", "dates": "", "first_day": "2026-01-01", "last_day": "2026-03-31"}, False),
    ],
    ids=["days", "no comparison", "modes", "months"],
)
def test_note_that_weekdays_can_differ_is_shown_only_if_periods_are_compared_by_day(
    spring, desk, asked, says
):
    page = desk.get(reverse("figures"), {"dates": "2026-03"} | asked)
    assert ("The days of the week can differ." in text(page)) is says


def test_staff_see_figures_of_their_own_branches_and_coordinators_see_all_branches(
    spring, client, staff, coordinator, sign_in, branch
):
    contacts = {}
    for person in (staff, coordinator):
        sign_in(client, person)
        page = client.get(reverse("figures"), {"dates": "2026-03", "branch": ""})
        contacts[person] = int(shown(page)[-1][1])
        assert contacts[person] == page.context["figure"].total.contacts
    in_both = sum_of(IN_MARCH, [branch.pk, spring.pk])
    assert contacts == {staff: sum_of(IN_MARCH, [branch.pk]), coordinator: in_both}
    assert in_both == contacts[staff] + 5


def sum_of(period, branches):
    return sum(numbers[0] for numbers in sums_in_sql("branch", period, branches).values())


@pytest.mark.parametrize("by", ["hour", "hour_weekday", "answers"])
def test_only_the_two_people_at_a_small_branch_see_its_hours_and_answer_times(
    spring, client, branch, staff, coordinator, sign_in, by
):
    spring.staff_roles.all().delete()
    StaffFactory.create_batch(2, branch=spring)
    AnswerCount.objects.create(month=MARCH, branch=spring, up_to=60, is_late=False, answers=7)
    asked = {"dates": "2026-03", "by": by}
    sign_in(client, coordinator)
    page = client.get(reverse("figures"), asked)
    assert page.context["left_out"] == [spring]
    assert "fewer than three people work there: West" in text(page)
    assert page.context["figure"].total.contacts in (0, sum_of(IN_MARCH, [branch.pk]))
    assert client.get(reverse("figures"), asked | {"by": "mode"}).context["left_out"] == []
    sign_in(client, spring.staff_roles.first().user)
    page = client.get(reverse("figures"), asked)
    assert (page.context["left_out"], page.context["figure"].total.contacts) == (
        [],
        7 if by == "answers" else 5,
    )


def rows_by_staff(client, user, sign_in, **asked):
    sign_in(client, user)
    page = client.get(reverse("figures"), {"dates": "2026-03", "by": "staff"} | asked)
    return {row[0]: row[1:] for row in shown(page)[1:]}


@pytest.fixture
def shared_work(branch, staff, coordinator):
    """Record contacts by three colleagues at two branches, and one that names no staff member. Return Ana."""
    colleague, elsewhere = StaffFactory(name="Ana", branch=branch), StaffFactory(name="Wes")
    made(branch, MARCH, 3, staff=staff, minutes=5)
    made(branch, MARCH, 2, staff=colleague, minutes=None)
    made(branch, MARCH, 1, staff=colleague, status="unfinished")
    made(branch, MARCH, 1, staff=None)
    made(elsewhere.staff_roles.get().branch, MARCH, 4, staff=elsewhere)
    actions.rebuild()
    return colleague


def test_figures_by_staff_member_are_off_until_the_library_turns_them_on(shared_work, desk):
    page = desk.get(reverse("figures"), {"dates": "2026-03", "by": "staff"})
    assert "Select a valid choice" in text(page)
    assert "figure" not in page.context


@pytest.mark.parametrize(
    ("setting", "others"),
    [
        ("own", {"staff": False, "coordinator": False}),
        ("coordinators", {"staff": False, "coordinator": True}),
        ("branch", {"staff": True, "coordinator": True}),
    ],
)
def test_setting_decides_who_sees_the_numbers_of_colleagues(
    shared_work, client, sign_in, staff, coordinator, library, setting, others
):
    library.staff_figures = setting
    library.save()
    own, ana, wes = {str(staff): ["3", "15"]}, {"Ana": ["2", "0"]}, {"Wes": ["4"]}
    found = rows_by_staff(client, staff, sign_in)
    found.pop("Total")
    assert found == own | (ana if others["staff"] else {})
    found = {name: cells[:1] for name, cells in rows_by_staff(client, coordinator, sign_in).items()}
    found.pop("Total", None)
    assert found == ({str(staff): ["3"], "Ana": ["2"]} | wes if others["coordinator"] else {})


def test_figures_by_staff_member_are_in_no_file_and_do_not_rank_people(shared_work, desk, library):
    library.staff_figures = "branch"
    library.save()
    asked = {"dates": "2026-03", "by": "staff"}
    page = desk.get(reverse("figures"), asked)
    assert "they are not meant to judge people" in text(page)
    assert "deletes the staff member's name" in text(page)
    assert not re.search('has the most|table.csv|<svg viewBox="0 0 100', page.content.decode())
    response = desk.get(reverse("figures_csv"), asked)
    assert (response.status_code, response.content) == (302, b"")
    assert "t be compared. Choose “Nothing” in “Compare with”." in text(
        desk.get(reverse("figures"), asked | {"compare": "before"})
    )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan depends on the database")
def test_query_for_the_figures_by_staff_member_reads_only_an_index(shared_work, branch, staff, library):
    made(branch, MARCH, 50, staff=None)
    library.staff_figures = "branch"
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        cursor.execute("ANALYZE")
        figure_by_staff(IN_MARCH, [branch.pk], user=staff, sees_all=True, library=library)
        [counting] = [query["sql"] for query in queries if "SUM(" in query["sql"]]
        cursor.execute(f"EXPLAIN QUERY PLAN {counting}")
        assert "COVERING INDEX sessions_of_staff" in str(cursor.fetchall())


def test_staff_cannot_see_the_figures_of_another_branch(spring, desk):
    for name in ("figures", "figures_csv"):
        page = desk.get(reverse(name), {"dates": "2026-03", "branch": spring.slug}, follow=True)
        assert "Select a valid choice" in text(page)
        assert "figure" not in page.context


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"first_day": "2026-03-02", "last_day": "2026-03-01"}, "before the day in “From”"),
        ({"first_day": "2026-03-02"}, "Choose a day, or choose a month"),
        ({"first_day": "0026-03-02", "last_day": "2026-03-01"}, "Choose a day from 1990 to 2199"),
        ({"first_day": "March", "last_day": "2026-03-01"}, "Enter the day as year, month and day"),
        ({"first_day": "2026-03-02", "last_day": "2026-03-09", "by": "topic"}, "whole months only"),
        ({"dates": "2026-13"}, "Select a valid choice"),
        ({"by": "staff"}, "Select a valid choice"),
    ],
)
def test_invalid_period_or_breakdown_is_a_form_error_that_says_what_is_wrong(spring, desk, asked, answer):
    page = desk.get(reverse("figures"), asked)
    assert answer in text(page)
    assert "figure" not in page.context
    assert desk.get(reverse("figures_csv"), asked).status_code == 302


def test_figures_page_says_that_no_contacts_were_recorded(desk):
    assert "No contacts were recorded in this period." in text(desk.get(reverse("figures")))


def test_figures_page_says_how_many_promised_answers_are_open(desk, branch):
    ConversationFactory(branch=branch, promised_at=timezone.now())
    ConversationFactory(branch=BranchFactory(name="West"), promised_at=timezone.now())
    assert "1 conversation is waiting for a promised answer now" in text(desk.get(reverse("figures")))


def test_number_of_open_promises_has_a_thousands_separator(desk, monkeypatch):
    monkeypatch.setattr(views, "_open_promises", lambda branches: [1234])
    assert "1,234 conversations are waiting for a promised answer" in text(desk.get(reverse("figures")))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize(("by", "queries"), [("time", 12), ("service_point", 13), ("topic", 15)])
def test_figures_page_runs_the_same_number_of_queries_for_any_amount_of_data(
    desk, branch, django_assert_num_queries, rows, by, queries
):
    for number in range(rows):
        topic, point = TopicFactory(), ServicePointFactory(branch=branch)
        made(branch, MARCH + number % 28 * DAY, 5, topic=topic, service_point=point)
    actions.rebuild()
    asked = {"dates": "2026-03", "by": by, "compare": "before"}
    desk.get(reverse("figures"), asked)
    with django_assert_num_queries(queries):
        desk.get(reverse("figures"), asked)
