"""Fields and helpers that several forms share."""

import unicodedata

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.limits import TooOften

CODE_ATTRS = {
    "inputmode": "numeric",
    "autocomplete": "one-time-code",
    "autocapitalize": "none",
    "spellcheck": "false",
}


def count_or_refuse(count, *args):
    """Call `count(*args)` to count one attempt. Raises a ValidationError if a rate limit is reached.

    The error says when the person can try again.
    """
    try:
        count(*args)
    except TooOften as error:
        raise forms.ValidationError(error.words) from None


def digits(text):
    """Return the digits of `text` as ASCII. Digits of other scripts are converted.

    All other characters, such as spaces and dashes, are left out.
    """
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


class DigitsField(forms.CharField):
    """A field for a PIN of digits. The page never shows the typed digits."""

    def __init__(self, **kwargs):
        # Mark the field as a one-time code, because browsers don't offer to save one-time codes. A browser on
        # a shared computer must not save a PIN.
        super().__init__(max_length=40, widget=forms.PasswordInput(attrs=CODE_ATTRS), **kwargs)

    def to_python(self, value):
        return digits(super().to_python(value))


class BorrowedField(forms.BooleanField):
    """A checkbox for people who sign in on a device that isn't theirs."""

    def __init__(self):
        super().__init__(
            required=False,
            label=_("This isn't my phone"),
            help_text=_(
                "We sign you out when you close the browser, or after two hours. None of your data stays "
                "on this device."
            ),
        )
