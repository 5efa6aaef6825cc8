"""Give a branch opening hours in tests."""

import datetime

from accounts.models import OpeningHours


def open_on_weekdays(branch, *, opens=9, closes=17, weekdays=range(5)):
    """Add the same opening hours for each of the weekdays. Monday is weekday 0."""
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=weekday, opens=datetime.time(opens), closes=datetime.time(closes))
        for weekday in weekdays
    )
