"""The undo button in the message that appears after an action."""

from urllib.parse import urlencode

from django.urls import reverse

from portal.conversations import desk_actions


def undo_tag(user, conversation):
    """Return the tag that adds an undo button to a Django message, or "" if the action can't be undone."""
    if not desk_actions.can_be_undone(conversation, by=user):
        return ""
    query = urlencode({"done": conversation.changed_at.isoformat()})
    return f"undo={reverse('desk_undo', args=[conversation.public_id])}?{query}"
