"""What the library counts of a quarter: its help sessions, those too of which no more than the count is left."""

from collections import Counter, defaultdict

from django.db.models import Count
from django.db.models.functions import TruncMonth

from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType

from .quarters import Quarter

TALLIES = "tally"  # counted apart: nobody wrote down what they were about


def contacts(quarter):
    """{question type, or TALLIES: [how many in each month]}, of what there was."""
    counted = defaultdict(lambda: [0, 0, 0])
    for month, status, question_type, count in _by_month(quarter, "status", "question_type"):
        counted[TALLIES if status == HelpSession.Status.TALLY else question_type][
            quarter.months.index(month)
        ] += count
    return {kind: counted[kind] for kind in [*QuestionType.values, TALLIES] if kind in counted}


def became_of(quarter):
    """How many of the recorded ones were (handed over, kept in an account, answered by their patron) in each month: three lists."""
    counted = [[0, 0, 0] for _ in range(3)]
    rows = _of(quarter).recorded().values_list(TruncMonth("happened_on")).order_by()
    for month, *counts in rows.annotate(
        a=Count("handed_over_at"), b=Count("kept_at"), c=Count("answered_at")
    ):
        for row, count in zip(counted, counts, strict=True):
            row[quarter.months.index(month)] += count
    return counted


def outcomes(quarter):
    """(whether what was needed was found, how the help was): each {topic's primary key or None: (how many said each, in the order in which
    it is asked)}."""
    found, help = defaultdict(Counter), defaultdict(Counter)
    for topic, said_found, said_help, count in (
        _of(quarter)
        .recorded()
        .exclude(found="", satisfaction="")
        .order_by()
        .values_list("topic", "found", "satisfaction")
        .annotate(count=Count("pk"))
    ):
        found[topic][said_found] += count
        help[topic][said_help] += count
    return _in_order(found, HelpSession.Found), _in_order(help, HelpSession.Satisfaction)


def begins():
    """The quarter of the first help session; None where there is none."""
    first = (
        HelpSession.objects.exclude(status=HelpSession.Status.UNFINISHED)
        .order_by("happened_on")
        .values_list("happened_on", flat=True)
        .first()
    )
    return first and Quarter.of(first)


def _of(quarter):
    return HelpSession.objects.filter(happened_on__range=(quarter.first_day, quarter.last_day)).exclude(
        status=HelpSession.Status.UNFINISHED
    )


def _by_month(quarter, *names):
    return _of(quarter).order_by().values_list(TruncMonth("happened_on"), *names).annotate(count=Count("pk"))


def _in_order(counted, choices):
    ordered = {topic: tuple(counts[value] for value in choices.values) for topic, counts in counted.items()}
    return {topic: counts for topic, counts in ordered.items() if any(counts)}
