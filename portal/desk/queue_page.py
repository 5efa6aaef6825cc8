"""The context of the queue's page.

The page shows tabs, rows, filters, and a form that changes many conversations at once.
"""

import datetime
from dataclasses import replace
from functools import lru_cache
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from portal.conversations.desk_lists import FAILED
from portal.conversations.models import Conversation

from . import queue
from .queue_rows import shapes
from .toolbar import snooze_days
from .widgets import LongSelect


def lists_context(request, asked, topics, at, *, opened_at=None):
    """Return the context of the tabs with their counts, and of the rows.

    If the request is a poll, `opened_at` is the time when the open page was shown. Otherwise `opened_at` is
    None.
    """
    filters, today = asked.filters(request.user), queue.desk_today(request, at)
    # Read the counts first. If a row changes before the rows are read, the next poll reports the change.
    counts = queue.counts(request, asked, filters, today, at=at, since=opened_at)
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
    new = ""
    if counts.new:
        new = ngettext(
            "%(count)s new conversation in this list", "%(count)s new conversations in this list", counts.new
        )
        new %= {"count": queue.count_in_words(counts.new)}
    return {
        "asked": asked,
        "heading": queue.TABS[asked.tab],
        "title": _title(asked, counts.waiting),
        "tabs": tabs,
        "elsewhere": [tab for tab in tabs if not tab["current"] and tab["count"] != "0"],
        "rows": page.rows,
        "drawn": mark_safe("".join(page.rows)),
        "shapes": shapes(),
        "more": asked.url(after=page.next) if page.next else "",
        "is_later": page.after is not None,
        "first_page": asked.url(),
        "unfiltered": queue.QueueQuery(tab=asked.tab).url(),
        "here": request.get_full_path_info(),
        "poll": _poll_url(request, asked, counts.state, opened_at or at),
        "news": new,
        "counts": counts,
        "drafts_url": replace(asked, drafts="" if asked.drafts else "1").url(),
    }


def _title(asked, waiting):
    """Return the title of the page. The title begins with the number of waiting conversations."""
    number = f"({waiting}) " if waiting else ""
    return f"{number}{queue.TABS[asked.tab]} · {_('Queue')}"


def _poll_url(request, asked, state, opened_at):
    known = urlencode({"since": state, "drawn": opened_at.isoformat()})
    return f"{reverse('desk_queue_news')}?{asked.query(after=request.GET.get('after', ''))}&{known}"


def filters_context(request, asked, topics):
    """Return the HTML of each control that filters the lists, or "" if there is nothing to choose from."""
    branches = [(slug, branch.name) for slug, branch in queue.branches_of(request.user).items()]
    offered = [
        (pk, str(topic)) for pk, topic in topics.items() if topic.retired_at is None or str(pk) == asked.topic
    ]
    all_branches = "", _("All your branches")
    return {
        "covered": request.user.covered_branches,
        "branches": _select("branch", asked.branch, [all_branches, *branches]) if len(branches) > 1 else "",
        "topics": _topics(asked.topic, tuple(offered), get_language()) if offered else "",
        "reasons": _reasons(asked.reason, get_language()),
    }


@lru_cache(maxsize=100)
def _reasons(chosen, _language):
    reasons = [(reason.value, capfirst(reason.label)) for reason in Conversation.Reason]
    failed = (FAILED, _("Patron not fully helped"))
    return _select("reason", chosen, [("", _("All reasons")), failed, *reasons])


@lru_cache(maxsize=100)
def _topics(chosen, offered, _language):
    return _select("topic", chosen, [("", _("All topics")), *offered])


def _select(name, chosen, choices, id=""):
    return LongSelect(choices=choices).render(name, chosen, {"id": id or f"filter-{name}"})


def bulk_context(request, at):
    """Return the context of the form that changes all selected conversations."""
    today = request.library.today(at)
    colleagues = list(queue.colleagues(request.user).items())
    return {
        "colleagues": _select("to", "", colleagues, id="bulk-to") if colleagues else "",
        "days": [(label, day.isoformat()) for label, day in snooze_days(today)],
        "first_day": (today + datetime.timedelta(days=1)).isoformat(),
    }


def empty_list_context(asked):
    """Return the texts that an empty list shows.

    The texts say what will appear in the list, and suggest what to do next, with a link.
    """
    texts = {
        "needs": (
            _("Nobody is waiting"),
            _(
                "Conversations appear here when a patron writes. They also appear when a patron says that "
                "an item didn't help, or that they couldn't get it. The patron who has waited longest "
                "comes first."
            ),
        ),
        "mine": (
            _("Nothing is assigned to you"),
            _(
                "Conversations assigned to you appear here until they are closed. If you take over "
                "for a colleague who is away, their conversations appear here too."
            ),
        ),
        "patron": (
            _("No conversation is waiting for a patron"),
            _(
                "Answered conversations stay here until the patron writes. If the patron doesn't "
                "write, the conversations close automatically."
            ),
        ),
        "snoozed": (
            _("Nothing is snoozed"),
            _(
                "Snoozed conversations wait here until the day that was chosen. The next conversation "
                "to return is at the top. A conversation returns sooner if the patron writes."
            ),
        ),
        "done": (
            _("Nothing is closed yet"),
            _("Closed conversations appear here, latest first. They open again when someone writes."),
        ),
    }
    title, text = texts[asked.tab]
    if asked.tab == "needs":
        link = {"url": reverse("record"), "label": _("Record a help session")}
    else:
        link = {"url": reverse("desk"), "label": _("See who needs an answer")}
    return {"title": title, "text": text, **link}
