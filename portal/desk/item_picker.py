"""The part of a form where staff choose items for a patron.

Staff find an item in the catalog or type it by hand, and can write a reason for each item.
"""

from urllib.parse import urlencode

from django import forms
from django.db.models import UUIDField
from django.utils.dateparse import parse_date
from django.utils.functional import cached_property
from django.utils.translation import gettext

from portal.prepared import prepared
from portal.text import clean, uuid_or_none
from recommendations.chosen_items import ChosenItem
from recommendations.holdings import fetch_holdings
from recommendations.models import Item, ItemMatch

from .forms.items import ItemRow, TypedItem
from .kit_rows import kit_to_add, rows_of_kit, with_their_kits
from .pasted import Pasted

MAX_ITEMS = 20


class BaseItemRows(forms.BaseFormSet):
    """A formset with one row for each item that the staff member has chosen."""

    @cached_property
    def found(self):
        """Return {public id: item} for the rows whose item is in the catalog, with one query.

        If a chosen item added by hand is now matched with an imported record, return the record instead.
        """
        ids = [
            public_id for public_id in (uuid_or_none(row["item"].value()) for row in self.forms) if public_id
        ]
        items = list(_items(public_ids=ids)) if ids else []
        records = ItemMatch.objects.records_of(items)
        return {item.public_id: records.get(item.pk, item) for item in items}

    def shown(self):
        """Return [(row, Item)]. If staff typed the item by hand, the Item is not saved."""
        fetch_holdings(self.found.values())
        return [
            (row, self.found.get(uuid_or_none(row["item"].value())) or _typed_item(row)) for row in self.forms
        ]

    def clean(self):
        for row in self.forms:
            public_id = row.cleaned_data.get("item") if hasattr(row, "cleaned_data") else None
            if public_id and public_id not in self.found:
                raise forms.ValidationError(
                    gettext("One of the items is no longer in the catalog. Remove it and choose another.")
                )

    def chosen(self):
        """Return a ChosenItem for each row that isn't empty."""
        return [
            ChosenItem(
                **{
                    **row.cleaned_data,
                    "item": self.found.get(row.cleaned_data["item"]),
                    "kind": row.cleaned_data["kind"] or Item.Kind.OTHER,
                }
            )
            for row in self.forms
            if row.cleaned_data
        ]


@prepared(public_ids=UUIDField())
def _items(public_ids):
    return Item.objects.filter(public_id__in=public_ids)


ItemRows = forms.formset_factory(
    ItemRow, formset=BaseItemRows, extra=0, max_num=MAX_ITEMS, absolute_max=MAX_ITEMS, validate_max=True
)


class ItemPicker:
    """The fields that staff use to choose items in a form. Their values come from a posted form or a draft.

    There are fields for each chosen item, for the search, and for an item that is typed by hand. The details
    of pasted DOIs are looked up for the staff member `by`. If `by` is None, nothing is looked up.
    """

    def __init__(self, data=None, *, by=None):
        data = {} if data is None else data
        self.rows = _rows(data)
        self.query = clean(data.get("q", ""), max_length=200)
        self.narrow = clean(data.get("narrow", ""), max_length=80)
        self.as_typed = bool(data.get("as_typed", ""))
        self.begun = bool(str(data.get("new-title", "")).strip() or str(data.get("new-url", "")).strip())
        self.pasted_text = str(data.get("new-pasted", ""))
        self.shows_preview = str(data.get("pasted", "")) == "read"
        self.must_add_pasted = False
        self.keeps_by_hand_open = str(data.get("by-hand", "")) == "open"
        self.shows_kits = str(data.get("kits", "")) == "open"
        self._data, self._by = data, by
        self._checked = None
        # The number of the row whose reason field gets the focus, or None.
        self.new_row = None
        self.focuses_by_hand = False
        # How many items of a kit did not fit, and how many were left out as withdrawn items or past events.
        self.left_out = self.withdrawn = 0

    @cached_property
    def written(self):
        data = self._data
        return TypedItem(
            initial={name: data[f"new-{name}"] for name in TypedItem.base_fields if f"new-{name}" in data}
        )

    def change(self, action, *, by):
        """Pick a found item, remove a row or add the typed item, depending on the pressed button.

        `action` is the name of the button: pick-<public id>, kit-<public id>, remove-<row number>,
        up-<row number>, by_hand, add_item, read_pasted, add_pasted, kits, find, narrow-<how> or as_typed. The
        last four change no row. After `kits`, the page shows the kits that the staff member `by` may use.
        After `find`, `narrow-<how>` and `as_typed`, it shows the items that match the query. After
        `read_pasted`, it shows which items the pasted text contains.
        """
        name, _sep, value = action.partition("-")
        if name == "remove" and value.isdecimal() and len(value) < 5 and int(value) < len(self.rows):
            del self.rows[int(value)]
        elif name == "up" and value.isdecimal() and len(value) < 5 and 0 < int(value) < len(self.rows):
            number = int(value)
            self.rows[number - 1 : number + 1] = [self.rows[number], self.rows[number - 1]]
            self.new_row = number - 1
        elif name == "pick":
            self._pick(uuid_or_none(value))
        elif name == "kit":
            self._add_kit(uuid_or_none(value), by=by)
        elif action == "kits":
            self.shows_kits = True
        elif name == "narrow":
            self.narrow = value[:80]
        elif action == "as_typed":
            self.as_typed = True
        elif action == "by_hand":
            self._begin_by_hand()
        elif action == "read_pasted":
            self.shows_preview = True
        elif action == "add_pasted":
            self._add_pasted()
        elif action == "add_item" and self.take_written():
            self.written, self.keeps_by_hand_open = TypedItem(initial={"kind": self.rows[-1]["kind"]}), True

    def take_written(self):
        """Add the typed item as a row if its fields are valid. Return whether the fields are valid."""
        written = TypedItem(self._data)
        if not written.is_valid():
            self.written, self.begun = written, True
            return False
        fiction = "on" if written.cleaned_data["is_fiction"] else ""
        typed = {name: str(value) for name, value in written.cleaned_data.items() if value}
        self._add({**typed, "is_fiction": fiction, "item": "", "starred": "on"})
        self.written, self.begun = TypedItem(), False
        return True

    def check(self):
        """Add a row for an item that staff typed but did not add. Return whether all rows are valid.

        If a row is invalid, `formset` contains the errors. If staff pasted items but did not add them, return
        False, and make the page ask staff to add them.
        """
        if self.begun and not self.take_written():
            return False
        if self.pasted_text.strip():
            self.must_add_pasted = self.shows_preview = True
            return False
        self._checked = ItemRows({**self._fields_of_rows(), "items-INITIAL_FORMS": "0"}, prefix="items")
        return self._checked.is_valid()

    def chosen(self, *, by):
        """Return the ChosenItems of the staff member `by`. Call this only after `check` has returned True."""
        return with_their_kits(self._checked.chosen(), by)

    @property
    def formset(self):
        return self._checked or ItemRows(initial=self.rows, prefix="items")

    def fields(self):
        """Return {name: value} for the form fields of the picker, so that a draft can save their values."""
        written = {f"new-{name}": str(self.written[name].value() or "") for name in self.written.fields}
        return self._fields_of_rows() | written | {"new-pasted": self.pasted_text}

    def _fields_of_rows(self):
        fields = {"items-TOTAL_FORMS": str(len(self.rows))}
        for number, row in enumerate(self.rows):
            fields |= {
                f"items-{number}-{name}": str(value) for name, value in row.items() if value not in (None, "")
            }
        return fields

    @property
    def is_untouched(self):
        return not (self.rows or self.query or self.is_by_hand_open or self.shows_kits or self._checked)

    @property
    def is_by_hand_open(self):
        """Return whether the page shows the fields for items that staff type or paste."""
        return bool(self.begun or self.keeps_by_hand_open or self.pasted_text)

    @property
    def focuses_search(self):
        """Return whether the search field gets the focus when htmx replaces the picker."""
        return not (
            self.new_row is not None
            or self.written.errors
            or self.focuses_by_hand
            or self.shows_preview
            or self.shows_kits
        )

    @property
    def for_url(self):
        """Return the query string for a URL that shows the picker in its current state, or ""."""
        state = {
            "q": self.query,
            "narrow": self.narrow if self.query else "",
            "as_typed": "1" if self.query and self.as_typed else "",
            "by-hand": "open" if self.keeps_by_hand_open else "",
            "pasted": "read" if self.shows_preview else "",
            "kits": "open" if self.shows_kits else "",
        }
        query = urlencode({name: value for name, value in state.items() if value})
        return f"?{query}" if query else ""

    @property
    def is_full(self):
        return len(self.rows) >= MAX_ITEMS

    def _pick(self, public_id):
        if public_id and str(public_id) not in [row.get("item") for row in self.rows]:
            self._add({"item": str(public_id), "starred": "on"})
        self.query = ""

    def _add_kit(self, public_id, *, by):
        """Add the items of a kit that are not chosen yet, with their reasons in the patron's language.

        If an item is chosen already and has no reason, fill in the reason.
        """
        kit = public_id and kit_to_add(public_id, by)
        if not kit:
            return
        chosen = {row.get("item"): row for row in self.rows}
        first, room = len(self.rows), MAX_ITEMS - len(self.rows)
        of_kit, self.withdrawn = rows_of_kit(kit, self._data.get("language", ""))
        rows = [row for row in of_kit if row["item"] not in chosen]
        for row in of_kit:
            if (known := chosen.get(row["item"])) and not str(known.get("reason") or "").strip():
                known["reason"] = row["reason"]
        self.rows += rows[:room]
        self.left_out = len(rows[room:])
        self.shows_kits = False
        self.new_row = first if rows[:room] else None

    @cached_property
    def pasted(self):
        """Return the items in the text that staff pasted."""
        return self._read_pasted()

    def _read_pasted(self):
        room = MAX_ITEMS - len(self.rows)
        return Pasted(self.pasted_text, chosen=self.rows, room=room, by=self._by)

    def _add_pasted(self):
        """Add the pasted items. What can't be added stays in the field."""
        pasted = self._read_pasted()
        first = len(self.rows)
        self.rows += pasted.rows
        if pasted.is_too_long:
            self.shows_preview = True
            return
        self.pasted_text = pasted.rest
        self.shows_preview = bool(self.pasted_text)
        self.new_row = first if pasted.rows else None

    def _begin_by_hand(self):
        """Open the fields for an item that is typed by hand. Copy the search text into the title."""
        self.written.initial["title"] = self.written.initial.get("title") or self.query
        self.written.fields["kind"].widget.attrs["autofocus"] = True
        self.query, self.keeps_by_hand_open, self.focuses_by_hand = "", True, True

    def _add(self, row):
        if not self.is_full:
            self.rows.append(row)
            self.new_row = len(self.rows) - 1


def fields_of(recommendations, *, and_then=None):
    """Return {name: value} for an item picker that contains the items of these recommendations.

    `and_then` is {name: value} of another item picker. The items of that picker come after those of the
    recommendations.
    """
    rows = [
        {
            "item": str(recommendation.item.public_id),
            "reason": recommendation.reason,
            "starred": "on" if recommendation.starred else "",
        }
        for recommendation in recommendations
    ]
    chosen = {row["item"] for row in rows}
    rows += [row for row in _rows(and_then or {}) if row.get("item") not in chosen]
    fields = {"items-TOTAL_FORMS": str(len(rows[:MAX_ITEMS]))}
    for number, row in enumerate(rows[:MAX_ITEMS]):
        fields |= {f"items-{number}-{name}": value for name, value in row.items() if value}
    return fields | {
        name: value for name, value in (and_then or {}).items() if name.startswith("new-") and value
    }


def _rows(data):
    total = str(data.get("items-TOTAL_FORMS", "0"))
    count = min(int(total), MAX_ITEMS) if total.isdecimal() and len(total) < 5 else 0
    return [
        {name: data[f"items-{n}-{name}"] for name in ItemRow.base_fields if f"items-{n}-{name}" in data}
        for n in range(count)
    ]


def _typed_item(row):
    """Return an unsaved Item with the values that were typed by hand in this row."""
    texts = ("kind", "form", "title", "creators", "url", "doi", "year", "phone")
    days = {name: _day(row[name].value()) for name in ("starts_on", "ends_on")}
    return Item(**{name: row[name].value() or "" for name in texts}, **days)


def _day(text):
    try:
        return parse_date(str(text))
    except ValueError:
        return None
