"""The page of a conversation at the desk, and the response to the poll that updates an open page."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.sign_in.access import staff_only
from accounts.staff.desk_lock import background_request
from portal.conversations import presence
from portal.conversations.models import Conversation, Draft
from portal.desk.access_log import log_reading
from portal.desk.conversation_context import state_of_page, timeline_context
from portal.desk.conversation_lookup import conversation_for_page, conversation_for_poll
from portal.desk.timeline import build_timeline
from portal.desk.toolbar import toolbar_context
from portal.text import parse_moment

from .action_responses import unless_gone
from .conversation_responses import POLL_OVERLAP, show_conversation


@staff_only
@require_GET
@unless_gone
def desk_conversation(request, public_id):
    """Show the conversation. If it was merged into another conversation, redirect to the other one."""
    conversation = conversation_for_page(request, public_id)
    if conversation.public_id != public_id:
        return redirect("desk_conversation", conversation.public_id)
    return show_conversation(request, conversation)


@staff_only
@background_request
@require_GET
def desk_news(request, public_id):
    """Respond to the poll of an open page.

    Return status 204 if nothing has changed. Otherwise return the new entries of the timeline, and the names
    of the colleagues who have the page open. Also record that this staff member has the page open, and
    whether this staff member is writing.
    """
    conversation, at = conversation_for_poll(request, public_id), timezone.now()
    is_writing = "writing" in request.GET
    around = presence.look(conversation, person=request.user, at=at)
    if request.GET.get("since") == state_of_page(conversation, around):
        presence.refresh(conversation, person=request.user, at=at, writing=is_writing, around=around)
        return HttpResponse(status=204)
    if conversation.status == Conversation.Status.ERASED or conversation.merged_into_id:
        # This element makes the script reload the page. The new page says that the conversation was erased,
        # or shows the one that it was merged into.
        return HttpResponse("<div data-gone></div>")
    return _news(request, conversation_for_page(request, public_id), around, is_writing, at)


def _news(request, conversation, around, is_writing, at):
    since = parse_moment(request.GET.get("at")) or at
    timeline = build_timeline(
        conversation,
        user=request.user,
        at=at,
        read_until=around.read_until,
        since=min(since, at) - POLL_OVERLAP,
    )
    if timeline.entries:
        log_reading(request, conversation, at=at)
    presence.refresh(
        conversation,
        person=request.user,
        at=at,
        writing=is_writing,
        read_until=timeline.read_until,
        around=around,
    )
    context = {
        **timeline_context(request, conversation, timeline, around, at, since=since),
        **toolbar_context(request, conversation, draft=Draft(), is_mentioned=conversation.is_mentioned),
    }
    return render(request, "desk/conversation.html#news", context)


@staff_only
@background_request
@require_POST
def desk_leave(request, public_id):
    """Record that the staff member closed the page.

    The browser sends this request while it leaves the page, and ignores the response.
    """
    presence.leave(conversation_for_page(request, public_id), person=request.user)
    return HttpResponse(status=204)


@staff_only
@background_request
def old_address(request, rest):
    """Redirect a URL of an earlier version of the portal. Emails and bookmarks still contain such URLs."""
    rest = rest.replace("/hand-on/", "/assign/").replace("/join/", "/merge/")
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    return redirect(f"{reverse('desk')}conversations/{rest}{query}", permanent=True, preserve_request=True)
