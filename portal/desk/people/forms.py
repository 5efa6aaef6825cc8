"""The forms of the people desk: finding a patron, giving a reason, adding a patron."""

from django import forms
from django.conf import settings
from django.core.validators import EmailValidator
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from accounts.models import Library
from accounts.patron.children import first_name
from portal.text import TextField

from .find import is_enough

WHOLE_EMAIL = EmailValidator(_("Write the whole e-mail address, such as ana@example.org."))


def _reason(help_text):
    return TextField(
        label=_("Reason"),
        max_length=300,
        help_text=help_text,
        error_messages={"required": _("Write why you look. A coordinator sees it.")},
    )


class IdentifierForm(forms.Form):
    """A whole card number or email address, which finds one person."""

    identifier = TextField(
        label=_("Whole card number or e-mail address"),
        max_length=254,
        error_messages={"required": _("Write the whole card number or e-mail address.")},
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def clean_identifier(self):
        typed = self.cleaned_data["identifier"]
        if "@" in typed:
            WHOLE_EMAIL(typed)
        return typed


class LettersForm(forms.Form):
    """Letters of a name, which find a few people for a reason."""

    letters = TextField(
        label=_("Name, or how its words begin"),
        max_length=80,
        help_text=_("At least three letters."),
        error_messages={"required": _("Write at least three letters of the name.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    reason = _reason(_("It is kept with each person shown, and a coordinator sees it."))

    def clean_letters(self):
        letters = self.cleaned_data["letters"]
        if not is_enough(letters):
            raise forms.ValidationError(_now("Write at least three letters of the name."))
        return letters


class ReasonForm(forms.Form):
    """The reason for opening a record."""

    reason = _reason(_("Such as: they stand here and ask for it. It is kept, and a coordinator sees it."))


class NewPatronForm(forms.Form):
    """A person who wants a record. A child gives one word as their name and no address."""

    name = TextField(
        label=_("Name"),
        max_length=80,
        help_text=_("What they want to be called."),
        error_messages={"required": _("Write the name that they want to be called by.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        required=False,
        help_text=_("Only if they want to sign in with it. They prove it with a code the first time."),
        error_messages={"invalid": _("Write the whole e-mail address, such as ana@example.org.")},
        widget=forms.EmailInput(
            attrs={
                "autocomplete": "off",
                "inputmode": "email",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)
    is_child = forms.BooleanField(
        label=_("A child's record"),
        required=False,
        help_text=_(
            "A first name or nickname of one word, no surname, no address, no birth date. It remembers 90 days at most."
        ),
    )

    def __init__(self, *args, library, **kwargs):
        super().__init__(*args, **kwargs)
        if library.children == Library.Children.PAPER:
            del self.fields["is_child"]

    def clean(self):
        cleaned = super().clean()
        if cleaned.get("is_child"):
            if cleaned.get("name", "") != first_name(cleaned.get("name", "")):
                self.add_error(
                    "name", _now("Of a child write one word: the first name or a nickname, no surname.")
                )
            if cleaned.get("email"):
                self.add_error(
                    "email",
                    _now(
                        "Of a child no address is written down here. Make them a code for their phone once they are added."
                    ),
                )
        return cleaned
