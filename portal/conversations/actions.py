"""The actions of patrons and staff in a conversation: ask, reply, close.

Taking back an answer is in `taking_back.py`, and actions of staff that don't write to the patron are in
`desk_actions.py`.
"""

from django.db import transaction
from django.db.models import BigAutoField, CharField, Max, Q, UUIDField

from accounts.models import Library, User
from accounts.staff_actions import lock_roles
from portal.prepared import insert, prepared
from recommendations.chosen_items import recommend_chosen
from recommendations.models import QuestionType
from recommendations.visit_numbers import number_of

from . import answer_effects, drafts, search, staff_notices, states
from .answer_emails import announce, mail_id_of
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
# The largest possible primary key of a message.
MAX_KEY = 2**63 - 1


class AnsweredMeanwhile(Exception):
    """The message was not saved, because other messages arrived after the writer's page was loaded.

    `newer` is the list of these other messages.
    """

    def __init__(self, newer):
        self.newer = newer


class WantsNoAnswer(Exception):
    """Staff can't write in this conversation, because the patron wants no answer."""


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
    by_link=False,
):
    """Send a question to the library and return its conversation.

    The question is about a recommendation or about a help session. If both are None, the question is about
    something new. `by` is None for a viewer by code, who can't ask about something new. `readers_form` is a
    dict with the fields of a ReadersForm. `by_link` is true if the person wrote on a page that an emailed
    link opened, and can't open the visit in any other way.

    All questions about one recommendation share a conversation. A question about a visit is added to the
    conversation about the visit's outcome, if this conversation is open and has no messages. Any other
    question begins a new conversation. If the same `client_token` is sent twice, the question is saved once.

    Raises Erased if the session, the recommendation or the person has been erased.
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
        conversation = _sent_before(client_token, help_session=help_session) or _about_outcome(help_session)
    else:
        if not User.objects.select_for_update(no_key=True).filter(pk=by.pk):
            raise Erased
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
        conversation,
        by=by,
        side=PATRON,
        at=at,
        body=body,
        language=language,
        client_token=client_token,
        by_link=by_link,
    )
    if by is not None:
        Draft.objects.filter(conversation=None, person=by, client_token=client_token).delete()
    return message.conversation


def _sent_before(client_token, **about):
    return Conversation.objects.filter(messages__client_token=client_token, **about).first()


def _about_outcome(help_session):
    """Return the open conversation about the outcome of this visit.

    Return None if there is no such conversation, or if it has messages.
    """
    return help_session.conversations.filter(
        is_about_outcome=True, status__in=Conversation.OPEN, merged_into=None, messages=None
    ).first()


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
    by_link=False,
    by_email="",
    left_out=(),
):
    """Add a message with its files and recommendations, notify the other side, and return the message.

    The patron can't see an answer until Message.UNDO_WINDOW is over. `then` is a Message.Then, which says
    what happens to the conversation after an answer. In messages by the patron, `then` is ignored.

    If `take` is true, the conversation is also assigned to the writer. If `contact` is a dict of arguments
    for helpsessions.actions.record, the conversation is also counted as a contact.

    If a message with this `client_token` exists, return that message and change nothing, even if its text is
    different.

    `draft_sequence` is the number of the draft that the page last loaded or saved. Delete the writer's draft,
    unless its number is higher. See drafts.forget.

    If the message came by email, `by_email` is a Message.ByEmail. `left_out` is then a list with [name,
    reason] for each file of the email that could not be stored.

    `seen` is the primary key of the last message on the writer's page, or 0 if the page had no messages.
    Raises AnsweredMeanwhile if there are newer messages. If `seen` is None, newer messages are ignored. Also
    raises AlreadyTaken, Erased and RoleEnded. Raises WantsNoAnswer if the message is by staff and the patron
    wants no answer.
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
    if side == STAFF and conversation.wants_no_answer:
        raise WantsNoAnswer
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
        by_link=by_link,
        by_email=by_email,
        left_out=list(left_out),
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
    """Return the messages of the conversation that have this token or a primary key higher than `seen`."""
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
    if side == STAFF:
        message.mail_id = mail_id_of(message, conversation, at=at)
    insert(message)
    # Look for files first, because most messages have none. For a message without files, this query takes
    # only a quarter of the time that an UPDATE statement would take.
    if files := _unsent_files(conversation=conversation.pk, side=side, client_token=client_token):
        _attach(files, message)
    search.index_message(message)
    return message


@prepared(conversation=BigAutoField(), side=CharField(), client_token=UUIDField())
def _unsent_files(conversation, side, client_token):
    files = Attachment.objects.filter(conversation=conversation, side=side, client_token=client_token)
    return files.filter(message=None)


def _attach(files, message):
    session = message.conversation.help_session
    if message.side == PATRON and session and session.is_shared:
        # The child and the adult both write in this conversation. Neither may send the other's unsent files.
        files = [file for file in files if file.added_by_id == message.author_id]
    unsent = Attachment.objects.filter(pk__in=[file.pk for file in files], message=None)
    unsent.update(message=message)


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
    conversation.wants_no_answer = False
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
    library = Library.current()
    state = states.staff_answered(states.state_of(conversation), at, then, comes_back_to)
    enter(conversation, state, library=library)
    if then == Then.CLOSE:
        answer_effects.ask_to_count(conversation)
        add_event(conversation, Event.Kind.CLOSED, STAFF, message.author, at, message=message)
    announce(message, conversation, at=at, library=library)


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
        visit_number=number_of(help_session=conversation.help_session_id, conversation=conversation.pk),
        never_counted=bool(conversation.help_session and conversation.help_session.quiet),
    )
    MessageRecommendation.objects.bulk_create(
        MessageRecommendation(message=message, recommendation=recommendation, position=position)
        for position, recommendation in enumerate(recommendations)
    )


def _question_type(conversation):
    if hasattr(conversation, "readers_form"):
        return QuestionType.READERS_ADVISORY
    return conversation.help_session.question_type if conversation.help_session else QuestionType.REFERENCE


@transaction.atomic
def close(conversation, *, by, side, at):
    """Close the conversation. Do nothing if it is already closed.

    If a pending answer has closed the conversation, the patron doesn't know yet, and can still close it.
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

    If `until` is None, the person has read everything that the patron may see at the time `at`. `person` is
    None for a viewer by code.
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
