"""Visits of the last quarter that is counted, so that the pages of outcomes have something to show."""

import datetime

from django.utils import timezone

from accounts.models import Branch
from portal.counts.actions import count_sessions_forgotten_before
from portal.counts.outcomes import DAYS_TO_ANSWER, count_outcomes, readable_on
from portal.counts.quarters import Quarter
from tests.factories import HelpSessionFactory, ItemFactory, TopicFactory, recommend_in


def last_counted_quarter():
    """Return the last quarter that ended at least 45 days ago."""
    return Quarter.of(timezone.localdate() - DAYS_TO_ANSWER + datetime.timedelta(days=1)).before


def add_past_outcomes(branch, *, topic="Taxes", title="Compost City", creators="Rebecca Louie"):
    """Add forgotten visits with every answer at two branches, and count their quarter."""
    quarter = last_counted_quarter()
    noon = timezone.make_aware(datetime.datetime.combine(quarter.first_day, datetime.time(12)))
    other = Branch.objects.exclude(pk=branch.pk).order_by("pk").first() or branch
    topics = [TopicFactory(name=f"{topic[:50]} {number}") for number in range(2)]
    items = ItemFactory.create_batch(2, title=title, creators=creators)
    for number in range(80):
        visit = HelpSessionFactory(
            branch=other if number % 4 == 0 else branch,
            staff=None,
            question="",
            summary="",
            topic=topics[number % 2],
            happened_on=quarter.first_day,
            created_at=noon,
            forgotten_on=quarter.last_day,
            handed_over_at=noon,
            minutes=4,
            found=["all", "part", "", "all"][number // 2 % 4],
            satisfaction=["very_good", "good", ""][number // 2 % 3],
            would_return=["yes", "maybe", ""][number // 2 % 3],
            answered_at=noon,
        )
        recommend_in(visit, item=items[number % 2], reason="", verdict="helped", decided_at=noon)
    count_sessions_forgotten_before()
    day = datetime.datetime.combine(readable_on(quarter), datetime.time(12))
    count_outcomes(at=timezone.make_aware(day))
