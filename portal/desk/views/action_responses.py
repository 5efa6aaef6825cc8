"""Redirect to a conversation after an action on it, and show a notice on the conversation's page."""

from functools import wraps

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from portal.conversations.changes import Erased
from portal.conversations.models import Draft
from portal.desk.composer import save_typed
from portal.desk.conversation_lookup import can_open
from portal.desk.ended_cover import opened_under_cover
from portal.desk.queue_navigation import conversation_url
from portal.desk.undo import undo_tag


def unless_gone(view):
    """Decorate a view so that it redirects if the staff member can no longer open the conversation.

    If the conversation was erased, redirect to its page, which then says that the conversation was erased. If
    the staff member's branch no longer covers for the branch of the conversation, redirect to the queue.
    """

    @wraps(view)
    def guarded(request, public_id):
        try:
            return view(request, public_id)
        except Erased:
            return redirect("desk_conversation", public_id)
        except Http404:
            conversation = opened_under_cover(request, public_id)
            if conversation is None:
                raise
            return _to_queue(request, conversation)

    return guarded


def _to_queue(request, conversation):
    """Save the posted text as a draft, and redirect to the queue.

    A message on the queue's page says that the staff member's branch no longer covers for the other branch.
    """
    save_typed(request, conversation, timezone.now())
    words = _("Your branch no longer covers %(branch)s.")
    if Draft.objects.filter(conversation=conversation, person=request.user).exists():
        words = _("Your branch no longer covers %(branch)s. Your draft is saved.")
    messages.warning(request, words % {"branch": conversation.branch})
    return HttpResponseClientRedirect(reverse("desk")) if request.htmx else redirect("desk")


def back_to_conversation(request, conversation, words, *, undo=False, level=messages.INFO):
    """Redirect to the conversation, or to the queue if the staff member can no longer open the conversation.

    The next page shows the text `words`. If `undo` is true, the next page also has a button that undoes the
    action.
    """
    tag = undo_tag(request.user, conversation) if undo else ""
    messages.add_message(request, level, words, extra_tags=tag)
    if not can_open(request, conversation):
        return redirect("desk")
    return redirect(conversation_url(request, conversation))
