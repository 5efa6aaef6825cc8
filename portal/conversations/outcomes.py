"""Record a patron's answers about a whole visit. If the visit didn't help, open a conversation at the desk.

Patrons can also say whether they want an answer from the library. They can say this after an answer about a
visit, or after a verdict that an item failed.
"""

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from portal.helpsessions.answer_signal import patron_answered
from portal.helpsessions.models import HelpSession
from portal.helpsessions.on_duty import helper_on_duty
from portal.helpsessions.recommendation_panels import first_line
from portal.sent_forms import MARGIN, ChangedMeanwhile, check_not_removed, remember_removals

from . import actions, answer_effects, staff_notices, states
from .changes import PATRON, STAFF, Erased, enter, lock_conversation, lock_owned, save
from .models import Conversation
from .opening import begin, conversation_of

Status = Conversation.Status
QUESTIONS = ("found", "satisfaction", "would_return")


@transaction.atomic
def take_outcome(
    help_session, *, by, at, by_link=False, found=None, satisfaction=None, would_return=None, tapped_at=None
):
    """Save the patron's answers to the questions about the visit, and return the visit.

    An answer that is None isn't changed. If the patron found nothing or only a part, a conversation about the
    visit is put into the desk's queue. A new conversation is assigned to the helper. The patron doesn't see
    the conversation until it has a message. If the patron corrects the answer before that, the conversation
    is closed again.

    `by` is None for a viewer by code and for the link in an email. A quiet visit has no questions, so nothing
    is saved. Raises Erased if the visit was erased or forgotten after the caller read it.

    If the patron answered offline and the phone sent the answers at the time `at`, `tapped_at` is the time of
    the tap. If the same answers are saved already, nothing changes. Raises ChangedMeanwhile if the patron has
    given a different answer or cleared the answers after the tap. Raises TooOld if the tap is so old that the
    portal no longer knows whether the patron did this.
    """
    answers = {"found": found, "satisfaction": satisfaction, "would_return": would_return}
    given = {name: value for name, value in answers.items() if value is not None}
    return _save(help_session, given, by_link=by_link, at=at, tapped_at=tapped_at)


@transaction.atomic
def clear_outcome(help_session, *, at):
    """Clear the patron's answers to the questions about the visit, and return the visit. Raises Erased."""
    return _save(help_session, dict.fromkeys(QUESTIONS, ""), by_link=False, at=at)


def _save(help_session, given, *, by_link, at, tapped_at=None):
    has_failed = given.get("found") in states.REASONS
    helper = helper_on_duty(help_session, at=at) if has_failed else None
    help_session = _lock(help_session)
    if help_session.quiet or not given or _repeats(help_session, given, tapped_at, at):
        return help_session
    conversation, is_new = None, False
    if "found" in given:
        conversation = _conversation_about(help_session, at)
        if conversation is None and has_failed:
            conversation, is_new = _begin_about(help_session, helper, at), True
    before, found_at = help_session.found, help_session.found_at
    for name, value in given.items():
        setattr(help_session, name, value)
        setattr(help_session, f"{name}_at", at if value else None)
    if conversation is not None and has_failed:
        is_same_complaint = before in states.REASONS and _is_unanswered(conversation, since=found_at)
        help_session.found_at = found_at if is_same_complaint else conversation.changed_at
    times = [time for name in QUESTIONS if (time := getattr(help_session, f"{name}_at"))]
    help_session.answered_at = max([at, *times]) if times else None
    if "found" in given:
        help_session.answered_by_link = by_link
    help_session.save()
    if conversation is not None:
        if has_failed and before not in states.REASONS:
            reason = states.REASONS[help_session.found]
            state = states.help_failed(states.state_of(conversation), help_session.found_at, reason)
        else:
            state = states.replay(conversation)
        enter_answer(conversation, state, is_new=is_new, at=at)
    if any(given.values()):
        patron_answered.send(HelpSession, visits=[help_session], at=at)
    else:
        # A phone may later send an answer that the patron gave offline before the answers were cleared. Such
        # an answer must be refused.
        remember_removals({_answers_key(help_session): at})
    return help_session


def _repeats(help_session, given, tapped_at, at):
    """Return whether these answers, which the patron gave offline at `tapped_at`, are already saved.

    If `tapped_at` is None, the patron gave the answers online. Return False in this case.

    Raises ChangedMeanwhile if the patron has given a different answer or cleared the answers after the tap.
    Raises TooOld if the tap is so old that the portal no longer knows whether the patron did this.
    """
    if tapped_at is None:
        return False
    are_saved = []
    for name, value in given.items():
        saved, saved_at = getattr(help_session, name), getattr(help_session, f"{name}_at")
        is_later = saved_at is not None and saved_at > tapped_at + MARGIN
        if is_later and saved != value:
            raise ChangedMeanwhile
        are_saved.append(saved == value and saved_at is not None and tapped_at <= saved_at + MARGIN)
    if all(are_saved):
        return True
    check_not_removed(_answers_key(help_session), tapped_at=tapped_at, now=at)
    return False


def _answers_key(help_session):
    return f"answers about visit {help_session.public_id}"


def enter_answer(conversation, state, *, is_new, at):
    """Save the state of the conversation after a verdict on an item, or after an answer about a visit.

    A conversation that begins to wait for staff appears at the desk only after states.GRACE. If the
    conversation is closed now, delete the patron's choice to get no answer from the library.
    """
    waits = state.status == Status.WAITING_FOR_STAFF
    returns = waits and not is_new and conversation.status != Status.WAITING_FOR_STAFF
    enter(conversation, state, seen_by_patron=waits)
    if state.status == Status.CLOSED:
        conversation.wants_no_answer = False
    conversation.version += 1
    if is_new:
        staff_notices.announce_new(conversation, at=at, due_at=conversation.at_desk_from)
    elif returns:
        staff_notices.announce_return(conversation, at=at, due_at=conversation.at_desk_from)
    save(conversation, shows_at=conversation.at_desk_from)


def _lock(help_session):
    """Lock the visit and return its current state. Raises Erased if it was erased, replaced or forgotten."""
    now = lock_owned(help_session)
    if now.status != HelpSession.Status.RECORDED or now.forgotten_on:
        raise Erased
    return now


def _conversation_about(help_session, at):
    """Lock and return the conversation about the outcome of the visit. Return None if there is none."""
    conversation = help_session.conversations.filter(is_about_outcome=True).first()
    try:
        return conversation and lock_conversation(conversation, at)
    except Erased:
        return None


def _begin_about(help_session, helper, at):
    conversation = begin(
        at,
        help_session=help_session,
        recommendation=None,
        patron=help_session.patron,
        branch=help_session.branch,
        topic=help_session.topic,
        subject=help_session.title,
        is_about_outcome=True,
        assignee=helper,
        assigned_at=at if helper else None,
    )
    conversation.changed_at = at
    return conversation


def _is_unanswered(conversation, *, since):
    """Return whether staff still have to answer the complaint that the patron made at the time `since`.

    If so, a second complaint of the patron doesn't count as a new one.
    """
    return conversation.status == Status.WAITING_FOR_STAFF and since >= conversation.waiting_since


@transaction.atomic
def wish_for_answer(about, *, wanted, by, at, language, body="", client_token=None, by_link=False):
    """Save whether the patron wants an answer from the library, and return the conversation, or None.

    `about` is a help session or a recommendation. If `body` is not empty, it is sent as a message. If
    `wanted` is true and the patron hasn't written yet, an empty `body` is replaced by a sentence such as "I
    didn't find what I needed". If `wanted` is false, staff can't write in the conversation, but they can
    close it.

    The choice isn't changed if staff have already answered, or if there is no open conversation. If the
    patron wrote a message while signed in, a person who uses the link in an email (`by_link`) can't set
    `wanted` to false.

    Raises Erased if the visit, or the answer with the recommendation, was erased after the caller read it.
    """
    known = _row_about(about)
    if known is not None:
        answer_effects.lock_comes_back_to(known)
    about = _lock(about) if isinstance(about, HelpSession) else lock_owned(about)
    conversation = _row_about(about)
    if wanted and not (conversation and conversation.messages.filter(side=PATRON).exists()):
        body = body or _what_is_missing(about)
    if body:
        token = client_token or uuid.uuid4()
        conversation = _write(about, conversation, by, at, body, language, token, by_link)
    return conversation and _set_wish(conversation, wanted, at, by_link)


def _set_wish(conversation, wanted, at, by_link):
    conversation = lock_conversation(conversation, at)
    is_answered = conversation.messages.filter(side=STAFF).exists()
    # If the patron wrote a message while signed in, staff must answer it. So a person who uses the link in an
    # email can't choose "no answer" in this case.
    must_answer = by_link and conversation.messages.filter(side=PATRON, by_link=False).exists()
    if must_answer and not wanted:
        return conversation
    if conversation.is_open and not is_answered and conversation.wants_no_answer == wanted:
        conversation.wants_no_answer = not wanted
        conversation.version += 1
        save(conversation, shows_at=conversation.at_desk_from)
    return conversation


def _row_about(about):
    """Return the conversation about this recommendation, or about the outcome of this help session, or None.

    If the conversation was merged, return the conversation that it was merged into.
    """
    if isinstance(about, HelpSession):
        opened = about.conversations.filter(is_about_outcome=True).select_related("merged_into").first()
    else:
        opened = conversation_of(about)
    return (opened.merged_into or opened) if opened is not None else None


def _what_is_missing(about):
    if not isinstance(about, HelpSession):
        return first_line(about)
    if about.found == HelpSession.Found.PART:
        return _("I found only a part of what I needed. Please write to me.")
    return _("I didn't find what I needed. Please write to me.") if about.found in states.REASONS else ""


def _write(about, conversation, by, at, body, language, client_token, by_link):
    """Send the patron's text, and return the conversation of the new message."""
    fields = {
        "by": by,
        "at": at,
        "body": body,
        "language": language,
        "client_token": client_token,
        "by_link": by_link,
    }
    if conversation is not None:
        return actions.reply(conversation, side=PATRON, **fields).conversation
    about = {"help_session" if isinstance(about, HelpSession) else "recommendation": about}
    return actions.ask(**about, **fields)
