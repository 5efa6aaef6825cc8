"""Redirect to a conversation after an action on it, and show a notice on the conversation's page."""

from functools import wraps

from django.contrib import messages
from django.shortcuts import redirect

from portal.conversations.changes import Erased
from portal.desk.conversation_lookup import can_open
from portal.desk.queue_navigation import conversation_url
from portal.desk.undo import undo_tag


def unless_erased(view):
    """Decorate a view so that it redirects to the conversation's page if the conversation was erased."""

    @wraps(view)
    def guarded(request, public_id):
        try:
            return view(request, public_id)
        except Erased:
            return redirect("desk_conversation", public_id)

    return guarded


def back_to_conversation(request, conversation, words, *, undo=False, level=messages.INFO):
    """Redirect to the conversation, or to the queue if the staff member can no longer open the conversation.

    The next page shows the text `words`. With `undo`, the page also shows a button that undoes the action.
    """
    tag = undo_tag(request.user, conversation) if undo else ""
    messages.add_message(request, level, words, extra_tags=tag)
    if not can_open(request, conversation):
        return redirect("desk")
    return redirect(conversation_url(request, conversation))
