"""The answers that are often given, offered in the composer."""

from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.access import staff_only
from portal.conversations import reply_templates
from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.desk.choosing import uuid_or_none


@staff_only
@require_GET
def desk_templates(request):
    """Those that may be used in the thread named by `thread`, filled in; with `q` those that hold its words."""
    threads = Conversation.objects.at_desk_of(request.user, shown_today.ids(request)).select_related("patron", "help_session", "recommendation__item")
    conversation = get_object_or_404(threads, public_id=uuid_or_none(request.GET.get("thread")))
    offered = reply_templates.offered_in(conversation, by=request.user, query=request.GET.get("q", ""))
    return render(request, "desk/template_picker.html#offered", {"templates": offered})


def with_template(request, conversation, typed):
    """(what the composer holds, what it offers) after its button `templates`, or one of those that this shows, was pressed: without
    JavaScript both post what was typed. Nothing is sent."""
    chosen = reply_templates.chosen_in(conversation, request.POST["action"].removeprefix("template-"), by=request.user)
    if chosen is None:
        return typed, reply_templates.offered_in(conversation, by=request.user)
    written = typed.get("body", "").rstrip()
    if written:
        return typed | {"body": f"{written}\n\n{chosen.text}"}, None
    return typed | {"body": chosen.text, "language": chosen.language}, None
