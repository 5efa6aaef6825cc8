"""The page where a coordinator erases a conversation."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import coordinator_only
from portal.desk.conversation_lookup import conversation_for_action
from portal.desk.queue_navigation import conversation_url
from portal.privacy.holds import HeldByLaw, erase_conversation, held

from .action_responses import unless_gone

COUNTED = ("messages", "attachments", "notes", "merged")


@coordinator_only
@require_http_methods(["GET", "POST"])
@unless_gone
def desk_erase(request, public_id):
    """Show what will be erased with the conversation. On POST, erase the conversation."""
    conversation = conversation_for_action(request, public_id)
    if held(conversation):
        return _under_legal_hold(request)
    if request.method == "POST":
        try:
            erase_conversation(conversation, by=request.user, at=timezone.now())
        except HeldByLaw:
            return _under_legal_hold(request)
        messages.info(request, _("Conversation erased."))
        return redirect(conversation_url(request, conversation))
    counts = {rows: getattr(conversation, rows).count() for rows in COUNTED}
    return render(request, "desk/erase.html", {"conversation": conversation, "counts": counts})


def _under_legal_hold(request):
    messages.error(
        request,
        _("This conversation is under a legal hold. It can't be erased until a coordinator lifts the hold."),
    )
    return redirect("legal_holds")
