"""What patrons said about the help sessions of a quarter. Forgotten sessions are counted too."""

from collections import Counter, defaultdict

from django.db.models import Count

from portal.helpsessions.models import HelpSession

from .quarters import Quarter

# The questions that patrons are asked about a visit: {field of HelpSession: its choices}.
QUESTIONS = {
    "found": HelpSession.Found,
    "satisfaction": HelpSession.Satisfaction,
    "would_return": HelpSession.WouldReturn,
}
# Sessions with these statuses are not counted. A replaced session has a new session, which is counted.
NOT_COUNTED = [HelpSession.Status.UNFINISHED, HelpSession.Status.REPLACED]


def has_sessions(quarter):
    """Return whether there was a help session in the quarter."""
    return _sessions(quarter).exists()


def follow_ups(quarter):
    """Return how many sessions were added to an account, and how many were rated by the patron."""
    rows = _sessions(quarter).recorded().order_by()
    return [*rows.aggregate(kept=Count("kept_at"), answered=Count("answered_at")).values()]


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
