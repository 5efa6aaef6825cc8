"""The counts of help sessions in a quarter. Sessions whose content was deleted are counted too."""

from collections import Counter, defaultdict

from django.db.models import Count

from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType

from .quarters import Quarter

# Tallied contacts have no question type. They are counted under this name instead.
TALLIES = "tally"
# The visit of a wrong patron is not counted, because another visit replaced it.
NOT_COUNTED = [HelpSession.Status.UNFINISHED, HelpSession.Status.REPLACED]


def contacts(quarter):
    """Return {question type, or TALLIES: [count in each month]}. Types without contacts are left out."""
    counts = defaultdict(lambda: [0, 0, 0])
    # Group by day and not by month. For months, SQLite would call a Python function for each session.
    rows = _sessions(quarter).order_by().values_list("happened_on", "status", "question_type")
    for day, status, question_type, count in rows.annotate(count=Count("pk")):
        kind = TALLIES if status == HelpSession.Status.TALLY else question_type
        counts[kind][quarter.month_of(day)] += count
    return {kind: counts[kind] for kind in [*QuestionType.values, TALLIES] if kind in counts}


def follow_ups(quarter):
    """Return three lists, each with a count for each month of the quarter.

    The first counts sessions that were handed over. The second counts sessions that were kept in an account.
    The third counts sessions that patrons rated.
    """
    counts = [[0, 0, 0] for _ in range(3)]
    rows = _sessions(quarter).recorded().values_list("happened_on").order_by()
    for day, *numbers in rows.annotate(
        handed_over=Count("handed_over_at"), kept=Count("kept_at"), answered=Count("answered_at")
    ):
        for row, number in zip(counts, numbers, strict=True):
            row[quarter.month_of(day)] += number
    return counts


def outcomes(quarter):
    """Count the patrons' ratings by topic, and return two dicts.

    The first counts the choices of HelpSession.Found, the second those of HelpSession.Satisfaction. Each dict
    is {primary key of a topic, or None: (the count of each choice, …)}.
    """
    found, satisfaction = defaultdict(Counter), defaultdict(Counter)
    answered = _sessions(quarter).recorded().exclude(found="", satisfaction="").order_by()
    rows = answered.values_list("topic", "found", "satisfaction").annotate(count=Count("pk"))
    for topic, found_answer, satisfaction_answer, count in rows:
        found[topic][found_answer] += count
        satisfaction[topic][satisfaction_answer] += count
    return _in_order(found, HelpSession.Found), _in_order(satisfaction, HelpSession.Satisfaction)


def first_quarter():
    """Return the quarter of the first help session, or None if there is no help session."""
    sessions = HelpSession.objects.exclude(status__in=NOT_COUNTED).order_by("happened_on")
    day = sessions.values_list("happened_on", flat=True).first()
    return day and Quarter.of(day)


def _sessions(quarter):
    sessions = HelpSession.objects.filter(happened_on__range=(quarter.first_day, quarter.last_day))
    return sessions.exclude(status__in=NOT_COUNTED)


def _in_order(counters, choices):
    counts = {topic: tuple(counter[value] for value in choices.values) for topic, counter in counters.items()}
    return {topic: row for topic, row in counts.items() if any(row)}
