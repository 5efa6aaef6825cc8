"""The form on the page “Me” where people change their name."""

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.text import TextField

from ..patron.children import first_name


class NameForm(forms.Form):
    """The form for the name that the library uses for a person. A child's name is one word."""

    name = TextField(
        label=_("Name"),
        max_length=80,
        required=False,
        help_text=_("The library uses this name when it answers you. Use any name, or leave it blank."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def __init__(self, *args, is_child=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.is_child = is_child
        if is_child:
            self.fields["name"].help_text = _(
                "Your first name or a nickname, in one word. Don't enter your last name."
            )

    def clean_name(self):
        name = self.cleaned_data["name"]
        if self.is_child and name != first_name(name):
            raise forms.ValidationError(
                _("Enter one word: your first name or a nickname. The library doesn't keep your last name.")
            )
        return name
