"""The forms that change the text and the day of a check-in."""

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.checkins.models import CheckIn
from portal.checkins.reviewing import MAX_WORDS
from portal.desk.forms.fields import AskOnField
from portal.text import TextField

MAX_REASON = CheckIn._meta.get_field("reason").max_length


class WordsForm(forms.Form):
    """The text of a check-in and its tone. `seen` is the version of the text that the page shows."""

    tone = forms.ChoiceField(
        label=_("Tone"),
        required=False,
        help_text=_("The tone changes only the portal's draft, not your own words."),
    )
    body = TextField(
        label=_("Text"),
        max_length=MAX_WORDS,
        multiline=True,
        required=False,
        help_text=_("Clear this field to get the portal's draft back."),
        widget=forms.Textarea(attrs={"rows": 8}),
    )
    seen = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def __init__(self, *args, branch, **kwargs):
        super().__init__(*args, **kwargs)
        of_branch = gettext("same as the branch: %(tone)s") % {"tone": branch.get_check_in_tone_display()}
        tones = [("", of_branch), *Branch.Tone.choices]
        self.fields["tone"].choices = [(value, capfirst(label)) for value, label in tones]


class AskOnForm(forms.Form):
    """The day when a check-in asks the patron, with a reason that only staff see."""

    day = AskOnField(label=_("Day when we ask the patron"))
    reason = TextField(
        label=_("Reason for this day"),
        max_length=MAX_REASON,
        required=False,
        help_text=_("For example, “when the essay is due”. Only staff see this."),
    )

    def __init__(self, *args, today, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["day"].limit(today)
