"""Count the outcomes of a quarter: what patrons said about their visits, and what they did afterward.

Forgotten visits are counted too. A number may be shown only if it comes from enough different visits. One
visit can have several verdicts. So a Cell also says how many different visits it counts.
"""

import datetime
from collections import defaultdict
from typing import NamedTuple

from django.db.models import Count, Q, Sum

from portal.checkins.models import CheckIn
from portal.helpsessions.models import HelpSession, SessionRecommendation
from recommendations.models import Recommendation

from .models import CheckInAnswers, DayCount
from .pooling import sum_rows

Verdict = Recommendation.Verdict
# The questions to patrons about a visit: {column of HelpSession with the answer: its choices}.
OF_VISITS = {
    "found": HelpSession.Found,
    "satisfaction": HelpSession.Satisfaction,
    "would_return": HelpSession.WouldReturn,
}
VERDICTS = "verdicts"
# What patrons did after their visits. These numbers have no breakdown.
FOLLOW_UPS = ("kept", "answered", "check_ins")
# {question: the values of its answers}, in the order of the pages.
ANSWERS = {
    **{question: tuple(choices.values) for question, choices in OF_VISITS.items()},
    VERDICTS: tuple(Verdict.values),
    **dict.fromkeys(FOLLOW_UPS, ("yes",)),
}
# {question: how many numbers `Cell.visits` has after the numbers of the answers}. From the workload figures,
# readers know how many visits there were, how many were given to the patron and how many check-ins were sent.
# They can subtract the answers from these numbers, so the results must be 0 or large enough too.
GUARDS = {**dict.fromkeys(OF_VISITS, 4), VERDICTS: 0, "kept": 3, "answered": 5, "check_ins": 2}
# BREAKDOWNS is {question: its breakdowns}. The table of the breakdown NONE has only the sum.
NONE, TOPIC, QUESTION_TYPE, ITEM = "", "topic", "question_type", "item"
BREAKDOWNS = {
    **dict.fromkeys(OF_VISITS, (NONE, TOPIC, QUESTION_TYPE)),
    VERDICTS: (NONE, TOPIC, QUESTION_TYPE, ITEM),
    **dict.fromkeys(FOLLOW_UPS, (NONE,)),
}
# The key of visits that get no separate row: quiet visits, visits with a child, and visits without a topic.
UNNAMED = None


class Cell(NamedTuple):
    """The numbers of a row.

    `numbers` has a number for each answer. `visits` has the number of different visits for each answer. At
    its end, `visits` has further numbers that somebody could find out by subtracting, such as the number of
    visits without an answer. The row is shown only if each number in `visits` is 0 or large enough.
    """

    numbers: tuple
    visits: tuple


class Given(NamedTuple):
    """A verdict. `visit` is a number that identifies the visit, or a conversation without a visit."""

    visit: int
    branch: int
    topic: int | None
    question_type: str | None
    item: int | None
    verdict: str


def count_outcomes_of(quarter, zone):
    """Count the quarter, and return {(question, breakdown): {branch: {key: Cell}}}.

    `key` is the primary key of a topic or item, or a question type, or UNNAMED. If the breakdown is NONE, the
    key is UNNAMED.
    """
    counted = {}
    for breakdown in (NONE, TOPIC, QUESTION_TYPE):
        for question, cells in _of_visits(quarter, breakdown).items():
            counted[question, breakdown] = cells
    given = [*_given_in_visits(quarter), *_given_later(quarter, zone)]
    for breakdown in BREAKDOWNS[VERDICTS]:
        counted[VERDICTS, breakdown] = _of_verdicts(given, breakdown)
    return counted | {(name, NONE): cells for name, cells in _follow_ups(quarter, counted).items()}


def visits_of(quarter):
    """Return the recorded help sessions of the quarter."""
    days = (quarter.first_day, quarter.last_day)
    return HelpSession.objects.recorded().filter(happened_on__range=days).order_by()


def _of_visits(quarter, breakdown):
    """Return {question: {branch: {key: Cell}}} for the questions about visits."""
    key = breakdown or "status"
    columns = ("branch", key, "quiet", "with_child", *OF_VISITS)
    sums: dict = {
        question: defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: [0, 0])))
        for question in OF_VISITS
    }
    # {(branch, key): [visits, visits that were given to the patron]}. These are the visits that the workload
    # figures count under the key, but that are not in the row with this key.
    without_row: dict = defaultdict(lambda: [0, 0])
    rows = visits_of(quarter).values_list(*columns).annotate(Count("pk"), Count("handed_over_at"))
    for branch, value, quiet, child, *answers, visits, given in rows:
        row = UNNAMED if quiet or child or not breakdown else value
        for question, answer in zip(OF_VISITS, answers, strict=True):
            _add(sums[question][branch][row][answer], visits, given)
        # The workload figures count quiet visits, and visits with a child, under their question types but
        # under no topic.
        if breakdown == QUESTION_TYPE and row is UNNAMED:
            _add(without_row[branch, value], visits, given)
            # Subtract these visits from the row UNNAMED, so that the rows still add up to the sum.
            _add(without_row[branch, UNNAMED], -visits, -given)
            for question in OF_VISITS:
                _add(sums[question][branch][value][""], 0, 0)
    return {
        question: {
            branch: {
                row: _cell(ANSWERS[question], counts, without_row[branch, row])
                for row, counts in rows.items()
            }
            for branch, rows in branches.items()
        }
        for question, branches in sums.items()
    }


def _add(sums, visits, given):
    sums[0] += visits
    sums[1] += given


def _cell(values, counts, without_row):
    """Return the Cell of a row.

    `counts` is {answer: [visits, visits that were given to the patron]}. The key "" is for visits without an
    answer. `without_row` has the same two numbers for visits that only the workload figures count under the
    key of this row.
    """
    numbers = tuple(counts[value][0] for value in values)
    visits, given = counts[""]
    return Cell(numbers, (*numbers, visits, given, visits + without_row[0], given + without_row[1]))


def _given_in_visits(quarter):
    """Yield a Given for each verdict on an item recommended in a visit or in an answer about a visit."""
    visits = {
        pk: (branch, None if hidden else topic, None if hidden else question_type, hidden)
        for pk, branch, topic, question_type, hidden in (
            (pk, branch, topic, question_type, quiet or bool(child))
            for pk, branch, topic, question_type, quiet, child in visits_of(quarter).values_list(
                "pk", "branch", "topic", "question_type", "quiet", "with_child"
            )
        )
    }
    in_visits = SessionRecommendation.objects.filter(
        removed_at=None,
        help_session__in=visits_of(quarter),
        recommendation__in=_decided(),
    ).values_list("help_session", "recommendation__item", "recommendation__verdict")
    in_answers = (
        _decided()
        .filter(sessionrecommendation=None, visit_number__in=visits_of(quarter).values("pk"))
        .values_list("visit_number", "item", "verdict")
    )
    for pk, item, verdict in [*in_visits.order_by(), *in_answers.order_by()]:
        branch, topic, question_type, hidden = visits[pk]
        yield Given(pk, branch, topic, question_type, None if hidden else item, verdict)


def _given_later(quarter, zone):
    """Yield a Given for each verdict on an item recommended in a conversation without a visit.

    A conversation belongs to the quarter of its first recommendation.
    """
    start, end = (
        datetime.datetime.combine(day, datetime.time(), zone)
        for day in (quarter.first_day, quarter.after.first_day)
    )
    alone = _decided().filter(Q(visit_number__lt=0) | Q(visit_number=None), sessionrecommendation=None)
    rows = list(
        alone.filter(recommended_at__gte=start, recommended_at__lt=end)
        .order_by()
        .values_list("pk", "visit_number", "branch", "topic", "question_type", "item", "verdict")
    )
    numbers = {row[1] for row in rows if row[1] is not None}
    earlier = set(alone.filter(recommended_at__lt=start).order_by().values_list("visit_number", flat=True))
    branch_of: dict = {}
    for pk, number, branch, *facts in rows:
        if number in earlier & numbers:
            continue
        visit = -(10**16) - pk if number is None else number
        yield Given(visit, branch_of.setdefault(visit, branch), *facts)


def _decided():
    return Recommendation.objects.filter(never_counted=False).exclude(verdict="")


def _of_verdicts(given, breakdown):
    """Return the verdicts as {branch: {key: Cell}}."""
    found: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    key_of_visit: dict = {}
    for verdict in given:
        key = getattr(verdict, breakdown) if breakdown else UNNAMED
        if breakdown in (TOPIC, QUESTION_TYPE):
            # A visit is counted under one topic, even if an answer about the visit has another topic.
            key = key_of_visit.setdefault(verdict.visit, key)
        found[verdict.branch][key][verdict.verdict].append(verdict.visit)
    values = ANSWERS[VERDICTS]
    return {
        branch: {
            key: Cell(
                tuple(len(visits[value]) for value in values),
                tuple(len({*visits[value]}) for value in values),
            )
            for key, visits in rows.items()
        }
        for branch, rows in found.items()
    }


def _follow_ups(quarter, counted):
    """Return {name: {branch: {UNNAMED: Cell}}} for what patrons did after their visits."""
    rows = visits_of(quarter).values_list("branch")
    rows = rows.annotate(Count("pk"), Count("handed_over_at"), Count("kept_at"), Count("answered_at"))
    days = (quarter.first_day, quarter.last_day)
    sent_rows = DayCount.objects.filter(happened_on__range=days).order_by().values_list("branch")
    sent_at = dict(sent_rows.annotate(Sum("check_ins")))
    reacted_at = _check_in_answers(quarter)
    cells: dict = {name: {} for name in FOLLOW_UPS}
    for branch, visits, given, kept, answered in rows:
        reacted, sent = reacted_at.get(branch, 0), sent_at.get(branch, 0)
        # For each question, count the visits whose patrons left this question out but answered another one.
        others = [answered - sum(counted[name, NONE][branch][UNNAMED].numbers) for name in OF_VISITS]
        guards = {
            "kept": (kept, visits - kept, given - kept, kept - sent),
            "answered": (answered, visits - answered, given - answered, *others),
            "check_ins": (reacted, sent - reacted, answered - reacted),
        }
        for name, numbers in guards.items():
            cells[name][branch] = {UNNAMED: Cell(numbers[:1], tuple(max(0, number) for number in numbers))}
    return cells


def with_answered_check_in(visits):
    """Return [(primary key, day, branch)] for each of these visits whose patron answered a check-in about it.

    A visit counts once, however many check-ins about it were answered.
    """
    answered = CheckIn.objects.filter(
        help_session__in=visits, asked_at__isnull=False, status=CheckIn.Status.ANSWERED
    )
    columns = "help_session", "help_session__happened_on", "help_session__branch"
    return list(answered.order_by().values_list(*columns).distinct())


def _check_in_answers(quarter):
    """Return {branch: how many visits had an answered check-in}, including forgotten visits."""
    answers: dict = defaultdict(int)
    for _visit, _day, branch in with_answered_check_in(visits_of(quarter)):
        answers[branch] += 1
    forgotten = CheckInAnswers.objects.filter(month__in=quarter.months).order_by().values_list("branch")
    for branch, number in forgotten.annotate(Sum("answered")):
        answers[branch] += number
    return answers


def together(cells):
    """Return one Cell with the sums of these cells. No visit may be in two of the cells."""
    cells = list(cells)
    return Cell(sum_rows(cell.numbers for cell in cells), sum_rows(cell.visits for cell in cells))
