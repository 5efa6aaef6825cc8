"""Write the emails to patrons whose promised day has moved."""

from collections import defaultdict

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.urls import reverse

from accounts.models import Library
from accounts.sign_in.email_addresses import confirmed_addresses
from portal.notifications.actions import notify, save_all
from portal.notifications.models import Notification

KIND = "conversations/promise_moved"
# A database allows only so many values in one query.
BATCH = 200


def recipients(moved):
    """Return [(person, confirmed address, moves)] for the patrons who now read a different day.

    Nobody is emailed about a quiet visit, or about a verdict without a message, because that page shows no
    promise. Nobody is emailed while an answer is pending, because the answer has its own email.
    """
    own = defaultdict(list)
    for move in moved:
        conversation, session = move.conversation, move.conversation.help_session
        hidden = conversation.last_message_at is None or conversation.pending_from is not None
        if move.changes_the_day and not hidden and not (session and session.quiet):
            for person in {conversation.patron, session and session.shared_with} - {None}:
                own[person].append(move)
    addresses = confirmed_addresses(own)
    return [
        (person, addresses[person.pk], moves) for person, moves in own.items() if addresses.get(person.pk)
    ]


def write(moved, *, at):
    """Write one email to each patron whose promised day changed. Return the number of emails."""
    for first in range(0, len(moved), BATCH):
        prefetch_related_objects(
            [move.conversation for move in moved[first : first + BATCH]],
            "branch",
            "patron",
            "help_session__shared_with",
        )
    library, emails = Library.current(), recipients(moved)
    save_all(
        notify(
            KIND,
            to=address,
            at=at,
            recipient=person,
            language=person.language,
            library=library,
            context=_email_context(own),
            save=False,
        )
        for person, address, own in emails
    )
    return len(emails)


def delete(person, conversations):
    """Delete the emails to this person about the promised days of these conversations.

    An email that a worker is sending now can't be deleted.
    """
    emails = Notification.objects.filter(kind=KIND, recipient=person, leased_until=None)
    for conversation in conversations:
        emails.filter(text__contains=conversation.get_absolute_url()).delete()


def _email_context(own):
    """Return the email's context. If several promises moved, it has no day, and links to the list."""
    branch = own[0].conversation.branch
    if len(own) > 1:
        return {"url": settings.BASE_URL + reverse("conversations"), "day": None, "branch": branch}
    return {
        "url": settings.BASE_URL + own[0].conversation.get_absolute_url(),
        "day": own[0].days[1],
        "branch": branch,
    }
