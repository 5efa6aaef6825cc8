"""What is done with a thread: asked, answered, closed, opened by a verdict, kept with its session."""

import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from accounts.hours import promised_at
from portal.helpsessions import actions as helpsessions
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.notifications.actions import notify
from recommendations.actions import record_verdict
from recommendations.choosing import recommend_chosen
from recommendations.models import QuestionType, Recommendation

from .models import Conversation, Event, Message, MessageRecommendation, Participation

GRACE = datetime.timedelta(minutes=1)  # before the desk sees a verdict: a slip of the finger can be mended
ASKS_FOR_FOLLOW_UP = {Recommendation.Verdict.DID_NOT_HELP, Recommendation.Verdict.COULD_NOT_GET_IT}

PATRON, STAFF = Message.Side.PATRON, Message.Side.STAFF
Status = Conversation.Status


@transaction.atomic
def ask(*, by, at, body, language, client_token, help_session=None, recommendation=None):
    """Ask the library again, about a session or about one of its items. Returns the conversation.

    An item has one thread, so asking about it goes on there; a session begins a new one each time. `by` is None for
    somebody who came by code. The same token twice is one question.
    """
    if recommendation is not None:
        recommendation = Recommendation.objects.select_for_update().get(pk=recommendation.pk)
        conversation = thread_of(recommendation)
        help_session = conversation.help_session if conversation else session_of(recommendation)
    else:
        help_session = HelpSession.objects.select_for_update().get(pk=help_session.pk)
        conversation = Conversation.objects.filter(help_session=help_session, messages__client_token=client_token).first()
    if conversation is None:
        subject = str(recommendation.item) if recommendation else help_session.title
        conversation = _begin(help_session, recommendation, subject=subject, reason=Conversation.Reason.ASKED, at=at, at_desk_from=at)
    reply(conversation, by=by, side=PATRON, at=at, body=body, language=language, client_token=client_token)
    conversation.refresh_from_db()
    return conversation


@transaction.atomic
def reply(conversation, *, by, side, at, body, language, client_token, items=()):
    """Add one message to the thread, with the recommendations made in it, and let the other side know.

    The same token twice is the same message: nothing is added and nobody is told again. Returns the message.
    """
    conversation = Conversation.objects.select_for_update(of=("self",)).select_related("help_session", "patron").get(pk=conversation.pk)
    sent_before = conversation.messages.filter(client_token=client_token).first()
    if sent_before is not None:
        return sent_before
    by = _who(conversation, by, side)
    message = Message.objects.create(conversation=conversation, side=side, author=by, body=body, language=language, sent_at=at, client_token=client_token)
    _recommend_in(message, items)
    if conversation.status == Status.CLOSED and conversation.last_message_at is not None:
        Event.objects.create(conversation=conversation, kind=Event.Kind.REOPENED, side=side, by=by, at=at)
    if side == PATRON:
        _wait_for_staff(conversation, Conversation.Reason.ASKED, at=at, at_desk_from=at)
        _read_by(conversation, by, at)
    else:
        _wait_for_patron(conversation)
        message.mail_id = _announce(message, conversation, at)
        message.save(update_fields=["mail_id"])
    conversation.last_message_at = at
    conversation.version += 1
    conversation.save()
    return message


@transaction.atomic
def close(conversation, *, by, side, at):
    """End the thread; writing in it opens it again. Closing twice is closing once."""
    conversation = Conversation.objects.select_for_update().get(pk=conversation.pk)
    if conversation.status == Status.CLOSED:
        return
    _close(conversation, at)
    if conversation.last_message_at is not None:
        Event.objects.create(conversation=conversation, kind=Event.Kind.CLOSED, side=side, by=_who(conversation, by, side), at=at)
        conversation.version += 1
    conversation.save()


@transaction.atomic
def take_verdict(recommendation, *, verdict, why, comment, by, at):
    """Record the patron's verdict. One that says the item failed puts its thread before the desk; mending it takes it back.

    The thread holds no message of it: the patron sees such a thread only once somebody writes.
    """
    recommendation = record_verdict(recommendation, verdict=verdict, why=why, comment=comment, at=at)
    thread = thread_of(recommendation)
    if thread is not None:
        thread = Conversation.objects.select_for_update().get(pk=thread.pk)
    if verdict in ASKS_FOR_FOLLOW_UP:
        if thread is None:
            thread = _begin(session_of(recommendation), recommendation, subject=str(recommendation.item), reason=verdict, at=at, at_desk_from=at + GRACE)
        else:
            _wait_for_staff(thread, verdict, at=at, at_desk_from=at + GRACE)
    elif thread is not None and thread.status == Status.WAITING_FOR_STAFF:
        _undo_waiting(thread, at)
    if thread is not None:
        thread.version += 1
        thread.save()
    return recommendation


@transaction.atomic
def keep(help_session, *, by, at, wording, language):
    """Keep the session (helpsessions.actions.keep) and move its threads with it."""
    help_session = helpsessions.keep(help_session, by=by, at=at, wording=wording, language=language)
    threads = Conversation.objects.filter(help_session=help_session)
    threads.update(patron=by)
    Recommendation.objects.filter(messagerecommendation__message__conversation__in=threads).update(patron=by)
    Participation.objects.filter(conversation__in=threads.exclude(participations__person=by), person=None).update(person=by)
    return help_session


def mark_read(conversation, *, person, at):
    """Remember that this person (None: the holder of the code) has seen all that the thread holds now."""
    if conversation.last_message_at is not None:
        _read_by(conversation, _who(conversation, person, PATRON), conversation.last_message_at)


def session_of(recommendation):
    """The help session on whose occasion the item was recommended, or None."""
    link = SessionRecommendation.objects.select_related("help_session").filter(recommendation=recommendation).first()
    return link.help_session if link else None


def thread_of(recommendation):
    """The thread about this recommendation: the one it was made in, or the one hung on it; None if there is none yet."""
    link = MessageRecommendation.objects.select_related("message__conversation__help_session").filter(recommendation=recommendation).first()
    if link is not None:
        return link.message.conversation
    return Conversation.objects.select_related("help_session").filter(recommendation=recommendation).first()


def _who(conversation, person, side):
    """The name that goes with what `person` does here. On the patron's side there is one only where the visit is kept in their account:
    until they wish it, and in a quiet session always, who is signed in while they read by code stays unknown."""
    return person if side == STAFF or (person is not None and conversation.patron_id == person.pk) else None


def _begin(help_session, recommendation, *, subject, reason, at, at_desk_from):
    return Conversation.objects.create(
        help_session=help_session,
        recommendation=recommendation,
        patron=help_session.patron if help_session else recommendation.patron,
        branch=help_session.branch if help_session else recommendation.branch,
        subject=subject[:200],
        status=Status.WAITING_FOR_STAFF,
        reason=reason,
        opened_at=at,
        at_desk_from=at_desk_from,
        waiting_since=at,
        promised_at=promised_at(help_session.branch if help_session else recommendation.branch, at),
    )


def _wait_for_staff(conversation, reason, *, at, at_desk_from):
    """Put it in the queue. One that waits already keeps its place; what is the more urgent to say is its reason."""
    if conversation.status == Status.WAITING_FOR_STAFF:
        conversation.at_desk_from = min(conversation.at_desk_from, at_desk_from)
        if reason != Conversation.Reason.ASKED:
            conversation.reason = reason
        return
    conversation.status, conversation.reason, conversation.closed_at = Status.WAITING_FOR_STAFF, reason, None
    conversation.waiting_since, conversation.at_desk_from = at, at_desk_from
    conversation.promised_at = promised_at(conversation.branch, at)


def _wait_for_patron(conversation):
    conversation.status, conversation.waiting_since, conversation.promised_at, conversation.closed_at = Status.WAITING_FOR_PATRON, None, None, None


def _close(conversation, at):
    conversation.status, conversation.closed_at, conversation.waiting_since, conversation.promised_at = Status.CLOSED, at, None, None


def _undo_waiting(conversation, at):
    """The verdict was mended: the thread waits for staff only if the patron's own words do."""
    last_message = conversation.messages.order_by("-sent_at", "-pk").first()
    if last_message is None:
        _close(conversation, at)
    elif last_message.side == PATRON:
        conversation.reason = Conversation.Reason.ASKED
    elif conversation.events.filter(kind=Event.Kind.CLOSED, at__gte=last_message.sent_at).exists():
        _close(conversation, at)
    else:
        _wait_for_patron(conversation)


def _recommend_in(message, items):
    if not items:
        return
    conversation = message.conversation
    help_session = conversation.help_session
    recommendations = recommend_chosen(
        items,
        by=message.author,
        at=message.sent_at,
        branch=conversation.branch,
        topic=help_session.topic if help_session else None,
        question_type=help_session.question_type if help_session else QuestionType.REFERENCE,
        patron=conversation.patron,
    )
    MessageRecommendation.objects.bulk_create(
        MessageRecommendation(message=message, recommendation=recommendation, position=position) for position, recommendation in enumerate(recommendations)
    )


def _announce(message, conversation, at):
    """Write the mail that says there is an answer, where there is somebody to tell. Returns its Message-ID or ""."""
    patron = conversation.patron
    if patron is None or not patron.email or (conversation.help_session and conversation.help_session.quiet):
        return ""
    mail_id = f"<{message.public_id}@{urlsplit(settings.BASE_URL).hostname or 'localhost'}>"
    earlier = conversation.messages.exclude(mail_id="").order_by("sent_at", "pk").values_list("mail_id", flat=True)
    notify(
        "conversations/answer",
        to=patron.email,
        at=at,
        recipient=patron,
        language=patron.language or message.language,
        context={"helper": message.author, "url": settings.BASE_URL + conversation.get_absolute_url(), "thread": conversation.public_id},
        message_id=mail_id,
        references=list(earlier),
    )
    return mail_id


def _read_by(conversation, person, until):
    seen = Participation.objects.filter(conversation=conversation, person=person)
    if not seen.filter(read_until__lt=until).update(read_until=until):
        Participation.objects.get_or_create(conversation=conversation, person=person, defaults={"read_until": until})
