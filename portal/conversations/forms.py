import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.text import TextField
from recommendations.models import Recommendation

LONGEST_MESSAGE = 5000
LONGEST_COMMENT = 1000


class MessageForm(forms.Form):
    """A message, and the token of the composer it was written in: the same composer sent twice is one message."""

    body = TextField(
        label=_("Your message"),
        max_length=LONGEST_MESSAGE,
        multiline=True,
        error_messages={
            "required": _("Write your message first."),
            "max_length": _("This is longer than one message can be (%(show_value)s characters of at most %(limit_value)s). Please send it in two."),
        },
    )
    client_token = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["body"].widget.attrs["rows"] = 3

    def clean_client_token(self):
        return self.cleaned_data["client_token"] or uuid.uuid4()


class VerdictForm(forms.Form):
    """What is not part of the form that was sent is None: a second tap takes back nothing that was written before."""

    verdict = forms.ChoiceField(choices=[("", ""), *Recommendation.Verdict.choices], required=False)
    why = forms.ChoiceField(choices=[("", ""), *Recommendation.Why.choices], required=False)
    comment = TextField(
        label=_("Anything else about it?"),
        max_length=LONGEST_COMMENT,
        multiline=True,
        required=False,
        error_messages={"max_length": _("Please say it in %(limit_value)s characters or fewer; you have %(show_value)s.")},
    )

    def clean(self):
        if "verdict" not in self.data:
            self.add_error(None, _("Choose one of the answers."))
        for name in ("why", "comment"):
            if name not in self.data:
                self.cleaned_data[name] = None
        return self.cleaned_data
