"""Forms for authenticator app codes."""

import logging

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from cryptography.fernet import InvalidToken
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.sign_in.authenticator_apps import OTHER_KEY
from portal.once import claim
from portal.security_log import note

from .fields import CODE_ATTRS, digits

log = logging.getLogger(__name__)

# A used code is remembered for this many seconds. No code is valid for longer.
USED_CODE_SECONDS = 120


class SecondFactorForm(ReauthenticateForm):
    """The form for an authenticator app code or a recovery code."""

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
        except InvalidToken:
            # The app's secret is encrypted with a key that the settings no longer have.
            log.error(OTHER_KEY)
            raise forms.ValidationError(
                _(
                    "We can't check the codes of your app, because the server has a new key. Tell the person "
                    "who runs the portal."
                )
            ) from None
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

    allauth also rejects a used code, but it doesn't remember the code that set up the app.
    """
    if not claim("second_factor", user.pk, code, seconds=USED_CODE_SECONDS):
        raise get_adapter().validation_error("incorrect_code")
