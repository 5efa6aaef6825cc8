"""Begin a conversation, find out what it is about, and choose its subject."""

import re

from django.db.models import BigAutoField
from django.utils.text import Truncator
from django.utils.translation import gettext

from portal.helpsessions.models import SessionRecommendation
from portal.prepared import prepared

from . import search
from .models import Conversation

Status = Conversation.Status
FIRST_QUESTION = re.compile(r".{15,}?\?(?=\s)")


def session_of(recommendation):
    """Return the help session where the item was recommended, or None."""
    link = (
        SessionRecommendation.objects.select_related("help_session")
        .filter(recommendation=recommendation)
        .first()
    )
    return link.help_session if link else None


def conversation_of(recommendation):
    """Return the conversation about this recommendation, or None.

    If the item was recommended in an answer, return the answer's conversation. Otherwise return the
    conversation that began with a question or a verdict about the recommendation.
    """
    key = recommendation.pk
    rows = _that_recommends(recommendation=key) or _begun_about(recommendation=key)
    return rows[0] if rows else None


@prepared(recommendation=BigAutoField())
def _that_recommends(recommendation):
    rows = Conversation.objects.filter(messages__recommendation_links__recommendation=recommendation)
    return rows.select_related("help_session").order_by("pk")[:1]


@prepared(recommendation=BigAutoField())
def _begun_about(recommendation):
    rows = Conversation.objects.filter(recommendation=recommendation)
    return rows.select_related("help_session").order_by("pk")[:1]


def begin(at, *, help_session, recommendation, patron, branch, topic, subject, **fields):
    """Create a conversation without a message.

    The new conversation is closed. The caller must then add what puts it into the queue: a message, a
    verdict, a call or an outcome of the visit. `fields` are values of further columns.
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
        **fields,
    )
    search.index_conversation(conversation)
    return conversation


def subject_for(body, help_session, recommendation, readers_form):
    """Return the subject of a new conversation whose first message is `body`."""
    if readers_form is not None:
        return gettext("Something to read")
    if recommendation is not None:
        return str(recommendation.item)
    # Only the first conversation about a visit gets the visit's title as its subject. Later conversations get
    # the beginning of the question instead. Otherwise all of them would have the same subject.
    if help_session is not None and (
        help_session.quiet or not help_session.conversations.filter(recommendation=None).exists()
    ):
        return help_session.title
    first_line = next((line.strip() for line in body.splitlines() if line.strip()), "")
    question = FIRST_QUESTION.match(first_line)
    return Truncator(question[0] if question else first_line).chars(90)
