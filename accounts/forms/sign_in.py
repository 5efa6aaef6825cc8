"""The forms to sign in by emailed code. First the person enters an address, and then the code."""

from allauth.account.adapter import get_adapter
from django import forms
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _

from portal.addresses import AddressField
from portal.security_log import note

from ..sign_in.emailed_codes import count_attempt, count_code
from .fields import CODE_ATTRS, BorrowedField, count_or_refuse, digits


class BorrowedForm(forms.Form):
    borrowed = BorrowedField()


class AddressForm(forms.Form):
    """The form for the email address that gets a code.

    Each validation of this form counts toward the limit on emailed codes.
    """

    email = AddressField(
        label=_("Your email address"),
        error_messages={"required": _("Enter your email address.")},
        widget=forms.EmailInput(
            attrs={
                "autocomplete": "email",
                "inputmode": "email",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )

    def __init__(self, *args, request, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)

    def clean_email(self):
        email = self.cleaned_data["email"]
        count_or_refuse(count_code, self.request, email)
        return email


class SignInForm(AddressForm):
    borrowed = BorrowedField()


class CodeForm(forms.Form):
    """The form for an emailed code. `process` is allauth's object that stores the correct code."""

    code = forms.CharField(
        label=_("Code from the email"),
        max_length=40,
        error_messages={"required": _("Enter the six digits from the email.")},
        widget=forms.TextInput(attrs=CODE_ATTRS),
    )

    def __init__(self, *args, request, process, **kwargs):
        self.request, self.process = request, process
        super().__init__(*args, **kwargs)

    def clean_code(self):
        count_or_refuse(count_attempt, self.request, self.process)
        code = digits(self.cleaned_data["code"])
        # If the owner of the address may not sign in, no code was sent and `process.code` is empty.
        if not self.process.code or not constant_time_compare(code, self.process.code):
            note(self.request, "refused", what="code")
            raise get_adapter().validation_error("incorrect_code")
        return code
