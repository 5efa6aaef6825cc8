"""The form where coordinators choose starter templates."""

from django import forms
from django.utils.translation import gettext_lazy

from portal.conversations.starter_templates import STARTERS


class StarterTemplatesForm(forms.Form):
    """A choice of starter templates. A template is chosen by its number in STARTERS."""

    chosen = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Templates"),
        choices=[(number, starter.name) for number, starter in enumerate(STARTERS)],
        coerce=int,
        error_messages={"required": gettext_lazy("Choose at least one template.")},
    )

    def clean_chosen(self):
        return [STARTERS[number] for number in self.cleaned_data["chosen"]]
