"""The emails that say that there is an answer."""

from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from accounts.sign_in.email_addresses import confirmed_address
from portal.notifications.actions import notify, withdraw

from .models import Conversation, Message

Status = Conversation.Status


def announce(message, conversation, at):
    """Write the mail that says there is an answer, to whoever keeps the conversation and has an address: of a visit that is shared to both. Returns
    its Message-ID or "".

    Where nobody has read a code yet the mail says no more than that there is an answer: the address may be a stranger's, mistyped at a desk.
    """
    session = conversation.help_session
    told = [
        person for person in (conversation.patron, session and session.shared_with) if person and person.email
    ]
    if not told or (session and session.quiet):
        return ""
    mail_id = f"<{message.public_id}@{urlsplit(settings.BASE_URL).hostname or 'localhost'}>"
    earlier = list(
        conversation.messages.exclude(mail_id="").order_by("sent_at", "pk").values_list("mail_id", flat=True)
    )
    for person in told:
        as_theirs = str if person.pk == conversation.patron_id else _to_the_other
        context = {
            "helper": None,
            "url": settings.BASE_URL + reverse("home"),
            "closes_at": None,
            "closed": False,
        }
        if confirmed_address(person):
            context = {
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
            message_id=as_theirs(mail_id),
            references=[as_theirs(one) for one in earlier],
        )
    return mail_id


def withdraw_announcement(mail_id):
    """Take back the mails that no worker has taken up yet."""
    withdraw([mail_id, _to_the_other(mail_id)])


def withdraw_announcements_to(person, conversations):
    """Take back those about answers in these conversations that wait to go to this person."""
    mail_ids = (
        Message.objects.filter(conversation__in=conversations)
        .exclude(mail_id="")
        .values_list("mail_id", flat=True)
    )
    withdraw([to_whom(mail_id) for mail_id in mail_ids for to_whom in (str, _to_the_other)], recipient=person)


def _to_the_other(mail_id):
    """The Message-ID of the same mail to the adult with whom a visit is shared."""
    return mail_id.replace("<", "<shared.", 1)
