"""The forms to use, add and rename a passkey."""

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.security_log import note
from portal.text import TextField, parse_json

from ..sign_in import passkeys
from ..sign_in.access import origin

NOT_ACCEPTED = _("That passkey didn't work. Try again, or use a code instead.")


class CredentialField(forms.CharField):
    """A hidden field for the browser's passkey credential. static/js/passkeys.js fills in this field.

    The cleaned value is the parsed JSON of the credential.
    """

    def __init__(self):
        super().__init__(widget=forms.HiddenInput, error_messages={"required": NOT_ACCEPTED})

    def clean(self, value):
        try:
            return parse_json(super().clean(value))
        except ValueError:
            raise forms.ValidationError(NOT_ACCEPTED) from None


class PasskeyForm(forms.Form):
    """The form for a passkey's response to a challenge.

    Only passkeys in the queryset `among` are accepted. In a valid form, `used` is the UsedPasskey.
    """

    credential = CredentialField()

    def __init__(self, *args, request, among, **kwargs):
        self.request, self.among = request, among
        super().__init__(*args, **kwargs)

    def clean_credential(self):
        try:
            self.used = passkeys.verify_authentication(
                self.request.session,
                self.cleaned_data["credential"],
                among=self.among,
                origin=origin(self.request),
            )
        except passkeys.NotAccepted:
            note(self.request, "refused", what="passkey")
            raise forms.ValidationError(NOT_ACCEPTED) from None


class PasskeyNameForm(forms.Form):
    name = TextField(
        label=_("Passkey name"),
        max_length=80,
        error_messages={"required": _("Enter a name that you'll recognize.")},
        help_text=_(
            "Enter the name of the device with this passkey. Then you'll know which passkey to "
            "remove if you lose the device."
        ),
    )


class AddPasskeyForm(PasskeyNameForm):
    """The form for a passkey that the device has just made. In a valid form, `new` is the NewPasskey."""

    credential = CredentialField()

    def __init__(self, *args, request, **kwargs):
        self.request = request
        super().__init__(*args, **kwargs)
        # The device has already stored the passkey, so the portal saves the passkey even without a name.
        self.fields["name"].required = False

    def clean_credential(self):
        try:
            self.new = passkeys.verify_registration(
                self.request.session,
                self.cleaned_data["credential"],
                person=self.request.user,
                origin=origin(self.request),
            )
        except passkeys.NotAccepted:
            note(self.request, "refused", what="new_passkey")
            raise forms.ValidationError(NOT_ACCEPTED) from None
