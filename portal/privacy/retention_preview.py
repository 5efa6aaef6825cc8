"""Describe the effect of a retention choice in words, before the patron confirms the choice."""

from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Library, User
from accounts.patron import retention_choice
from accounts.patron.retention_choice import DEFAULT_PERIOD, SHORT_PERIOD, Remember
from portal.conversations.models import Conversation
from portal.conversations.models.conversations import KEPT_AFTER_LAST_MESSAGE, kept_back
from portal.helpsessions.models import HelpSession
from portal.templatetags.portal import whole_day

from .policy_lines.line import in_words


def effect(person, *, remember, until, at):
    """Return sentences that tell the patron what the choice deletes, when, and how long they can undo it."""
    choice = {"remember": remember, "until": until, "chosen_at": at, "library": Library.current()}
    begins = at + retention_choice.UNDO_FOR
    from_then = {"day": _day(begins)}
    visits, waiting = _visits(person, at)
    ends = [
        retention_choice.ends_at(person, kept_at, with_child=bool(with_child), **choice)
        for kept_at, with_child in visits
    ]
    conversation_ends = [
        retention_choice.ends_at(person, closed_at, **choice) for closed_at in _conversations(person)
    ]
    sentences = [_rule(remember, until)]
    if count := sum(end <= begins for end in ends):
        text = ngettext(
            "%(count)d of your visits will be deleted on %(day)s.",
            "%(count)d of your visits will be deleted on %(day)s.",
            count,
        )
        sentences.append(text % (from_then | {"count": count}))
    if count := sum(end <= begins for end in conversation_ends):
        text = ngettext(
            "%(count)d closed conversation will be deleted on %(day)s.",
            "%(count)d closed conversations will be deleted on %(day)s.",
            count,
        )
        sentences.append(text % (from_then | {"count": count}))
    if later := [end for end in ends if end > begins]:
        sentences.append(_("The next visit will be deleted on %(day)s.") % {"day": _day(min(later))})
    if waiting:
        text = ngettext(
            "%(count)d visit stays longer, because a conversation about it is open or has a message from "
            "the last %(days)s.",
            "%(count)d visits stay longer, because conversations about them are open or have messages from "
            "the last %(days)s.",
            waiting,
        )
        sentences.append(text % {"count": waiting, "days": in_words(KEPT_AFTER_LAST_MESSAGE)})
    sentences.append(_("You can change your mind until %(day)s. Nothing is deleted before then.") % from_then)
    return sentences


def next_to_go(person, library):
    """Return the next day when one of the person's visits will be forgotten, or None."""
    visits, _waiting = _visits(person, timezone.now())
    ends = [
        retention_choice.ends_at(person, kept_at, library=library, with_child=bool(with_child))
        for kept_at, with_child in visits
    ]
    return library.today(min(ends)) if ends else None


def choice_in_words(person):
    """Return the person's current retention choice as a text."""
    chosen = retention_choice.chosen_by(person)
    if chosen == Remember.UNTIL:
        return _("until %(day)s") % {"day": whole_day(person.remember_until)}
    return User.Remember(chosen).label


def _rule(remember, until):
    if remember == Remember.UNTIL:
        text = _(
            "Your visits and conversations stay until %(day)s. Then they are deleted. Anything you "
            "add after that day is kept for %(days)s."
        )
        return text % {"day": whole_day(until), "days": in_words(DEFAULT_PERIOD)}
    if remember == Remember.NOTHING:
        text = _(
            "Everything saved so far will be deleted. After that, we keep only the visits that you "
            "add to your account, each for %(days)s."
        )
        return text % {"days": in_words(SHORT_PERIOD)}
    text = _(
        "A visit is deleted %(days)s after you add it to your account. A conversation that isn't about a "
        "visit is deleted %(days)s after it is closed."
    )
    return text % {"days": in_words(retention_choice.PERIODS[remember])}


def _visits(person, at):
    """Return ([(time, kind)], number of waiting visits).

    A waiting visit has a conversation that is open or has a new message, so the visit can't be forgotten yet.
    The list has one pair for every visit that isn't waiting. `time` is the time at which the visit was added
    to the person's account. `kind` is the visit's `with_child`.
    """
    visits = HelpSession.objects.filter(patron=person).annotate(
        became_theirs_at=Coalesce("kept_at", "created_at")
    )
    waiting = set(
        Conversation.objects.filter(kept_back(at), patron=person).values_list("help_session", flat=True)
    )
    rows = list(visits.values_list("pk", "became_theirs_at", "with_child"))
    free = [(moment, with_child) for pk, moment, with_child in rows if pk not in waiting]
    return free, len(rows) - len(free)


def _conversations(person):
    closed = Conversation.objects.filter(
        patron=person, help_session=None, merged_into=None, closed_at__isnull=False
    )
    return list(closed.values_list("closed_at", flat=True))


def _day(moment):
    return whole_day(Library.current().today(moment))
