"""Test what the tables of outcomes count, and that a counted quarter never changes."""

import datetime

import pytest
from django.utils import timezone

from portal.counts import outcomes
from portal.counts.actions import rebuild
from portal.counts.models import LogImport, Outcome, OutcomePeriod, TypeTotal
from portal.counts.outcome_counting import UNNAMED, Cell, count_outcomes_of
from portal.counts.quarters import Quarter
from portal.desk.figures.outcome_tables import cells_of, follow_ups_of, tables_of
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure, retention
from recommendations.models import Recommendation
from tests.factories import (
    BranchFactory,
    CheckInFactory,
    HelpSessionFactory,
    ItemFactory,
    RecommendationFactory,
    TopicFactory,
    recommend_in,
)

SPRING = Quarter(datetime.date(2026, 4, 1))
# The worker doesn't count the quarter SPRING yet at BEFORE, and counts it at AFTER.
BEFORE = datetime.datetime(2026, 8, 14, 1, tzinfo=datetime.UTC)
AFTER = datetime.datetime(2026, 8, 14, 18, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


def made(branch, count=1, *, day=SPRING.first_day, **fields):
    created_at = timezone.make_aware(datetime.datetime.combine(day, datetime.time(20)), datetime.UTC)
    return HelpSessionFactory.create_batch(
        count, branch=branch, happened_on=day, created_at=created_at, **fields
    )


def decided(visit, item, verdict, **fields):
    return recommend_in(visit, item=item, verdict=verdict, decided_at=visit.created_at, **fields)[0]


def everything_shown():
    """Return all cells of all tables that the page can show."""
    branches = [None, *{row.branch for row in Outcome.objects.exclude(branch=None)}]
    return {
        (period.first_day, period.kind, branch and branch.pk, by): cells_of(
            tables_of(period, branch, by), follow_ups_of(period, branch)
        )
        for period in OutcomePeriod.objects.all()
        for branch in branches
        for by in ("", "topic", "question_type", "item")
    }


def test_quarter_counts_the_answers_of_its_visits(library, branch):
    topic, west = TopicFactory(), BranchFactory()
    made(branch, 2, found="all", satisfaction="good", topic=topic)
    made(branch, 1, found="no", would_return="no", topic=topic, quiet=True)
    made(branch, 1, found="part", with_child="own", topic=topic)
    made(west, 1, topic=topic)
    made(branch, 1, found="all", status="unfinished")
    made(branch, 1, found="all", status="replaced")
    made(branch, 1, found="all", day=SPRING.first_day - DAY)
    made(branch, 1, found="all", day=SPRING.last_day + DAY)
    counted = count_outcomes_of(SPRING, library.zone)
    assert counted["found", "topic"] == {
        branch.pk: {
            topic.pk: Cell((2, 0, 0, 0, 0), (2, 0, 0, 0, 0, 0, 0, 0, 0)),
            UNNAMED: Cell((0, 1, 0, 1, 0), (0, 1, 0, 1, 0, 0, 0, 0, 0)),
        },
        west.pk: {topic.pk: Cell((0,) * 5, (0, 0, 0, 0, 0, 1, 0, 1, 0))},
    }
    assert counted["found", ""][branch.pk] == {UNNAMED: Cell((2, 1, 0, 1, 0), (2, 1, 0, 1, 0, 0, 0, 0, 0))}
    assert counted["would_return", ""][branch.pk] == {UNNAMED: Cell((0, 0, 1), (0, 0, 1, 3, 0, 3, 0))}


def test_outcomes_count_the_items_and_the_visits_that_have_each_verdict(library, branch):
    one, two = ItemFactory(), ItemFactory()
    first, second = made(branch, 2)
    decided(first, one, "helped")
    decided(first, two, "helped")
    decided(second, one, "helped")
    decided(second, two, "not_tried", never_counted=True)
    answer = {"verdict": "partly", "decided_at": AFTER, "recommended_at": AFTER, "branch": branch}
    # This item was recommended later, in an answer about the first visit.
    RecommendationFactory(item=two, visit_number=first.pk, **answer)
    # These two items were recommended in a conversation without a visit.
    alone = answer | {"visit_number": -7, "recommended_at": first.created_at}
    RecommendationFactory.create_batch(2, item=one, **alone)
    counted = count_outcomes_of(SPRING, library.zone)
    assert counted["verdicts", ""] == {branch.pk: {UNNAMED: Cell((3, 3, 0, 0, 0), (2, 2, 0, 0, 0))}}
    assert counted["verdicts", "item"][branch.pk] == {
        one.pk: Cell((2, 2, 0, 0, 0), (2, 1, 0, 0, 0)),
        two.pk: Cell((1, 1, 0, 0, 0), (1, 1, 0, 0, 0)),
    }


def test_quarter_is_counted_45_days_after_its_end_and_only_once(library, branch):
    visits = made(branch, 6, found="all")
    outcomes.count_outcomes(at=BEFORE)
    assert not OutcomePeriod.objects.exists()
    outcomes.count_outcomes(at=AFTER)
    period = OutcomePeriod.objects.get()
    assert (period.first_day, period.last_day, period.is_late) == (
        SPRING.first_day,
        SPRING.last_day,
        False,
    )
    before = everything_shown()
    HelpSession.objects.filter(pk__in=[visit.pk for visit in visits]).update(found="no")
    outcomes.count_outcomes(at=AFTER)
    assert everything_shown() == before
    assert ["Did patrons find what they needed?", "Total", "Yes, everything", 6] in next(
        iter(before.values())
    )


def test_outcomes_do_not_change_when_counted_visits_are_forgotten_or_erased(library, branch, patron):
    item = ItemFactory()
    for visit in made(branch, 7, found="all", patron=patron, kept_at=AFTER, answered_at=AFTER):
        decided(visit, item, "helped", patron=patron)
    outcomes.count_outcomes(at=AFTER)
    before = everything_shown()
    erasure.erase(patron, language="en", at=AFTER)
    assert everything_shown() == before
    retention.forget(at=AFTER + 400 * DAY)
    assert everything_shown() == before


def test_quarter_has_the_same_outcomes_even_if_a_patron_is_erased_before_the_count(library, branch, patron):
    item = ItemFactory()
    visits = made(branch, 7, found="all", patron=patron, kept_at=AFTER, answered_at=AFTER)
    for visit in visits:
        decided(visit, item, "helped", patron=patron)
        CheckInFactory(help_session=visit, asked_at=AFTER, status="answered", answered_at=AFTER)
    rebuild()
    before = count_outcomes_of(SPRING, library.zone)
    assert before["check_ins", ""][branch.pk][UNNAMED].numbers == (7,)
    erasure.erase(patron, language="en", at=AFTER)
    assert not visits[0].check_ins_made.exists()
    assert count_outcomes_of(SPRING, library.zone) == before


def test_visit_with_two_answered_check_ins_counts_once(library, branch, patron):
    for visit in made(branch, 6, patron=patron, kept_at=AFTER, answered_at=AFTER):
        for _time in range(2):
            CheckInFactory(help_session=visit, asked_at=AFTER, status="answered", answered_at=AFTER)
    before = count_outcomes_of(SPRING, library.zone)["check_ins", ""][branch.pk][UNNAMED]
    assert before.numbers == (6,)
    erasure.erase(patron, language="en", at=AFTER)
    assert count_outcomes_of(SPRING, library.zone)["check_ins", ""][branch.pk][UNNAMED].numbers == (6,)


def test_year_can_be_counted_from_quarters_that_an_earlier_version_counted(library, branch):
    for month in (1, 4, 7, 10):
        made(branch, 6, found="all", day=datetime.date(2025, month, 5))
    outcomes.count_outcomes(at=datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC))
    assert OutcomePeriod.objects.count() == 3
    # An earlier version of the portal did not store some of the numbers that a reader can deduce.
    for row in Outcome.objects.filter(question="found"):
        row.visits = row.visits[:-3]
        row.save()
    outcomes.count_outcomes(at=AFTER)
    year = OutcomePeriod.objects.get(kind="year")
    assert year.rows.get(question="found", breakdown="", branch=None).numbers[0] == 24


@pytest.mark.parametrize(("given", "kept", "shown"), [(10, 10, 10), (10, 8, None), (10, 5, 5), (8, 8, 8)])
def test_number_of_kept_visits_is_hidden_if_patrons_kept_all_but_a_few_of_their_visits(
    library, branch, given, kept, shown
):
    made(branch, kept, handed_over_at=AFTER, kept_at=AFTER)
    made(branch, given - kept, handed_over_at=AFTER)
    made(branch, 20 - given)
    outcomes.count_outcomes(at=AFTER)
    assert follow_ups_of(OutcomePeriod.objects.get(), None)[0][-1] == shown


def test_quarters_that_were_not_counted_in_time_are_counted_late_and_marked_as_late(library, branch):
    made(branch, 6, found="all", day=datetime.date(2024, 2, 3))
    outcomes.count_outcomes(at=AFTER)
    quarters = OutcomePeriod.objects.filter(kind="quarter").order_by("first_day")
    assert [(str(row.first_day)[:7], row.is_late) for row in quarters] == [
        *((month, True) for month in ["2024-01", "2024-04", "2024-07", "2024-10"]),
        *((month, True) for month in ["2025-01", "2025-04", "2025-07", "2025-10", "2026-01"]),
        ("2026-04", False),
    ]
    years = OutcomePeriod.objects.filter(kind="year").order_by("first_day")
    assert [str(row.first_day) for row in years] == ["2024-01-01", "2025-01-01"]


def test_quarters_that_have_only_imported_contacts_have_no_outcomes(library, branch):
    old_log = LogImport.objects.create(started_at=AFTER, file_key="old")
    old = {"day": datetime.date(2016, 2, 3), "forgotten_on": AFTER.date(), "is_counted": True}
    made(branch, 6, **old, staff=None, question="", summary="", hour=None, language="")
    TypeTotal.objects.create(
        **{"month": datetime.date(2016, 2, 1), "branch": branch, "question_type": "reference"},
        **{"contacts": 6, "minutes": 0, "handed_over": 0, "check_ins": 0},
        **{"is_final": True, "log_import": old_log},
    )
    outcomes.count_outcomes(at=AFTER)
    assert not OutcomePeriod.objects.exists()
    assert outcomes.next_quarter(1) is None
    made(branch, 6, found="all")
    rebuild()
    outcomes.count_outcomes(at=AFTER)
    assert str(OutcomePeriod.objects.get().first_day) == "2026-04-01"


def test_counted_years_are_reporting_years_that_never_overlap(library, branch):
    made(branch, 6, found="all", day=datetime.date(2024, 2, 3))
    outcomes.count_outcomes(at=datetime.datetime(2025, 3, 1, tzinfo=datetime.UTC))
    library.year_starts_in = 8
    library.save()
    outcomes.count_outcomes(at=AFTER + 365 * DAY)
    years = OutcomePeriod.objects.filter(kind="year").order_by("first_day")
    assert [str(row.first_day) for row in years] == ["2024-01-01", "2025-08-01"]
    # The new reporting year has quarters in other months. They begin after the last quarter of the old year.
    quarters = OutcomePeriod.objects.filter(kind="quarter").order_by("first_day")
    assert [str(row.first_day)[:7] for row in quarters][3:6] == ["2024-10", "2025-02", "2025-05"]


def test_year_shows_the_sum_of_numbers_that_are_too_small_to_show_in_each_quarter(library, branch):
    topic = TopicFactory()
    for month in (1, 4, 7, 10):
        made(branch, 3, found="all", topic=topic, day=datetime.date(2025, month, 5))
        made(branch, 8, found="all", topic=TopicFactory(), day=datetime.date(2025, month, 5))
    outcomes.count_outcomes(at=AFTER)
    rows = Outcome.objects.filter(topic=topic, question="found", branch=None)
    assert [(row.period.kind, row.is_shown, row.numbers[0]) for row in rows.order_by("pk")] == [
        *[("quarter", False, 3)] * 4,
        ("year", True, 12),
    ]


@pytest.mark.parametrize(("kept", "shown"), [(0, 0), (4, None), (5, 5), (6, None), (9, None), (10, 10)])
def test_number_of_visits_not_kept_cannot_be_deduced_from_the_number_of_contacts(
    library, branch, kept, shown
):
    made(branch, kept, kept_at=AFTER)
    made(branch, 10 - kept)
    outcomes.count_outcomes(at=AFTER)
    assert follow_ups_of(OutcomePeriod.objects.get(), None)[0][2] == shown


def test_no_outcomes_are_counted_in_a_library_without_visits(library):
    outcomes.count_outcomes(at=AFTER)
    assert not OutcomePeriod.objects.exists()
    assert not Recommendation.objects.exists()
