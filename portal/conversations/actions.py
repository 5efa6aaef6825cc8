"""What patron and library say to each other in a conversation: asked, answered, taken back, closed, opened by a verdict, kept with its session.

What the desk does with a conversation without a word to the patron stands in handling.py.
"""

from django.db import transaction
from django.db.models import Max

from accounts.models import Library, User
from accounts.staff_actions import lock_roles, staff_action
from portal.helpsessions import actions as helpsessions
from portal.helpsessions.models import HelpSession
from portal.prepared import insert
from recommendations.actions import record_verdict
from recommendations.chosen_items import recommend_chosen
from recommendations.models import QuestionType, Recommendation

from . import drafts, search, states
from .answer_emails import announce, withdraw_announcement
from .changes import (
    PATRON,
    STAFF,
    Erased,
    add_event,
    add_reopened_event,
    enter,
    lock_conversation,
    lock_recommendations,
    mark_pending,
    pending_answers,
    save,
    writer_in,
)
from .models import (
    Attachment,
    Conversation,
    DeskEvent,
    Draft,
    Event,
    Message,
    MessageRecommendation,
    Participation,
    ReadersForm,
)
from .opening import begin, conversation_of, session_of, subject_for

ASKS_FOR_FOLLOW_UP = {Recommendation.Verdict.DID_NOT_HELP, Recommendation.Verdict.COULD_NOT_GET_IT}

Status, Then = Conversation.Status, Message.Then


class AnsweredMeanwhile(Exception):
    """Somebody wrote since the writer's page was drawn: `newer` are those messages. Nothing was added."""

    def __init__(self, newer):
        self.newer = newer


class TooLate(Exception):
    """The patron may have seen the answer: it can't be taken back."""


@transaction.atomic
def ask(
    *,
    by,
    at,
    body,
    language,
    client_token,
    help_session=None,
    recommendation=None,
    topic=None,
    branch=None,
    readers_form=None,
):
    """Ask the library: again about a session or about one of its items, or (with `by` alone) something new. Returns the conversation.

    An item has one conversation, so asking about it goes on there; everything else begins a new one each time. `by` is None for
    somebody who came by code. `readers_form`: the answers of *Find me something to read*, fields of ReadersForm.
    The same token twice is one question. Raises Erased where what it is about was erased since the caller read it.
    """
    if recommendation is not None:
        recommendation = _still_somebodys(
            recommendation, Recommendation.objects.select_for_update(no_key=True).get(pk=recommendation.pk)
        )
        conversation = conversation_of(recommendation)
        help_session = conversation.help_session if conversation else session_of(recommendation)
        if conversation is help_session is recommendation.patron_id is None:  # its answer was erased
            raise Erased
    elif help_session is not None:
        help_session = _still_somebodys(
            help_session, HelpSession.objects.select_for_update(no_key=True).get(pk=help_session.pk)
        )
        conversation = Conversation.objects.filter(
            help_session=help_session, messages__client_token=client_token
        ).first()
    else:
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        conversation = Conversation.objects.filter(
            patron=by, help_session=None, messages__client_token=client_token
        ).first()
    if conversation is None:
        conversation = begin(
            at,
            help_session=help_session,
            recommendation=recommendation,
            patron=help_session.patron if help_session else recommendation.patron if recommendation else by,
            branch=branch
            or (
                about.branch
                if (about := help_session or recommendation)
                else Library.current().default_branch
            ),
            topic=topic or (help_session.topic if help_session else None),
            subject=subject_for(body, help_session, recommendation, readers_form),
        )
        if readers_form is not None:
            ReadersForm.objects.create(conversation=conversation, **readers_form)
    message = reply(
        conversation, by=by, side=PATRON, at=at, body=body, language=language, client_token=client_token
    )
    if by is not None:
        Draft.objects.filter(conversation=None, person=by, client_token=client_token).delete()
    return message.conversation


@transaction.atomic
def reply(
    conversation,
    *,
    by,
    side,
    at,
    body,
    language,
    client_token,
    items=(),
    then=Then.TURN,
    draft_sequence=None,
    seen=None,
):
    """Add one message to the conversation, with the recommendations made in it and the files added to its composer, and let the other side know.

    An answer is held for some seconds before the patron sees it (Message.UNDO_WINDOW), so that it can be taken back; `then` says what
    the conversation does after it. Whose it is doesn't change. The same token twice is the same message: nothing is added and
    nobody is told again. The writer's draft is gone with it, up to `draft_sequence` (drafts.forget). Returns the message,
    which holds other words than `body` if the token was sent before with those. `seen` is the primary key of the last message
    that the writer had before them (0: there was none; None: never mind). Raises AnsweredMeanwhile, Erased, RoleEnded.
    """
    if side == STAFF:
        lock_roles(by)
    conversation = lock_conversation(conversation, at)
    sent_before = conversation.messages.filter(client_token=client_token).first()
    if sent_before is not None:
        return sent_before
    at = conversation.changed_at
    newer = (
        list(conversation.messages.filter(pk__gt=seen).in_order().select_related("author"))
        if seen is not None
        else []
    )
    if newer:
        raise AnsweredMeanwhile(newer)
    by = writer_in(conversation, by, side)
    message = Message(
        conversation=conversation,
        side=side,
        author=by,
        body=body,
        language=language,
        sent_at=at,
        shown_from=at if side == PATRON else at + Message.UNDO_WINDOW,
        then="" if side == PATRON else then,
        client_token=client_token,
    )
    insert(message)
    files = Attachment.objects.filter(
        conversation=conversation, side=side, client_token=client_token, message=None
    )
    if side == PATRON and conversation.help_session and conversation.help_session.is_shared:
        files = files.filter(added_by=by)  # two write here: neither sends what the other has not sent
    files.update(message=message)
    search.index_message(message)
    drafts.forget(conversation, person=by, side=side, kind=Draft.Kind.REPLY, up_to=draft_sequence, body=body)
    if (
        conversation.status == Status.CLOSED
        and (side == PATRON or then != Then.CLOSE)
        and _has_words(conversation)
    ):
        add_reopened_event(conversation, message, by)
    if side == PATRON:
        reason = (
            Conversation.Reason.READERS_ADVISORY
            if _begins_by_form(conversation)
            else Conversation.Reason.ASKED
        )
        enter(
            conversation, states.patron_wrote(states.state_of(conversation), at, reason), seen_by_patron=True
        )
        _read_by(conversation, by, at)
        conversation.last_message_at = max(at, conversation.last_message_at or at)
        conversation.version += 1
    else:
        mark_pending(conversation, message)
        _recommend_in(message, items)
        if items:
            search.index_conversation(conversation)
        enter(conversation, states.staff_answered(states.state_of(conversation), at, then))
        if then == Then.CLOSE:
            add_event(conversation, Event.Kind.CLOSED, side, by, at, message=message)
        message.mail_id = announce(message, conversation, at)
        message.save(update_fields=["mail_id"])
    save(conversation)
    return message


@staff_action
def take_back(message, *, by, at, typed=None):
    """Put an answer that the patron hasn't seen back into its writer's composer, with its files; it is as if it had never been sent.

    `typed` are the other fields of the composer, for its draft. Raises TooLate, also for anybody but its writer, and RoleEnded.
    """
    conversation = lock_conversation(message.conversation, at)
    at = conversation.changed_at
    message = conversation.messages.filter(pk=message.pk, side=STAFF, author=by, shown_from__gt=at).first()
    if message is None:
        raise TooLate
    drafts.put_back(message, typed=typed or {}, at=at)
    withdraw_announcement(message.mail_id)
    message.attachments.update(message=None, added_at=at)
    search.remove_message(message)
    gave, _models = Recommendation.objects.filter(messagerecommendation__message=message).delete()
    if gave:
        search.index_conversation(conversation)
    message.delete()  # and the events that it brought about
    pending = pending_answers(conversation, at)
    conversation.pending_from = pending["first"]
    if (
        conversation.events.filter(message=None, shown_from__gt=at).update(shown_from=pending["last"] or at)
        and pending["last"] is None
    ):
        conversation.version += 1  # a colleague closed it meanwhile: no answer is left for that to wait for
    enter(conversation, states.replay(conversation))
    save(conversation)
    return conversation


@transaction.atomic
def close(conversation, *, by, side, at):
    """End the conversation; writing in it opens it again. Closing twice is closing once. Raises Erased, RoleEnded."""
    if side == STAFF:
        lock_roles(by)
    conversation = lock_conversation(conversation, at)
    if conversation.status == Status.CLOSED and (
        side == STAFF or conversation.status_at(at) == Status.CLOSED
    ):
        return
    at = conversation.changed_at
    if _has_words(conversation):
        add_event(conversation, Event.Kind.CLOSED, side, writer_in(conversation, by, side), at)
        if side == PATRON or conversation.pending_from is None:
            conversation.version += 1
    else:
        DeskEvent.objects.create(conversation=conversation, kind=DeskEvent.Kind.CLOSED, by=by, at=at)
    enter(conversation, states.closed(states.state_of(conversation), at), seen_by_patron=side == PATRON)
    save(conversation)


@transaction.atomic
def take_verdict(recommendation, *, verdict, why, comment, by, at):
    """Record the patron's verdict. One that says the item failed puts its conversation before the desk; mending it takes it back.

    The conversation holds no message of it: the patron sees such a conversation only once somebody writes. Raises Erased where the item's
    occasion was erased since the caller read it: no word is added to what is a count.
    """
    before = _still_somebodys(
        recommendation, Recommendation.objects.select_for_update(no_key=True).get(pk=recommendation.pk)
    )
    recommendation = record_verdict(recommendation, verdict=verdict, why=why, comment=comment, at=at)
    conversation = conversation_of(recommendation)
    if conversation is None and before.patron_id is None and session_of(recommendation) is None:
        raise Erased  # with the answer that it was made in
    if conversation is not None:
        try:
            conversation = lock_conversation(conversation, at)
        except Erased:
            return recommendation
    elif verdict in ASKS_FOR_FOLLOW_UP:
        help_session = session_of(recommendation)
        conversation = begin(
            at,
            help_session=help_session,
            recommendation=recommendation,
            patron=help_session.patron if help_session else recommendation.patron,
            branch=(help_session or recommendation).branch,
            topic=recommendation.topic,
            subject=str(recommendation.item),
        )
        conversation.changed_at = at
    if conversation is None:
        return recommendation
    _stands_since(recommendation, before, conversation)
    if verdict in ASKS_FOR_FOLLOW_UP and before.verdict not in ASKS_FOR_FOLLOW_UP:
        state = states.item_failed(states.state_of(conversation), recommendation.decided_at, verdict)
    else:
        state = states.replay(conversation)
    enter(conversation, state, seen_by_patron=state.status == Status.WAITING_FOR_STAFF)
    conversation.version += 1
    save(conversation, shows_at=conversation.at_desk_from)
    return recommendation


@transaction.atomic
def keep(help_session, *, by, at, wording, language, read_by=None):
    """Keep the session (helpsessions.actions.keep) and move its conversations with it."""
    help_session = helpsessions.keep(
        help_session, by=by, at=at, wording=wording, language=language, read_by=read_by
    )
    if (
        help_session.patron_id != by.pk
    ):  # the adult's part of a visit that is shared: the conversations stay those of the child, or nobody's
        return help_session
    conversations = Conversation.objects.filter(help_session=help_session)
    given = Recommendation.objects.filter(messagerecommendation__message__conversation__in=conversations)
    lock_recommendations(given)
    conversations.update(patron=by)
    for conversation in conversations.filter(merged_into=None):
        search.index_conversation(conversation)
    given.update(patron=by)
    for rows in (Participation, Draft):  # what the person has as themselves already stays as it is
        own = rows.objects.filter(person=by, side=PATRON, conversation__isnull=False).values_list(
            "conversation", flat=True
        )
        rows.objects.filter(conversation__in=conversations, person=None).exclude(conversation__in=own).update(
            person=by
        )
    Attachment.objects.filter(
        conversation__in=conversations, message=None, side=PATRON, added_by=None
    ).update(added_by=by)
    return help_session


def mark_read(conversation, *, person, at, until=None):
    """Remember that this person (None: the holder of the code) has seen all that the conversation shows now; `until`: no more than up to there."""
    latest = until or conversation.messages.shown(at).aggregate(latest=Max("shown_from"))["latest"]
    if latest is not None:
        _read_by(conversation, writer_in(conversation, person, PATRON), latest)


def _still_somebodys(known, now):
    """The row as it is `now`, if whoever the caller `known` it to belong to may still write to it. Raises Erased."""
    if known.patron_id is not None and now.patron_id is None:
        raise Erased
    return now


def _begins_by_form(conversation):
    return conversation.last_message_at is None and hasattr(conversation, "readers_form")


def _has_words(conversation):
    """Whether there is a message: without one the conversation is the desk's alone."""
    return conversation.last_message_at is not None or conversation.pending_from is not None


def _stands_since(recommendation, before, conversation):
    """What is said anew of an item that failed, before anybody answered, is the same complaint: it keeps its time. What else is said
    is said at the moment of this change."""
    failed = {before.verdict, recommendation.verdict} <= ASKS_FOR_FOLLOW_UP
    is_unanswered = (
        conversation.status == Status.WAITING_FOR_STAFF
        and failed
        and before.decided_at >= conversation.waiting_since
    )
    since = before.decided_at if is_unanswered else conversation.changed_at
    if recommendation.decided_at not in (None, since):
        recommendation.decided_at = since
        recommendation.save(update_fields=["decided_at"])


def _recommend_in(message, items):
    if not items:
        return
    conversation = message.conversation
    recommendations = recommend_chosen(
        items,
        by=message.author,
        at=message.shown_from,
        branch=conversation.branch,
        topic=conversation.topic,
        question_type=_question_type(conversation),
        patron=conversation.patron,
    )
    MessageRecommendation.objects.bulk_create(
        MessageRecommendation(message=message, recommendation=recommendation, position=position)
        for position, recommendation in enumerate(recommendations)
    )


def _question_type(conversation):
    if hasattr(conversation, "readers_form"):
        return QuestionType.READERS_ADVISORY
    return conversation.help_session.question_type if conversation.help_session else QuestionType.REFERENCE


def _read_by(conversation, person, until):
    seen = Participation.objects.filter(conversation=conversation, person=person, side=PATRON)
    if not seen.exclude(read_until__gte=until).update(read_until=until):
        Participation.objects.get_or_create(
            conversation=conversation, person=person, side=PATRON, defaults={"read_until": until}
        )
