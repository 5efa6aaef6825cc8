"""The forms for codes of an authenticator app."""

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from django import forms
from django.utils.translation import gettext_lazy as _

from portal.once import claim
from portal.security_log import note

from .fields import CODE_ATTRS, digits

# A used code is remembered for this many seconds. No code is valid for longer.
USED_CODE_SECONDS = 120


class SecondFactorForm(ReauthenticateForm):
    """The form for a recovery code, or for a code of the authenticator app."""

    code = forms.CharField(
        label=_("Code from your authenticator app"),
        help_text=_(
            "Six digits that change every 30 seconds. If you don't have your phone, use a recovery code."
        ),
        max_length=40,
        error_messages={"required": _("Enter the code from your app.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def clean_code(self):
        self.cleaned_data["code"] = digits(self.cleaned_data["code"])
        try:
            code = super().clean_code()
            refuse_reused_code(self.user, code)
        except forms.ValidationError:
            note(context.request, "refused", what="second_factor")
            raise
        return code


class SetUpAppForm(ActivateTOTPForm):
    """The form for the first code of a new authenticator app."""

    code = forms.CharField(
        label=_("Code from the app"),
        max_length=40,
        error_messages={"required": _("Enter the code from your app.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def clean_code(self):
        self.cleaned_data["code"] = digits(self.cleaned_data["code"])
        code = super().clean_code()
        refuse_reused_code(self.user, code)
        return code


def refuse_reused_code(user, code):
    """Raise a ValidationError if this person has used `code` before.

    allauth remembers a used code for only 30 seconds. That is not enough, because our clock tolerance makes a
    code valid for 90 seconds.
    """
    if not claim("second_factor", user.pk, code, seconds=USED_CODE_SECONDS):
        raise get_adapter().validation_error("incorrect_code")
