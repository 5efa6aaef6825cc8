"""The forms that change the lists from which staff choose when they record a help session."""

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.helpsessions.choices import MAX_KINDS, MAX_VALUES, RESERVED_KEYS, sounds_sensitive
from portal.text import TextField

MAX_CARD_GROUPS = 100


class PatronGroupForm(forms.Form):
    """The name of a patron group, and the groups on library cards that count as this group.

    If the name of the group sounds private, nothing is saved at first. The page appears again with a warning.
    When this page is posted with the same name, the group is saved.
    """

    name = TextField(
        label=gettext_lazy("Name"),
        max_length=60,
        help_text=gettext_lazy("For example, “Students”. The name must describe many patrons."),
    )
    card_groups = TextField(
        label=gettext_lazy("Groups on library cards"),
        max_length=8000,
        multiline=True,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "One per line, as your library system names them. If staff choose no group, a visit in an "
            "account gets the group of the patron's card. A card with any other group counts as “Other”."
        ),
    )
    warned_name = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)

    def __init__(self, *args, group=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.group = group
        if group:
            self.initial = {"name": group.name, "card_groups": "\n".join(group.card_groups)}

    def clean_card_groups(self):
        names = {}
        for line in self.cleaned_data["card_groups"].splitlines():
            if name := line.strip()[:80]:
                names.setdefault(name.casefold(), name)
        if len(names) > MAX_CARD_GROUPS:
            raise forms.ValidationError(
                _("Enter at most %(count)d groups of library cards.") % {"count": MAX_CARD_GROUPS}
            )
        return list(names.values())

    def clean(self):
        name, warned = self.cleaned_data.get("name", ""), self.cleaned_data.pop("warned_name", "")
        is_new = self.group is None or self.group.name != name
        if is_new and name != warned and sounds_sensitive(name):
            self.data = self.data.dict() | {"warned_name": name}
            self.add_error(
                "name",
                _(
                    "This name seems to be about health, housing, immigration, race, religion or an exact "
                    "age. Choose another name. If the name is harmless, save it again."
                ),
            )


class ServicePointForm(forms.Form):
    """The name of a service point."""

    name = TextField(label=gettext_lazy("Name"), max_length=60)

    def __init__(self, *args, point=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.initial = {"name": point.name} if point else {}


class TallyKindsForm(forms.Form):
    """The names and keys of the kinds of tallies at a service point, one row for each kind.

    A row without a name is left out. `rows` has the fields of the rows in order. `kinds` are the kinds that
    are offered now. A kind that a colleague has added since the page was loaded stays as it is.
    """

    NEW = ("new0", "new1", "new2")

    def __init__(self, data=None, *, kinds):
        self.kinds = {str(kind.pk): kind for kind in kinds}
        if data is None:
            new = self.NEW[: max(0, MAX_KINDS - len(kinds))]
        else:
            unseen = [kind for kind in kinds if f"name-{kind.pk}" not in data]
            added = {f"name-{kind.pk}": kind.name for kind in unseen}
            data = data.dict() | added | {f"key-{kind.pk}": kind.key for kind in unseen}
            new = [row for row in self.NEW if f"name-{row}" in data]
        super().__init__(data)
        self.ids = [*self.kinds, *new]
        for number, row in enumerate(self.ids, 1):
            kind = self.kinds.get(row)
            self.fields[f"name-{row}"] = TextField(
                label=_("Kind %(number)d") % {"number": number},
                max_length=40,
                required=False,
                initial=kind and kind.name,
            )
            self.fields[f"key-{row}"] = TextField(
                label=_("Key of kind %(number)d") % {"number": number},
                max_length=1,
                required=False,
                initial=kind and kind.key,
            )

    def clean(self):
        names, keys = set(), set()
        for row in self.ids:
            name = self.cleaned_data.get(f"name-{row}", "")
            key = self.cleaned_data[f"key-{row}"] = self.cleaned_data.get(f"key-{row}", "").lower()
            if name and name.casefold() in names:
                self.add_error(f"name-{row}", _("Another kind has this name. Choose a different name."))
            if name and key and not (key.isascii() and key.isalnum()):
                self.add_error(f"key-{row}", _("Choose a letter from a to z or a digit."))
            elif name and key in RESERVED_KEYS:
                self.add_error(f"key-{row}", _("The desk already uses this key. Choose another one."))
            elif name and key and key in keys:
                self.add_error(f"key-{row}", _("Another kind has this key. Choose another one."))
            names.add(name.casefold())
            keys.add(key)
        if len(names - {""}) > MAX_KINDS:
            self.add_error(
                None,
                _(
                    "A service point can have at most %(count)d kinds of tallies. To remove a kind, clear "
                    "its name."
                )
                % {"count": MAX_KINDS},
            )

    @property
    def rows(self):
        return [(self[f"name-{row}"], self[f"key-{row}"]) for row in self.ids]

    @property
    def typed(self):
        """Return [(TallyKind or None, name, key)] for the rows with a name."""
        rows = [
            (self.kinds.get(row), self.cleaned_data[f"name-{row}"], self.cleaned_data[f"key-{row}"])
            for row in self.ids
        ]
        return [row for row in rows if row[1]]


class OwnFieldForm(forms.Form):
    """The name of one of the library's own fields, and its values, one per line."""

    name = TextField(
        label=gettext_lazy("Name"),
        max_length=40,
        help_text=gettext_lazy("For example, “Format” or “Program”."),
    )
    values = TextField(
        label=gettext_lazy("Values"),
        max_length=2000,
        multiline=True,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=gettext_lazy(
            "One per line. A value that you remove is no longer offered. It stays in earlier help sessions."
        ),
    )

    def __init__(self, *args, field=None, **kwargs):
        super().__init__(*args, **kwargs)
        if field:
            names = field.values.offered().values_list("name", flat=True)
            self.initial = {"name": field.name, "values": "\n".join(names)}

    def clean_values(self):
        names = {}
        for line in self.cleaned_data["values"].splitlines():
            if name := line.strip():
                names.setdefault(name.casefold(), name)
        if too_long := next((name for name in names.values() if len(name) > 60), None):
            raise forms.ValidationError(
                _("“%(name)s” is too long. A value can have at most 60 characters.") % {"name": too_long[:60]}
            )
        if len(names) > MAX_VALUES:
            raise forms.ValidationError(
                _("A field has at most %(count)d values. Remove some.") % {"count": MAX_VALUES}
            )
        return list(names.values())
