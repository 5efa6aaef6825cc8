"""Write a list as a CSV file for spreadsheets."""

from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from portal.text import csv_file


def write(entries, *, library):
    """Return the file as bytes. The names of the columns are in the current language."""
    columns = {
        _("Title"): lambda entry: entry.item.title,
        _("Author or creator"): lambda entry: entry.item.creators,
        _("Call number"): lambda entry: entry.call_numbers,
        _("Your note"): lambda entry: entry.saved.note,
        _("Why the library recommended it"): lambda entry: entry.reason,
        _("Reading status"): lambda entry: capfirst(entry.saved.get_reading_display()),
        _("Kind"): lambda entry: entry.item.kind_name if entry.saved.item_id else "",
        _("Year"): lambda entry: entry.item.year,
        _("Publisher"): lambda entry: entry.item.publisher,
        _("Series"): lambda entry: entry.item.series,
        _("ISBN"): lambda entry: _isbn(entry.item.isbn),
        _("DOI"): lambda entry: entry.item.doi,
        _("Link"): lambda entry: entry.item.url,
        _("Day"): lambda entry: _day(entry.item.starts_on),
        _("Last day"): lambda entry: _day(entry.item.ends_on),
        _("Phone"): lambda entry: entry.item.phone,
        _("Title in its original script"): lambda entry: entry.item.original_title,
        _("Author in the original script"): lambda entry: entry.item.original_creators,
        _("Saved on"): lambda entry: timezone.localdate(entry.saved.saved_at).isoformat(),
    }
    return csv_file(list(columns), [[value(entry) for value in columns.values()] for entry in entries])


def _day(day):
    return day.isoformat() if day else ""


def _isbn(digits):
    """Return the ISBN with a hyphen, because spreadsheets show a number of 13 digits as 9.78006E+12."""
    return f"{digits[:3]}-{digits[3:]}" if digits else ""
