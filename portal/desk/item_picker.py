"""The items part of a form at the desk: found or written by hand, each with its reason."""

from urllib.parse import quote

from django import forms
from django.core.validators import URLValidator
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.text import TextField, clean, uuid_or_none
from recommendations.chosen_items import ChosenItem
from recommendations.models import Item

from .widgets import LongSelect

MOST_ITEMS = 20


WHOLE_ADDRESS = _("Write the whole address, beginning with https://")


class WebAddress(forms.URLField):
    default_validators = [URLValidator(schemes=["http", "https"], message=WHOLE_ADDRESS)]
    default_error_messages = {"invalid": WHOLE_ADDRESS}

    def __init__(self, **kwargs):
        super().__init__(max_length=600, required=False, assume_scheme="https", **kwargs)


class ItemRow(forms.Form):
    """One chosen item: found in the catalogue (`item`), or written by hand (`title` and the rest)."""

    item = forms.UUIDField(required=False, widget=forms.HiddenInput)
    kind = forms.ChoiceField(choices=Item.Kind.choices, required=False, widget=forms.HiddenInput)
    title = TextField(max_length=400, required=False, widget=forms.HiddenInput)
    creators = TextField(max_length=300, required=False, widget=forms.HiddenInput)
    url = WebAddress(widget=forms.HiddenInput)
    call_number = TextField(max_length=80, required=False, widget=forms.HiddenInput)
    reason = TextField(label=_("Because"), max_length=400, required=False)
    starred = forms.BooleanField(label=_("Ask how it turned out"), required=False)

    def clean(self):
        data = super().clean()
        if not data.get("item") and not data.get("title"):
            raise forms.ValidationError(gettext("This row names no item. Remove it and choose again."))
        return data


class BaseItemRows(forms.BaseFormSet):
    @cached_property
    def found(self):
        """The catalogue's items among the rows, by public id: one look-up for all of them."""
        ids = [
            public_id for public_id in (uuid_or_none(row["item"].value()) for row in self.forms) if public_id
        ]
        items = Item.objects.filter(public_id__in=ids).prefetch_related("holdings__branch") if ids else []
        return {item.public_id: item for item in items}

    def shown(self):
        """Each row with the item it stands for."""
        return [
            (row, self.found.get(uuid_or_none(row["item"].value())) or _written(row)) for row in self.forms
        ]

    def clean(self):
        for row in self.forms:
            public_id = row.cleaned_data.get("item") if hasattr(row, "cleaned_data") else None
            if public_id and public_id not in self.found:
                raise forms.ValidationError(
                    gettext("One of the items is no longer in the catalogue. Remove it and choose again.")
                )

    def chosen(self):
        return [
            ChosenItem(
                **{
                    **row.cleaned_data,
                    "item": self.found.get(row.cleaned_data["item"]),
                    "kind": row.cleaned_data["kind"] or Item.Kind.OTHER,
                }
            )
            for row in self.forms
        ]


ItemRows = forms.formset_factory(
    ItemRow, formset=BaseItemRows, extra=0, max_num=MOST_ITEMS, absolute_max=MOST_ITEMS, validate_max=True
)


class WrittenItem(forms.Form):
    """An item that no catalogue holds: a web page, a person, a course."""

    prefix = "new"

    kind = forms.ChoiceField(
        label=_("Kind"), choices=Item.Kind.choices, initial=Item.Kind.WEB_PAGE, widget=LongSelect
    )
    title = TextField(label=_("Title or name"), max_length=400)
    creators = TextField(label=_("By"), max_length=300, required=False)
    url = WebAddress(label=_("Link"))
    call_number = TextField(label=_("Call number"), max_length=80, required=False)


class ItemPicker:
    """The items part of a form, as posted or as kept: the rows, the item being written by hand, what is searched for.

    `change(action)` does what a button of that part asks: pick-<id>, remove-<number>, add_item or find.
    """

    def __init__(self, data=None):
        data = {} if data is None else data
        self.rows = _rows(data)
        self.query = clean(data.get("q", ""), max_length=200)
        self.begun = bool(str(data.get("new-title", "")).strip() or str(data.get("new-url", "")).strip())
        self._data = data
        self._checked = None
        self.new_row = None

    @cached_property
    def written(self):
        data = self._data
        return WrittenItem(
            initial={name: data[f"new-{name}"] for name in WrittenItem.base_fields if f"new-{name}" in data}
        )

    def change(self, action):
        if (
            action.startswith("remove-")
            and action[7:].isdecimal()
            and len(action) < 12
            and int(action[7:]) < len(self.rows)
        ):
            del self.rows[int(action[7:])]
        elif action.startswith("pick-"):
            self._pick(uuid_or_none(action[5:]))
        elif action == "add_item":
            self.take_written()

    def take_written(self):
        """Make a row of the item being written, if its fields are in order."""
        written = WrittenItem(self._data)
        if not written.is_valid():
            self.written, self.begun = written, True
            return False
        self._add({**written.cleaned_data, "item": "", "starred": "on"})
        self.written, self.begun = WrittenItem(), False
        return True

    def check(self):
        """Whether the rows are in order; `formset` then shows what is not."""
        if self.begun and not self.take_written():
            return False
        self._checked = ItemRows({**self.fields(), "items-INITIAL_FORMS": "0"}, prefix="items")
        return self._checked.is_valid()

    def chosen(self):
        return self._checked.chosen()

    @property
    def formset(self):
        return self._checked or ItemRows(initial=self.rows, prefix="items")

    def fields(self):
        """The part as it now stands, to be kept with the rest of an unfinished form."""
        fields = {"items-TOTAL_FORMS": str(len(self.rows))}
        for number, row in enumerate(self.rows):
            fields |= {
                f"items-{number}-{name}": str(value) for name, value in row.items() if value not in (None, "")
            }
        return fields | {f"new-{name}": str(self.written[name].value() or "") for name in self.written.fields}

    @property
    def is_untouched(self):
        return not (self.rows or self.query or self.begun or self._checked)

    @property
    def query_for_url(self):
        return quote(self.query)

    @property
    def is_full(self):
        return len(self.rows) >= MOST_ITEMS

    def _pick(self, public_id):
        if public_id and str(public_id) not in [row.get("item") for row in self.rows]:
            self._add({"item": str(public_id), "starred": "on"})
        self.query = ""

    def _add(self, row):
        if not self.is_full:
            self.rows.append(row)
            self.new_row = len(self.rows) - 1


def fields_of(recommendations, *, and_then=None):
    """The fields of a form in which these were chosen, as if they had been typed, before what else was typed since."""
    rows = [
        {"item": str(r.item.public_id), "reason": r.reason, "starred": "on" if r.starred else ""}
        for r in recommendations
    ]
    chosen = {row["item"] for row in rows}
    rows += [row for row in _rows(and_then or {}) if row.get("item") not in chosen]
    fields = {"items-TOTAL_FORMS": str(len(rows[:MOST_ITEMS]))}
    for number, row in enumerate(rows[:MOST_ITEMS]):
        fields |= {f"items-{number}-{name}": value for name, value in row.items() if value}
    return fields | {
        name: value for name, value in (and_then or {}).items() if name.startswith("new-") and value
    }


def _rows(data):
    total = str(data.get("items-TOTAL_FORMS", "0"))
    count = min(int(total), MOST_ITEMS) if total.isdecimal() and len(total) < 5 else 0
    return [
        {name: data[f"items-{n}-{name}"] for name in ItemRow.base_fields if f"items-{n}-{name}" in data}
        for n in range(count)
    ]


def _written(row):
    """An unsaved item with what was written by hand, for showing."""
    return Item(**{name: row[name].value() or "" for name in ("kind", "title", "creators", "url")})
