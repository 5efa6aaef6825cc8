"""Texts that tell the patron the status of a conversation.

They say whose turn it is, when the library will answer, when the conversation closes, and who is away. No
text may reveal that an answer is pending.
"""

import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Absence, Library
from portal.templatetags.portal import day_in_a_sentence
from portal.times import are_days_absolute
from recommendations.step_texts import shown_step

from . import call_texts, states
from .models import Conversation, Side
from .promises import promise_for

Status = Conversation.Status


def status_for_patron(conversation, at):
    """Return the status that the patron sees.

    Instead of SNOOZED, return WAITING_FOR_STAFF if the patron waits for an answer, or WAITING_FOR_PATRON if
    they don't.
    """
    status = conversation.status_at(at)
    if status != Status.SNOOZED:
        return status
    return Status.WAITING_FOR_STAFF if _unanswered_since(conversation, at) else Status.WAITING_FOR_PATRON


def status_text(conversation, at):
    """Return a short text about the status, for a list of conversations."""
    if conversation.wants_no_answer and status_for_patron(conversation, at) == Status.WAITING_FOR_STAFF:
        return _("You didn't want an answer")
    if call_texts.call_since(conversation, at) is not None:
        return _("We'll call you")
    return {
        Status.WAITING_FOR_STAFF: _("Waiting for the library"),
        Status.WAITING_FOR_PATRON: _("The library answered"),
        Status.CLOSED: _("Closed"),
    }.get(status_for_patron(conversation, at), "")


def status_sentences(conversation, at):
    """Return a list of sentences about the status, for the conversation's page."""
    status, call_since = status_for_patron(conversation, at), call_texts.call_since(conversation, at)
    if call_since is not None:
        return [call_texts.open_call_sentence(conversation, call_since, at)]
    ended_call = [text] if (text := call_texts.ended_call_sentence(conversation, at)) else []
    if status == Status.CLOSED:
        return [*ended_call, closed_text()]
    if status == Status.WAITING_FOR_STAFF and conversation.wants_no_answer:
        return [_("Thank you. We've told the library, and nobody will write to you about this.")]
    if status == Status.WAITING_FOR_STAFF and (step := _step_sentence(conversation, at)):
        return [*ended_call, step]
    if status == Status.WAITING_FOR_STAFF:
        promise = _promise(conversation, at)
        return [*ended_call, *filter(None, [_("Waiting for the library."), promise])]
    closes = closes_at(conversation, at)
    return [*(ended_call or [_("The library answered.")]), *([closing_text(closes)] if closes else [])]


def _step_sentence(conversation, at):
    """Return the sentence about the next step that keeps the conversation out of the queue, or ""."""
    if conversation.status_at(at) != Status.SNOOZED:
        return ""
    items = conversation.verdicts().filter(next_step__overdue_at=None, next_step__isnull=False)
    items = items.select_related("item", "branch").with_next_step().order_by("next_step__promised_on", "pk")
    item = items.first()
    if item is None:
        return ""
    return _("“%(title)s”: %(sentence)s") % {
        "title": item.item.title,
        "sentence": shown_step(item).sentence,
    }


def _promise(conversation, at):
    """Return a sentence that says when the library promised to answer, or ""."""
    promised = conversation.promised_at
    if conversation.has_pending_answer(at):
        # The pending answer has changed `promised_at`, but the patron can't see that answer yet. So show the
        # time that was promised before the answer.
        promised = promise_for(conversation, _unanswered_since(conversation, at))
    if promised is None:
        return ""
    if promised < at:
        return _("Our answer is taking longer than we promised. We have not forgotten you.")
    days = (timezone.localdate(promised) - timezone.localdate(at)).days
    if days == 0 and not are_days_absolute():
        return _("You can expect an answer today.")
    if days == 1 and not are_days_absolute():
        return _("You can expect an answer by tomorrow.")
    return _("You can expect an answer by %(day)s.") % {
        "day": day_in_a_sentence(timezone.localdate(promised))
    }


def closes_at(conversation, at):
    """Return the time when the conversation will close automatically, or None.

    Ignore pending answers, because the patron can't see them yet.
    """
    if not conversation.has_pending_answer(at):
        return conversation.closes_at
    shown, days = states.replay(conversation, shown_at=at), Library.current().closes_after_days
    if not days or shown.status != Status.WAITING_FOR_PATRON:
        return None
    return shown.turned_at + datetime.timedelta(days=days)


def closing_text(moment):
    return _("This conversation closes on %(day)s unless you write again. You can reopen it by writing.") % {
        "day": day_in_a_sentence(timezone.localdate(moment))
    }


def closed_text():
    return _("This conversation is closed. You can reopen it by writing.")


def away_text(conversation, messages, at):
    """Return a sentence that says that the assignee is away today, or "" if no sentence is needed.

    If nobody is assigned, the sentence is about the staff member who answered last.
    """
    if not conversation.anyone_is_away or status_for_patron(conversation, at) == Status.CLOSED:
        return ""
    answered = (
        message.author_id
        for message in reversed(messages)
        if message.side == Side.STAFF and message.author_id
    )
    person = conversation.assignee_id or next(answered, None)
    today = Absence.objects.on(timezone.localdate(at)).filter(person=person)
    absence = today.select_related("person", "cover").order_by("-last_day").first() if person else None
    if absence is None:
        return ""
    words = {"name": absence.person.display_name, "day": day_in_a_sentence(absence.last_day)}
    if absence.cover is None:
        return _("%(name)s is away until %(day)s. A colleague will answer.") % words
    return _("%(name)s is away until %(day)s. %(cover)s will answer.") % (
        words | {"cover": absence.cover.display_name}
    )


def _unanswered_since(conversation, at):
    if not conversation.has_pending_answer(at):
        return conversation.waiting_since
    return states.replay(conversation, shown_at=at).waiting_since
