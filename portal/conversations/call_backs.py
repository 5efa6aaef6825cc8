"""Ask for a call, change or cancel the request, and record how the calls went.

docs/decisions/0022-call-backs.md says why a phone number has its own row, and when the row is deleted.
"""

import datetime
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.hours import promised_at
from accounts.models import Library, User
from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines

from . import actions, answer_effects, staff_notices, states
from .changes import PATRON, STAFF, Erased, add_event, enter, lock_conversation, lock_owned, save, writer_in
from .desk_actions import UNDO_WITHIN, AlreadyTaken
from .models import CallBack, Conversation, Event
from .opening import begin

Kind = Event.Kind
# If nobody has called, the number is deleted this long after the promised time.
KEPT_FOR = datetime.timedelta(days=7)
KEPT_FOR_QUIET = datetime.timedelta(days=1)
SPOKEN, NO_ANSWER, GIVE_UP = "spoken", "no_answer", "give_up"
OUTCOMES = (SPOKEN, NO_ANSWER, GIVE_UP)


class NoCall(Exception):
    """The conversation has no open call.

    For example, the call was made, canceled or given up, or its number was deleted.
    """


class TooLate(Exception):
    """The cancellation can't be undone: too much time has passed, or no call would be open after the undo."""


class CallChanged(Exception):
    """The number was replaced, or an outcome was recorded, after the page was loaded.

    `has_new_number` says whether the number was replaced.
    """

    def __init__(self, *, has_new_number):
        self.has_new_number = has_new_number


@dataclass(frozen=True)
class Caller:
    """What a patron enters to ask for a call. `number` is already cleaned."""

    number: str
    ask_for: str = ""
    may_leave_message: bool = False


@transaction.atomic
def ask(caller, *, by, at, client_token, language, body="", help_session=None, topic=None, branch=None):
    """Ask for a call about the help session or about something new, and return the conversation.

    If `help_session` is None, the call is about something new. `by` is None for a viewer by code, who can't
    ask about something new. If there is a `body`, it becomes a message.

    If a call about the help session is open, replace its number. Otherwise begin a conversation. If the same
    `client_token` is sent twice, the request is saved once. Raises Erased.
    """
    if (sent := _sent_before(client_token, by, help_session)) is not None:
        return sent
    if body:
        written = {"body": body, "client_token": client_token, "language": language}
        about = {"help_session": help_session, "topic": topic, "branch": branch}
        waiting = _lock_with_open_call(help_session) if help_session else None
        if waiting is None:
            conversation = actions.ask(by=by, at=at, **about, **written)
        else:
            conversation = actions.reply(waiting, by=by, side=PATRON, at=at, **written).conversation
    else:
        conversation = _find_or_begin(by, at, help_session, topic, branch)
    return ask_in(conversation, caller, by=by, at=at, client_token=client_token)


@transaction.atomic
def ask_in(conversation, caller, *, by, at, client_token):
    """Let a patron ask for a call in this conversation, or change the number. Return the conversation.

    `by` is None for a viewer by code. Raises Erased.
    """
    conversation = lock_conversation(conversation, at)
    by = writer_in(conversation, by, PATRON)
    conversation.wants_no_answer = False
    return _save_number(conversation, caller, by, PATRON, by, client_token)


@staff_action
def add(caller, *, by, at, client_token, conversation=None, help_session=None, patron=None, branch=None):
    """Let staff record that a patron wants a call, and return the conversation.

    The call is about the conversation or the help session. If both are None, the call is for `patron`, and
    the staff of `branch` make it. If a call about the same thing is already open, replace its number. Raises
    Erased, RoleEnded, and WantsNoAnswer if the patron wants no answer.
    """
    if conversation is None:
        conversation = _sent_before(client_token, patron, help_session)
    if conversation is None:
        conversation = _find_or_begin(patron, at, help_session, None, branch)
    conversation = lock_conversation(conversation, at)
    if conversation.wants_no_answer:
        raise actions.WantsNoAnswer
    return _save_number(conversation, caller, None, STAFF, by, client_token)


def _sent_before(client_token, patron, help_session):
    """Return the conversation in which this form was already saved, or None.

    A form that is sent twice has the same `client_token` both times.
    """
    own = Q(help_session=help_session) if help_session else Q(patron=patron, help_session=None)
    return Conversation.objects.filter(own, call_backs__client_token=client_token).first()


def _with_open_call(patron, help_session):
    """Return the conversation with an open call about this visit, or None.

    If `help_session` is None, return the conversation with the patron's open call about something new. Such a
    conversation has no messages.
    """
    open_calls = Conversation.objects.filter(call_since__isnull=False, merged_into=None).order_by("pk")
    if help_session is not None:
        return open_calls.filter(help_session=help_session, patron=help_session.patron_id).first()
    return open_calls.filter(help_session=None, recommendation=None, patron=patron, messages=None).first()


def _lock_with_open_call(help_session):
    """Lock the help session, and return the conversation with an open call about it, or None.

    First lock the roles of the person that the conversation comes back to, because staff actions lock roles
    before help sessions. Raises Erased.
    """
    if (waiting := _with_open_call(None, help_session)) is not None:
        answer_effects.lock_comes_back_to(waiting)
    return _with_open_call(None, lock_owned(help_session))


def _find_or_begin(patron, at, help_session, topic, branch):
    if help_session is not None:
        help_session = lock_owned(help_session)
        patron, branch, topic = help_session.patron, help_session.branch, help_session.topic
    elif not User.objects.select_for_update(no_key=True).filter(pk=patron.pk):
        raise Erased
    if (waiting := _with_open_call(patron, help_session)) is not None:
        return waiting
    return begin(
        at,
        help_session=help_session,
        recommendation=None,
        patron=patron,
        branch=branch or Library.current().default_branch,
        topic=topic,
        subject=help_session.title if help_session else _("A call"),
    )


def _save_number(conversation, caller, owner, side, by, client_token):
    """Save the number. If no call is open yet, put the conversation into the queue.

    `owner` is the patron who gave the number, or None. `by` is the person who asks for the call.
    """
    at = conversation.changed_at
    numbers = CallBack.objects.filter(conversation=conversation)
    if numbers.filter(client_token=client_token, done_at=None).exists():
        return conversation
    numbers.filter(done_at=None).update(done_at=at)
    CallBack.objects.create(
        conversation=conversation,
        by=owner,
        number=caller.number,
        ask_for=caller.ask_for,
        may_leave_message=caller.may_leave_message,
        client_token=client_token,
        asked_at=at,
    )
    if conversation.call_since is None:
        _put_into_queue(conversation, side, by)
    if side == PATRON or conversation.pending_from is None:
        conversation.version += 1
    save(conversation)
    return conversation


def _put_into_queue(conversation, side, by):
    at, is_first = conversation.changed_at, conversation.last_message_at is None
    add_event(conversation, Kind.CALL_ASKED, side, by, at)
    enter(conversation, states.call_asked(states.state_of(conversation), at), seen_by_patron=side == PATRON)
    if is_first:
        conversation.last_message_at = at
        staff_notices.announce_new(conversation, at=at)
        if side == PATRON:
            actions.mark_read(conversation, person=by, at=at, until=at)
    elif side == PATRON and conversation.assignee_id:
        staff_notices.announce_reply(conversation, at=at)


@transaction.atomic
def cancel(conversation, *, by, at):
    """Let a patron cancel the call, and return the conversation. Raises NoCall, Erased."""
    conversation = _lock_with_call(conversation, at)
    at = conversation.changed_at
    add_event(conversation, Kind.CALL_CANCELED, PATRON, writer_in(conversation, by, PATRON), at)
    enter(conversation, states.call_canceled(states.state_of(conversation), at))
    _show_patron(conversation)
    conversation.version += 1
    save(conversation)
    return conversation


@compares_deadlines
@transaction.atomic
def undo_cancel(conversation, *, at, now):
    """Undo the cancellation of the call, and return the conversation.

    Raises TooLate if UNDO_WITHIN is over or the number was deleted. Also raises TooLate if no call would be
    open after the undo, for example because staff have closed the conversation. Raises Erased.
    """
    conversation = lock_conversation(conversation, at)
    last = conversation.events.filter(kind__in=Event.CALLS).order_by("at", "pk").last()
    if last is None or last.kind != Kind.CALL_CANCELED or now() - last.at > UNDO_WITHIN:
        raise TooLate
    last.delete()
    state = states.replay(conversation)
    if state.call_since is None:
        raise TooLate
    enter(conversation, state, undone_at=last.at)
    if open_call(conversation) is None:
        raise TooLate
    _show_patron(conversation)
    conversation.version += 1
    save(conversation)
    return conversation


def _show_patron(conversation):
    """If an answer is pending, store the status that the patron sees while the answer is hidden."""
    if conversation.pending_from is not None:
        shown = states.replay(conversation, shown_at=conversation.changed_at)
        conversation.patron_status = shown.status


@staff_action
def record_outcome(conversation, outcome, *, by, at, seen=None):
    """Record how a call went, and return the conversation.

    `outcome` is one of OUTCOMES. If this was the last try that the branch allows, and nobody answered, also
    give up the call.

    `seen` is (primary key of the CallBack, number of tries), as the page showed them. Raises CallChanged if
    either has changed. If `seen` is None, this isn't checked. Also raises NoCall, Erased, RoleEnded, and
    AlreadyTaken if the conversation isn't assigned to `by`.
    """
    conversation = _lock_with_call(conversation, at)
    if conversation.assignee_id != by.pk:
        raise AlreadyTaken(conversation.assignee)
    if seen is not None:
        _require_unchanged(conversation, *seen)
    at, kinds = conversation.changed_at, []
    if outcome == SPOKEN:
        kinds = [Kind.CALL_SPOKEN]
        answer_effects.ask_to_count(conversation)
    else:
        is_last = outcome == NO_ANSWER and tries(conversation) + 1 >= conversation.branch.call_tries
        kinds = [Kind.CALL_TRIED] if outcome == NO_ANSWER else []
        kinds += [Kind.CALL_GIVEN_UP] if outcome == GIVE_UP or is_last else []
    state = states.state_of(conversation)
    for kind in kinds:
        add_event(conversation, kind, STAFF, by, at)
        state = states.CHANGES[kind](state, at)
    enter(conversation, state)
    if conversation.pending_from is None:
        conversation.version += 1
    save(conversation)
    return conversation


def _require_unchanged(conversation, number_pk, tried):
    number = open_call(conversation)
    if number is None:
        raise NoCall
    if number.pk != number_pk:
        raise CallChanged(has_new_number=True)
    if tries(conversation) != tried:
        raise CallChanged(has_new_number=False)


def tries(conversation):
    """Return how many times staff have called without an answer since the patron asked for the call."""
    tried = conversation.events.filter(kind=Kind.CALL_TRIED, at__gte=conversation.call_since)
    return tried.count()


def _lock_with_call(conversation, at):
    conversation = lock_conversation(conversation, at)
    if conversation.call_since is None:
        raise NoCall
    return conversation


def open_call(conversation):
    """Return the CallBack with the number. Return None if no call is open or the number was deleted."""
    return CallBack.objects.filter(conversation=conversation, done_at=None).first()


def promise(conversation, since):
    """Return when the library promised to make the call that a patron asked for at the time `since`.

    If the conversation waits only for the call, return the conversation's promise. Otherwise calculate the
    time, because the conversation's promise may be for an earlier question.
    """
    if conversation.waiting_since == since and conversation.promised_at is not None:
        return conversation.promised_at
    return promised_at(conversation.branch, since)


def expire_calls(*, at):
    """End the calls that nobody made in time, so that their numbers are deleted. The worker runs this job.

    A call also ends if its number was deleted, for example because the patron removed the visit from their
    account.
    """
    waiting = Conversation.objects.filter(call_since__isnull=False).select_related("branch", "help_session")
    for conversation in waiting:
        if not _is_over(conversation, at):
            continue
        with transaction.atomic():
            try:
                conversation = lock_conversation(conversation, at)
            except Erased:
                continue
            if conversation.call_since is not None and _is_over(conversation, at):
                _expire(conversation)


def _is_over(conversation, at):
    number = open_call(conversation)
    if number is None:
        return True
    is_quiet = conversation.help_session is not None and conversation.help_session.quiet
    kept_for = KEPT_FOR_QUIET if is_quiet else KEPT_FOR
    return promise(conversation, conversation.call_since) + kept_for <= at


def _expire(conversation):
    """End a call that nobody made.

    The side of the new event says why the call ended: PATRON if the number was deleted earlier, and STAFF if
    nobody called in time.
    """
    at = conversation.changed_at
    side = PATRON if open_call(conversation) is None else STAFF
    add_event(conversation, Kind.CALL_EXPIRED, side, None, at)
    enter(conversation, states.call_expired(states.state_of(conversation), at))
    # The job `forget_call_numbers` deletes a number UNDO_WITHIN after its `done_at`. Nobody can undo the
    # expiry of a call, so set an earlier `done_at`. The next run of the job then deletes the number.
    hidden = CallBack.objects.filter(conversation=conversation, done_at=at)
    hidden.update(done_at=at - UNDO_WITHIN)
    if conversation.pending_from is None:
        conversation.version += 1
    save(conversation)
