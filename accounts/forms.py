import unicodedata

from allauth.account.adapter import get_adapter
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from django import forms
from django.core.cache import cache
from django.utils.translation import gettext_lazy as _

from portal.text import TextField

from . import passkeys
from .access import origin
from .mailed_codes import may_send_code, may_try_code

TOTP_CODE_LIVES = 120  # seconds; longer than any clock accepts a code, so that none works twice

CODE_ATTRS = {"inputmode": "numeric", "autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}


def digits(text):
    """The digits of what was typed or pasted, in any script, without spaces and dashes."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


class AddressForm(forms.Form):
    email = forms.EmailField(
        label=_("Your e-mail address"),
        max_length=254,
        error_messages={"required": _("Write your e-mail address."), "invalid": _("Write the whole e-mail address, such as ana@example.org.")},
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def __init__(self, *args, request, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)

    def clean_email(self):
        email = self.cleaned_data["email"].lower()
        if not may_send_code(self.request, email):
            raise get_adapter().validation_error("rate_limited")
        return email


class CodeForm(forms.Form):
    """The mailed code of `process`."""

    code = forms.CharField(
        label=_("The code from the mail"),
        max_length=40,
        error_messages={"required": _("Write the six digits from the mail.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def __init__(self, *args, request, process, **kwargs):
        self.request, self.process = request, process
        super().__init__(*args, **kwargs)

    def clean_code(self):
        if not may_try_code(self.request, self.process):
            raise get_adapter().validation_error("too_many_login_attempts")
        code = digits(self.cleaned_data["code"])
        if not compare_user_code(actual=code, expected=self.process.code):
            raise get_adapter().validation_error("incorrect_code")
        return code


class NameForm(forms.Form):
    name = TextField(
        label=_("Name"),
        max_length=80,
        required=False,
        help_text=_("What the library calls you when it answers. Any name you like, or none."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


NOT_ACCEPTED = _("That passkey was not accepted. Try it once more, or use a code instead.")


class CredentialField(forms.JSONField):
    """What the browser says of a passkey; static/js/passkeys.js fills it in."""

    def __init__(self):
        super().__init__(widget=forms.HiddenInput, error_messages={"required": NOT_ACCEPTED, "invalid": NOT_ACCEPTED})


class PasskeyForm(forms.Form):
    """A passkey that is shown; once the form is valid, `shown` is which, of those `among` which it may be."""

    credential = CredentialField()

    def __init__(self, *args, request, among, **kwargs):
        self.request, self.among = request, among
        super().__init__(*args, **kwargs)

    def clean_credential(self):
        try:
            self.shown = passkeys.read_shown(self.request.session, self.cleaned_data["credential"], among=self.among, origin=origin(self.request))
        except passkeys.NotAccepted:
            raise forms.ValidationError(NOT_ACCEPTED) from None


class PasskeyNameForm(forms.Form):
    name = TextField(
        label=_("Name of the passkey"),
        max_length=80,
        error_messages={"required": _("Write a name by which you know it.")},
        help_text=_("Where it is kept, so that you know which one to remove if a device is lost."),
    )


class AddPasskeyForm(PasskeyNameForm):
    """A passkey that a device has made; once the form is valid, `new` is what to keep. It is there already, so a missing name refuses nothing."""

    credential = CredentialField()

    def __init__(self, *args, request, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False

    def clean_credential(self):
        try:
            self.new = passkeys.read_new(self.request.session, self.cleaned_data["credential"], person=self.request.user, origin=origin(self.request))
        except passkeys.NotAccepted:
            raise forms.ValidationError(NOT_ACCEPTED) from None


class SecondFactorForm(ReauthenticateForm):
    """A code of the authenticator app, or one of the recovery codes."""

    code = forms.CharField(
        label=_("Code from your authenticator app"),
        help_text=_("Six digits, new every half minute. Without your phone, use one of your recovery codes."),
        max_length=40,
        error_messages={"required": _("Write the code that the app shows.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def clean_code(self):
        self.cleaned_data["code"] = digits(self.cleaned_data["code"])
        code = super().clean_code()
        use_up(self.user, code)
        return code


class SetUpAppForm(ActivateTOTPForm):
    """The first code of a new authenticator app."""

    code = forms.CharField(
        label=_("Code that the app now shows"),
        max_length=40,
        error_messages={"required": _("Write the code that the app shows.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def clean_code(self):
        self.cleaned_data["code"] = digits(self.cleaned_data["code"])
        code = super().clean_code()
        use_up(self.user, code)
        return code


def use_up(user, code):
    """allauth remembers a used code for one period; with a tolerant clock it would live for three."""
    if not cache.add(f"second-factor-used:{user.pk}:{code}", True, TOTP_CODE_LIVES):
        raise get_mfa_adapter().validation_error("incorrect_code")
