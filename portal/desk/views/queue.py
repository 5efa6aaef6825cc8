"""The queue: who waits for an answer, and what else the desk has before it."""

import datetime
from dataclasses import replace
from functools import lru_cache
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.sign_in.access import staff_only
from accounts.staff.desk_lock import background_request
from portal.conversations.desk_lists import state_of_queues
from portal.conversations.models import Conversation
from portal.conversations.notes import unseen_mentions
from portal.desk import queue
from portal.desk.queue_rows import shapes
from portal.desk.toolbar import snooze_days
from portal.desk.widgets import LongSelect
from portal.htmx import render_page
from recommendations.models import Topic, topic_names

from .conversation_actions import parse_moment
from .record import tray


@staff_only
@require_GET
def desk(request):
    at = timezone.now()
    asked = queue.QueueQuery.read(request.GET, request.user)
    topics = _topics()
    context = {**_lists(request, asked, topics, at), **_filters(request, asked, topics), **_bulk(request, at)}
    counts = context["counts"]
    context["mentions"] = unseen_mentions(request.user) if counts.mentions else []
    context["tray"] = tray(request) if counts.unfinished else []
    context["tallied_today"] = counts.tallied
    if not context["rows"]:
        context["empty"] = _empty(asked)
    return render_page(request, "desk/queue.html", context)


@staff_only
@background_request
@require_GET
def desk_queue_news(request):
    """What an open queue asks every few seconds: 204, or how many are in each list by now, how many came, and the rows of its page."""
    at = timezone.now()
    asked = queue.QueueQuery.read(request.GET, request.user)
    if not request.htmx:
        return redirect(asked.url())
    if request.GET.get("since") == str(state_of_queues(request.user.desk_branch_ids, at=at)):
        return HttpResponse(status=204)
    context = {**_lists(request, asked, _topics(), at, drawn=_drawn(request, at)), "is_news": True}
    return render_page(request, "desk/queue.html", context, partial="news")


def _lists(request, asked, topics, at, *, drawn=None):
    """The tabs with their counts, and the rows of the page. `drawn`: when the page was, whose news this is."""
    filters, today = asked.filters(request.user), queue.desk_today(request, at)
    counts = queue.counts(
        request, asked, filters, today, at=at, since=drawn
    )  # before the rows: what changes meanwhile is news
    page = queue.page(request, asked, filters, today, at=at, topics=topics)
    tabs = [
        {
            "name": tab,
            "label": str(label),
            "count": counts.lists[tab],
            "current": tab == asked.tab,
            "url": replace(asked, tab=tab).url(),
        }
        for tab, label in queue.TABS.items()
    ]
    return {
        "asked": asked,
        "heading": queue.TABS[asked.tab],
        "tabs": tabs,
        "elsewhere": [tab for tab in tabs if not tab["current"] and tab["count"] != "0"],
        "rows": page.rows,
        "drawn": mark_safe("".join(page.rows)),
        "shapes": shapes(),
        "more": asked.url(after=page.further) if page.further else "",
        "is_later": page.beyond is not None,
        "first_page": asked.url(),
        "unfiltered": queue.QueueQuery(tab=asked.tab).url(),
        "here": request.get_full_path(),
        "poll": _poll(request, asked, counts.state, drawn or at),
        "news": ngettext("%(count)s new", "%(count)s new", counts.came)
        % {"count": queue.in_words(counts.came)}
        if counts.came
        else "",
        "counts": counts,
    }


def _filters(request, asked, topics):
    """The controls that narrow the lists, drawn."""
    branches = [(role.branch.slug, role.branch.name) for role in request.user.roles]
    offered = [
        (pk, str(topic)) for pk, topic in topics.items() if topic.retired_at is None or str(pk) == asked.topic
    ]
    return {
        "branches": _select("branch", asked.branch, [("", _("All of yours")), *branches])
        if len(branches) > 1
        else "",
        "topics": _select("topic", asked.topic, [("", _("All")), *offered]) if offered else "",
        "reasons": _reasons(asked.reason, get_language()),
    }


@lru_cache(maxsize=100)
def _reasons(chosen, _language):
    return _select(
        "reason",
        chosen,
        [("", _("All")), *((reason.value, capfirst(reason.label)) for reason in Conversation.Reason)],
    )


def _bulk(request, at):
    """What can be done with many at once."""
    today = request.library.today(at)
    colleagues = list(queue.colleagues(request.user).items())
    return {
        "colleagues": _select("to", "", colleagues, id="bulk-to") if colleagues else "",
        "days": [(words, day.isoformat()) for words, day in snooze_days(today)],
        "first_day": (today + datetime.timedelta(days=1)).isoformat(),
    }


def _empty(asked):
    """What an empty list says: what will be there, and what to do now."""
    queue_page = reverse("desk")
    return {
        "needs": {
            "title": _("Nobody waits"),
            "text": _(
                "When a patron asks again, or says that an item did not help or could not be had, it appears here. The longest wait comes first."
            ),
            "url": reverse("record"),
            "label": _("Record a help session"),
        },
        "mine": {
            "title": _("Nothing is yours"),
            "text": _(
                "What you take, or are given, stands here until it is done; so does what belongs to a colleague whom you cover."
            ),
            "url": queue_page,
            "label": _("See who needs an answer"),
        },
        "patron": {
            "title": _("No patron has the next word"),
            "text": _(
                "Conversations that you have answered stand here until the patron writes. Those that stay quiet close by themselves."
            ),
            "url": queue_page,
            "label": _("See who needs an answer"),
        },
        "snoozed": {
            "title": _("Nothing is put off"),
            "text": _(
                "What is put off until a day waits here, the next to come back first. A patron's word brings it back sooner."
            ),
            "url": queue_page,
            "label": _("See who needs an answer"),
        },
        "done": {
            "title": _("Nothing is done yet"),
            "text": _(
                "Conversations that are closed stand here, the latest first. Writing in one opens it again."
            ),
            "url": queue_page,
            "label": _("See who needs an answer"),
        },
    }[asked.tab]


def _topics():
    return {topic.pk: topic for topic in Topic.objects.prefetch_related(*topic_names())}


def _select(name, chosen, choices, id=""):
    return LongSelect(choices=choices).render(name, chosen, {"id": id or f"filter-{name}"})


def _poll(request, asked, state, drawn):
    """The address that the page asks for its news: the same list, what it knows, and when it was drawn."""
    known = urlencode({"since": state, "drawn": drawn.isoformat()})
    return f"{reverse('desk_queue_news')}?{asked.query(after=request.GET.get('after', ''))}&{known}"


def _drawn(request, at):
    drawn = parse_moment(request.GET.get("drawn"))
    return drawn if drawn is not None and drawn < at else at
