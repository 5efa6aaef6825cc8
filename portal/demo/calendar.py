"""Find times at which the demo's branches are open."""

import datetime

HOUR = datetime.timedelta(hours=1)


class Calendar:
    def __init__(self, branches, zone, now):
        self.branches = {branch.key: branch for branch in branches}
        self.zone, self.now = zone, now
        self.today = now.astimezone(zone).date()

    def moment(self, branch, days_ago, hour):
        """Return a past time when the branch was open, as near to `hour` as the opening hours allow.

        The day is `days_ago` days ago. If the branch was closed on that day, or if the time is less than an
        hour ago, use an earlier day.
        """
        day = self.today - datetime.timedelta(days=days_ago)
        while True:
            hours = self.hours(branch, day)
            if hours:
                moment = self._at(day, min(max(hour, hours[0]), hours[1] - 1))
                if moment <= self.now - HOUR:
                    return moment
            day -= datetime.timedelta(days=1)

    def when_open(self, branch, at):
        """Return `at` if the branch is open at that time, or else a time soon after the branch opens."""
        local = at.astimezone(self.zone)
        hours = self.hours(branch, local.date())
        if hours and hours[0] <= local.hour < hours[1]:
            return at
        day = local.date() if hours and local.hour < hours[0] else local.date() + datetime.timedelta(days=1)
        while not (hours := self.hours(branch, day)):
            day += datetime.timedelta(days=1)
        return self._at(day, hours[0]) + datetime.timedelta(minutes=25)

    def hours(self, branch, day):
        """Return (opening hour, closing hour) of the branch on that day, or None on a closed day."""
        branch = self.branches[branch]
        if (day - self.today).days in branch.closed:
            return None
        return next(
            (hours for weekdays, hours in branch.hours.items() if str(day.weekday()) in weekdays), None
        )

    def _at(self, day, hour):
        return datetime.datetime.combine(day, datetime.time(hour), tzinfo=self.zone)
