"""Say when an event or course takes place, and how to reach a person."""

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from portal.phone_numbers import call_url, clean_number


def happening(item):
    """Return when an event or course takes place, such as "on May 3, 2027" or "was on May 3, 2027".

    Return "" if the item has no day.
    """
    if not item.starts_on:
        return ""
    days = {"day": _in_words(item.starts_on)}
    if item.ends_on and item.ends_on != item.starts_on:
        days["last"] = _in_words(item.ends_on)
        if item.is_over:
            return _("was from %(day)s to %(last)s") % days
        return _("from %(day)s to %(last)s") % days
    if item.is_over:
        return _("was on %(day)s") % days
    return (_("on %(day)s") if item.last_day else _("from %(day)s")) % days


def _in_words(day):
    return date_format(day, pgettext("format of a day with its year", "F j, Y"))


def call_address(item):
    """Return the `tel:` address of the item's phone number, or "" if it has none."""
    number = clean_number(item.phone) if item.phone else ""
    return call_url(number) if number else ""


def is_too_far(day):
    """Return whether this day of an event can't be right, because it is more than ten years away."""
    return day.year > timezone.localdate().year + 10


def too_far():
    """Return the error message for a day that `is_too_far` refuses."""
    return _("This day is more than ten years away. Check the year.")
