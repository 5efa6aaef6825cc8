from datetime import timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Library, User
from accounts.patron.retention_choice import CHILDS_CHOICES, MAX_YEARS, Remember
from portal.text import TextField


class RememberForm(forms.Form):
    """How long the library is to remember."""

    remember = forms.ChoiceField(
        label=_("How long should the library remember your visits?"),
        choices=User.Remember.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of them."), "invalid_choice": _("Choose one of them.")},
    )
    until = forms.DateField(
        label=_("The date, if you chose one"),
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
                self.add_error("until", _("Write the last day on which the library should remember."))
            elif not today < until <= today + timedelta(days=365 * MAX_YEARS):
                self.add_error("until", _("Choose a day after today, at most ten years away."))
        return cleaned


class HoldForm(forms.Form):
    reason = TextField(
        label=_("Why"),
        max_length=400,
        help_text=_("Such as the number of the case. Coordinators see it, and nobody else."),
        error_messages={"required": _("Write why it is held.")},
    )
