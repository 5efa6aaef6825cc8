"""The forms of the item picker: an item that staff type by hand, and a row with a chosen item."""

from django import forms
from django.core.validators import URLValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.catalog_links import BORROWED
from portal.desk.widgets import LongSelect
from portal.dois import MAX_LENGTH, clean_doi
from portal.happening import is_too_far, too_far
from portal.phone_numbers import clean_number
from portal.text import TextField
from recommendations.models import Item

from .fields import DayField

Kind = Item.Kind
WHOLE_URL = _("Enter the full address, beginning with https://")
FORMS = [("", _("not known")), *Item.Form.choices]
# {field: the kinds of items that have this field}. All kinds of items have the other fields.
ONLY_FOR = {
    "doi": (Kind.ARTICLE, Kind.BOOK, Kind.SERIAL, Kind.DATABASE, Kind.OTHER),
    "starts_on": (Kind.EVENT, Kind.COURSE),
    "ends_on": (Kind.EVENT, Kind.COURSE),
    "phone": (Kind.PERSON,),
    "form": (Kind.BOOK, Kind.AUDIOBOOK, Kind.SOUND, Kind.SCORE, Kind.VIDEO, Kind.MAP, Kind.SERIAL),
}
# Items of these kinds can have a call number. Articles can have one, because a journal can be on the shelf.
ON_SHELF = {*BORROWED, Kind.ARTICLE}
# Items of these kinds can be fiction. Web pages can be fiction, because a web page can be a comic.
STORIES = {*ON_SHELF, Kind.WEB_PAGE}


class WebURLField(forms.URLField):
    """A field for a web address. If the address has no scheme, the field adds https://."""

    default_validators = [URLValidator(schemes=["http", "https"], message=WHOLE_URL)]
    default_error_messages = {"invalid": WHOLE_URL}

    def __init__(self, **kwargs):
        super().__init__(max_length=600, required=False, assume_scheme="https", **kwargs)


class DOIField(TextField):
    """A field for a DOI. It accepts "doi:" or the address of doi.org in front of the DOI."""

    def __init__(self, **kwargs):
        super().__init__(max_length=MAX_LENGTH, required=False, **kwargs)

    def clean(self, value):
        text = super().clean(value)
        doi = clean_doi(text)
        if text and not doi:
            words = gettext(
                "This is not a DOI. A DOI looks like 10.1000/182. Copy the DOI again from the article."
            )
            raise forms.ValidationError(words)
        return doi


class PhoneField(TextField):
    """A field for the phone number of a person."""

    def __init__(self, **kwargs):
        super().__init__(max_length=40, required=False, **kwargs)

    def clean(self, value):
        text = super().clean(value)
        number = clean_number(text) if text else ""
        if text and not number:
            raise forms.ValidationError(
                gettext("Enter a phone number with its area code, such as 414-555-0134.")
            )
        return number


class DescribesItem(forms.Form):
    """A form with fields that describe an item."""

    only_for = ONLY_FOR

    def clean(self):
        """Drop the values that items of this kind don't have, and check the days of an event or course."""
        data = super().clean()
        kind = data.get("kind")
        for name, kinds in self.only_for.items():
            if kind not in kinds:
                self.errors.pop(name, None)
                data[name] = self.fields[name].to_python("")
        first, last = data.get("starts_on"), data.get("ends_on")
        for name in ("starts_on", "ends_on"):
            if data.get(name) and is_too_far(data[name]):
                self.add_error(name, too_far())
        if last and not first and "starts_on" not in self.errors:
            self.add_error("starts_on", gettext("Enter the first day too."))
        if first and last and last < first:
            self.add_error("ends_on", gettext("The last day is before the first day."))
        return data


class TypedItem(DescribesItem):
    """The fields for typing an item that is not in the catalog, such as a web page, a person or a course."""

    prefix = "new"
    only_for = {**ONLY_FOR, "call_number": ON_SHELF, "is_fiction": STORIES}

    kind = forms.ChoiceField(
        label=_("Kind"), choices=Item.Kind.choices, initial=Item.Kind.WEB_PAGE, widget=LongSelect
    )
    form = forms.ChoiceField(label=_("Form"), choices=FORMS, required=False)
    title = TextField(label=_("Title or name"), max_length=400)
    creators = TextField(label=_("Author or creator"), max_length=300, required=False)
    url = WebURLField(label=_("Link"))
    doi = DOIField(label=_("DOI"))
    starts_on = DayField(label=_("Day"), required=False)
    ends_on = DayField(label=_("Last day, if it takes several days"), required=False)
    phone = PhoneField(label=_("Phone number"), widget=forms.TextInput(attrs={"type": "tel"}))
    call_number = TextField(label=_("Call number"), max_length=80, required=False)
    is_fiction = forms.BooleanField(label=_("A novel, stories, a comic or poems"), required=False)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            # The page shows the field only for the kinds of items in this text. If the text is empty, the
            # page shows the field for all kinds.
            field.only_for = " ".join(sorted(self.only_for.get(name, ())))


class ItemRow(DescribesItem):
    """One chosen item.

    If the item is in the catalog, the field `item` contains the public id. If staff typed or pasted the item,
    the fields from `kind` to `phone` describe the item.
    """

    item = forms.UUIDField(required=False, widget=forms.HiddenInput)
    kit = forms.UUIDField(required=False, widget=forms.HiddenInput)
    kind = forms.ChoiceField(choices=Item.Kind.choices, required=False, widget=forms.HiddenInput)
    form = forms.ChoiceField(choices=FORMS, required=False, widget=forms.HiddenInput)
    title = TextField(max_length=400, required=False, widget=forms.HiddenInput)
    creators = TextField(max_length=300, required=False, widget=forms.HiddenInput)
    url = WebURLField(widget=forms.HiddenInput)
    call_number = TextField(max_length=80, required=False, widget=forms.HiddenInput)
    is_fiction = forms.BooleanField(required=False, widget=forms.HiddenInput)
    doi = DOIField(widget=forms.HiddenInput)
    isbn = forms.RegexField(r"^\d{13}$", required=False, widget=forms.HiddenInput)
    year = TextField(max_length=20, required=False, widget=forms.HiddenInput)
    publisher = TextField(max_length=200, required=False, widget=forms.HiddenInput)
    series = TextField(max_length=300, required=False, widget=forms.HiddenInput)
    starts_on = forms.DateField(required=False, widget=forms.HiddenInput, input_formats=["%Y-%m-%d"])
    ends_on = forms.DateField(required=False, widget=forms.HiddenInput, input_formats=["%Y-%m-%d"])
    phone = PhoneField(widget=forms.HiddenInput)
    reason = TextField(label=_("Reason"), max_length=400, required=False)
    starred = forms.BooleanField(label=_("Ask the patron later whether this item helped"), required=False)

    def clean(self):
        data = super().clean()
        if not data.get("item") and not data.get("title"):
            raise forms.ValidationError(gettext("This row has no item. Remove it and choose an item again."))
        return data

    def filled_fields(self):
        """Return the hidden fields that have a value. The page leaves out the empty ones to save space."""
        return [field for field in self.hidden_fields() if field.value() not in (None, "", False)]
