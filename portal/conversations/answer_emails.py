"""Write and withdraw the emails that tell patrons about an answer, and find out which are still unread."""

from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import BigAutoField, Max, Q
from django.urls import reverse

from accounts.sign_in.email_addresses import confirmed_address
from portal.notifications.actions import notify, withdraw
from portal.notifications.models import Notification
from portal.prepared import prepared
from portal.text import uuid_or_none

from .models import Conversation, Message, Participation, Side
from .staff_notices import about

Status = Conversation.Status


def announce(message, conversation, at):
    """Queue the emails about an answer.

    The patron gets an email, and so does the adult who shares the visit. An email to an unconfirmed address
    only says that there is an answer, because staff may have mistyped the address.

    Returns the Message-ID of the patron's email, or "" if nobody gets an email.
    """
    session = conversation.help_session
    people = (conversation.patron, session and session.shared_with)
    recipients = [person for person in people if person and person.email]
    if not recipients or (session and session.quiet):
        return ""
    mail_id = f"<{message.public_id}@{urlsplit(settings.BASE_URL).hostname or 'localhost'}>"
    earlier = _mail_ids(conversation=conversation.pk)
    for person in recipients:
        own_id = str if person.pk == conversation.patron_id else _for_adult
        context = {
            "helper": None,
            "url": settings.BASE_URL + reverse("home"),
            "closes_at": None,
            "closed": False,
            "branch": conversation.branch,
        }
        if confirmed_address(person):
            context |= {
                "helper": message.author,
                "url": f"{settings.BASE_URL}{conversation.get_absolute_url()}#latest",
                "closes_at": conversation.closes_at,
                "closed": conversation.status == Status.CLOSED,
            }
        notify(
            "conversations/answer",
            to=person.email,
            at=at,
            due_at=message.shown_from,
            recipient=person,
            language=person.language or message.language,
            context=context,
            message_id=own_id(mail_id),
            about=about(conversation),
            url=context["url"],
            references=[own_id(earlier_id) for earlier_id in earlier],
        )
    return mail_id


@prepared(conversation=BigAutoField())
def _mail_ids(conversation):
    announced = Message.objects.filter(conversation=conversation).exclude(mail_id="")
    return announced.order_by("sent_at", "pk").values_list("mail_id", flat=True)


def unread(rows, person, at):
    """Return the emails of these rows about answers that the person can see now and has not read.

    The result is {primary key of a row: whether the person has read all earlier answers}. What any viewer by
    code has read counts as read, as in ConversationQuerySet.unread_by. The rows are all for this person.
    """
    row_of = {_public_id(row): row.pk for row in rows}
    messages = Message.objects.filter(public_id__in=row_of.keys() - {None}).select_related(
        "conversation__help_session"
    )
    own = [message for message in messages if _may_read(message.conversation, person)]
    conversations = {message.conversation_id for message in own}
    readers = Participation.objects.filter(
        Q(person=person) | Q(person=None), conversation__in=conversations, side=Side.PATRON
    )
    read_until = dict(readers.values_list("conversation").annotate(latest=Max("read_until")))
    answers = Message.objects.filter(conversation__in=conversations, side=Side.STAFF).shown(at)
    first_unread: dict = {}
    for conversation, shown_from in answers.order_by("-shown_from").values_list("conversation", "shown_from"):
        if read_until.get(conversation) is None or shown_from > read_until[conversation]:
            first_unread[conversation] = shown_from
    return {
        row_of[message.public_id]: message.shown_from <= first_unread[message.conversation_id]
        for message in own
        if message.conversation_id in first_unread
        and first_unread[message.conversation_id] <= message.shown_from <= at
    }


def _may_read(conversation, person):
    session = conversation.help_session
    readers = {conversation.patron_id, session.shared_with_id if session else None}
    return person.pk in readers and not (session and session.quiet)


def _public_id(row):
    """Return the public id of the message that the email is about, or None."""
    return uuid_or_none(row.message_id.removeprefix("<").removeprefix("shared.").partition("@")[0])


def withdraw_announcement(mail_id):
    """Withdraw the patron's email with this Message-ID, and the adult's email about the same answer.

    Return whether no such email is left. An email that a worker has begun to send can't be withdrawn.
    """
    mail_ids = [mail_id, _for_adult(mail_id)]
    withdraw(mail_ids)
    return not Notification.objects.filter(message_id__in=mail_ids).exists()


def withdraw_announcements_to(person, conversations):
    """Withdraw the unsent emails to this person about answers in these conversations."""
    mail_ids = (
        Message.objects.filter(conversation__in=conversations)
        .exclude(mail_id="")
        .values_list("mail_id", flat=True)
    )
    own_and_shared = [own_id for mail_id in mail_ids for own_id in (mail_id, _for_adult(mail_id))]
    withdraw(own_and_shared, recipient=person)


def delete_announcements(conversations):
    """Delete all emails about answers in these conversations, except those that a worker is sending now.

    Call this when the conversations must no longer be linked to a name or an address.
    """
    mail_ids = Message.objects.filter(conversation__in=conversations).exclude(mail_id="")
    own_and_shared = [
        own_id
        for mail_id in mail_ids.values_list("mail_id", flat=True)
        for own_id in (mail_id, _for_adult(mail_id))
    ]
    Notification.objects.filter(message_id__in=own_and_shared, leased_until=None).delete()


def _for_adult(mail_id):
    """Return the Message-ID of the adult's email about an answer.

    `mail_id` is the Message-ID of the patron's email about the same answer.
    """
    return mail_id.replace("<", "<shared.", 1)
