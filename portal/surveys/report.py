"""The answers to the questions of an annual survey."""

import datetime
import enum
from collections import Counter
from dataclasses import dataclass
from typing import Any

from accounts.reporting_year import ReportingYear

from . import counting
from .models import RuleSet, SampledWeek
from .presets import PRESETS, Preset, Question

WEEK = datetime.timedelta(days=7)
Method = RuleSet.Method


class Problem(enum.Enum):
    """Why a report has no numbers."""

    NO_RULES = "no rule set is in force in the year"
    WITHOUT_RULES = "some contacts have no rule"
    MIXED_METHODS = "some rules of the year count, and others estimate"
    MIXED_ESTIMATES = "the rules of the year need different weeks or multipliers"
    FEW_WEEKS = "the library has sampled fewer weeks than the rules ask for"


@dataclass(frozen=True)
class Report:
    """The answers to a survey for a reporting year.

    `answers` is [(Question, answer)]. An answer is a number, a text, or None if there is a problem. `method`
    is None if there are no rules, or rules with different methods. `rules` are the first rules of the year.
    `weeks` are the first days of the sampled weeks. `contacts` is the number of contacts without a rule.
    `sums` has the contacts behind each answer, as {question type: contacts}. For an estimate, these are the
    contacts of the sampled weeks. Tallies have the question type None.
    """

    preset: Preset
    year: ReportingYear
    last_day: datetime.date
    parts: list[counting.Part]
    method: Method | None
    rules: RuleSet | None
    weeks: list[datetime.date]
    problem: Problem | None
    contacts: int
    answers: list[tuple[Question, Any]]
    sums: list[dict]


def report(survey, year, *, today):
    """Return the Report of the survey for the ReportingYear, up to `today`.

    The report never mixes an actual count with an estimate.
    """
    preset, sets = PRESETS[survey], counting.rule_sets(survey)
    last_day = min(year.last_day, today)
    parts = counting.parts(sets, year.first_day, year.last_day)
    in_force = [part.rules for part in parts if part.rules]
    methods = {rules.method for rules in in_force}
    method = methods.pop() if len(methods) == 1 else None
    weeks = sampled_weeks(year, today) if method == Method.ESTIMATE else []
    problem = _problem(in_force, method, weeks)
    counted: Counter = Counter()
    if problem is None:
        days = None if method == Method.COUNT else [day for week in weeks for day in _days_of(week)]
        counted = counting.count(sets, year.first_day, last_day, days)
    without_rules = sum(_by_type(counted, [None]).values())
    if problem is None and without_rules:
        problem = Problem.WITHOUT_RULES
    rules = in_force[0] if in_force else None
    multiplier = rules.multiplier if rules else 0
    sums = [{} if problem else _by_type(counted, question.counts) for question in preset.questions]

    def answer(question, by_type):
        if problem:
            return None
        if question.answers:
            return question.answers[method]
        contacts = sum(by_type.values())
        return contacts if method == Method.COUNT else _estimate(contacts, len(weeks), multiplier)

    return Report(
        preset=preset,
        year=year,
        last_day=last_day,
        parts=parts,
        method=method,
        rules=rules,
        weeks=weeks,
        problem=problem,
        contacts=without_rules,
        answers=[
            (question, answer(question, by_type))
            for question, by_type in zip(preset.questions, sums, strict=True)
        ],
        sums=sums,
    )


def _by_type(counted, counts):
    """Return {question type: contacts} of the contacts that count as one of `counts`."""
    by_type: dict = Counter()
    for (counts_as, question_type), contacts in counted.items():
        if counts_as in counts:
            by_type[question_type] += contacts
    return dict(by_type)


def sampled_weeks(year, today):
    """Return the first days of the sampled weeks that are over and lie completely in the year."""
    last = min(year.last_day, today - counting.DAY) - WEEK + counting.DAY
    weeks = SampledWeek.objects.filter(starts_on__range=(year.first_day, last)).order_by("starts_on")
    return list(weeks.values_list("starts_on", flat=True))


def _problem(in_force, method, weeks):
    if not in_force:
        return Problem.NO_RULES
    if method is None:
        return Problem.MIXED_METHODS
    if method == Method.COUNT:
        return None
    if len({(rules.weeks, rules.multiplier) for rules in in_force}) > 1:
        return Problem.MIXED_ESTIMATES
    return Problem.FEW_WEEKS if len(weeks) < in_force[0].weeks else None


def _days_of(week):
    return [week + number * counting.DAY for number in range(7)]


def _estimate(contacts, weeks, multiplier):
    """Return the contacts of an average week, multiplied by `multiplier` and rounded half up."""
    return (2 * contacts * multiplier + weeks) // (2 * weeks)
