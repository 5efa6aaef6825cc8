from django import forms

from .models import HelpSession


class OutcomeForm(forms.Form):
    """One tap answers one of the two questions."""

    found = forms.ChoiceField(choices=HelpSession.Found.choices, required=False)
    satisfaction = forms.ChoiceField(choices=HelpSession.Satisfaction.choices, required=False)

    def answers(self):
        return {name: value for name, value in self.cleaned_data.items() if value}
