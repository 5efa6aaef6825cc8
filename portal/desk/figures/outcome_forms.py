"""The filter of the page about how help turned out. The URL of the page contains it."""

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from portal.counts.models import OutcomePeriod
from portal.counts.outcomes import next_quarter
from portal.counts.quarters import Quarter
from portal.desk.widgets import LongSelect

from .kept_period import kept_period
from .labels import of_months
from .outcome_tables import breakdowns

YEAR = "year-"
Kind = OutcomePeriod.Kind


class OutcomeForm(forms.Form):
    """The filter of outcomes: a quarter or year, a branch or the whole library, and a breakdown."""

    period = forms.ChoiceField(label=_("Period"), widget=LongSelect, required=False)
    branch = forms.ChoiceField(label=_("Branch"), widget=LongSelect, required=False)
    by = forms.ChoiceField(label=_("Break down by"), widget=LongSelect, required=False)

    def __init__(self, data, *, branches, library):
        """`branches` are those that the person may see. Everybody may see the whole library's numbers."""
        self.counted = {
            _key(period): period for period in OutcomePeriod.objects.order_by("-first_day", "-pk")
        }
        self.waiting = {str(quarter): quarter for quarter in _not_counted(library)}
        quarters = [key for key in self.counted if not key.startswith(YEAR)]
        kept = self._key_of(kept_period(data, year_starts_in=library.year_starts_in))
        usual = kept or (quarters[0] if quarters else next(iter(self.waiting), ""))
        asked = {name: value for name, value in data.items() if value}
        self.is_period_asked = asked.get("period") in self.counted or asked.get("period") in self.waiting
        super().__init__(asked | ({} if self.is_period_asked else {"period": usual}))
        self.branches = {branch.slug: branch for branch in branches}
        self.fields["period"].choices = self._periods()
        self.fields["branch"].choices = [
            ("", _now("Whole library")),
            *((branch.slug, branch.name) for branch in branches),
        ]
        self.fields["by"].choices = breakdowns()

    def _key_of(self, kept):
        """Return the value of the field `period` for this Period, or None if the form doesn't offer it."""
        for key, row in (self.counted | self.waiting).items():
            if kept and (row.first_day, row.last_day) == (kept.first, kept.last):
                return key
        return None

    def _periods(self):
        years = [
            (key, _now("Year: %(months)s") % {"months": name_of(period)})
            for key, period in self.counted.items()
            if key.startswith(YEAR)
        ]
        quarters = [(key, capfirst(name_of(quarter))) for key, quarter in reversed(self.waiting.items())]
        quarters += [
            (key, capfirst(name_of(row))) for key, row in self.counted.items() if not key.startswith(YEAR)
        ]
        return [*quarters, *years]

    @property
    def chosen_period(self):
        """Return the chosen OutcomePeriod, or the chosen Quarter if it isn't counted yet, or None."""
        key = self.cleaned_data["period"]
        return self.counted.get(key) or self.waiting.get(key)

    @property
    def chosen_branch(self):
        """Return the chosen Branch, or None for the whole library."""
        return self.branches.get(self.cleaned_data["branch"])


def name_of(period):
    """Return the months of a quarter or year, such as "July 2026 – September 2026"."""
    return of_months(period.first_day, period.last_day)


def _key(period):
    return f"{YEAR if period.kind == Kind.YEAR else ''}{Quarter(period.first_day)}"


def _not_counted(library):
    """Return the quarters that are not counted yet, up to the current quarter."""
    quarters, today = [], library.today()
    quarter = next_quarter(library.year_starts_in)
    while quarter is not None and quarter.first_day <= today:
        quarters.append(quarter)
        quarter = quarter.after
    return quarters
