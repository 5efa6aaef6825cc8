"""The forms for answering a check-in with its link, and for choosing a later day."""

import uuid
from datetime import timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Library
from portal.conversations.forms import MESSAGE_MAX_LENGTH
from portal.helpsessions.models import HelpSession
from portal.text import TextField
from recommendations.models import Recommendation

from .due import LATER
from .planning import latest_day

QUESTIONS = {
    "found": (_("Did you find what you needed?"), HelpSession.Found.choices),
    "satisfaction": (_("How was the help?"), HelpSession.Satisfaction.choices),
    "would_return": (_("Would you come back to us with another question?"), HelpSession.WouldReturn.choices),
}
WISHES = {"yes", "no"}
# The prefix of the hidden fields that contain what was pressed since the page was opened.
BEFORE = "was-"


class WordsForm(forms.Form):
    """The form for a text to the library. `client_token` prevents saving the same text twice."""

    body = TextField(
        label=_("Tell us more"),
        max_length=MESSAGE_MAX_LENGTH,
        multiline=True,
        required=False,
        error_messages={
            "max_length": _("Use %(limit_value)s characters or fewer. You entered %(show_value)s.")
        },
    )
    client_token = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["body"].widget.attrs["rows"] = 3
        self.fields["client_token"].initial = uuid.uuid4()

    def clean_client_token(self):
        return self.cleaned_data["client_token"] or uuid.uuid4()

    def require_words(self):
        if not self.errors:
            self.add_error("body", _("Write something first."))


class AskLaterForm(forms.Form):
    """The form for "Ask me later". Its day is between tomorrow and `planning.latest_day`."""

    day = forms.DateField(
        label=_("Day"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={
            "required": _("Choose a day, then press “Ask me on this day” again."),
            "invalid": _("Choose a day, then press “Ask me on this day” again."),
        },
    )

    def __init__(self, *args, at, **kwargs):
        super().__init__(*args, **kwargs)
        today = Library.current().today(at)
        self.first, self.last = today + timedelta(days=1), latest_day(at=at)
        self.fields["day"].initial = today + LATER

    def clean_day(self):
        day = self.cleaned_data["day"]
        if not self.first <= day <= self.last:
            raise forms.ValidationError(_("Choose a day within the next six months."))
        return day


class Pressed:
    """The buttons that the patron has pressed since the page was opened. `data` is the posted form."""

    def __init__(self, data):
        self.data = data

    def get(self, name, choices):
        """Return the choice that was pressed for this question, or ""."""
        value = self.data.get(name, self.data.get(BEFORE + name, ""))
        return value if value in choices else ""

    def answers(self):
        """Return {name of a question about the visit: the answer on the pressed button}."""
        sent = {name: self.data.get(name, "") for name in QUESTIONS if name in self.data}
        return {name: value for name, value in sent.items() if value in dict(QUESTIONS[name][1])}

    def verdict_on(self, recommendation):
        return self.get(f"verdict-{recommendation.public_id}", Recommendation.Verdict.values)

    def wish_about(self, name):
        return self.get(name, WISHES)
