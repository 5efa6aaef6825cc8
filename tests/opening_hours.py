"""Give a branch opening hours in tests."""

import datetime

from accounts.models import OpeningHours


def open_on_weekdays(branch, *, opens=9, closes=17, weekdays=range(5)):
    """Add the same opening hours for each of the weekdays. Monday is weekday 0.

    If `closes` is 24, the branch is open until the end of the day. A test that uses the real time needs this.
    """
    end = datetime.time(closes) if closes < 24 else datetime.time.max
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=weekday, opens=datetime.time(opens), closes=end)
        for weekday in weekdays
    )
