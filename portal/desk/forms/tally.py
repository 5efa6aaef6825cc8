"""The form that counts several contacts of one hour at a service point."""

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.desk.widgets import LongSelect
from portal.helpsessions.tallies import MAX_AT_ONCE
from portal.times import time_of_day

from .fields import DayField, WholeNumber
from .sessions import MAX_AGE


class TallySheetForm(forms.Form):
    """The day, the hour, and a number for each kind of contact."""

    token = forms.UUIDField(widget=forms.HiddenInput)
    happened_on = DayField(label=_("Day"))
    hour = forms.TypedChoiceField(
        label=_("Hour"),
        choices=lambda: [(hour, time_of_day(hour)) for hour in range(24)],
        coerce=int,
        widget=LongSelect,
    )

    def __init__(self, *args, kinds, now, **kwargs):
        super().__init__(*args, **kwargs)
        self.kinds, self.now = kinds, now
        self.fields["happened_on"].widget.attrs["max"] = now.date().isoformat()
        for kind in kinds:
            field = WholeNumber(label=str(kind), min_value=0, max_value=MAX_AT_ONCE, required=False)
            field.widget.attrs["inputmode"] = "numeric"
            self.fields[f"kind-{kind.pk}"] = field

    def clean_happened_on(self):
        day = self.cleaned_data["happened_on"]
        if day > self.now.date():
            raise forms.ValidationError(
                gettext("This day is in the future. Enter the day when the patron got help.")
            )
        if day < self.now.date() - MAX_AGE:
            raise forms.ValidationError(gettext("This is more than ten years ago. Check the year."))
        return day

    def clean(self):
        data = super().clean()
        if data.get("happened_on") == self.now.date() and data.get("hour", 0) > self.now.hour:
            self.add_error("hour", gettext("This hour is in the future. Choose an earlier one."))
        if not self.errors and not self.numbers:
            self.add_error(None, gettext("Enter at least one number."))

    @property
    def numbers(self):
        """Return {TallyKind: number of contacts}. Leave out the kinds whose number is 0."""
        numbers = {kind: self.cleaned_data.get(f"kind-{kind.pk}") for kind in self.kinds}
        return {kind: number for kind, number in numbers.items() if number}
