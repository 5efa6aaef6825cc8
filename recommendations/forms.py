"""What a patron sends about a recommendation."""

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.text import TextField
from recommendations.models import Recommendation
from recommendations.verdicts import choices_for


class VerdictForm(forms.Form):
    """A verdict of the kind that fits the question. `why` and `comment` are None where they were not sent at all: a tap on a
    button alone leaves what was written before."""

    verdict = forms.ChoiceField(label=_("Did it work out?"), required=False)
    why = forms.ChoiceField(label=_("Why?"), required=False, choices=[("", _("no reason given")), *Recommendation.Why.choices])
    comment = TextField(label=_("Anything to add?"), max_length=2000, required=False, multiline=True)

    def __init__(self, data=None, *, question_type, **kwargs):
        super().__init__(data, **kwargs)
        self.fields["verdict"].choices = [("", _("no answer")), *choices_for(question_type)]

    def clean_verdict(self):
        if "verdict" not in self.data:
            raise forms.ValidationError(_("Choose one of the answers."))
        return self.cleaned_data["verdict"]

    def clean_why(self):
        return self.cleaned_data["why"] if "why" in self.data else None

    def clean_comment(self):
        return self.cleaned_data["comment"] if "comment" in self.data else None
