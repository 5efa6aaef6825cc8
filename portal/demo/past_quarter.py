"""Visits of the last quarter that is counted, and how they turned out. They are forgotten already."""

import datetime

from accounts.models import Branch, Library
from portal.counts.actions import count_sessions_forgotten_before
from portal.counts.outcomes import DAYS_TO_ANSWER, count_outcomes, readable_on
from portal.counts.quarters import Quarter
from portal.helpsessions.models import HelpSession, SessionRecommendation
from recommendations.models import Recommendation
from recommendations.visit_numbers import number_of

PAST_VISITS = 240
# The answers of the visits, one after the other and then again from the beginning. "" is no answer. Each
# answer is frequent enough to be shown, even at one branch.
FOUND = ("all", "", "all", "part", "", "all", "something_else", "all", "still_working", "all", "", "no")
SATISFACTION = ("very_good", "", "good", "very_good", "not_so_good", "good", "poor")
WOULD_RETURN = ("yes", "", "yes", "maybe", "yes", "yes", "no")
VERDICTS = (
    *("helped", "", "helped", "partly", "not_tried", "helped", "did_not_help", "helped"),
    *("could_not_get_it", "helped", "not_tried"),
)
QUESTION_TYPES = ("reference", "reference", "readers_advisory", "technology")
# Most visits are at the first branch.
BRANCHES = (0, 1, 0, 2, 0)


def add(builder):
    """Add the visits, and count the quarter."""
    today = builder.now.astimezone(Library.current().zone).date()
    quarter = Quarter.of(today - DAYS_TO_ANSWER + datetime.timedelta(days=1)).before
    branches, topics = list(Branch.objects.order_by("pk")), [*builder.topics.values()][:2]
    items = [*builder.items.values()][:3]
    visits = HelpSession.objects.bulk_create(
        _visit(number, quarter, branches, topics) for number in range(PAST_VISITS)
    )
    given = Recommendation.objects.bulk_create(
        _recommendation(number, visit, items) for number, visit in enumerate(visits)
    )
    SessionRecommendation.objects.bulk_create(
        SessionRecommendation(help_session=visit, recommendation=row)
        for visit, row in zip(visits, given, strict=True)
    )
    count_sessions_forgotten_before()
    noon = datetime.time(12)
    count_outcomes(at=datetime.datetime.combine(readable_on(quarter), noon, Library.current().zone))


def _visit(number, quarter, branches, topics):
    day = quarter.first_day + datetime.timedelta(days=number // 3)
    at = datetime.datetime.combine(day, datetime.time(), Library.current().zone)
    found, satisfaction = FOUND[number % len(FOUND)], SATISFACTION[number % len(SATISFACTION)]
    return HelpSession(
        status=HelpSession.Status.RECORDED,
        branch=branches[BRANCHES[number % len(BRANCHES)] % len(branches)],
        topic=topics[number * 7 % 11 % len(topics)],
        question_type=QUESTION_TYPES[number % len(QUESTION_TYPES)],
        happened_on=day,
        created_at=at,
        minutes=5 + number % 9,
        handed_over_at=at,
        kept_at=at if number % 3 == 0 else None,
        found=found,
        satisfaction=satisfaction,
        would_return=WOULD_RETURN[number % len(WOULD_RETURN)],
        answered_at=at,
        forgotten_on=quarter.last_day,
    )


def _recommendation(number, visit, items):
    verdict = VERDICTS[number % len(VERDICTS)]
    return Recommendation(
        item=items[number % len(items)],
        branch=visit.branch,
        topic=visit.topic,
        question_type=visit.question_type,
        recommended_at=visit.created_at,
        verdict=verdict,
        decided_at=visit.created_at if verdict else None,
        visit_number=number_of(help_session=visit.pk),
    )
