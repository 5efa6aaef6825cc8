"""Return figures about the desk's work. The Figures page and the API use the same function to count."""

import datetime

from django.db.models import Count
from ninja import Schema
from pydantic import Field

from accounts.models import Library
from portal.desk.figures import labels, workload
from portal.desk.figures.forms import ABOUT_FEW_PEOPLE, EARLIEST, FEWEST_PEOPLE, LATEST
from portal.desk.figures.periods import Period
from portal.helpsessions.models import OwnField

# The API returns no figures by staff member. Only a page of the desk shows such figures, and no file that
# staff can download has them.
BREAKDOWNS = {*workload.BY_DAY, *workload.BY_MONTH, workload.GRID, workload.ANSWERS}


class NoFigure(Exception):
    """The request asks for a figure that doesn't exist. `errors` is [{"field": name, "detail": why}]."""

    def __init__(self, field, detail):
        super().__init__(detail)
        self.errors = [{"field": field, "detail": detail}]


class Asked(Schema):
    """The query parameters of a request for a figure."""

    first_day: datetime.date = Field(ge=EARLIEST, le=LATEST)
    last_day: datetime.date = Field(ge=EARLIEST, le=LATEST)
    by: str = Field(
        "time",
        max_length=20,
        description="the breakdown: time, branch, service_point, mode, question_type, read_level, "
        "tally_kind, hour, weekday, hour_weekday, topic, patron_group, language, answers, or own- with the "
        "number of a field of the library. The last five need whole months",
    )
    branch: str = Field("", max_length=60, description="the short name of one branch; all if left out")


def answer(asked, *, token):
    """Return the fields of a FigureAnswer. Raises NoFigure.

    A breakdown in ABOUT_FEW_PEOPLE could show when a single person works. So such a breakdown leaves out
    branches with fewer than FEWEST_PEOPLE staff members.
    """
    period = Period(asked.first_day, asked.last_day)
    _check(asked, period)
    rows = token.branches.annotate(people=Count("staff_roles")).order_by("name")
    branches = list(rows.filter(slug=asked.branch) if asked.branch else rows)
    if not branches:
        raise NoFigure(
            "branch", "This token has no branch with this short name. Send one of its branches, or none."
        )
    left_out = [branch for branch in branches if _is_left_out(branch, asked.by)]
    counted = [branch for branch in branches if branch not in left_out]
    figure = workload.figure(period, [branch.pk for branch in counted], asked.by)
    names = _names_of_keys(figure, counted)
    return {
        "first_day": period.first,
        "last_day": period.last,
        "by": asked.by,
        "branches": [branch.slug for branch in counted],
        "left_out": [branch.slug for branch in left_out],
        "names": [labels.of_number(name) for name in figure.names],
        "rows": [
            {
                "key": _key(row.key, names),
                "label": str(row.label),
                "numbers": row.numbers,
                "estimated_minutes": row.estimated,
            }
            for row in figure.rows
        ],
        "total": figure.total.numbers,
        "total_estimated_minutes": figure.total.estimated,
    }


def _check(asked, period):
    if period.last < period.first:
        raise NoFigure("last_day", "This day is before first_day. Send a later day.")
    if asked.by.startswith(workload.OWN):
        number = asked.by.removeprefix(workload.OWN)
        if not (number.isdecimal() and OwnField.objects.filter(pk=number).exists()):
            raise NoFigure("by", "The library has no field of its own with this number. Send another number.")
    elif asked.by not in BREAKDOWNS:
        raise NoFigure("by", "There is no such breakdown. The description of `by` lists them.")
    if workload.is_by_month(asked.by) and not period.is_whole_months:
        raise NoFigure(
            "by", "This is counted for whole months only. Send the first and the last day of a month."
        )


def _is_left_out(branch, breakdown):
    return branch.people < FEWEST_PEOPLE and breakdown in ABOUT_FEW_PEOPLE


def _names_of_keys(figure, branches):
    """Return {key of a row: its text} for keys that another system can't understand.

    These are the primary keys of branches, and the positions of days, weeks or months in the period.
    """
    if figure.by == "branch":
        return {branch.pk: branch.slug for branch in branches}
    if figure.by == "time":
        steps = figure.period.steps(figure.period.step, Library.current().year_starts_in)
        return {place: first.isoformat() for place, (first, _last) in enumerate(steps)}
    return {}


def _key(key, names):
    """Return the key of a row as text: a day, a code such as "phone", the slug of a branch, or a number.

    The text is the same in every language. The key of the row for contacts without a value is "".
    """
    if key in names:
        return names[key]
    if isinstance(key, tuple):
        is_tally, key = key
        if is_tally and key is None:
            return "tally"
    return "" if key is None else str(key)
