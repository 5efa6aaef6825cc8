"""The labels of the figures about the work of the desk, and the order of their rows."""

from functools import lru_cache

from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from accounts.models import Branch
from accounts.reporting_year import ReportingYear
from portal.counts.answers import BANDS
from portal.desk.languages import language_name
from portal.helpsessions.models import HelpSession, OwnField, OwnValue, PatronGroup, ServicePoint, TallyKind
from portal.templatetags.portal import whole_day
from portal.times import time_of_day
from recommendations.models import QuestionType, Topic, topic_names


def of_breakdown(breakdown):
    """Return the label of a breakdown, which is the heading of the first column of its table."""
    if breakdown.startswith("own-"):
        return next((field.name for field in OwnField.objects.filter(pk=breakdown.removeprefix("own-"))), "")
    return breakdowns()[breakdown]


def breakdowns():
    """Return {name of a breakdown: its label}, without the library's own fields."""
    return {
        "time": _("Time"),
        "branch": _("Branch"),
        "service_point": _("Service point"),
        "mode": _("Mode"),
        "question_type": _("Question type"),
        "read_level": _("READ level"),
        "tally_kind": _("Kind of tally"),
        "hour": _("Hour"),
        "weekday": _("Day of the week"),
        "hour_weekday": _("Hour and day of the week"),
        "topic": _("Topic"),
        "patron_group": _("Patron group"),
        "language": _("Language"),
        "answers": _("Time to first answer"),
        "staff": _("Staff member"),
    }


def of_number(name):
    """Return the heading of a column. `name` is the name of a number, or a weekday (0 is Monday)."""
    if isinstance(name, int):
        return capfirst(str(WEEKDAYS_ABBR[name]))
    return {
        "contacts": _("Contacts"),
        "minutes": _("Minutes"),
        "estimated_minutes": _("Minutes, estimated part"),
        "handed_over": _("Visits given to the patron"),
        "check_ins": _("Check-ins sent"),
        "answers": _("First answers"),
        "in_time": _("In the promised time"),
    }[name]


def of_period(period):
    """Return a period in words, such as "October 2026" or "October 5, 2026 – October 9, 2026".

    Spanish months begin with a small letter, so use `capfirst` where the period begins a text.
    """
    if period.is_whole_months:
        return of_months(period.first, period.last)
    if period.first == period.last:
        return whole_day(period.first)
    return f"{whole_day(period.first)} – {whole_day(period.last)}"


def of_months(first_day, last_day):
    """Return whole months in words, such as "October 2026", "July 2025 – June 2026", or "2026"."""
    if (first_day.month, last_day.month) == (1, 12) and first_day.year == last_day.year:
        return str(first_day.year)
    if first_day.replace(day=1) == last_day.replace(day=1):
        return of_month(first_day)
    return f"{of_month(first_day)} – {of_month(last_day)}"


def of_year(year):
    """Return a ReportingYear in words: "2026" if it is the calendar year, else "July 2025 – June 2026"."""
    return of_months(year.first_day, year.last_day)


def of_month(day):
    return date_format(day, pgettext("format of a month with its year", "F Y"))


def of_number_in(name, period):
    return f"{of_number(name)}, {of_period(period)}"


def of_time(minutes):
    """Return a length of time in words, such as "1 h 30 min"."""
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return _("%(minutes)s min") % {"minutes": minutes}
    if not minutes:
        return _("%(hours)s h") % {"hours": hours}
    return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}


def of(breakdown, keys, *, period, earlier, branches, year_starts_in):
    """Return [(key, label)] for the `keys` of a figure's rows, in the order in which the rows are shown."""
    if breakdown == "time":
        return _of_time(keys, period, earlier, year_starts_in)
    if breakdown in ORDERED:
        return [(key, ORDERED[breakdown](key)) for key in sorted(keys, key=_none_last)]
    if breakdown in CHOICES:
        choices = CHOICES[breakdown]()
        return [(key, label) for key, label in choices if key in keys]
    return sorted(
        _of_rows(breakdown, keys, branches), key=lambda row: (_is_without(row[0]), row[1].casefold())
    )


def _of_time(keys, period, earlier, year_starts_in):
    """Return [(key, label)] for the days, months or years of a period. `keys` are their positions.

    If `earlier` is longer than `period`, the labels of the last rows are from `earlier`.
    """
    step = period.step
    steps = dict(enumerate(earlier.steps(step, year_starts_in) if earlier else []))
    steps |= dict(enumerate(period.steps(step, year_starts_in)))
    return [(key, _of_step(step, steps[key][0], year_starts_in)) for key in sorted(keys)]


def _of_step(step, day, year_starts_in):
    if step == "day":
        return _of_day(day, get_language())
    return capfirst(of_month(day) if step == "month" else of_year(ReportingYear.of(day, year_starts_in)))


# A month has 30 labels. Formatting them again for each request would take a tenth of the page's time.
@lru_cache(maxsize=1000)
def _of_day(day, _language):
    return capfirst(date_format(day, pgettext("format of a weekday with its day", "D, M j")))


def _none_last(key):
    return (key is None, key or 0)


def _is_without(key):
    return key is None or (isinstance(key, tuple) and key[1] is None)


def _of_hour(hour):
    return _("Without an hour") if hour is None else time_of_day(hour)


def _of_weekday(weekday):
    return capfirst(str(WEEKDAYS[weekday]))


def _modes():
    return [(value, capfirst(str(label))) for value, label in HelpSession.Mode.choices]


def question_types():
    """Return [((is_tally, question type), label)]. Contacts counted without details have no question type."""
    kinds = [((False, value), capfirst(str(label))) for value, label in QuestionType.choices]
    return [*kinds, ((True, None), _("Counted without details"))]


def _read_levels():
    levels = [((False, level), _("READ %(level)s") % {"level": level}) for level in range(1, 7)]
    return [*levels, ((False, None), _("Without a READ level")), ((True, None), _("Counted without details"))]


def _of_band(up_to):
    if up_to is None:
        return _("Longer than %(time)s") % {"time": of_time(BANDS[-1])}
    return _("Up to %(time)s") % {"time": of_time(up_to)}


ORDERED = {"hour": _of_hour, "weekday": _of_weekday, "hour_weekday": _of_hour, "answers": _of_band}
CHOICES = {"mode": _modes, "question_type": question_types, "read_level": _read_levels}


def _of_rows(breakdown, keys, branches):
    """Return [(key, label)] for languages, or for a breakdown whose labels are in the database."""
    if breakdown == "tally_kind":
        return _of_tally_kinds(keys)
    if breakdown == "language":
        return [(key, capfirst(language_name(key)) if key else _("Not known")) for key in keys]
    wanted = [key for key in keys if key is not None]
    names = {
        "branch": lambda: {row.pk: row.name for row in Branch.objects.filter(pk__in=wanted)},
        "service_point": lambda: _of_service_points(wanted, branches),
        "topic": lambda: _names(Topic.objects.prefetch_related(*topic_names()), wanted),
        "patron_group": lambda: _names(PatronGroup.objects.all(), wanted),
    }.get(breakdown, lambda: _names(OwnValue.objects.all(), wanted))()
    without = {
        "service_point": _("Without a service point"),
        "topic": _("Without a topic"),
        "patron_group": _("Not asked"),
    }
    return [(key, without[breakdown] if key is None else names[key]) for key in keys]


def _names(rows, keys):
    return {row.pk: str(row) for row in rows.filter(pk__in=keys)}


def _of_service_points(keys, branches):
    points = ServicePoint.objects.filter(pk__in=keys).select_related("branch")
    return {point.pk: point.name if len(branches) == 1 else f"{point.branch}: {point}" for point in points}


def _of_tally_kinds(keys):
    kinds = TallyKind.objects.filter(pk__in=[kind for _tally, kind in keys if kind])
    kinds = kinds.select_related("service_point")
    names = {kind.pk: f"{kind.service_point}: {kind}" for kind in kinds}
    labelled = {(True, None): _("Without a kind of tally"), (False, None): _("Recorded with details")}
    return [(key, labelled.get(key) or names[key[1]]) for key in keys]
