"""Lock a help session with everything that a correction or a deletion can change."""

from django.db.models import Q
from django.db.models.functions import Coalesce

from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Conversation, Message
from portal.helpsessions.models import HelpSession, SessionRecommendation
from recommendations.models import Recommendation

from .holds import contacts_of
from .locks import lock_rows


class Gone(Exception):
    """The help session was deleted, forgotten or replaced after the staff member opened the page."""


def lock_session(help_session):
    """Lock a recorded help session, its items and its conversations.

    Also lock the help sessions that the desk logged for the conversations. Return (the help session in its
    current state, the result of `conversations_of`). Raises Gone.
    """
    # With `no_key`, other transactions can add rows that point to the session. Without `no_key`, this
    # transaction could deadlock with a transaction that saves a verdict and begins a conversation.
    rows = HelpSession.objects.select_for_update(no_key=True).recorded()
    help_session = rows.filter(pk=help_session.pk, forgotten_on=None).first()
    if help_session is None:
        raise Gone
    conversations = conversations_of(help_session)
    lock_rows(contacts_of(conversations))
    lock_recommendations(recommendations_of(help_session))
    lock_rows(conversations)
    return help_session, conversations


def conversations_of(help_session):
    """Return the conversations about the help session, and the conversations merged with them.

    A merged conversation is included with all its messages, even if some are about something else. After a
    merge, a message doesn't say which conversation it came from.
    """
    about = Conversation.objects.filter(help_session=help_session)
    with_messages = about.annotate(root=Coalesce("merged_into", "pk")).values("root")
    return Conversation.objects.filter(Q(pk__in=with_messages) | Q(merged_into__in=with_messages))


def merged_messages_of(help_session):
    """Return the number of messages in merged conversations that are only partly about the help session."""
    others = conversations_of(help_session).exclude(help_session=help_session)
    with_messages = others.annotate(root=Coalesce("merged_into", "pk")).values("root")
    return Message.objects.filter(conversation__in=with_messages).count()


def recommendations_of(help_session):
    """Return the recommendations in the help session and in its conversations."""
    in_session = SessionRecommendation.objects.filter(help_session=help_session)
    in_answers = Recommendation.objects.filter(
        messagerecommendation__message__conversation__in=conversations_of(help_session)
    )
    keys = in_session.order_by().values_list("recommendation", flat=True)
    # Without the last order_by(), Django 6.1 sorts the union by the ordering of its first model.
    keys = keys.union(in_answers.order_by().values_list("pk", flat=True)).order_by()
    return Recommendation.objects.filter(pk__in=list(keys))
