"""Write and withdraw the notices that tell patrons about an answer, and find notices about unread answers."""

from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import BigAutoField, Exists, Max, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from accounts.sign_in.email_addresses import confirmed_address
from portal.helpsessions import push
from portal.notifications.models import Notification
from portal.notifications.push.subscriptions import has_browsers, who_has_devices
from portal.notifications.writing import notify, withdraw
from portal.prepared import prepared
from portal.text import uuid_or_none

from .models import Conversation, Message, Participation, Side
from .reply_addresses import address_for
from .staff_notices import about

Status = Conversation.Status


def mail_id_of(message, conversation, *, at):
    """Return the Message-ID of the patron's notice about an answer, or "" if nobody gets a notice."""
    if not (_recipients(conversation) or _is_for_browsers(conversation, at)):
        return ""
    return f"<{message.public_id}@{urlsplit(settings.BASE_URL).hostname or 'localhost'}>"


def _recipients(conversation):
    """Return the patron and, if the visit is shared, the adult. Return [] if the visit is quiet.

    Leave out people who have neither an email address nor a device.
    """
    session = conversation.help_session
    if session and session.quiet:
        return []
    people = [person for person in (conversation.patron, session and session.shared_with) if person]
    with_devices = who_has_devices([person for person in people if not person.email])
    return [person for person in people if person.email or person.pk in with_devices]


def _is_for_browsers(conversation, at):
    """Return whether the notice about an answer goes to browsers that opened the visit by code.

    This is the case if the visit is in no account, and at least one such browser gets push messages about it.
    """
    session = conversation.help_session
    if session is None or session.quiet or conversation.patron or session.shared_with:
        return False
    return has_browsers(push.about(session), at=at)


def announce(message, conversation, *, at, library):
    """Queue the notices about an answer. `message.mail_id` must be the result of `mail_id_of`.

    The patron gets an email. If an adult shares the visit with a child, the adult also gets an email. An
    email to an unconfirmed address only says that there is an answer, because staff may have mistyped the
    address. The other emails have a reply address, if the library has set one up.

    People without an email address get the notice on their devices. If the visit is in no account, the
    browsers that opened it by code get the notice.
    """
    if not message.mail_id:
        return
    recipients = _recipients(conversation)
    if not recipients:
        _tell_browsers(message, conversation, at)
        return
    earlier = _earlier_mail_ids(conversation=conversation.pk, message=message.pk)
    for person in recipients:
        own_id = str if person.pk == conversation.patron_id else _for_adult
        reply_to = ""
        context = {
            "helper": None,
            "url": settings.BASE_URL + reverse("home"),
            "closes_at": None,
            "closed": False,
            "branch": conversation.branch,
        }
        if not person.email:
            # The person has no address, and gets the notice on a device where they are signed in.
            context["url"] = _url(conversation)
        elif confirmed_address(person):
            context |= {
                "helper": message.author,
                "url": _url(conversation),
                "closes_at": conversation.closes_at,
                "closed": conversation.status == Status.CLOSED,
            }
            reply_to = address_for(conversation, person, at=at)
        notify(
            "conversations/answer",
            to=person.email or "",
            at=at,
            due_at=message.shown_from,
            recipient=person,
            language=person.language or message.language,
            context=context,
            message_id=own_id(message.mail_id),
            about=about(conversation),
            url=context["url"],
            references=[own_id(earlier_id) for earlier_id in earlier],
            reply_to=reply_to,
            library=library,
        )


def _tell_browsers(message, conversation, at):
    """Queue a notice to the browsers that opened the visit by code."""
    notice = notify(
        "conversations/answer",
        to="",
        at=at,
        due_at=message.shown_from,
        language=conversation.help_session.language or message.language,
        context={
            "helper": None,
            "url": _url(conversation),
            "closes_at": None,
            "closed": False,
            "branch": conversation.branch,
        },
        message_id=message.mail_id,
        about=about(conversation),
        url=_url(conversation),
        save=False,
    )
    # A push message shows only the subject, so the text is not stored.
    notice.browsers_about, notice.text, notice.html = push.about(conversation.help_session), "", ""
    notice.save(force_insert=True)


def _url(conversation):
    return f"{settings.BASE_URL}{conversation.get_absolute_url()}#latest"


@prepared(conversation=BigAutoField(), message=BigAutoField())
def _earlier_mail_ids(conversation, message):
    announced = Message.objects.filter(conversation=conversation).exclude(mail_id="").exclude(pk=message)
    return announced.order_by("sent_at", "pk").values_list("mail_id", flat=True)


def unread(rows, person, at):
    """Return {primary key of a notice: whether its answer is the first unread one of the conversation}.

    Notices about later unread answers have the value False. Notices are left out if the person can't see the
    answer yet, or has read it. `rows` are Notification rows about answers, and all of them are addressed to
    `person`.

    If `person` is None, the notices are for browsers that opened a visit by code. If any viewer by code has
    read an answer, the answer counts as read, as in ConversationQuerySet.unread_by.
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
    if person is None:
        is_nobodys = session and not session.quiet and not conversation.patron_id and not session.keepers
        return bool(is_nobodys and session.claim_codes.live(timezone.now()).exists())
    readers = {conversation.patron_id, session.shared_with_id if session else None}
    return person.pk in readers and not (session and session.quiet)


def _public_id(row):
    """Return the public id of the message that the notice is about, or None."""
    return uuid_or_none(row.message_id.removeprefix("<").removeprefix("shared.").partition("@")[0])


def count_unread(person, about_visit=""):
    """Return the number of conversations with an answer that the person has not read.

    If `person` is None, count for viewers by code, and only conversations about the visit with the key
    `about_visit` (see helpsessions.push.about).

    Don't use `last_message_at` here. The worker may send the push message about an answer a moment before it
    updates that field.
    """
    if person:
        theirs = Q(patron=person) | Q(help_session__shared_with=person)
    else:
        theirs = Q(help_session__public_id=uuid_or_none(about_visit.removeprefix(push.VISIT)))
    read = Participation.objects.filter(
        Q(person=person) | Q(person=None),
        conversation=OuterRef("conversation"),
        side=Side.PATRON,
        read_until__gte=OuterRef("shown_from"),
    )
    answers = Message.objects.shown(timezone.now()).filter(conversation=OuterRef("pk"), side=Side.STAFF)
    return Conversation.objects.not_merged().filter(theirs, Exists(answers.filter(~Exists(read)))).count()


def withdraw_announcement(mail_id):
    """Withdraw the patron's email with this Message-ID, and the adult's email about the same answer.

    Return True if neither email will be sent. Return False if a worker has already begun to send one of them.
    It is then too late to withdraw that email.
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
    """Delete all emails about answers in these conversations, except emails that a worker is sending now.

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
