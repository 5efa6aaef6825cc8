"""The forms of the whole library's settings."""

import re
import string

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.languages import languages
from accounts.models import Branch, Library
from portal import files
from portal.text import TextField

LOGO_SIDE = 512


LINK_PLACES = {"isbn", "title", "number"}


class LibraryForm(forms.Form):
    """The name, language and deadlines of the library."""

    name = TextField(label=gettext_lazy("Name"), max_length=120)
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=languages,
        help_text=gettext_lazy("For those whose browser asks for no language that we speak."),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), choices=Library._meta.get_field("time_zone").choices
    )
    default_branch = forms.ModelChoiceField(
        label=gettext_lazy("Default branch"),
        queryset=Branch.objects.filter(closed_at=None),
        empty_label=None,
        help_text=gettext_lazy("Questions that belong to no branch in particular go to its desk."),
    )
    accent_color = forms.CharField(
        label=gettext_lazy("Accent color"),
        help_text=gettext_lazy(
            "For buttons and links. Where its text would be hard to read, pages use a darker or lighter shade of it."
        ),
        validators=[
            RegexValidator(
                r"\A#[0-9a-fA-F]{6}\Z", gettext_lazy("Write the color as # and six digits, such as #0b5d4d.")
            )
        ],
        widget=forms.TextInput(attrs={"type": "color"}),
    )
    catalog_link = forms.CharField(
        label=gettext_lazy("Catalogue link"),
        max_length=300,
        required=False,
        help_text=gettext_lazy(
            "An address in your catalogue, with {isbn}, {title} or {number} where the item's own goes, such as https://catalogue.example.org/search?q={isbn}"
        ),
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )
    closes_after_days = forms.IntegerField(
        label=gettext_lazy("A conversation closes by itself after how many days"),
        help_text=gettext_lazy(
            "Counted from your answer, if the patron writes no more. They are told the day beforehand, and writing opens it again. 0: never."
        ),
        validators=[MinValueValidator(0), MaxValueValidator(365)],
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 0, "max": 365}),
    )
    released_after_days = forms.IntegerField(
        label=gettext_lazy("A conversation that was taken is free again after how many days"),
        help_text=gettext_lazy(
            "If whoever took it has not written so long while the patron waits: then any colleague may take it. 0: never."
        ),
        validators=[MinValueValidator(0), MaxValueValidator(90)],
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 0, "max": 90}),
    )
    desk_locks_after_minutes = forms.IntegerField(
        label=gettext_lazy("A shared desk computer locks after how many minutes"),
        help_text=gettext_lazy("If nobody has used it for so long. Staff open it again with their own PIN."),
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1, "max": 60}),
    )

    def clean_catalog_link(self):
        link = self.cleaned_data["catalog_link"]
        if not link:
            return ""
        try:
            places = {
                name for _text, name, _spec, _conversion in string.Formatter().parse(link) if name is not None
            }
        except ValueError:
            places = {""}
        if not re.match(r"https?://[^\s/]+\.[^\s]*\Z", link):
            raise forms.ValidationError(_("Write the whole address, beginning with https://"))
        if not places or places - LINK_PLACES:
            raise forms.ValidationError(
                _("Put {isbn}, {title} or {number} where the item's own goes, and no other curly brackets.")
            )
        return link


class ChildrenForm(forms.Form):
    """How a visit with a child is handed over, and which patron groups of the ILS are children's."""

    children = forms.ChoiceField(
        label=gettext_lazy("A visit with a child"),
        widget=forms.RadioSelect,
        choices=[
            (
                Library.Children.PAPER,
                gettext_lazy(
                    "Paper only: nothing digital. The child takes a printed slip with everything on it: the summary, each item with its reason and call "
                    "number. No code, no mail, no account, and no new sign-in with a child's card."
                ),
            ),
            (
                Library.Children.SHARED,
                gettext_lazy(
                    "Shared with an adult: the code may be kept by the child and by one adult. Each reads, says what helped and asks. The adult sees that "
                    "visit and nothing else of the child's; the child can end it at any time."
                ),
            ),
            (
                Library.Children.OWN,
                gettext_lazy(
                    "The child's own: a child keeps visits in an account of their own, like anybody. No adult is let in."
                ),
            ),
        ],
        help_text=gettext_lazy(
            "Staff switch it on while they record a visit. Of a child no surname and no birth date is kept, and nothing longer than 90 days. What you "
            "choose counts for the visits recorded from now on; those that were handed over stay as they were. A quiet visit stays quiet, whoever it is with."
        ),
    )
    childrens_groups = TextField(
        label=gettext_lazy("Patron groups that are children's"),
        max_length=1000,
        multiline=True,
        required=False,
        help_text=gettext_lazy(
            "As your own system (ILS) names them, one a line. Who signs in with such a card has a child's record from that sign-in on: of the name that "
            "the ILS gives only the first given name is kept (of “Doe, Jane Ann” and of “Jane Ann Doe” it is Jane), and no e-mail address."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )


class LogoForm(forms.Form):
    """A picture for the logo."""

    logo = forms.FileField(
        label=gettext_lazy("Logo"),
        help_text=gettext_lazy(
            "A PNG, JPEG or WebP picture of at most 5 MB. It stands beside the name on every page, quite small."
        ),
        error_messages={
            "required": gettext_lazy("Choose a picture."),
            "empty": gettext_lazy("That file is empty. Choose another."),
        },
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )

    def clean_logo(self):
        """Return the picture as PNG bytes, shrunk to LOGO_SIDE."""
        try:
            return files.picture(self.cleaned_data["logo"], side=LOGO_SIDE)
        except files.NotAPicture:
            raise forms.ValidationError(
                _("That is not a PNG, JPEG or WebP picture of at most 5 MB. Choose another.")
            ) from None
