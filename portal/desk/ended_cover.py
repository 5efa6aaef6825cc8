"""Find a conversation that a staff member opened while their branch covered for another one.

When cover ends, the conversation leaves their scope. The access log says that they opened it, so they learn
nothing new if a page tells them why it is gone. What they typed is not lost.
"""

from accounts.models import AuditEvent
from portal.conversations.models import Conversation

from .conversation_lookup import can_open


def opened_under_cover(request, public_id):
    """Return the conversation if cover ended after the staff member opened it, or None."""
    opened = AuditEvent.objects.filter(
        action="opened", by=request.user, subject=str(public_id), where=AuditEvent.Where.COVER
    )
    if not opened.exists():
        return None
    conversations = Conversation.objects.not_merged().exclude(status=Conversation.Status.ERASED)
    conversation = (
        conversations.filter(public_id=public_id, branch__covered_by__in=request.user.desk_branch_ids)
        .select_related("branch")
        .first()
    )
    return None if conversation is None or can_open(request, conversation) else conversation
