"""What a choice of how long to remember does, told before it is made."""

from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Library, User
from accounts.patron import retention_choice
from accounts.patron.retention_choice import DEFAULT_PERIOD, SHORT_PERIOD, Remember
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from portal.templatetags.portal import whole_day

from .policy import in_words


def effect(person, *, remember, until, at):
    """Sentences with days: the rule, what goes first, what comes next, and what waits."""
    sentences = [_rule(remember, until)]
    choice = {"remember": remember, "until": until, "chosen_at": at, "library": Library.current()}
    begins = at + retention_choice.UNDO_FOR
    visits, waiting = _visits(person)
    ends = [
        retention_choice.ends_at(person, kept_at, with_child=bool(with_child), **choice)
        for kept_at, with_child in visits
    ]
    conversations = [
        retention_choice.ends_at(person, closed_at, **choice) for closed_at in _conversations(person)
    ]
    from_then = {"day": _day(begins)}
    if count := sum(end <= begins for end in ends):
        sentences.append(
            ngettext(
                "%(count)d of your visits is forgotten from %(day)s on.",
                "%(count)d of your visits are forgotten from %(day)s on.",
                count,
            )
            % (from_then | {"count": count})
        )
    if count := sum(end <= begins for end in conversations):
        sentences.append(
            ngettext(
                "%(count)d closed conversation is forgotten from %(day)s on.",
                "%(count)d closed conversations are forgotten from %(day)s on.",
                count,
            )
            % (from_then | {"count": count})
        )
    if later := [end for end in ends if end > begins]:
        sentences.append(
            _("Of your visits that stay the next is forgotten from %(day)s on.") % {"day": _day(min(later))}
        )
    if waiting:
        sentences.append(
            ngettext(
                "%(count)d visit with an open conversation stays until that is closed.",
                "%(count)d visits with an open conversation stay until that is closed.",
                waiting,
            )
            % {"count": waiting}
        )
    sentences.append(_("Until %(day)s you can change your mind, and nothing is lost.") % from_then)
    return sentences


def next_to_go(person, library):
    """The day from which the first of this person's visits is forgotten, as they have chosen; None without any."""
    visits, _waiting = _visits(person)
    ends = [
        retention_choice.ends_at(person, kept_at, library=library, with_child=bool(with_child))
        for kept_at, with_child in visits
    ]
    return library.today(min(ends)) if ends else None


def name_of(person):
    """The choice in words."""
    chosen = retention_choice.chosen_by(person)
    if chosen == Remember.UNTIL:
        return _("until %(day)s") % {"day": whole_day(person.remember_until)}
    return User.Remember(chosen).label


def _rule(remember, until):
    if remember == Remember.UNTIL:
        words = {"day": whole_day(until), "days": in_words(DEFAULT_PERIOD)}
        return (
            _(
                "Your visits and conversations stay until %(day)s and are then forgotten. What you keep after that day stays %(days)s."
            )
            % words
        )
    if remember == Remember.NOTHING:
        return _(
            "What is kept now is forgotten. After that a visit is kept only where you ask for it, and then for %(days)s."
        ) % {"days": in_words(SHORT_PERIOD)}
    words = {"days": in_words(retention_choice.PERIODS[remember])}
    return (
        _(
            "A visit is forgotten %(days)s after you kept it, a conversation about no visit %(days)s after it was closed."
        )
        % words
    )


def _visits(person):
    """([(when it became theirs, how it was with a child, if it was)] of those with no open conversation, how many have one)."""
    rows = HelpSession.objects.filter(patron=person).annotate(
        became_theirs_at=Coalesce("kept_at", "created_at")
    )
    waiting = set(
        Conversation.objects.filter(patron=person, status__in=Conversation.OPEN).values_list(
            "help_session", flat=True
        )
    )
    found = list(rows.values_list("pk", "became_theirs_at", "with_child"))
    return [(moment, with_child) for pk, moment, with_child in found if pk not in waiting], sum(
        pk in waiting for pk, *_rest in found
    )


def _conversations(person):
    closed = Conversation.objects.filter(
        patron=person, help_session=None, merged_into=None, closed_at__isnull=False
    )
    return list(closed.values_list("closed_at", flat=True))


def _day(moment):
    return whole_day(Library.current().today(moment))
