"""The HTML form for the code of a visit."""

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from . import codes


class CodeForm(forms.Form):
    """The form where a person types the code from a printed slip or a code card."""

    code = forms.CharField(
        label=_("Code from the library"),
        help_text=_("The 13 digits on your slip or card. Spaces don't matter."),
        max_length=100,
        error_messages={
            "required": _("Enter the code."),
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
        code = codes.normalize(typed)
        if not code:
            digits = sum(char.isdecimal() for char in typed)
            raise forms.ValidationError(
                _now("A code has 13 digits. You entered %(digits)s.") % {"digits": digits}
            )
        return code
