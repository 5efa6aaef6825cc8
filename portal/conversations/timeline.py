"""A thread as its page tells it: days, messages and events in one order; and when an answer may be expected."""

from itertools import groupby

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from .models import Conversation, Event


def days_of(messages, events):
    """[(day, entries)]: the entries are messages and events in the order in which they happened, by the library's days.

    At one moment a thread is opened again before the message that does it, and closed after."""
    told = [(m.sent_at, 1, m.pk, m) for m in messages]
    told += [(e.at, 0 if e.kind == Event.Kind.REOPENED else 2, e.pk, e) for e in events]
    entries = sorted(told, key=lambda entry: entry[:3])
    return [(day, [entry[3] for entry in group]) for day, group in groupby(entries, key=lambda entry: timezone.localdate(entry[0]))]


def promise(conversation, at):
    """When the library said it would answer, in plain words; "" where nobody waits for it."""
    if conversation.status != Conversation.Status.WAITING_FOR_STAFF or conversation.promised_at is None:
        return ""
    if conversation.promised_at < at:
        return _("This is taking longer than we promised. It is not forgotten.")
    days = (timezone.localdate(conversation.promised_at) - timezone.localdate(at)).days
    if days == 0:
        return _("You can expect an answer today.")
    if days == 1:
        return _("You can expect an answer by tomorrow.")
    day = date_format(timezone.localtime(conversation.promised_at), pgettext("format of a day in a sentence", "l j F"))
    return _("You can expect an answer by %(day)s.") % {"day": day}
