"""Responses that show a conversation.

The response is the whole page. If htmx sent the request, the response has only the composer and the new
entries of the timeline.
"""

import datetime

from django.contrib import messages
from django.db.models import Max
from django.shortcuts import redirect, render
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from portal.conversations import presence
from portal.conversations.models import Conversation, Draft
from portal.desk.access_log import log_opened, log_reading
from portal.desk.composer import composer_context, saved_drafts
from portal.desk.conversation_context import timeline_context
from portal.desk.conversation_lookup import conversation_for_page
from portal.desk.patron_history import patron_history_context
from portal.desk.queue_navigation import conversation_url, neighbors
from portal.desk.timeline import build_timeline
from portal.desk.toolbar import toolbar_context
from portal.htmx import render_page
from portal.text import parse_moment

# An update of an open page also returns the entries of the last minute before the previous update. So the
# page can remove answers that were taken back, and add messages that were saved late.
POLL_OVERLAP = datetime.timedelta(minutes=1)


def show_conversation(request, conversation, *, status=200, **composer):
    """Return the whole page of the conversation. For htmx, return only the composer and the new entries.

    `composer` are keyword arguments for `composer_context`. If the conversation was erased, return a page
    which says that it was erased.
    """
    if conversation.status == Conversation.Status.ERASED:
        erasure = conversation.desk_events.select_related("by").order_by("at").last()
        return render(request, "desk/conversation_erased.html", {"erased": erasure})
    if request.htmx:
        return _composer_and_news(request, conversation, **composer)
    return _whole_page(request, conversation, status=status, **composer)


def show_message(request, conversation, words, *, anchor="#id_body", level=messages.INFO):
    """Show the conversation with its saved draft. `words` says what the staff member has just done.

    If htmx didn't send the request, the response is a redirect to the conversation.
    """
    if not request.htmx:
        messages.add_message(request, level, words)
        return redirect_to(request, conversation, anchor)
    conversation = conversation_for_page(request, conversation.public_id)
    return _composer_and_news(request, conversation, says=words, alarm=level == messages.WARNING)


def redirect_to(request, conversation, anchor=""):
    """Redirect the browser to the conversation, even if htmx sent the request."""
    url = conversation_url(request, conversation) + anchor
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def _whole_page(request, conversation, *, status, **composer):
    at = timezone.now()
    # This page shows the conversation, even after a POST request. So log that the staff member opened it.
    log_opened(request, conversation, at=at)
    around = presence.look(conversation, person=request.user, at=at)
    timeline = build_timeline(
        conversation, user=request.user, at=at, read_until=around.read_until, start=request.GET.get("from")
    )
    presence.refresh(conversation, person=request.user, at=at, read_until=timeline.read_until, around=around)
    drafts = saved_drafts(request, conversation)
    note, reply = drafts[Draft.Kind.NOTE], drafts[Draft.Kind.REPLY]
    context = {
        **timeline_context(request, conversation, timeline, around, at),
        **toolbar_context(request, conversation, draft=note, is_mentioned=conversation.is_mentioned),
        **composer_context(request, conversation, reply, latest=timeline.latest, **composer),
        **patron_history_context(conversation, request.user),
        "queue": neighbors(request, conversation),
        "opens_at": _opens_at(timeline, around),
    }
    return render_page(request, "desk/conversation.html", context, status=status)


def _opens_at(timeline, around):
    """Return the id of the element that the page scrolls to when it opens, or "end" for the last entry.

    Return "" for the top of the page. The page opens at the top if the staff member opens the conversation
    for the first time and no message needs an answer.
    """
    if timeline.unanswered:
        return "needs-answer"
    if timeline.unread:
        return "first-unread"
    return "end" if around.read_until else ""


def _composer_and_news(request, conversation, **composer):
    at = timezone.now()
    around = presence.look(conversation, person=request.user, at=at)
    since = min(parse_moment(request.POST.get("at")) or at, at)
    timeline = build_timeline(
        conversation, user=request.user, at=at, read_until=around.read_until, since=since - POLL_OVERLAP
    )
    # The staff member reads messages if the timeline has entries, or if the composer quotes the messages in
    # `newer`. In both cases, log that the staff member opened the conversation.
    if timeline.entries or composer.get("newer"):
        log_reading(request, conversation, at=at)
    presence.refresh(conversation, person=request.user, at=at, read_until=timeline.read_until, around=around)
    drafts = saved_drafts(request, conversation)
    latest = timeline.latest or conversation.messages.aggregate(latest=Max("pk"))["latest"] or 0
    context = {
        **timeline_context(request, conversation, timeline, around, at),
        **toolbar_context(request, conversation, draft=drafts[Draft.Kind.NOTE]),
        **composer_context(request, conversation, drafts[Draft.Kind.REPLY], latest=latest, **composer),
    }
    return render(request, "desk/conversation.html#swapped", context)
