"""Begin a conversation, find out what it is about, and choose its subject."""

import re

from django.utils.text import Truncator
from django.utils.translation import gettext

from portal.helpsessions.models import SessionRecommendation

from . import search
from .models import Conversation, MessageRecommendation

Status = Conversation.Status
FIRST_QUESTION = re.compile(r".{15,}?\?(?=\s)")


def session_of(recommendation):
    """Return the help session in which the item was recommended, or None."""
    link = (
        SessionRecommendation.objects.select_related("help_session")
        .filter(recommendation=recommendation)
        .first()
    )
    return link.help_session if link else None


def conversation_of(recommendation):
    """Return the conversation about this recommendation, or None.

    If the item was recommended in an answer, return the answer's conversation. Otherwise return the
    conversation that a question or a verdict about the recommendation began.
    """
    link = (
        MessageRecommendation.objects.select_related("message__conversation__help_session")
        .filter(recommendation=recommendation)
        .first()
    )
    if link is not None:
        return link.message.conversation
    return Conversation.objects.select_related("help_session").filter(recommendation=recommendation).first()


def begin(at, *, help_session, recommendation, patron, branch, topic, subject):
    """Create a conversation without a message.

    The new conversation is closed. The caller must add the first message or verdict at once, which puts the
    conversation into the queue.
    """
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


def subject_for(body, help_session, recommendation, readers_form):
    """Return the subject of a new conversation whose first message is `body`."""
    if readers_form is not None:
        return gettext("Something to read")
    if recommendation is not None:
        return str(recommendation.item)
    # Only the first conversation about a visit gets the visit's title as its subject. Later ones get the
    # beginning of the question instead, because otherwise nobody could tell the conversations apart.
    if help_session is not None and (
        help_session.quiet or not help_session.conversations.filter(recommendation=None).exists()
    ):
        return help_session.title
    first_line = next((line.strip() for line in body.splitlines() if line.strip()), "")
    question = FIRST_QUESTION.match(first_line)
    return Truncator(question[0] if question else first_line).chars(90)
