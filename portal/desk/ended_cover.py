"""Find a conversation that a staff member opened while their branch covered for another branch.

When the cover ends, the staff member can no longer open the conversation. If the access log shows that the
staff member opened it before, the portal says that the cover has ended, and saves what the staff member has
typed.
"""

from accounts.models import AuditEvent
from portal.conversations.models import Conversation

from .conversation_lookup import can_open


def opened_under_cover(request, public_id):
    """Return the conversation if the staff member opened it during cover and can't open it anymore.

    Otherwise, return None.
    """
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
