"""Test which rules a report uses, and when it has no numbers."""

import datetime
import random
import uuid
from collections import Counter

import pytest
from django.utils import timezone

from accounts.reporting_year import ReportingYear
from portal.conversations import desk_actions
from portal.counts.actions import rebuild
from portal.counts.models import DayCount
from portal.helpsessions.models import HelpSession
from portal.surveys import counting
from portal.surveys.models import CountsAs, Survey
from portal.surveys.report import Problem, report
from recommendations.models import QuestionType
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    ServicePointFactory,
    TallyKindFactory,
)
from tests.portal.conversations.test_desk_actions import contact_fields

from .rules import mark_weeks, save_preset, save_rules

YEAR = ReportingYear(2026)
DAY, TODAY = datetime.timedelta(days=1), datetime.date(2027, 2, 1)
MARCH, APRIL = datetime.date(2026, 3, 1), datetime.date(2026, 4, 1)
ALL = {(kind, ""): "transaction" for kind in QuestionType}
NONE = {(kind, ""): "neither" for kind in QuestionType}

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


def contacts(branch, *days, **fields):
    for day in days:
        HelpSessionFactory(branch=branch, happened_on=day, **fields)
    rebuild()


def counted(sets, first, last):
    """Return {CountsAs: number of contacts}."""
    sums = Counter()
    for (counts_as, _question_type), number in counting.count(sets, first, last).items():
        sums[counts_as] += number
    return dict(sums)


def number(year=YEAR, today=TODAY):
    found = report(Survey.PLS, year, today=today)
    return found.problem or found.answers[0][1]


# Tests of which rule applies to a contact.


def test_rule_for_a_mode_overrides_the_rule_for_the_question_type(branch):
    save_rules("pls", YEAR.first_day, ALL | {("reference", "chat"): "consultation"})
    contacts(branch, MARCH, mode="chat")
    contacts(branch, MARCH, MARCH, mode="phone")
    contacts(branch, MARCH, mode="chat", question_type="referral")
    sets = counting.rule_sets("pls")
    assert counted(sets, MARCH, MARCH) == {"consultation": 1, "transaction": 3}


def test_tally_counts_by_the_rule_for_its_kind_or_else_by_the_rule_for_all_tallies(branch):
    point = ServicePointFactory(branch=branch)
    reference, other = TallyKindFactory(service_point=point), TallyKindFactory(service_point=point)
    save_rules(
        "pls", YEAR.first_day, NONE, tallies={reference: "transaction"}, tallies_count_as="consultation"
    )
    tally = {"status": "tally", "question_type": "directional"}
    contacts(branch, MARCH, MARCH, MARCH, tally_kind=reference, **tally)
    contacts(branch, MARCH, MARCH, tally_kind=other, **tally)
    contacts(branch, MARCH, tally_kind=None, **tally)
    assert counted(counting.rule_sets("pls"), MARCH, MARCH) == {"transaction": 3, "consultation": 3}


def test_new_rules_apply_from_their_first_day_and_do_not_change_the_year_before(branch):
    save_rules("pls", datetime.date(2025, 1, 1), ALL)
    contacts(branch, datetime.date(2025, 12, 31), MARCH - DAY, MARCH, APRIL, APRIL)
    before = number(ReportingYear(2025)), number()
    assert before == (1, 4)
    save_rules("pls", MARCH, NONE)
    save_rules("pls", APRIL, ALL)
    assert (number(ReportingYear(2025)), number()) == (1, 3)
    used = [
        (part.rules.starts_on, part.first_day, part.last_day)
        for part in report("pls", YEAR, today=TODAY).parts
    ]
    assert used == [
        (datetime.date(2025, 1, 1), YEAR.first_day, MARCH - DAY),
        (MARCH, MARCH, APRIL - DAY),
        (APRIL, APRIL, YEAR.last_day),
    ]


def test_each_survey_has_its_own_rules(branch):
    save_rules("pls", YEAR.first_day, ALL)
    save_preset("acrl", YEAR.first_day)
    contacts(branch, MARCH, question_type="consultation")
    answers = report(Survey.ACRL, YEAR, today=TODAY).answers
    assert (number(), [answer for _question, answer in answers]) == (1, [0, 1])


def test_one_contact_counts_once_however_many_people_were_there(branch):
    save_rules("pls", YEAR.first_day, ALL)
    contacts(branch, MARCH, people=30, minutes=500)
    assert number() == 1


def test_each_question_of_a_contact_counts_from_the_day_when_rules_count_questions(branch):
    save_rules("pls", YEAR.first_day, ALL)
    save_rules("pls", APRIL, ALL, counts_questions=True, tallies_count_as="transaction")
    contacts(branch, MARCH, APRIL, questions=3, people=30)
    contacts(branch, APRIL)
    contacts(branch, APRIL, status="tally", question_type="directional")
    assert number() == 1 + 3 + 1 + 1
    assert counted(counting.rule_sets("pls"), MARCH, MARCH) == {"transaction": 1}


@pytest.mark.parametrize(
    ("sets", "asks"),
    [
        ([], False),
        ([("pls", YEAR.first_day, True)], True),
        ([("pls", YEAR.first_day, True), ("pls", MARCH, False)], False),
        ([("pls", YEAR.first_day, False), ("arl", MARCH, True)], True),
        ([("pls", APRIL, True)], False),
    ],
)
def test_staff_are_asked_for_the_number_of_questions_while_rules_count_questions(library, sets, asks):
    for survey, starts_on, counts_questions in sets:
        save_rules(survey, starts_on, ALL, counts_questions=counts_questions)
    assert counting.asks_for_questions(MARCH) is asks


def test_conversation_counts_only_if_staff_counted_it_as_a_contact(branch, staff, patron):
    save_rules("pls", YEAR.first_day, ALL)
    conversations = [
        ConversationFactory(branch=branch, patron=patron, help_session=None) for _number in range(3)
    ]
    for conversation in conversations:
        MessageFactory(conversation=conversation)
        MessageFactory(conversation=conversation, side="staff", author=staff)
    rebuild()
    assert number() == 0
    at, token = timezone.now(), uuid.uuid4()
    contact = contact_fields(branch, happened_on=MARCH)
    for _time in range(2):
        desk_actions.log_as_contact(conversations[0], by=staff, at=at, token=token, **contact)
    rebuild()
    assert number() == 1


def test_report_lists_the_contacts_behind_a_survey_answer_by_question_type(branch):
    save_rules("pls", YEAR.first_day, ALL | {("directional", ""): "neither"}, tallies_count_as="transaction")
    contacts(branch, MARCH, MARCH, question_type="reference")
    contacts(branch, MARCH, APRIL, APRIL, question_type="technology")
    contacts(branch, APRIL, question_type="directional")
    contacts(branch, APRIL, status="tally", question_type="directional")
    found = report(Survey.PLS, YEAR, today=TODAY)
    assert found.sums == [{"reference": 2, "technology": 3, None: 1}, {}]
    assert found.answers[0][1] == 6


def test_report_lists_only_contacts_of_sampled_weeks_behind_an_estimate(branch):
    save_rules("pls", YEAR.first_day, ALL, method="estimate", multiplier=10)
    mark_weeks(MARCH)
    contacts(branch, MARCH, MARCH, question_type="reference")
    contacts(branch, MARCH, question_type="technology")
    contacts(branch, APRIL)
    found = report(Survey.PLS, YEAR, today=TODAY)
    assert (found.sums[0], found.answers[0][1]) == ({"reference": 2, "technology": 1}, 30)


# Tests of the reporting year.


@pytest.mark.parametrize(
    ("first_month", "day", "first_day", "last_day"),
    [
        (1, "2026-12-31", "2026-01-01", "2026-12-31"),
        (7, "2026-06-30", "2025-07-01", "2026-06-30"),
        (7, "2026-07-01", "2026-07-01", "2027-06-30"),
        (3, "2024-02-29", "2023-03-01", "2024-02-29"),
        (12, "2026-12-01", "2026-12-01", "2027-11-30"),
    ],
)
def test_reporting_year_starts_in_the_month_that_the_library_has_set(first_month, day, first_day, last_day):
    year = ReportingYear.of(datetime.date.fromisoformat(day), first_month)
    assert (str(year.first_day), str(year.last_day)) == (first_day, last_day)
    assert ReportingYear.read(str(year), first_month) == year


def test_report_counts_only_the_days_of_the_reporting_year(branch):
    save_rules("pls", datetime.date(2025, 1, 1), ALL)
    year = ReportingYear(2025, 7)
    contacts(branch, year.first_day - DAY, year.first_day, year.last_day, year.last_day + DAY)
    assert number(year) == 2


def test_report_of_a_year_that_is_not_over_says_until_which_day_it_counts(branch):
    save_rules("pls", YEAR.first_day, ALL)
    found = report(Survey.PLS, YEAR, today=MARCH)
    assert (found.last_day, report(Survey.PLS, YEAR, today=TODAY).last_day) == (MARCH, YEAR.last_day)


# Tests of actual counts and of estimates from typical weeks.


def test_estimate_multiplies_the_average_week_and_rounds_half_up(branch):
    save_rules("pls", YEAR.first_day, ALL, method="estimate", weeks=2, multiplier=5)
    mark_weeks(MARCH, APRIL)
    contacts(branch, MARCH, MARCH + 6 * DAY, APRIL, MARCH + 7 * DAY)
    found = report(Survey.PLS, YEAR, today=TODAY)
    assert (found.method, found.weeks, found.answers[0][1]) == ("estimate", [MARCH, APRIL], 8)


@pytest.mark.parametrize("marked", [0, 1, 2])
def test_estimate_with_fewer_weeks_than_the_rules_ask_for_is_refused(branch, marked):
    save_rules("pls", YEAR.first_day, ALL, method="estimate", weeks=3)
    mark_weeks(*[MARCH + 7 * number * DAY for number in range(marked)])
    contacts(branch, MARCH)
    found = report(Survey.PLS, YEAR, today=TODAY)
    assert (found.problem, [answer for _question, answer in found.answers]) == (
        Problem.FEW_WEEKS,
        [None, None],
    )


@pytest.mark.parametrize(
    ("first_day", "today", "counts"),
    [
        ("2026-01-01", "2027-02-01", True),
        ("2025-12-31", "2027-02-01", False),
        ("2026-12-25", "2027-02-01", True),
        ("2026-12-26", "2027-02-01", False),
        ("2026-03-01", "2026-03-07", False),
        ("2026-03-01", "2026-03-08", True),
    ],
)
def test_week_counts_only_if_it_is_over_and_completely_in_the_year(branch, first_day, today, counts):
    save_rules("pls", datetime.date(2025, 1, 1), ALL, method="estimate")
    mark_weeks(datetime.date.fromisoformat(first_day))
    expected = 0 if counts else Problem.FEW_WEEKS
    assert number(today=datetime.date.fromisoformat(today)) == expected


def test_actual_count_and_estimate_are_never_mixed(branch):
    save_rules("pls", YEAR.first_day, ALL)
    save_rules("pls", APRIL, ALL, method="estimate")
    mark_weeks(MARCH, APRIL)
    contacts(branch, MARCH, APRIL)
    found = report(Survey.PLS, YEAR, today=TODAY)
    assert (found.problem, found.method, found.answers[0][1]) == (Problem.MIXED_METHODS, None, None)
    assert number(ReportingYear(2027), datetime.date(2028, 2, 1)) == Problem.FEW_WEEKS


@pytest.mark.parametrize("different", [{"weeks": 2}, {"multiplier": 50}])
def test_estimates_with_different_numbers_of_weeks_or_multipliers_are_never_mixed(branch, different):
    save_rules("pls", YEAR.first_day, ALL, method="estimate")
    save_rules("pls", APRIL, ALL, method="estimate", **different)
    mark_weeks(MARCH, APRIL)
    assert number() == Problem.MIXED_ESTIMATES


def test_each_day_of_a_sampled_week_counts_by_the_rules_of_that_day(branch):
    save_rules("pls", YEAR.first_day, ALL, method="estimate", multiplier=10)
    save_rules("pls", APRIL, NONE, method="estimate", multiplier=10)
    mark_weeks(APRIL - 3 * DAY)
    contacts(branch, APRIL - DAY, APRIL - DAY, APRIL)
    assert number() == 20


# Tests of surveys without rules.


def test_year_without_rules_has_no_numbers(branch):
    save_rules("pls", datetime.date(2027, 1, 1), ALL)
    contacts(branch, MARCH)
    assert number() == Problem.NO_RULES


def test_report_shows_a_problem_if_a_contact_is_older_than_the_first_rules(branch):
    save_rules("pls", APRIL, ALL)
    contacts(branch, APRIL)
    assert number() == 1
    contacts(branch, MARCH, MARCH)
    found = report(Survey.PLS, YEAR, today=TODAY)
    assert (found.problem, found.contacts) == (Problem.WITHOUT_RULES, 2)


def test_question_type_without_a_rule_is_an_error(branch):
    save_rules("pls", YEAR.first_day, {("reference", ""): "transaction"})
    contacts(branch, MARCH, question_type="referral")
    assert number() == Problem.WITHOUT_RULES


# Tests with random contacts.


@pytest.mark.parametrize("seed", range(5))
def test_survey_numbers_of_all_parts_of_a_period_add_up_to_the_numbers_of_the_period(branch, seed):
    chance = random.Random(seed)
    west = BranchFactory()
    first, last = datetime.date(2026, 2, 1), datetime.date(2026, 3, 31)
    days = [first + number * DAY for number in range((last - first).days + 1)]
    for start in chance.sample(days, 4):
        rules = {(kind, ""): chance.choice(CountsAs.values) for kind in QuestionType}
        rules |= {(chance.choice(QuestionType.values), mode): "consultation" for mode in ("chat", "phone")}
        save_rules("pls", start, rules, tallies_count_as=chance.choice(CountsAs.values))
    for _number in range(80):
        HelpSessionFactory.create(
            branch=chance.choice([branch, west]),
            staff=None,
            happened_on=chance.choice(days),
            question_type=chance.choice(QuestionType.values),
            mode=chance.choice(HelpSession.Mode.values),
            status=chance.choice(["recorded", "recorded", "tally"]),
        )
    rebuild()
    sets = counting.rule_sets("pls")
    whole = counting.count(sets, first, last)
    assert sum(whole.values()) == 80
    for split in chance.sample(days[:-1], 5):
        assert counting.count(sets, first, split) + counting.count(sets, split + DAY, last) == whole
    assert sum((counting.count(sets, day, day) for day in days), type(whole)()) == whole
    assert counting.count(sets, first, last, days=days) == whole


def test_numbers_of_all_kinds_of_contacts_add_up_to_the_number_of_contacts(branch):
    save_preset("acrl", MARCH)
    contacts(branch, MARCH, MARCH - DAY, question_type="directional")
    contacts(branch, MARCH, question_type="consultation")
    contacts(branch, MARCH)
    whole = counted(counting.rule_sets("acrl"), YEAR.first_day, YEAR.last_day)
    assert whole == {None: 1, "neither": 1, "consultation": 1, "transaction": 1}
    assert sum(whole.values()) == sum(DayCount.objects.values_list("contacts", flat=True))


def test_report_runs_the_same_number_of_queries_for_1_and_30_rule_sets(branch, django_assert_num_queries):
    save_rules("pls", YEAR.first_day, ALL)
    contacts(branch, MARCH)
    with django_assert_num_queries(4):
        report(Survey.PLS, YEAR, today=TODAY)
    for number_of_days in range(1, 30):
        save_rules("pls", YEAR.first_day + number_of_days * DAY, ALL)
    with django_assert_num_queries(4):
        report(Survey.PLS, YEAR, today=TODAY)
