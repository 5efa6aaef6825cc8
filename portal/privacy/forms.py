from datetime import timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Library, User
from accounts.patron.retention_choice import CHILDS_CHOICES, MAX_YEARS, Remember
from portal.text import TextField


class RememberForm(forms.Form):
    """A form where patrons choose how long the library remembers their visits. A child has fewer choices."""

    remember = forms.ChoiceField(
        label=_("How long should the library remember your visits?"),
        choices=User.Remember.choices,
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choose how long the library should remember your visits."),
            "invalid_choice": _("Choose how long the library should remember your visits."),
        },
    )
    until = forms.DateField(
        label=_("The date, if you chose “until a date”"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        localize=False,
    )

    def __init__(self, *args, is_child=False, **kwargs):
        super().__init__(*args, **kwargs)
        if is_child:
            self.fields["remember"].choices = [(choice.value, choice.label) for choice in CHILDS_CHOICES]
            del self.fields["until"]

    def clean(self):
        cleaned = super().clean()
        if cleaned.get("remember") != Remember.UNTIL:
            cleaned["until"] = None
        elif "until" in cleaned:
            today, until = Library.current().today(), cleaned["until"]
            if until is None:
                self.add_error("until", _("Enter the last day the library should remember your visits."))
            elif not today < until <= today + timedelta(days=365 * MAX_YEARS):
                self.add_error("until", _("Choose a day after today and within the next ten years."))
        return cleaned


class HoldForm(forms.Form):
    """A form for the reason for a legal hold."""

    reason = TextField(
        label=_("Reason for the hold"),
        max_length=400,
        help_text=_("For example, the case number. Only coordinators can see the reason."),
        error_messages={"required": _("Enter the reason for the hold.")},
    )
