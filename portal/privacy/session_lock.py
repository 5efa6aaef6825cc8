"""Lock a help session with everything that a correction or a deletion can change."""

from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession, SessionRecommendation
from recommendations.models import Recommendation

from .holds import contacts_of
from .locks import lock_rows


class Gone(Exception):
    """The help session was deleted, forgotten or replaced after the staff member opened the page."""


def lock_session(help_session):
    """Lock a recorded help session with its items, its conversations and the contacts counted for them.

    Return (the help session as it is now, its conversations). Raises Gone.
    """
    # With `no_key`, others can add rows that point to the session. Otherwise this transaction and a verdict
    # that begins a conversation could wait for each other.
    rows = HelpSession.objects.select_for_update(no_key=True).recorded()
    help_session = rows.filter(pk=help_session.pk, forgotten_on=None).first()
    if help_session is None:
        raise Gone
    conversations = Conversation.objects.filter(help_session=help_session)
    lock_rows(contacts_of(conversations))
    lock_recommendations(recommendations_of(help_session))
    lock_rows(conversations)
    return help_session, conversations


def recommendations_of(help_session):
    """Return the recommendations in the help session and in its conversations."""
    in_session = SessionRecommendation.objects.filter(help_session=help_session)
    in_answers = Recommendation.objects.filter(
        messagerecommendation__message__conversation__help_session=help_session
    )
    keys = in_session.order_by().values_list("recommendation", flat=True)
    # Without the last order_by(), Django 6.1 sorts the union by the ordering of its first model.
    keys = keys.union(in_answers.order_by().values_list("pk", flat=True)).order_by()
    return Recommendation.objects.filter(pk__in=list(keys))
