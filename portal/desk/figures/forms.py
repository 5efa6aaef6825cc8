"""The filter of the page about the work of the desk. The URL of the page contains it."""

from django import forms
from django.db.models import Count, Subquery
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from accounts.reporting_year import ReportingYear
from portal.counts.models import DayCount
from portal.desk.forms.fields import DayField
from portal.desk.widgets import LongSelect
from portal.helpsessions.models import OwnField
from portal.prepared import prepared

from . import labels, workload
from .by_staff import STAFF, figure_by_staff
from .kept_period import EARLIEST, LATEST
from .periods import Period

# At a small branch, these breakdowns show when each person works and how fast they are. So if fewer than
# FEWEST_PEOPLE people work at a branch, its numbers are shown only to its own staff.
ABOUT_FEW_PEOPLE, FEWEST_PEOPLE = ("hour", "hour_weekday", "answers"), 3
COMPARISONS = [
    ("", _("Nothing")),
    ("before", _("The period before")),
    ("year", _("A year earlier")),
]


class FigureForm(forms.Form):
    """The filter of a figure. The period is a month, a reporting year, or the days that staff type."""

    by = forms.ChoiceField(label=_("Break down by"), widget=LongSelect, required=False)
    dates = forms.ChoiceField(label=_("Period"), widget=LongSelect, required=False)
    first_day = DayField(label=_("From"), required=False)
    last_day = DayField(label=_("To"), required=False)
    branch = forms.ChoiceField(label=_("Branch"), widget=LongSelect, required=False)
    compare = forms.ChoiceField(
        label=_("Compare with"), choices=COMPARISONS, widget=LongSelect, required=False
    )

    def __init__(self, data, *, branches, user, sees_all, library):
        """`branches` are the branches that `user` may see, from `branches_of`."""
        today = library.today()
        first, last = next(iter(_counted_days()), (today, today))
        usual = _usual_period(first, last, today)
        has_days = any(name in data for name in ("dates", "first_day", "last_day"))
        super().__init__({"by": "time"} | ({} if has_days else {"dates": _key(usual)}) | data)
        self.branches = {branch.slug: branch for branch in branches}
        self.user, self.sees_all, self.library = user, sees_all, library
        periods = [*_years(first, today, library.year_starts_in), *_months(first, today)]
        self.fields["dates"].choices = [
            ("", _("Other dates")),
            *((_key(each), capfirst(labels.of_period(each))) for each in periods),
        ]
        self.fields["branch"].choices = [
            ("", _("All branches")),
            *((branch.slug, branch.name) for branch in branches),
        ]
        self.fields["by"].choices = _breakdowns(
            with_branch=len(branches) > 1, with_staff=library.staff_figures != library.StaffFigures.OFF
        )
        self.periods = {_key(each): each for each in periods}

    def clean(self):
        cleaned = super().clean()
        if self.errors:
            return cleaned
        if cleaned["dates"]:
            cleaned["period"] = self.periods[cleaned["dates"]]
        else:
            self._clean_days(cleaned)
        period, by = cleaned.get("period"), cleaned["by"] or "time"
        if by == STAFF and cleaned["compare"]:
            self.add_error(
                "compare",
                _now("Figures by staff member can't be compared. Choose “Nothing” in “Compare with”."),
            )
        if period and workload.is_by_month(by) and not period.is_whole_months:
            self.add_error(
                "by",
                _now(
                    "This breakdown counts whole months only. Choose a month. Or choose the first day of a "
                    "month in “From”, and the last day of a month in “To”."
                ),
            )
        return cleaned

    def _clean_days(self, cleaned):
        for name in ("first_day", "last_day"):
            if cleaned[name] is None:
                self.add_error(name, _now("Choose a day, or choose a month."))
            elif not EARLIEST <= cleaned[name] <= LATEST:
                self.add_error(name, _now("Choose a day from 1990 to 2199."))
        if not self.errors and cleaned["last_day"] < cleaned["first_day"]:
            self.add_error("last_day", _now("This day is before the day in “From”. Choose a later day."))
        if not self.errors:
            cleaned["period"] = Period(cleaned["first_day"], cleaned["last_day"])

    def figure(self):
        """Return the Figure that the filter asks for. The form must be valid."""
        period, branches = self.cleaned_data["period"], [branch.pk for branch in self.chosen_branches]
        if self.is_by_staff:
            return figure_by_staff(
                period, branches, user=self.user, sees_all=self.sees_all, library=self.library
            )
        earlier = {"before": period.before, "year": period.year_before}.get(self.cleaned_data["compare"])
        return workload.figure(period, branches, self.cleaned_data["by"] or "time", earlier=earlier)

    @property
    def is_by_staff(self):
        """Return whether the figure names people.

        A file must not contain a figure that names people. The form must be valid.
        """
        return self.cleaned_data["by"] == STAFF

    @property
    def chosen_branches(self):
        """Return the branches that the figure counts."""
        return [branch for branch in self._wanted_branches() if not self._is_left_out(branch)]

    @property
    def left_out(self):
        """Return the branches that the figure leaves out, because too few people work there."""
        return [branch for branch in self._wanted_branches() if self._is_left_out(branch)]

    def _wanted_branches(self):
        chosen = self.branches.get(self.cleaned_data.get("branch"))
        return [chosen] if chosen else list(self.branches.values())

    def _is_left_out(self, branch):
        is_small = branch.people < FEWEST_PEOPLE and branch.pk not in self.user.desk_branch_ids
        return is_small and self.cleaned_data["by"] in ABOUT_FEW_PEOPLE

    def key_of(self, period):
        """Return the value of the field `dates` for a Period, or "" if the form doesn't offer the period."""
        return _key(period) if period and self.periods.get(_key(period)) == period else ""

    def neighbors(self):
        """Return (the month or year before the chosen one, the one after it), as values of the field `dates`.

        A value is None if the form doesn't offer that period. Both are None if neither a month nor a year is
        chosen.
        """
        period = self.cleaned_data["period"]
        if not (period.is_month or period.is_year):
            return None, None
        return tuple(self.key_of(each) or None for each in (period.before, period.after))


@prepared()
def _counted_days():
    """Return [(first day with contacts, last day with contacts)], or an empty list if nothing is counted."""
    days = DayCount.objects.order_by("happened_on")
    # On SQLite, one aggregate with Min and Max would read the whole table.
    last = Subquery(DayCount.objects.order_by("-happened_on").values("happened_on")[:1])
    return days.values_list("happened_on", last)[:1]


def _usual_period(first, last, today):
    """Return the month that the page shows first. `first` and `last` are days with contacts.

    Return the month before the current one. If the first contacts are from the current month, return the
    current month. If all contacts are older, as in an imported log, return the last month with contacts.
    """
    day = max(Period.of_month(today).before.first, min(first, today))
    return Period.of_month(min(day, last))


def branches_of(user, *, sees_all):
    """Return the branches whose figures this staff member sees: their own, or all if `sees_all` is true.

    Each has the attribute `people`: how many people work there.
    """
    branches = _branches_with_people()
    return branches if sees_all else [branch for branch in branches if branch.pk in user.desk_branch_ids]


@prepared()
def _branches_with_people():
    return Branch.objects.annotate(people=Count("staff_roles")).order_by("name")


def _months(first, today):
    """Return the months from the first counted day until today, the newest first."""
    months = [Period.of_month(today)]
    while months[-1].first > first:
        months.append(months[-1].before)
    return months


def _years(first, today, first_month):
    """Return the reporting years from the first counted day until today, the newest first."""
    oldest, year = ReportingYear.of(first, first_month), ReportingYear.of(today, first_month)
    years = [Period.of_year(year)]
    while year > oldest:
        year = year.before
        years.append(Period.of_year(year))
    return years


def _key(period):
    """Return the value of the field `dates` for a month or a reporting year, such as "2026-10" or "2026"."""
    return f"{period.first:%Y-%m}" if period.is_month else f"{period.first:%Y}"


def _breakdowns(*, with_branch, with_staff):
    names = labels.breakdowns()
    if not with_branch:
        del names["branch"]
    if not with_staff:
        del names[STAFF]
    own = [(f"{workload.OWN}{row.pk}", row.name) for row in _own_fields()]
    return [*names.items(), *own]


@prepared()
def _own_fields():
    return OwnField.objects.order_by(*OwnField.ORDER)
