"""Add a help session to a person's account, together with its conversations."""

from django.db import transaction

from portal.helpsessions import keeping
from recommendations.models import Recommendation

from . import search
from .changes import PATRON, lock_recommendations
from .models import Attachment, Conversation, Draft, Participation


@transaction.atomic
def keep(help_session, *, by, at, wording, language, read_by=None):
    """Add the session to the account of `by`, and move its conversations to the same account.

    The arguments and exceptions are those of helpsessions.keeping.keep.
    """
    help_session = keeping.keep(
        help_session, by=by, at=at, wording=wording, language=language, read_by=read_by
    )
    if help_session.patron_id != by.pk:
        # `by` is the adult who shares a child's visit. The conversations stay in the child's account.
        return help_session
    conversations = Conversation.objects.filter(help_session=help_session)
    recommendations = Recommendation.objects.filter(
        messagerecommendation__message__conversation__in=conversations
    )
    lock_recommendations(recommendations)
    conversations.update(patron=by)
    for conversation in conversations.filter(merged_into=None):
        search.index_conversation(conversation)
    recommendations.update(patron=by)
    for model in (Participation, Draft):
        # All viewers by code share one row for each conversation, and its `person` is None. This row becomes
        # the row of `by`, unless `by` already has a row for the conversation.
        own = model.objects.filter(person=by, side=PATRON, conversation__isnull=False).values_list(
            "conversation", flat=True
        )
        by_code = model.objects.filter(conversation__in=conversations, person=None)
        by_code.exclude(conversation__in=own).update(person=by)
    Attachment.objects.filter(
        conversation__in=conversations, message=None, side=PATRON, added_by=None
    ).update(added_by=by)
    return help_session
