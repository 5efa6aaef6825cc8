"""Links from a conversation's page back to the queue, and to the next and the previous conversation."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from django.urls import reverse
from django.utils import timezone

from portal.conversations.desk_lists import Place, around

from .queue import TABS, QueueQuery, desk_today


def neighbors(request, conversation):
    """Return the context of desk/queue_nav.html, or None if the URL has no `queue`.

    In the page's URL, `queue` is the query string of the list from which the staff member came. `place` says
    where the conversation was in the list.
    """
    if "queue" not in request.GET:
        return None
    asked = QueueQuery.read(dict(parse_qsl(request.GET["queue"])), request.user)
    place = Place.read(request.GET.get("place", ""), asked.list)
    links = _neighbor_links(request, conversation, asked, place) if place is not None else {}
    return {"back": asked.url(), "list": TABS[asked.tab], **links}


def _neighbor_links(request, conversation, asked, place):
    at = timezone.now()
    desk, _away = desk_today(request, at)
    nearest = around(desk, asked.list, asked.filters(request.user), at=at, place=place)
    links = {}
    for neighbor in nearest.exclude(pk=conversation.pk).only(
        "public_id", "status", "queued_at", "snoozed_until"
    ):
        its_place = Place.of(neighbor, asked.list)
        side = "next" if its_place.key(asked.list) > place.key(asked.list) else "previous"
        query = urlencode({"queue": request.GET["queue"], "place": its_place})
        links[side] = f"{reverse('desk_conversation', args=[neighbor.public_id])}?{query}#needs-answer"
    return links


def conversation_url(request, conversation):
    """Return the URL of the conversation.

    If the request came from a conversation's page, copy `queue` and `place` from the URL of that page.
    """
    referrer = urlsplit(request.META.get("HTTP_REFERER", ""))
    params = []
    if referrer.path.startswith(reverse("desk") + "conversations/"):
        params = [(name, value) for name, value in parse_qsl(referrer.query) if name in {"queue", "place"}]
    url = reverse("desk_conversation", args=[conversation.public_id])
    return f"{url}?{urlencode(params)}" if params else url
