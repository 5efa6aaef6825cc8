"""The page that merges two conversations of the same patron."""

from django.contrib import messages
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.models import AuditEvent
from accounts.sign_in.access import staff_only
from portal.conversations import merging
from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.desk.access_log import log_opened, log_reading
from portal.desk.conversation_lookup import conversation_for_action
from portal.text import uuid_or_none

from .action_responses import back_to_conversation, unless_gone

MAX_LISTED = 30


@staff_only
@require_http_methods(["GET", "POST"])
@unless_gone
def desk_merge(request, public_id):
    """Merge another conversation of the patron into this one.

    The first page lists the patron's other conversations. After the staff member chooses one of them, the
    second page compares the two conversations. Then a POST request merges the conversations.
    """
    conversation, at = conversation_for_action(request, public_id), timezone.now()
    mine = Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
    others = merging.mergeable(conversation).filter(pk__in=mine.values("pk")).select_related("branch")
    other = _chosen(request, others)
    if other is None:
        context = {"conversation": conversation, "others": others[:MAX_LISTED], "chosen": None}
        return render(request, "desk/merge.html", context)
    if request.method == "POST":
        return _merge(request, conversation, other, at)
    log_reading(request, conversation, at=at)
    log_opened(request, other, at=at, where=AuditEvent.Where.CONVERSATION)
    both = [_with_summary(conversation), _with_summary(other)]
    context = {"conversation": conversation, "others": [], "chosen": other, "both": both}
    return render(request, "desk/merge.html", context)


def _merge(request, conversation, other, at):
    try:
        merged = merging.merge(other, into=conversation, by=request.user, at=at)
    except merging.CannotMerge:
        words = _("These two conversations can't be merged anymore. Nothing was changed.")
        return back_to_conversation(request, conversation, words, level=messages.WARNING)
    words = _("Merged. All messages are here now, oldest first.")
    return back_to_conversation(request, merged, words)


def _chosen(request, others):
    public_id = uuid_or_none(request.POST.get("with") or request.GET.get("with"))
    if public_id is None:
        return None
    return others.select_related("branch", "assignee", "patron").filter(public_id=public_id).first()


def _with_summary(conversation):
    """Set attributes of the conversation that desk/merge.html shows, and return the conversation.

    The attributes are the first message, the last message, and the number of messages.
    """
    messages_in_order = conversation.messages.in_order().select_related("author")
    conversation.first_said, conversation.last_said = messages_in_order.first(), messages_in_order.last()
    conversation.count = messages_in_order.count()
    return conversation
