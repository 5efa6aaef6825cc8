"""The actions of patrons and staff in a conversation: ask, reply, take back an answer, close.

The actions of staff that don't write to the patron are in `desk_actions.py`.
"""

from django.db import transaction
from django.db.models import BigAutoField, Max, Q, UUIDField

from accounts.models import Library, User
from accounts.staff_actions import lock_roles, staff_action
from portal.deadlines import compares_deadlines
from portal.prepared import insert, prepared
from recommendations.chosen_items import recommend_chosen
from recommendations.models import QuestionType, Recommendation

from . import answer_effects, drafts, search, staff_notices, states
from .answer_emails import announce, withdraw_announcement
from .changes import (
    PATRON,
    STAFF,
    Erased,
    add_event,
    add_reopened_event,
    enter,
    lock_conversation,
    lock_owned,
    mark_pending,
    pending_answers,
    save,
    writer_in,
)
from .desk_actions import require_free
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

Status, Then, Reason = Conversation.Status, Message.Then, Conversation.Reason
# No message has a larger primary key.
MAX_KEY = 2**63 - 1


class AnsweredMeanwhile(Exception):
    """New messages arrived after the composer's page was shown, so the typed message was not saved.

    `newer` is the list of the new messages.
    """

    def __init__(self, newer):
        self.newer = newer


class TooLate(Exception):
    """The patron may have seen the answer or its email, so it can't be taken back."""


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
    """Send a question to the library and return its conversation.

    The question is about a recommendation or about a help session. If both are None, it is about something
    new. `by` is None for a viewer by code, who can't ask about something new. `readers_form` is a dict with
    the fields of a ReadersForm.

    All questions about one recommendation share a conversation. Any other question begins a new conversation.
    If the same `client_token` is sent twice, the question is saved once. Raises Erased if the session or the
    recommendation was erased after the caller read it.
    """
    if recommendation is not None:
        if (conversation := conversation_of(recommendation)) is not None:
            answer_effects.lock_comes_back_to(conversation)
        recommendation = lock_owned(recommendation)
        conversation = conversation_of(recommendation)
        help_session = conversation.help_session if conversation else session_of(recommendation)
        if conversation is None and help_session is None and recommendation.patron_id is None:
            raise Erased
    elif help_session is not None:
        help_session = lock_owned(help_session)
        conversation = _sent_before(client_token, help_session=help_session)
    else:
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        conversation = _sent_before(client_token, patron=by, help_session=None)
    if conversation is None:
        about = help_session or recommendation
        conversation = begin(
            at,
            help_session=help_session,
            recommendation=recommendation,
            patron=about.patron if about else by,
            branch=branch or (about.branch if about else Library.current().default_branch),
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


def _sent_before(client_token, **about):
    return Conversation.objects.filter(messages__client_token=client_token, **about).first()


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
    take=False,
    contact=None,
    draft_sequence=None,
    seen=None,
):
    """Add a message with its files and recommendations, notify the other side, and return the message.

    The patron can't see an answer until Message.UNDO_WINDOW is over. `then` is a Message.Then. It says what
    happens to the conversation after an answer, and is ignored for messages by the patron.

    If `take` is true, the answer also takes the conversation. If `contact` is not None, the answer counts it
    as a contact, and `contact` has further arguments for helpsessions.actions.record.

    If a message with this `client_token` exists, return that message and change nothing, even if its text is
    different.

    The writer's draft is deleted. `draft_sequence` is the number of the last draft that the page loaded or
    saved. A newer draft is kept, see drafts.forget.

    `seen` is the primary key of the last message on the writer's page, or 0 if the page had no messages.
    Raises AnsweredMeanwhile if there are newer messages, unless `seen` is None. Also raises AlreadyTaken,
    Erased and RoleEnded.
    """
    if side == STAFF:
        lock_roles(by)
    else:
        comes_back_to = answer_effects.lock_comes_back_to(conversation)
    conversation = lock_conversation(conversation, at)
    newer = _new_messages(
        conversation=conversation.pk, client_token=client_token, seen=MAX_KEY if seen is None else seen
    )
    for message in newer:
        message.conversation = conversation
        if message.client_token == UUIDField().to_python(client_token):
            return message
    if newer:
        raise AnsweredMeanwhile(newer)
    by = writer_in(conversation, by, side)
    if take:
        require_free(conversation, by, at)
    message = _add_message(
        conversation,
        side=side,
        author=by,
        body=body,
        language=language,
        then="" if side == PATRON else then,
        back_to_writer=side == STAFF and conversation.branch.back_to_writer,
        client_token=client_token,
    )
    drafts.forget(conversation, person=by, side=side, kind=Draft.Kind.REPLY, up_to=draft_sequence, body=body)
    if conversation.status == Status.CLOSED and message.then != Then.CLOSE and _has_messages(conversation):
        add_reopened_event(conversation, message, by)
    if side == PATRON:
        answer_effects.return_to_writer(conversation, comes_back_to, at=message.sent_at)
        _enter_patrons_message(conversation, message)
    else:
        if take:
            answer_effects.take_with(message)
        if contact is not None:
            answer_effects.count_with(message, contact)
        _enter_answer(conversation, message, items)
    save(conversation)
    return message


@prepared(conversation=BigAutoField(), client_token=UUIDField(), seen=BigAutoField())
def _new_messages(conversation, client_token, seen):
    """Return the message with this token, and the messages with a primary key higher than `seen`."""
    messages = Message.objects.filter(
        Q(client_token=client_token) | Q(pk__gt=seen), conversation=conversation
    )
    return messages.in_order().select_related("author")


def _add_message(conversation, *, side, author, client_token, **fields):
    """Save a message, attach the files that were added in its composer, and update the search index."""
    at = conversation.changed_at
    message = Message(
        conversation=conversation,
        side=side,
        author=author,
        client_token=client_token,
        sent_at=at,
        shown_from=at if side == PATRON else at + Message.UNDO_WINDOW,
        **fields,
    )
    insert(message)
    files = Attachment.objects.filter(
        conversation=conversation, side=side, client_token=client_token, message=None
    )
    if side == PATRON and conversation.help_session and conversation.help_session.is_shared:
        # The child and the adult both write in this conversation. Neither may send the other's unsent files.
        files = files.filter(added_by=author)
    files.update(message=message)
    search.index_message(message)
    return message


def _enter_patrons_message(conversation, message):
    at = message.sent_at
    is_first = conversation.last_message_at is None
    by_form = is_first and hasattr(conversation, "readers_form")
    reason = Reason.READERS_ADVISORY if by_form else Reason.ASKED
    state = states.patron_wrote(states.state_of(conversation), at, reason)
    enter(conversation, state, seen_by_patron=True)
    _set_read_until(conversation, message.author, at)
    conversation.last_message_at = at if is_first else max(at, conversation.last_message_at)
    conversation.version += 1
    if is_first:
        staff_notices.announce_new(conversation, at=at)
    elif conversation.assignee_id:
        staff_notices.announce_reply(conversation, at=at)


def _enter_answer(conversation, message, items):
    at, then = message.sent_at, message.then
    mark_pending(conversation, message)
    if items:
        _recommend_in(message, items)
        search.index_conversation(conversation)
    comes_back_to = message.author_id if message.back_to_writer else None
    enter(conversation, states.staff_answered(states.state_of(conversation), at, then, comes_back_to))
    if then == Then.CLOSE:
        answer_effects.ask_to_count(conversation)
        add_event(conversation, Event.Kind.CLOSED, STAFF, message.author, at, message=message)
    message.mail_id = announce(message, conversation, at)
    message.save(update_fields=["mail_id"])


def _recommend_in(message, items):
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


@compares_deadlines
@staff_action
def take_back(message, *, by, at, now, typed=None):
    """Delete an answer that the patron hasn't seen, and save its text and files as a draft of its writer.

    If the answer also closed, took or counted the conversation, this is undone too. `typed` is {name: value}
    for the composer's other fields. The draft saves these values too. Raises TooLate if the patron may have
    seen the answer or its email, or if `by` didn't write the answer.
    """
    conversation = lock_conversation(message.conversation, at)
    at = conversation.changed_at
    message = conversation.messages.filter(pk=message.pk, side=STAFF, author=by).first()
    if message is None or _may_be_seen(message, now()):
        raise TooLate
    message.conversation = conversation
    answer_effects.undo_effects(message, at=at)
    drafts.put_back(message, typed=typed or {}, at=at)
    if not withdraw_announcement(message.mail_id):
        raise TooLate
    message.attachments.update(message=None, added_at=at)
    search.remove_message(message)
    deleted, _by_model = Recommendation.objects.filter(messagerecommendation__message=message).delete()
    if deleted:
        search.index_conversation(conversation)
    # This also deletes the events that the answer caused.
    message.delete()
    pending = pending_answers(conversation, at)
    conversation.pending_from = pending["first"]
    waiting_events = conversation.events.filter(message=None, shown_from__gt=at)
    if waiting_events.update(shown_from=pending["last"] or at) and pending["last"] is None:
        # A colleague closed the conversation while the answer was pending. No answer is pending any more, so
        # the patron now sees that the conversation is closed.
        conversation.version += 1
    enter(conversation, states.replay(conversation))
    save(conversation)
    # Each query above may have waited for another lock. Until the transaction is committed, the patron's page
    # has the answer.
    if _may_be_seen(message, now()):
        raise TooLate
    return conversation


def _may_be_seen(message, at):
    """Return whether the patron may see the answer before a transaction that ends at this time is committed.

    A web server whose clock is fast may have shown the answer already.
    """
    read = Participation.objects.filter(
        conversation=message.conversation_id, side=PATRON, read_until__gte=message.shown_from
    )
    return at >= message.shown_from - Message.UNDO_MARGIN or read.exists()


@transaction.atomic
def close(conversation, *, by, side, at):
    """Close the conversation. Do nothing if it is closed already.

    Raises Erased, RoleEnded.
    """
    if side == STAFF:
        lock_roles(by)
    conversation = lock_conversation(conversation, at)
    if conversation.status == Status.CLOSED and (
        side == STAFF or conversation.status_at(at) == Status.CLOSED
    ):
        return
    at = conversation.changed_at
    if _has_messages(conversation):
        add_event(conversation, Event.Kind.CLOSED, side, writer_in(conversation, by, side), at)
        if side == PATRON or conversation.pending_from is None:
            conversation.version += 1
        if side == STAFF:
            answer_effects.ask_to_count(conversation)
    else:
        DeskEvent.objects.create(conversation=conversation, kind=DeskEvent.Kind.CLOSED, by=by, at=at)
    enter(conversation, states.closed(states.state_of(conversation), at), seen_by_patron=side == PATRON)
    save(conversation)


def mark_read(conversation, *, person, at, until=None):
    """Record that this person has read the conversation up to the time `until`.

    If `until` is None, they have read everything that the patron may see at the time `at`. `person` is None
    for a viewer by code.
    """
    latest = until or conversation.messages.shown(at).aggregate(latest=Max("shown_from"))["latest"]
    if latest is not None:
        _set_read_until(conversation, writer_in(conversation, person, PATRON), latest)


def _has_messages(conversation):
    return conversation.last_message_at is not None or conversation.pending_from is not None


def _set_read_until(conversation, person, until):
    row = Participation.objects.filter(conversation=conversation, person=person, side=PATRON)
    if not row.exclude(read_until__gte=until).update(read_until=until):
        Participation.objects.get_or_create(
            conversation=conversation, person=person, side=PATRON, defaults={"read_until": until}
        )
