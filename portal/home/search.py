"""Search the visits and lists of a viewer. Staff search help sessions with portal/helpsessions/search.py."""

from dataclasses import dataclass

from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext

from accounts.viewer import for_viewers
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.lists.models import SavedItem, SavedList
from portal.lists.search import (
    ITEM_FIELDS,
    find_lists,
    find_titles,
    load_titles,
    mark_first_new,
)
from portal.own_search import MAX_FOUND, has_words, searchable
from portal.paging import PAGE

# The page shows at most this many items of a visit that was found.
ITEMS_SHOWN = 3


@dataclass(frozen=True)
class Found:
    """The result of a search.

    `visits` and `titles` have the rows that the page shows. `has_more` says whether there are more rows.
    `in_words` says how much was found, such as "3 visits, 1 list, 12 titles". It is "" if nothing was found.
    """

    visits: list[HelpSession]
    lists: list[SavedList]
    titles: list[SavedItem]
    has_more: bool
    in_words: str


def find(viewer, words, *, show=PAGE):
    """Return a Found of the visits, lists and titles that contain these words.

    Load at most `show` visits and at most `show` titles.
    """
    visits, titles, lists = find_visits(viewer, words), find_titles(viewer, words), find_lists(viewer, words)
    found = Found(
        visits=visits[:show],
        lists=lists,
        titles=load_titles(viewer, titles[:show]),
        has_more=max(len(visits), len(titles)) > show,
        in_words=_in_words(len(visits), len(lists), len(titles)),
    )
    if not mark_first_new(found.visits, show):
        mark_first_new(found.titles, show)
    return found


def has_anything(viewer):
    """Return whether the viewer has a visit or a list that a search could find."""
    visits = HelpSession.objects.belonging_to(viewer).filter(quiet=False)
    return visits.exists() or SavedList.objects.belonging_to(viewer).exists()


def find_visits(viewer, words):
    """Return at most MAX_FOUND + 1 of the viewer's visits that contain these words, latest first.

    The search reads what the page of the visit shows: the question, the summary, the day, the branch, the
    name of the helper, and the items with their reasons. It leaves out quiet visits, notes of staff and
    removed items. Also set `found_items` on each visit: the titles of items that contain one of the words.
    """
    visits = _visits(viewer)
    items = _items_in(visits)
    found = []
    for visit in visits:
        given = items.get(visit.pk, [])
        day = date_format(visit.happened_on, "F j Y")
        helper = visit.staff.display_name if visit.staff else ""
        own = searchable(visit.question or visit.title, visit.summary, day, visit.branch.name, helper)
        if has_words(" ".join([own, *[text for _title, text in given]]), words):
            titles = [title for title, text in given if any(has_words(text, [word]) for word in words)]
            visit.found_items = titles[:ITEMS_SHOWN]
            found.append(visit)
            if len(found) > MAX_FOUND:
                break
    return found


@for_viewers()
def _visits(viewer):
    shown = HelpSession.objects.only(
        *("public_id", "question", "summary", "quiet", "happened_on", "branch__name", "staff__name")
    )
    rows = shown.belonging_to(viewer).filter(quiet=False, forgotten_on=None)
    return rows.select_related("branch", "staff").latest_first()


def _items_in(visits):
    """Return {primary key of a visit: [(title, folded text), …]}, with a pair for each item."""
    item = "recommendation__item__"
    entry = f"{item}search_entry__"
    columns = [f"{entry}title", f"{entry}names", "recommendation__reason"]
    columns += [f"{item}{name}" for name in ITEM_FIELDS]
    links = SessionRecommendation.objects.filter(help_session__in=visits).not_removed()
    items: dict[int, list] = {}
    for pk, title, names, reason, *fields in links.order_by("position", "pk").values_list(
        "help_session", *columns
    ):
        # If an item is no longer in the catalog, the database has no folded text for it.
        written = [reason] if title is not None else [reason, *fields]
        items.setdefault(pk, []).append((fields[0], f"{title or ''} {names or ''} {searchable(*written)}"))
    return items


def _in_words(visits, lists, titles):
    counts = [
        (visits, ngettext("%(n)s visit", "%(n)s visits", visits)),
        (lists, ngettext("%(n)s list", "%(n)s lists", lists)),
        (titles, ngettext("%(n)s title", "%(n)s titles", titles)),
    ]
    return ", ".join(_count_in_words(count, words) for count, words in counts if count)


def _count_in_words(count, words):
    text = words % {"n": min(count, MAX_FOUND)}
    return gettext("more than %(number)s") % {"number": text} if count > MAX_FOUND else text
