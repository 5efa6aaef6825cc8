"""The reply templates that the composer offers while a staff member types."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.sign_in.access import staff_only
from portal.conversations.models import Conversation
from portal.conversations.reply_templates import offered_in
from portal.desk import shown_today
from portal.text import uuid_or_none


@staff_only
@require_GET
def desk_templates(request):
    """List the reply templates for a conversation, with their placeholders filled in.

    If the URL has `q`, list only the templates that contain all words of `q`.
    """
    conversations = Conversation.objects.at_desk_of(request.user, shown_today.ids(request)).select_related(
        "patron", "help_session", "recommendation__item"
    )
    conversation = get_object_or_404(conversations, public_id=uuid_or_none(request.GET.get("conversation")))
    templates = offered_in(conversation, by=request.user, query=request.GET.get("q", ""))
    return render(request, "desk/template_picker.html#offered", {"templates": templates})
