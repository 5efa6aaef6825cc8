"""The counts of help sessions in a quarter. Sessions whose content was deleted are counted too."""

from collections import Counter, defaultdict

from django.db.models import Count

from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType

from .quarters import Quarter

# The key for tallied contacts in the counts by question type. A tallied contact has no question type.
TALLIES = "tally"
# The questions that patrons are asked about a visit: {field of HelpSession: its choices}.
QUESTIONS = {
    "found": HelpSession.Found,
    "satisfaction": HelpSession.Satisfaction,
    "would_return": HelpSession.WouldReturn,
}
# Sessions with these statuses are not counted. A replaced session has a new session, which is counted.
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
    """Count the patrons' ratings by topic, and return a dict for each question in QUESTIONS.

    Each dict is {primary key of a topic, or None: (the count of each choice, …)}.
    """
    counters: list = [defaultdict(Counter) for _ in QUESTIONS]
    answered = _sessions(quarter).recorded().exclude(found="", satisfaction="", would_return="").order_by()
    for topic, *answers, count in answered.values_list("topic", *QUESTIONS).annotate(count=Count("pk")):
        for counter, answer in zip(counters, answers, strict=True):
            counter[topic][answer] += count
    return [
        _in_order(counter, choices) for counter, choices in zip(counters, QUESTIONS.values(), strict=True)
    ]


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
