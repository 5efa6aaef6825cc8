from django import forms
from django.utils.translation import gettext as _


class SubscriptionForm(forms.Form):
    """The form with a browser's push subscription. A script of the page fills in the hidden fields."""

    endpoint = forms.CharField(widget=forms.HiddenInput, max_length=2000)
    p256dh = forms.CharField(widget=forms.HiddenInput, max_length=200)
    auth = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def clean(self):
        # Hidden fields can't show errors, so one error for the whole form replaces their errors.
        if self.errors:
            self.errors.clear()
            self.refuse()
        return self.cleaned_data

    def refuse(self):
        """Add an error that says that the browser's subscription can't be used."""
        self.add_error(None, _("The library couldn't turn on messages in this browser. Please try again."))

    def refuse_service(self):
        """Add an error that says that the library doesn't use this browser's push service."""
        words = _(
            "This browser gets messages from a service that the library doesn't use. Try another browser, or "
            "choose email."
        )
        self.add_error(None, words)
