from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from . import codes
from .models import HelpSession


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code from the library"),
        help_text=_("13 digits on the slip or card, with or without spaces."),
        max_length=100,
        error_messages={
            "required": _("Type the digits of the code."),
            "max_length": _("A code has 13 digits."),
        },
        widget=forms.TextInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "class": "code-input",
                "placeholder": "0000 000 000 000",
            }
        ),
    )

    def clean_code(self):
        typed = self.cleaned_data["code"]
        code = codes.normalise(typed)
        if not code:
            digits = sum(char.isdecimal() for char in typed)
            raise forms.ValidationError(
                _now("A code has 13 digits; this has %(digits)s.") % {"digits": digits}
            )
        return code


class OutcomeForm(forms.Form):
    """One tap answers one of the two questions."""

    found = forms.ChoiceField(choices=HelpSession.Found.choices, required=False)
    satisfaction = forms.ChoiceField(choices=HelpSession.Satisfaction.choices, required=False)

    def answers(self):
        return {name: value for name, value in self.cleaned_data.items() if value}
