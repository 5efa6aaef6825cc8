"""Form fields that several forms of the desk use."""

from datetime import timedelta

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.checkins.planning import MAX_DAYS
from portal.desk.languages import language_choices
from portal.desk.widgets import LongSelect


class WholeNumber(forms.IntegerField):
    """A field for a whole number. Each of its error messages says which numbers are allowed."""

    def __init__(self, *, min_value, max_value, **kwargs):
        wanted = format_lazy(
            _("Enter a whole number from {least} to {most}."), least=min_value, most=max_value
        )
        messages = dict.fromkeys(("required", "invalid", "min_value", "max_value"), wanted)
        super().__init__(min_value=min_value, max_value=max_value, error_messages=messages, **kwargs)


class DayField(forms.DateField):
    """A field for a day, in the format that the browser's date picker sends."""

    def __init__(self, **kwargs):
        wrong = {
            "required": _("Choose a day."),
            "invalid": _("Enter the day as year, month and day, such as 2027-01-01."),
        }
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(error_messages=wrong, widget=widget, input_formats=["%Y-%m-%d"], **kwargs)


class AskOnField(DayField):
    """A field for the day when a check-in asks the patron."""

    def limit(self, today):
        """Allow only days that a check-in can be planned for. The first of these days is `today`."""
        self.today = today
        last = today + timedelta(days=MAX_DAYS)
        self.widget.attrs |= {"min": today.isoformat(), "max": last.isoformat()}

    def clean(self, value):
        day = super().clean(value)
        if day is not None and day < self.today:
            raise forms.ValidationError(gettext("This day is over. Choose today or a later day."))
        if day is not None and (day - self.today).days > MAX_DAYS:
            raise forms.ValidationError(gettext("This day is too far away. Choose a day within half a year."))
        return day


def language_field(label):
    """Return a field for choosing any language, even one that the portal is not translated into."""
    return forms.ChoiceField(label=label, choices=language_choices, widget=LongSelect)


class RowField(forms.TypedChoiceField):
    """A field for choosing one of a few rows. The caller reads the rows, so the field needs no query."""

    def __init__(self, **kwargs):
        super().__init__(widget=LongSelect, required=False, empty_value=None, **kwargs)

    def offer(self, rows, *, empty, label=str):
        """Offer these rows as choices.

        `empty` is the text of the choice without a row. `label` is a function that returns the text of a row.
        """
        by_key = {str(row.pk): row for row in rows}
        self.coerce = by_key.get
        self.choices = [("", empty), *((key, label(row)) for key, row in by_key.items())]
