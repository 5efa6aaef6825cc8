"""What patron and library say to each other in a conversation: asked, answered, taken back, closed, opened by a verdict, kept with its session.

What the desk does with a conversation without a word to the patron stands in handling.py.
"""

import datetime
import re
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import BigAutoField, F, Max, Min
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext

from accounts.hours import promised_at
from accounts.models import Library, User
from accounts.sign_in.email_addresses import proven_address
from accounts.staff_actions import lock_roles, staff_action
from portal.helpsessions import actions as helpsessions
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.notifications.actions import notify, withdraw
from portal.prepared import insert, prepared
from recommendations.actions import record_verdict
from recommendations.chosen_items import recommend_chosen
from recommendations.models import QuestionType, Recommendation

from . import drafts, search, states
from .models import (
    Attachment,
    BranchQueue,
    Conversation,
    DeskEvent,
    Draft,
    Event,
    Message,
    MessageRecommendation,
    Participation,
    ReadersForm,
    Side,
)

ASKS_FOR_FOLLOW_UP = {Recommendation.Verdict.DID_NOT_HELP, Recommendation.Verdict.COULD_NOT_GET_IT}

PATRON, STAFF = Side.PATRON, Side.STAFF
LONGEST_WAIT = datetime.timedelta(
    minutes=1
)  # for the row of a conversation; a clock that is further off is wrong
Status, Then = Conversation.Status, Message.Then


FIRST_QUESTION = re.compile(r".{15,}?\?(?=\s)")


class Erased(Exception):
    """The conversation was erased: nothing is added to it any more."""


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
        conversation = _begin(
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
            subject=_subject(body, help_session, recommendation, readers_form),
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
        _tell_reopened(conversation, message, by)
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
        _mark_pending(conversation, message)
        _recommend_in(message, items)
        if items:
            search.index_conversation(conversation)
        enter(conversation, states.staff_answered(states.state_of(conversation), at, then))
        if then == Then.CLOSE:
            _tell(conversation, Event.Kind.CLOSED, side, by, at, message=message)
        message.mail_id = _announce(message, conversation, at)
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
    pending = _pending_answers(conversation, at)
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
        _tell(conversation, Event.Kind.CLOSED, side, writer_in(conversation, by, side), at)
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
        conversation = _begin(
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


def show_pending_answers(*, at):
    """Count the answers whose seconds are over as shown, in the patrons' lists too. For the worker."""
    for conversation in Conversation.objects.filter(pending_from__lte=at)[:200]:
        with transaction.atomic():
            conversation = Conversation.objects.select_for_update(no_key=True).get(pk=conversation.pk)
            if _count_shown_answers(conversation, at):
                conversation.save(
                    update_fields=["version", "last_message_at", "pending_from", "patron_status"]
                )


def session_of(recommendation):
    """The help session on whose occasion the item was recommended, or None."""
    link = (
        SessionRecommendation.objects.select_related("help_session")
        .filter(recommendation=recommendation)
        .first()
    )
    return link.help_session if link else None


def conversation_of(recommendation):
    """The conversation about this recommendation: the one it was made in, or the one hung on it; None if there is none yet."""
    link = (
        MessageRecommendation.objects.select_related("message__conversation__help_session")
        .filter(recommendation=recommendation)
        .first()
    )
    if link is not None:
        return link.message.conversation
    return Conversation.objects.select_related("help_session").filter(recommendation=recommendation).first()


# What every change of a conversation is made of; handling.py uses it too.


def lock_conversation(conversation, at):
    """The conversation as it is now, its row locked until the transaction ends; of one that was joined into another, that other.

    Its `changed_at` is the moment of the change to come: `at`, or just after what somebody else did while the row was waited
    for, or did in this same microsecond. So a conversation's history, by its times, is what happened. Raises Erased.
    """
    # No join: PostgreSQL looks a joined row up as it was before the wait, and a conversation that was handed over to another branch
    # meanwhile would not be found at all.
    known, found = conversation, _row(pk=conversation.merged_into_id or conversation.pk)
    if not found:  # its time was over meanwhile: portal.privacy.retention
        raise Erased
    [conversation] = found
    for name in ("help_session", "patron", "branch"):  # the caller has mostly read them
        if name in known._state.fields_cache and getattr(known, f"{name}_id") == getattr(
            conversation, f"{name}_id"
        ):
            setattr(conversation, name, known._state.fields_cache[name])
    session = conversation._state.fields_cache.get("help_session")
    if session is not None and session.is_shared:
        session.refresh_from_db(
            fields=["shared_with"]
        )  # who holds it beside the child may be another by now, or nobody
    if conversation.merged_into_id:
        return lock_conversation(conversation, at)
    if conversation.status == Status.ERASED:
        raise Erased
    conversation.changed_at = moment_of_change(conversation, at)
    _count_shown_answers(conversation, conversation.changed_at)
    return conversation


@prepared(pk=BigAutoField())
def _row(pk):
    return Conversation.objects.select_for_update(no_key=True).filter(pk=pk)


def moment_of_change(conversation, at):
    """Of a conversation whose row is locked: the `changed_at` of what is to be changed in it."""
    if conversation.changed_at is None or not at <= conversation.changed_at < at + LONGEST_WAIT:
        return at
    return conversation.changed_at + datetime.timedelta(microseconds=1)


def lock_recommendations(recommendations):
    """Lock these before the row of their conversation, as whoever gives a verdict does: two that cross must not wait for each other."""
    list(
        recommendations.select_for_update(of=("self",), no_key=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def enter(conversation, state, *, seen_by_patron=False):
    """Write the state into the row, with what follows from it: by when the promise falls due, and when it closes by itself.

    While an answer is pending the patron goes on reading the state before it, unless they changed it themselves (`seen_by_patron`).
    """
    if state.waiting_since != conversation.waiting_since:
        conversation.promised_at = (
            promised_at(conversation.branch, state.waiting_since) if state.waiting_since else None
        )
    if state.status != Status.WAITING_FOR_PATRON:
        conversation.closes_at = None
    elif (conversation.status, conversation.queued_at) != (state.status, state.turned_at):
        days = Library.current().closes_after_days
        conversation.closes_at = state.turned_at + datetime.timedelta(days=days) if days else None
    conversation.status, conversation.reason, conversation.queued_at = (
        state.status,
        state.reason,
        state.turned_at,
    )
    conversation.waiting_since, conversation.snoozed_until = state.waiting_since, state.snoozed_until
    conversation.at_desk_from = state.at_desk_from or conversation.at_desk_from
    conversation.closed_at = state.turned_at if state.status == Status.CLOSED else None
    if conversation.pending_from is None:
        conversation.patron_status = ""
    elif seen_by_patron:
        conversation.patron_status = state.status


def save(conversation, *, shows_at=None):
    """Save the row that a change was made to, and let the open pages of the desk know. `shows_at`: when the queue shows it, if later."""
    conversation.desk_version += 1
    conversation.save()
    raise_queue(conversation.branch_id, shows_at=shows_at)


def raise_queue(branch_id, *, shows_at=None):
    """Let the open queues of a branch know that something changed. Last in its transaction: many wait for this row."""
    later = {} if shows_at is None else {"next_at": shows_at}
    if not BranchQueue.objects.filter(branch=branch_id).update(version=F("version") + 1, **later):
        queue, new = BranchQueue.objects.get_or_create(branch_id=branch_id, defaults={"version": 1, **later})
        if not new:
            BranchQueue.objects.filter(branch=branch_id).update(version=F("version") + 1, **later)


def _still_somebodys(known, now):
    """The row as it is `now`, if whoever the caller `known` it to belong to may still write to it. Raises Erased."""
    if known.patron_id is not None and now.patron_id is None:
        raise Erased
    return now


def _begin(at, *, help_session, recommendation, patron, branch, topic, subject):
    """A conversation that says nothing yet: what follows at once puts it into the queue."""
    conversation = Conversation.objects.create(
        help_session=help_session,
        recommendation=recommendation,
        patron=patron,
        branch=branch,
        topic=topic,
        subject=subject[:200],
        status=Status.CLOSED,
        reason=Conversation.Reason.ASKED,
        opened_at=at,
        at_desk_from=at,
        closed_at=at,
        queued_at=at,
    )
    search.index_conversation(conversation)
    return conversation


def _subject(body, help_session, recommendation, readers_form):
    if readers_form is not None:
        return gettext("Something to read")
    if recommendation is not None:
        return str(recommendation.item)
    if help_session is not None and (
        help_session.quiet or not help_session.conversations.filter(recommendation=None).exists()
    ):
        return help_session.title  # a second question about a visit is told from the first by its own words
    first_line = next((line.strip() for line in body.splitlines() if line.strip()), "")
    question = FIRST_QUESTION.match(first_line)
    return Truncator(question[0] if question else first_line).chars(90)


def _begins_by_form(conversation):
    return conversation.last_message_at is None and hasattr(conversation, "readers_form")


def writer_in(conversation, person, side):
    """The name that goes with what `person` does here. On the patron's side there is one only where the visit is kept in their account:
    until they wish it, and in a quiet session always, who is signed in while they read by code stays unknown."""
    if side == STAFF or person is None:
        return person
    session = conversation.help_session
    return (
        person if person.pk in (conversation.patron_id, session.shared_with_id if session else None) else None
    )


def _has_words(conversation):
    """Whether there is a message: without one the conversation is the desk's alone."""
    return conversation.last_message_at is not None or conversation.pending_from is not None


def _tell_reopened(conversation, message, by):
    """That `message` opens the conversation again. If the patron hasn't seen yet that it was closed, they see both at once, or neither."""
    shown_from = message.shown_from
    if message.side == PATRON and conversation.status_at(message.sent_at) != Status.CLOSED:
        pending = conversation.messages.filter(side=STAFF, shown_from__gt=message.sent_at)
        shown_from = _pending_answers(conversation, message.sent_at)["last"]
        message = pending.filter(then=Then.CLOSE).last() or message
    Event.objects.create(
        conversation=conversation,
        message=message,
        kind=Event.Kind.REOPENED,
        side=message.side,
        by=by,
        at=message.sent_at,
        shown_from=shown_from,
    )


def _tell(conversation, kind, side, by, at, *, message=None):
    """An event of the time line. What an answer brings about shows with it; and nothing of the desk's shows before an answer that came first."""
    shown_from = at if side == PATRON else _pending_answers(conversation, at)["last"] or at
    if message is not None:
        shown_from = message.shown_from
    Event.objects.create(
        conversation=conversation, message=message, kind=kind, side=side, by=by, at=at, shown_from=shown_from
    )


def _pending_answers(conversation, at):
    """{"first", "last"}: from when the first and the last of the answers are shown that aren't yet; None where there is none."""
    if conversation.pending_from is None:
        return {"first": None, "last": None}
    return conversation.messages.filter(side=STAFF, shown_from__gt=at).aggregate(
        first=Min("shown_from"), last=Max("shown_from")
    )


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


def _mark_pending(conversation, message):
    if conversation.pending_from is None:
        conversation.pending_from, conversation.patron_status = message.shown_from, conversation.status


def _count_shown_answers(conversation, at):
    """Bring `version` and `last_message_at` up to what is shown now. Whether that changed anything."""
    if conversation.pending_from is None or conversation.pending_from > at:
        return False
    pending = conversation.messages.filter(side=STAFF, shown_from__gte=conversation.pending_from)
    shown = pending.filter(shown_from__lte=at)
    conversation.version += shown.count()
    conversation.last_message_at = max(
        filter(None, [conversation.last_message_at, shown.aggregate(latest=Max("shown_from"))["latest"]])
    )
    conversation.pending_from = pending.filter(shown_from__gt=at).aggregate(first=Min("shown_from"))["first"]
    if conversation.pending_from is None:
        conversation.patron_status = ""
    return True


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


def _announce(message, conversation, at):
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
        if proven_address(person):
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


def _read_by(conversation, person, until):
    seen = Participation.objects.filter(conversation=conversation, person=person, side=PATRON)
    if not seen.exclude(read_until__gte=until).update(read_until=until):
        Participation.objects.get_or_create(
            conversation=conversation, person=person, side=PATRON, defaults={"read_until": until}
        )
