"""The initial values of the form that records a help session."""

import uuid

from django.db.models import BigAutoField, DateField, Exists, OuterRef

from portal.conversations.models import Conversation, Side
from portal.helpsessions import choices
from portal.helpsessions.models import HelpSession
from portal.prepared import prepared
from recommendations.models import QuestionType

# The longest question that the record form accepts.
MAX_QUESTION = 4000


def defaults(user, library, at, *, shared_desk=None):
    """Return the initial values of the record form, with the current date and hour.

    Copy only the mode and the branch from the user's latest session of this day. Staff could overlook a wrong
    value in other fields. On a shared desk computer, use the branch of the computer if the user works at that
    branch.
    """
    now = at.astimezone(library.zone)
    latest = next(iter(_latest_session(user=user.pk, day=now.date())), {})
    branch_ids = [shared_desk.branch_id if shared_desk else None, latest.get("branch"), *user.desk_branch_ids]
    branch = next((branch for branch in branch_ids if branch in user.desk_branch_ids), None)
    return {
        "token": uuid.uuid4(),
        "people": 1,
        "happened_on": now.date(),
        "hour": now.hour,
        "language": library.language,
        "branch": branch,
        "mode": latest.get("mode", HelpSession.Mode.IN_PERSON),
        "question_type": QuestionType.REFERENCE,
    }


def default_point(shared_desk, *, branch_id, day):
    """Return {field: value} for the service point of a shared desk computer at this branch, or {}."""
    if shared_desk is None or shared_desk.branch_id != branch_id:
        return {}
    point = choices.point_named(shared_desk.name, branch_id)
    return {"service_point": point.pk, "default_point": f"{point.pk} {day}"} if point else {}


@prepared(user=BigAutoField(), day=DateField())
def _latest_session(user, day):
    """Return [{"mode": …, "branch": …}] of the user's latest session of this day, or [] if there is none.

    Leave out contacts that were logged from a conversation. Their mode and branch come from that
    conversation.
    """
    logged = Conversation.objects.filter(logged_as=OuterRef("pk"))
    # Staff may open every session that they recorded (see `at_desk_of`), so this query needs no scope.
    own = HelpSession.objects.recorded().filter(staff=user, happened_on=day, forgotten_on=None)
    return own.exclude(Exists(logged)).latest_first().values("mode", "branch")[:1]


def defaults_for_contact(conversation, user):
    """Return the initial values, except the patron, of the form that logs a conversation as a contact."""
    session = conversation.help_session
    question = conversation.messages.filter(side=Side.PATRON).in_order().first()
    initial = {
        "conversation": conversation.public_id,
        "mode": HelpSession.Mode.WEB_FORM,
        "topic": conversation.topic_id or (session.topic_id if session else None),
        "question": question.body if question else conversation.subject,
        "question_type": _question_type(conversation),
        "quiet": session is not None and session.quiet,
        "with_child": _is_a_childs(conversation),
    }
    if question or session:
        initial["language"] = question.language if question else session.language
    if conversation.branch_id in user.desk_branch_ids:
        initial["branch"] = conversation.branch_id
    return initial


def contact_of(conversation, user, library, at, *, shared_desk=None):
    """Return the arguments for helpsessions.actions.record that count the conversation as a contact.

    The arguments have the values that the form for this contact would show at first.
    """
    values = defaults(user, library, at, shared_desk=shared_desk) | defaults_for_contact(conversation, user)
    session = conversation.help_session
    branch = next(role.branch for role in user.roles if role.branch_id == values["branch"])
    is_at_computer = shared_desk is not None and shared_desk.branch_id == branch.pk
    del values["conversation"]
    return values | {
        "branch": branch,
        "topic": conversation.topic or (session.topic if session else None),
        "question": values["question"][:MAX_QUESTION],
        "with_child": library.children if values["with_child"] else "",
        "service_point": choices.point_named(shared_desk.name, branch.pk) if is_at_computer else None,
        "read_level": None,
        "minutes": None,
        "summary": "",
        "note": "",
        "items": [],
    }


def _is_a_childs(conversation):
    """Return whether the conversation is about a visit with a child, or its patron is a child.

    The contact repeats text from the conversation. The search of help sessions must not find a child's text.
    """
    session, patron = conversation.help_session, conversation.patron
    return bool((session and session.with_child) or (patron and patron.is_child))


def _question_type(conversation):
    is_advisory = conversation.reason == Conversation.Reason.READERS_ADVISORY
    if is_advisory or hasattr(conversation, "readers_form"):
        return QuestionType.READERS_ADVISORY
    session = conversation.help_session
    return session.question_type if session else QuestionType.REFERENCE
