"""The forms that staff use to find a patron, give a reason, and add a patron."""

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from accounts.languages import languages
from accounts.models import Library
from accounts.patron.children import first_name
from accounts.sign_in.library_cards import cards_exist
from portal.addresses import AddressField, clean_address
from portal.text import TextField

from .find import is_enough


def _reason(help_text):
    return TextField(
        label=_("Reason"),
        max_length=300,
        help_text=help_text,
        error_messages={"required": _("Write why you need this record. Coordinators can see the reason.")},
    )


class IdentifierForm(forms.Form):
    """A form that finds one person by their full card number or email address."""

    identifier = TextField(
        label=_("Full card number or email address"),
        max_length=254,
        error_messages={"required": _("Enter the full card number or email address.")},
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not cards_exist():
            field = self.fields["identifier"]
            field.label = _now("Full email address")
            field.error_messages["required"] = _now("Enter the full email address.")

    def clean_identifier(self):
        typed = self.cleaned_data["identifier"]
        return clean_address(typed) if "@" in typed else typed


class LettersForm(forms.Form):
    """A form that finds a few people by letters of their name. Staff must give a reason."""

    letters = TextField(
        label=_("Name, or part of the first or last name"),
        max_length=80,
        help_text=_("At least three letters."),
        error_messages={"required": _("Enter at least three letters of the name.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    reason = _reason(
        _("We store this reason for each patron that the search finds. Coordinators can see the reason.")
    )

    def clean_letters(self):
        letters = self.cleaned_data["letters"]
        if not is_enough(letters):
            raise forms.ValidationError(_now("Enter at least three letters of the name."))
        return letters


class ReasonForm(forms.Form):
    """The form where staff give a reason for opening a record."""

    reason = _reason(
        _(
            "For example, the patron is at the desk and asked you to open the record. We store "
            "the reason, and coordinators can see it."
        )
    )


class NewPatronForm(forms.Form):
    """A form that adds a patron. A child's name must be one word, and a child can't have an email address."""

    name = TextField(
        label=_("Name"),
        max_length=80,
        help_text=_("The name that the patron wants to be called."),
        error_messages={"required": _("Enter the name that the patron wants to be called.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    email = AddressField(
        label=_("Email address"),
        required=False,
        help_text=_(
            "Enter an address only if the patron wants to sign in with it. A code confirms the "
            "address when the patron first signs in."
        ),
        widget=forms.EmailInput(
            attrs={
                "autocomplete": "off",
                "inputmode": "email",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )
    language = forms.ChoiceField(label=_("Language"), choices=languages)
    is_child = forms.BooleanField(
        label=_("A child's record"),
        required=False,
        help_text=_(
            "The name is one word, a first name or a nickname. Don't enter a surname, address or "
            "birth date. Visits are deleted after at most 90 days."
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
                    "name",
                    _now(
                        "Enter only one word for a child: a first name or a nickname. Leave out the surname."
                    ),
                )
            if cleaned.get("email"):
                self.add_error(
                    "email",
                    _now(
                        "A child's record has no email address. Leave this field empty. You can make "
                        "a code for the child's phone after you add the record."
                    ),
                )
        return cleaned
