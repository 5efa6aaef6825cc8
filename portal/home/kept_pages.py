"""List which pages of a person a device may keep for reading offline, and until when.

The list never has a quiet visit, or a visit that the device opened by code. A device deletes the page of a
visit when the visit is due for deletion. It deletes Home and the lists when the first of the person's visits
is due for deletion.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language

from accounts.patron import retention_choice
from portal.conversations.models import Conversation
from portal.conversations.viewer import BrowserViewer
from portal.helpsessions import forgetting
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.lists.models import SavedItem, SavedList
from portal.paging import PAGE
from portal.styles import page_style
from recommendations.models import Recommendation

# The pages that list several visits or conversations. The first page of a list has PAGE rows, so PAGE visits
# and PAGE conversations are kept too.
OVERVIEWS = ("home", "help_sessions", "conversations", "saved")


@dataclass(frozen=True)
class KeptPage:
    """A page that a device may keep. `version` changes if the person's data on the page changes."""

    path: str
    version: str
    ends_at: datetime | None


def kept_pages(person, library, *, at):
    """Return the pages that a device of this person may keep now. The OVERVIEWS come first.

    If a visit of the person is due for deletion but not deleted yet, leave out the overviews.
    """
    viewer = BrowserViewer(person, [])
    visits = _visits(viewer)
    conversations = _conversations(viewer)
    # The overviews also show parts of older visits: Home asks about items of these visits, and saved items
    # show reasons from these visits. So the end and the version of an overview depend on all visits, and not
    # only on the latest PAGE visits.
    ends = [_end_of_visit(visit, person, library) for visit in visits]
    ends += filter(None, [_end_of_conversation(each, person, library) for each in conversations])
    lists = _lists(viewer)
    whole = _version(
        library.name,
        *map(_columns, visits),
        *((_columns(row), row.version_at(at)) for row in conversations),
        *_items_in_overviews(viewer, lists, at=at),
        *sorted(viewer.unread),
    )
    visits, conversations = visits[:PAGE], conversations[:PAGE]
    given = _given_in(visits)
    about: dict[int, list] = {}
    for conversation in conversations:
        about.setdefault(conversation.help_session_id, []).append(conversation.version_at(at))
    pages = [
        KeptPage(
            visit.get_absolute_url(),
            _version(_columns(visit), given.get(visit.pk), about.get(visit.pk)),
            _end_of_visit(visit, person, library),
        )
        for visit in visits
    ]
    pages += [
        KeptPage(
            conversation.get_absolute_url(),
            _version(
                conversation.version_at(at),
                _columns(conversation),
                conversation.help_session and _columns(conversation.help_session),
            ),
            _end_of_conversation(conversation, person, library),
        )
        for conversation in conversations
    ]
    whole = _version(whole, *[page.version for page in pages])
    first_end = min(ends, default=None)
    overviews = [KeptPage(reverse(name), whole, first_end) for name in OVERVIEWS]
    if len(lists) > 1:
        # A person with only one list sees this list on the page "saved", which is in OVERVIEWS.
        overviews += [KeptPage(each.get_absolute_url(), whole, first_end) for each in lists]
    return [page for page in [*overviews, *pages] if page.ends_at is None or page.ends_at > at]


def _visits(viewer):
    # A quiet visit can't be among these rows, because it belongs to nobody.
    rows = HelpSession.objects.belonging_to(viewer).select_related("patron")
    return list(rows.latest_first())


def _conversations(viewer):
    rows = Conversation.objects.belonging_to(viewer).not_merged().exclude(help_session__quiet=True)
    return list(rows.select_related("help_session__patron").latest_first())


def _given_in(visits):
    """Return {primary key of a visit: a list with an entry for each recommendation in the visit}.

    An entry has the columns of the recommendation, and some of its SessionRecommendation.
    """
    given: dict[int, list] = {}
    columns = [f"recommendation__{field.attname}" for field in Recommendation._meta.concrete_fields]
    rows = SessionRecommendation.objects.filter(help_session__in=visits).order_by("position", "pk")
    for pk, *values in rows.values_list("help_session", "removed_at", "is_dismissed", *columns):
        given.setdefault(pk, []).append(values)
    return given


def _lists(viewer):
    """Return {list of the person: its first items}, most recently used list first."""
    own = SavedList.objects.belonging_to(viewer).last_used_first()[:PAGE]
    lists: dict[int, tuple[SavedList, list]] = {each.pk: (each, []) for each in own}
    place = Window(RowNumber(), partition_by=F("saved_list"), order_by=["position", "pk"])
    rows = SavedItem.objects.belonging_to(viewer).filter(saved_list__in=list(lists)).annotate(place=place)
    for row in rows.filter(place__lte=PAGE + 1).order_by("saved_list", "place"):
        lists[row.saved_list_id][1].append(row)
    return dict(lists.values())


def _items_in_overviews(viewer, lists, *, at):
    """Return what the pages in OVERVIEWS can show of lists and recommendations, even from older visits.

    The lists show saved items with their reasons, and Home asks about starred items without a verdict.
    """
    saved = [[_columns(each), *map(_columns, items)] for each, items in lists.items()]
    given = [row.recommendation_id for items in lists.values() for row in items]
    shown = Q(pk__in=given) | Q(starred=True, verdict="")
    rows = Recommendation.objects.belonging_to(viewer, at).filter(shown).order_by("pk")
    return [saved, list(rows.values_list("pk", "item", "reason", "starred", "verdict"))]


def _end_of_visit(visit, person, library):
    """Return when the visit is due for deletion.

    For the adult who shares a child's visit, the visit can be due earlier than for the child.
    """
    ends = []
    if visit.patron_id:
        ends.append(forgetting.ends_at(visit, library))
    if visit.shared_with_id == person.pk:
        ends.append(retention_choice.ends_at(person, visit.shared_at, library=library, with_child=True))
    return min(ends, default=visit.created_at + retention_choice.SHORT_PERIOD)


def _end_of_conversation(conversation, person, library):
    if conversation.help_session:
        return _end_of_visit(conversation.help_session, person, library)
    if conversation.closed_at:
        return retention_choice.ends_at(person, conversation.closed_at, library=library)
    return None


def _columns(row):
    return [getattr(row, field.attname) for field in row._meta.concrete_fields]


def _version(*values):
    """Return a short hash of these values, the language, and the styles and scripts of this release."""
    release = (page_style(messages=True, extras=True)[1], static("js/app.js"), get_language())
    return hashlib.sha256(repr((release, values)).encode()).hexdigest()[:16]
