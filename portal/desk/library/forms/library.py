"""The forms for settings that apply to the whole library."""

import zoneinfo

from django import forms
from django.core.validators import RegexValidator
from django.utils.dates import MONTHS
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.languages import languages
from accounts.models import Branch, Library
from portal import files
from portal.catalog_links import check_prefix, check_template
from portal.desk.forms.fields import WholeNumber
from portal.text import TextField

LOGO_SIDE = 512

# The form offers only UTC and the time zones whose names begin with one of these regions. This leaves out old
# names, such as US/Central, and names that are not places, such as Factory.
REGIONS = {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe"}
REGIONS |= {"Indian", "Pacific"}
TIME_ZONES = {zone for zone in zoneinfo.available_timezones() if zone.partition("/")[0] in REGIONS} | {"UTC"}


class LibraryForm(forms.Form):
    """The form for most settings of `library`, such as its name, its language and its deadlines.

    The page also posts the values that it showed at first. So `changes` contains only what this person
    changed, even if a colleague has changed other fields since the page was opened.
    """

    name = TextField(label=gettext_lazy("Name"), max_length=120)
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=languages,
        help_text=gettext_lazy(
            "We use this language if a browser asks for a language that this site doesn't have."
        ),
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"))
    default_branch = forms.ModelChoiceField(
        label=gettext_lazy("Default branch"),
        queryset=Branch.objects.filter(closed_at=None),
        empty_label=None,
        help_text=gettext_lazy("Questions without a branch go to the desk of this branch."),
    )
    year_starts_in = forms.TypedChoiceField(
        label=gettext_lazy("First month of the reporting year"),
        choices=[(month, capfirst(MONTHS[month])) for month in range(1, 13)],
        coerce=int,
        help_text=gettext_lazy("Figures and annual surveys use the reporting year."),
    )
    staff_figures = forms.ChoiceField(
        label=gettext_lazy("Figures by staff member"),
        choices=Library.StaffFigures.choices,
        help_text=gettext_lazy(
            "The contacts and minutes that each person recorded. These numbers appear only on the “Figures” "
            "page."
        ),
    )
    accent_color = forms.CharField(
        label=gettext_lazy("Accent color"),
        help_text=gettext_lazy(
            "For buttons and links. Pages use a darker or lighter shade where text would be hard to read."
        ),
        validators=[
            RegexValidator(
                r"\A#[0-9a-fA-F]{6}\Z", gettext_lazy("Write the color as # and six digits, such as #0b5d4d.")
            )
        ],
        widget=forms.TextInput(attrs={"type": "color"}),
    )
    catalog_link = forms.CharField(
        label=gettext_lazy("Catalog link"),
        max_length=300,
        required=False,
        help_text=gettext_lazy(
            "The address that finds one item in your catalog, such as "
            "https://catalog.example.org/search?q={isbn}. We replace {isbn}, {title} or {number} with the "
            "item's ISBN, title or record number. In the catalog, patrons see whether the item is available, "
            "and place a hold."
        ),
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )
    catalog_title_link = forms.CharField(
        label=gettext_lazy("Title search in the catalog"),
        max_length=300,
        required=False,
        help_text=gettext_lazy(
            "For items without an ISBN or record number, such as "
            "https://catalog.example.org/search?title={title}. We use it if the catalog link can't find "
            "the item."
        ),
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )
    proxy_prefix = forms.CharField(
        label=gettext_lazy("Proxy prefix"),
        max_length=300,
        required=False,
        help_text=gettext_lazy(
            "What your proxy server needs before the address of a licensed source, such as "
            "https://proxy.example.org/login?url=. We put it before the links of databases, articles and "
            "journals."
        ),
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )
    closes_after_days = WholeNumber(
        label=gettext_lazy("Days until a conversation closes automatically"),
        help_text=gettext_lazy(
            "A conversation closes if the patron doesn't reply to your answer for this many days. "
            "Patrons see the date in advance, and can reopen the conversation by writing. If you "
            "enter 0, conversations stay open."
        ),
        min_value=0,
        max_value=365,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    released_after_days = WholeNumber(
        label=gettext_lazy("Days until an unanswered conversation is unassigned"),
        help_text=gettext_lazy(
            "If the assigned staff member doesn't answer a waiting patron for this many days, any "
            "colleague can take the conversation. If you enter 0, the conversation stays "
            "assigned."
        ),
        min_value=0,
        max_value=90,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    desk_locks_after_minutes = WholeNumber(
        label=gettext_lazy("Minutes until a shared desk computer locks"),
        help_text=gettext_lazy(
            "The computer locks if nobody uses it for this time. Staff unlock it with their own PIN."
        ),
        min_value=1,
        max_value=60,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    def __init__(self, *args, library, **kwargs):
        initial = {name: getattr(library, name) for name in self.base_fields}
        super().__init__(*args, initial=initial, **kwargs)
        self.fields["time_zone"].choices = [(zone, zone) for zone in sorted(TIME_ZONES | {library.time_zone})]
        for field in self.fields.values():
            field.show_hidden_initial = True

    @property
    def changes(self):
        """Return {field: new value} for the changed fields of the valid form."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

    def clean_catalog_link(self):
        return self._checked("catalog_link", ["isbn", "title", "number"])

    def clean_catalog_title_link(self):
        return self._checked("catalog_title_link", ["title"])

    def clean_proxy_prefix(self):
        if prefix := self.cleaned_data["proxy_prefix"]:
            check_prefix(prefix)
        return prefix

    def _checked(self, name, placeholders):
        if link := self.cleaned_data[name]:
            check_template(link, placeholders)
        return link


class ChildrenForm(forms.Form):
    """The form for the settings about children.

    One setting says how staff hand over a visit with a child. Another setting lists the patron groups of the
    ILS (the integrated library system) whose members are children. A switch lets children share their lists.
    """

    children = forms.ChoiceField(
        label=gettext_lazy("A visit with a child"),
        widget=forms.RadioSelect,
        choices=[
            (
                Library.Children.PAPER,
                gettext_lazy(
                    "Paper only: nothing digital. The child gets a printed slip with the summary and each "
                    "item with its reason and call number. The slip has no code. The library sends no "
                    "email and makes no library account for a child, even if the child tries to sign in "
                    "with a library card."
                ),
            ),
            (
                Library.Children.SHARED,
                gettext_lazy(
                    "Shared with an adult: with the code, the child and one adult can add the visit to their "
                    "accounts. Both can read it, say what helped and ask questions. The adult sees nothing "
                    "else that belongs to the child. The child can stop sharing at any time."
                ),
            ),
            (
                Library.Children.OWN,
                gettext_lazy(
                    "The child's own: children keep visits in their own account, like everyone else. "
                    "No adult can see them."
                ),
            ),
        ],
        help_text=gettext_lazy(
            "Staff turn on “With a child” while they record a visit. We never store a child's "
            "surname or birth date, and store nothing else for longer than 90 days. Your choice applies "
            "to visits recorded from now on. Earlier visits don't change. A quiet visit stays quiet."
        ),
    )
    childrens_groups = TextField(
        label=gettext_lazy("Patron groups for children"),
        max_length=1000,
        multiline=True,
        required=False,
        help_text=gettext_lazy(
            "The names of the groups in your library system (ILS), one per line. A patron who signs "
            "in with a card of these groups gets a child's record. This record has only the first "
            "given name (Jane for “Doe, Jane Ann” or “Jane Ann Doe”) and no email address."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    children_may_share_lists = forms.BooleanField(
        label=gettext_lazy("Children can share their lists by link"),
        required=False,
        help_text=gettext_lazy(
            "Anyone with the link can see the titles of the list, and the child's notes if the child chooses "
            "this. A child's link never shows a name. If you turn this off, links that children made "
            "stop working right away."
        ),
    )


class LogoForm(forms.Form):
    """The form that uploads a picture as the library's logo."""

    logo = forms.FileField(
        label=gettext_lazy("Image"),
        help_text=gettext_lazy(
            "A PNG, JPEG or WebP image of up to 5 MB. Every page shows a small logo next to the "
            "library's name."
        ),
        error_messages={
            "required": gettext_lazy("Choose an image."),
            "empty": gettext_lazy("This file is empty. Choose another file."),
        },
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )

    def clean_logo(self):
        """Return the picture as PNG bytes. Make the picture smaller if it is larger than LOGO_SIDE."""
        try:
            return files.picture(self.cleaned_data["logo"], side=LOGO_SIDE)
        except files.NotAPicture:
            raise forms.ValidationError(
                _("This is not a PNG, JPEG or WebP image of up to 5 MB. Choose another file.")
            ) from None
