"""Keep the chosen period and comparison in the links between the pages of figures.

The links have the same parameters as the page about how much work there was. If a page can't show the period
in these parameters, it shows its usual period. The links on this page still have the parameters.
"""

import datetime
from urllib.parse import urlencode

from accounts.reporting_year import ReportingYear
from portal.counts.quarters import Quarter

from .periods import Period

# Staff can only type days between these two. A figure of thousands of years would have too many rows.
EARLIEST, LATEST = datetime.date(1990, 1, 1), datetime.date(2199, 12, 31)
DAYS = ("dates", "first_day", "last_day")


def query_of(params, period=None, *, year_starts_in):
    """Return the query for the links between the pages of figures, such as "?dates=2026&compare=year".

    `params` are the parameters of the request. A page that has its own parameter for the period, such as the
    year of an annual survey, passes the chosen `period`. This period then replaces the one in `params`.
    """
    kept = {name: params[name] for name in (*DAYS, "compare") if params.get(name)}
    if period:
        kept = {name: value for name, value in kept.items() if name not in DAYS}
        kept = _days_of(period, year_starts_in) | kept
    return f"?{urlencode(kept)}" if kept else ""


def _days_of(period, year_starts_in):
    year = ReportingYear.of(period.first, year_starts_in)
    if period == Period.of_year(year):
        return {"dates": str(year)}
    return {"first_day": str(period.first), "last_day": str(period.last)}


def kept_period(params, *, year_starts_in):
    """Return the Period in the parameters of a link, or None if there is none."""
    dates = params.get("dates", "")
    if year := ReportingYear.read(dates, year_starts_in):
        return Period.of_year(year)
    if month := Quarter.read(dates):
        return Period.of_month(month.first_day)
    try:
        first, last = (
            datetime.date.fromisoformat(params.get(name, "")) for name in ("first_day", "last_day")
        )
    except ValueError:
        return None
    return Period(first, last) if EARLIEST <= first <= last <= LATEST else None
