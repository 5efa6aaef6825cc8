"""The initial values of the form that records a help session."""

import uuid

from portal.conversations.models import Conversation, Side
from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType


def defaults(user, library, at):
    """Return initial values with the current date and hour.

    The mode, question type, language and branch come from the last session that the user recorded.
    """
    now = at.astimezone(library.zone)
    initial = {
        "token": uuid.uuid4(),
        "people": 1,
        "happened_on": now.date(),
        "hour": now.hour,
        "language": library.language,
        "branch": user.desk_branch_ids[0] if user.desk_branch_ids else None,
        "question_type": QuestionType.REFERENCE,
    }
    if last := _last_session(user):
        branch = last.pop("branch")
        initial |= last
        if branch in user.desk_branch_ids:
            initial["branch"] = branch
    return initial


def _last_session(user):
    own = HelpSession.objects.at_desk_of(user).recorded().filter(staff=user).latest_first()
    return own.values("mode", "question_type", "language", "branch").first()


def defaults_for_contact(conversation, user):
    """Return initial values for logging a conversation as a contact, without the patron's name."""
    session = conversation.help_session
    question = conversation.messages.filter(side=Side.PATRON).in_order().first()
    initial = {
        "conversation": conversation.public_id,
        "mode": HelpSession.Mode.WEB_FORM,
        "topic": conversation.topic_id or (session.topic_id if session else None),
        "question": question.body if question else conversation.subject,
        "question_type": _question_type(conversation),
        "quiet": session is not None and session.quiet,
    }
    if question or session:
        initial["language"] = question.language if question else session.language
    if conversation.branch_id in user.desk_branch_ids:
        initial["branch"] = conversation.branch_id
    return initial


def _question_type(conversation):
    is_advisory = conversation.reason == Conversation.Reason.READERS_ADVISORY
    if is_advisory or hasattr(conversation, "readers_form"):
        return QuestionType.READERS_ADVISORY
    session = conversation.help_session
    return session.question_type if session else QuestionType.REFERENCE
