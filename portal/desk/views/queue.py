"""The queue: the conversations that need an answer, and other tasks of the desk."""

from django.db.models import prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.sign_in.access import staff_only
from accounts.staff.desk_lock import background_request
from portal.conversations.desk_lists import state_of_queues
from portal.conversations.notes import unseen_mentions
from portal.desk.check_ins.rows import to_approve
from portal.desk.not_matched import count_not_matched
from portal.desk.queue import QueueQuery, count_waiting, desk_today
from portal.desk.queue_page import bulk_context, empty_list_context, filters_context, lists_context
from portal.desk.tallies import point_of, tally_context
from portal.desk.unfinished import tray
from portal.htmx import render_page
from portal.prepared import prepared
from portal.text import parse_moment
from recommendations.models import Topic, topic_names


@staff_only
@require_GET
def desk(request):
    """Show a list of the queue.

    The page also shows the staff member's unfinished sessions, unseen mentions in notes, and today's tally.
    """
    at = timezone.now()
    asked = QueueQuery.read(request.GET, request.user)
    topics = _topics()
    context = {
        **lists_context(request, asked, topics, at),
        **filters_context(request, asked, topics),
        **bulk_context(request, at),
    }
    counts = context["counts"]
    context["mentions"] = unseen_mentions(request.user) if counts.mentions else []
    context["tray"] = tray(request.user) if counts.unfinished else []
    context |= {"tallied_today": counts.tallied, "tally_point": None}
    if point := point_of(request):
        context |= tally_context(request, point)
    if request.library.check_ins:
        context["check_ins_to_approve"] = to_approve(request)
    context["not_matched"] = count_not_matched(request.user)
    if not context["rows"]:
        context["empty"] = empty_list_context(asked)
    return render_page(request, "desk/queue.html", context)


@staff_only
@background_request
@require_GET
def desk_queue_news(request):
    """Respond to a poll from an open queue page.

    Return status 204 if the queues haven't changed. Otherwise return the current rows and counts.
    """
    at = timezone.now()
    asked = QueueQuery.read(request.GET, request.user)
    if not request.htmx:
        return redirect(asked.url())
    state = state_of_queues(request.user.queue_branch_ids, person=request.user.pk, at=at)
    if request.GET.get("since") == state:
        return HttpResponse(status=204)
    context = lists_context(request, asked, _topics(), at, opened_at=_opened_at(request, at))
    return render_page(request, "desk/queue.html", {**context, "is_news": True}, partial="news")


@staff_only
@background_request
@require_GET
def desk_waiting(request):
    """Return the number of conversations that need an answer, as text.

    A script shows it in the title of each desk page.
    """
    at = timezone.now()
    desk, _away = desk_today(request, at)
    return HttpResponse(
        f"{count_waiting(desk, request.user, at=at)}", content_type="text/plain; charset=utf-8"
    )


def _topics():
    topics = _all_topics()
    prefetch_related_objects(topics, *topic_names())
    return {topic.pk: topic for topic in topics}


@prepared()
def _all_topics():
    return Topic.objects.all()


def _opened_at(request, at):
    """Return the time when the page that sent this poll was first shown.

    Return `at` if the request has no valid time in the past.
    """
    drawn = parse_moment(request.GET.get("drawn"))
    return drawn if drawn is not None and drawn < at else at
