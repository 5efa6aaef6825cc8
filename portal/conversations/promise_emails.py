"""Write the emails and messages to patrons whose promised day has moved."""

from collections import defaultdict

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.urls import reverse

from accounts.models import Library
from accounts.sign_in.email_addresses import confirmed_addresses
from portal.helpsessions import push
from portal.notifications.models import Notification
from portal.notifications.push.subscriptions import which_have_browsers, who_has_devices
from portal.notifications.writing import notify, save_all

from .models import Conversation

KIND = "conversations/promise_moved"
# Related rows are loaded for this many conversations in one query, because databases limit the number of
# values in a query.
BATCH = 200


def recipients(moved):
    """Return [(person, confirmed address, moves)] for each patron who must learn of a new promised day.

    A move is left out if the patron's page doesn't show it. The address is "" if the person gets notices only
    on a device.
    """
    own = defaultdict(list)
    for move in moved:
        if _is_shown(move):
            for person in _people(move.conversation):
                own[person].append(move)
    addresses = confirmed_addresses(own)
    with_devices = who_has_devices([person for person in own if not person.email])
    return [
        (person, addresses.get(person.pk, ""), moves)
        for person, moves in own.items()
        if addresses.get(person.pk) or person.pk in with_devices
    ]


def browsers(moved, *, at):
    """Return [(visit, moves)] for visits that are in no account and whose promised day has changed.

    A visit is left out if no browser that opened it by code gets push messages about it.
    """
    own = defaultdict(list)
    for move in moved:
        if move.conversation.help_session and not _people(move.conversation) and _is_shown(move):
            own[move.conversation.help_session].append(move)
    told = which_have_browsers([push.about(visit) for visit in own], at=at)
    return [(visit, moves) for visit, moves in own.items() if push.about(visit) in told]


def count(moved, *, at):
    """Return how many patrons `write` would notify. A visit that is in no account counts as one patron."""
    return len(recipients(moved)) + len(browsers(moved, at=at))


def _is_shown(move):
    """Return whether the conversation's page shows a different promised day after the move.

    The page shows no promise in three cases: the visit is quiet, the conversation has no message, or the
    patron wants no answer. While an answer is pending, also return False, because the patron will get a
    notice about this answer.
    """
    conversation, session = move.conversation, move.conversation.help_session
    hidden = (
        conversation.last_message_at is None
        or conversation.pending_from is not None
        or conversation.wants_no_answer
    )
    return move.changes_the_day and not hidden and not (session and session.quiet)


def _people(conversation):
    session = conversation.help_session
    return {conversation.patron, session and session.shared_with} - {None}


def write(moved, *, at):
    """Notify each patron whose promised day changed, by email or on a device.

    Return how many patrons were notified.
    """
    for first in range(0, len(moved), BATCH):
        prefetch_related_objects(
            [move.conversation for move in moved[first : first + BATCH]],
            "branch",
            "patron",
            "help_session__shared_with",
        )
    library, emails, visits = Library.current(), recipients(moved), browsers(moved, at=at)
    save_all(_for_browsers(visit, own, library, at) for visit, own in visits)
    save_all(
        notify(
            KIND,
            to=address,
            at=at,
            recipient=person,
            language=person.language,
            library=library,
            context=_email_context(own),
            url=_email_context(own)["url"],
            save=False,
        )
        for person, address, own in emails
    )
    return len(emails) + len(visits)


def _for_browsers(visit, own, library, at):
    context = _email_context(own)
    if len(own) > 1:
        context["url"] = settings.BASE_URL + visit.get_absolute_url()
    notice = notify(
        KIND,
        to="",
        at=at,
        language=visit.language,
        library=library,
        context=context,
        about=push.about(visit),
        url=context["url"],
        save=False,
    )
    # A push message contains only the subject, so the text is not stored.
    notice.browsers_about, notice.text, notice.html = push.about(visit), "", ""
    return notice


def delete(person, conversations):
    """Delete the emails to this person about the promised days of these conversations.

    An email that a worker is sending now can't be deleted.
    """
    emails = Notification.objects.filter(kind=KIND, recipient=person, leased_until=None)
    for conversation in conversations:
        emails.filter(text__contains=conversation.get_absolute_url()).delete()


def _email_context(own):
    """Return the context of the email's template.

    If several promises of this person moved, the context has no day, and its URL is the URL of the page that
    lists the conversations.
    """
    conversation = own[0].conversation
    context = {"branch": conversation.branch, "day": None}
    if len(own) > 1:
        return context | {"url": settings.BASE_URL + reverse("conversations")}
    return context | {
        "url": settings.BASE_URL + conversation.get_absolute_url(),
        "day": own[0].days[1],
        "is_call": conversation.reason == Conversation.Reason.CALL,
    }
