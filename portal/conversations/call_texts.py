"""Texts that tell the patron when to expect a call, and how a call ended.

No text may reveal that an answer is pending.
"""

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.templatetags.portal import day_in_a_sentence

from . import states
from .call_backs import promise
from .models import Event, Side

Kind = Event.Kind


def call_since(conversation, at):
    """Return the time when the patron asked for the open call, or None if the patron sees no open call.

    Ignore the effects of a pending answer on the call, because the patron can't see the answer yet.
    """
    if not conversation.has_pending_answer(at):
        return conversation.call_since
    return states.replay(conversation, shown_at=at).call_since


def open_call_sentence(conversation, since, at):
    """Return the sentence about the open call. The patron asked for the call at the time `since`."""
    tried = _last(conversation, at, [Kind.CALL_TRIED])
    if tried is not None and tried.at >= since:
        return _("We called on %(day)s and didn't reach you. We'll try again.") % {"day": _day(tried.at)}
    return promise_sentence(promise(conversation, since), at)


def promise_sentence(promised, at):
    """Return the sentence that says when the library will call."""
    if promised < at:
        return _("Our call is taking longer than we promised. We have not forgotten you.")
    days = (timezone.localdate(promised) - timezone.localdate(at)).days
    if days == 0:
        return _("We'll call you today.")
    if days == 1:
        return _("We'll call you by tomorrow.")
    return _("We'll call you by %(day)s.") % {"day": _day(promised)}


def ended_call_sentence(conversation, at):
    """Return the sentence that says how the last call ended.

    Return "" if there was no call, if the last call is still open, or if the library has written since the
    call ended.
    """
    if not getattr(conversation, "has_calls", True):
        return ""
    ended = _last(conversation, at, [Kind.CALL_ASKED, *Event.CALL_ENDS])
    if ended is None or ended.kind == Kind.CALL_ASKED:
        return ""
    later = conversation.messages.shown(at).filter(side=Side.STAFF, shown_from__gt=ended.shown_from)
    return "" if later.exists() else _ended(conversation, ended, at)


def _ended(conversation, ended, at):
    if ended.kind == Kind.CALL_GIVEN_UP:
        tried = _last(conversation, at, [Kind.CALL_TRIED])
        words = _("We called on %(day)s and didn't reach you. Ask for another call, or write to us.")
        return words % {"day": _day((tried or ended).at)}
    if ended.kind == Kind.CALL_EXPIRED and ended.side == Side.PATRON:
        return _("We can't call, because the phone number was deleted. Ask for another call, or write to us.")
    return {
        Kind.CALL_SPOKEN: _("We spoke on the phone on %(day)s.") % {"day": _day(ended.at)},
        Kind.CALL_CANCELED: _("The call is canceled."),
        Kind.CALL_EXPIRED: _(
            "We're sorry: we didn't call you in time, and deleted your number. We'll write to you here. You "
            "can also ask for another call."
        ),
    }[ended.kind]


def _day(moment):
    return day_in_a_sentence(timezone.localdate(moment))


def _last(conversation, at, kinds):
    """Return the last event of these kinds that the patron may see, or None."""
    return conversation.events.filter(kind__in=kinds, shown_from__lte=at).order_by("at", "pk").last()
