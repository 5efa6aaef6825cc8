"""Numbers for a staff member: how often patrons said that this person's help worked out.

Only the staff member sees the numbers. A number appears after the end of its quarter, if it is at least
MIN_PEOPLE. A smaller number could reveal which patron gave the answer.
"""

import datetime
from collections import Counter

from django.db.models import Count
from django.db.models.functions import TruncDate

from portal.counts.pooling import is_small
from portal.counts.quarters import Quarter
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation

QUARTERS = 8
Verdict = Recommendation.Verdict


def quarters_of(helper, library):
    """Return [(quarter, found, helped)] for the quarters that have numbers to show, latest first.

    `found` is the number of visits where the patron found what they needed or something else useful. `helped`
    is the number of recommended items that helped. A number is None if it is too small to be shown.
    """
    first = current = Quarter.of(library.today())
    for _number in range(QUARTERS):
        first = first.before
    found = _found(helper, first.first_day, current.before.last_day)
    helped = _helped(helper, first.first_day, current.first_day, library.zone)
    rows = [
        (quarter, _shown(found[quarter]), _shown(helped[quarter]))
        for quarter in sorted({*found, *helped}, reverse=True)
    ]
    return [row for row in rows if any(row[1:])]


def _found(helper, first_day, last_day):
    sessions = HelpSession.objects.recorded().filter(
        staff=helper,
        happened_on__range=(first_day, last_day),
        found__in=HelpSession.FOUND_SOMETHING,
    )
    return _by_quarter(sessions.order_by().values_list("happened_on"))


def _helped(helper, first_day, next_day, zone):
    start, end = (datetime.datetime.combine(day, datetime.time(), zone) for day in (first_day, next_day))
    items = Recommendation.objects.filter(
        recommended_by=helper,
        recommended_at__gte=start,
        recommended_at__lt=end,
        verdict=Verdict.HELPED,
    )
    return _by_quarter(items.order_by().values_list(TruncDate("recommended_at", tzinfo=zone)))


def _by_quarter(days):
    counts = Counter()
    for day, count in days.annotate(count=Count("pk")):
        counts[Quarter.of(day)] += count
    return counts


def _shown(count):
    return None if is_small((count,)) else count
