"""Links from a conversation's page back to the queue, and to the next and the previous conversation."""

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from django.urls import reverse
from django.utils import timezone

from portal.conversations.desk_lists import around, following
from portal.conversations.desk_places import Place
from portal.headers import split_address

from .queue import TABS, QueueQuery, desk_today


def neighbors(request, conversation):
    """Return the context of desk/queue_nav.html, or None if the URL has no parameter `queue`.

    The parameter `queue` is the query string of the list that the staff member came from. The parameter
    `place` says where the conversation was in that list.
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


def next_after(request, conversation):
    """Return (the URL of the next conversation that staff can answer, the URL of its queue list).

    The list is the one that the staff member came from. If the URL of the page has no parameter `queue`, the
    list is "Needs an answer". Conversations whose patrons want no answer are skipped. If no next conversation
    is left, the first URL is "".
    """
    params, at = _params_of_page(request), timezone.now()
    asked = QueueQuery.read(dict(parse_qsl(params.get("queue", ""))), request.user)
    place = Place.read(params.get("place", ""), asked.list)
    desk, _away = desk_today(request, at)
    filters = replace(asked.filters(request.user), only_answerable=True)
    rows = following(desk, asked.list, filters, at=at, place=place, size=2)
    rows = rows.exclude(pk=conversation.pk).only("public_id", "status", "queued_at", "snoozed_until")
    places = {row: Place.of(row, asked.list) for row in rows}
    if not places:
        return "", asked.url()
    row = min(places, key=lambda row: places[row].key(asked.list))
    query = urlencode({"queue": params.get("queue", ""), "place": places[row]})
    return f"{reverse('desk_conversation', args=[row.public_id])}?{query}", asked.url()


def conversation_url(request, conversation):
    """Return the URL of the conversation.

    If the request came from a conversation's page, copy `queue` and `place` from the URL of that page.
    """
    params = _params_of_page(request)
    url = reverse("desk_conversation", args=[conversation.public_id])
    return f"{url}?{urlencode(params)}" if params else url


def undo_answer_url(request, message):
    """Return the URL of the button that takes back the answer `message`.

    The URL keeps the parameters `queue` and `place`. So the next page, too, links to the same queue list and
    to the next and previous conversations in that list.
    """
    url = reverse("desk_take_back", args=[message.conversation.public_id])
    return f"{url}?{urlencode({'message': message.public_id, **_params_of_page(request)})}"


def _params_of_page(request):
    """Return `queue` and `place` from the URL of this request, or of the page that sent the request."""
    query = request.GET.urlencode()
    if "queue" not in request.GET:
        page = split_address(request.headers.get("Referer", ""))
        query = page.query if page.path.startswith(reverse("desk") + "conversations/") else ""
    return {
        name: value for name, value in parse_qsl(query, keep_blank_values=True) if name in {"queue", "place"}
    }
