from django.db.models import Case, DateTimeField, Q, UUIDField, When
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.languages import languages
from accounts.viewer import for_viewers
from portal.conversations.models import Conversation
from portal.conversations.viewer import BrowserViewer
from portal.helpsessions.forms import CodeForm
from portal.helpsessions.models import HelpSession
from portal.helpsessions.recommendation_panels import recommendation_panels
from portal.htmx import render_page
from portal.lists.models import SavedItem
from portal.text import uuid_or_none
from recommendations.models import Recommendation

AT_MOST = 5
ON_THE_SHELF = 4


@require_safe
def home(request):
    """What waits for me, newest need first; my recent visits; my list. For somebody unknown: what this is, and the way in.

    One question at a time: the newest recommendation without a verdict. `?said=` names the one whose verdict was given
    here a moment ago: it stays in sight, to be mended or explained, and the next one follows it. That part alone goes to htmx.
    """
    viewer = request.viewer
    if not viewer:
        return render(request, "home/welcome.html", {"form": CodeForm(), "languages": languages()})
    asked = _asked(viewer, uuid_or_none(request.GET.get("said", "")))
    if request.htmx:
        return render_page(request, "home/home.html", {**asked, "back": reverse("home")}, partial="asked")
    unread = list(
        Conversation.objects.belonging_to(viewer)
        .filter(pk__in=viewer.unread)
        .select_related("help_session")
        .latest_first()[:AT_MOST]
    )
    sessions = _latest_sessions(viewer)
    context = {
        **asked,
        "unread_conversations": unread,
        "help_sessions": sessions[:AT_MOST],
        "more_sessions": len(sessions) > AT_MOST,
        "saved_items": _latest_saved(viewer),
        "back": reverse("home"),
    }
    return render(request, "home/home.html", context)


def _asked(viewer, said):
    """The recommendation `said`, and unless its answer was taken back the next one that is asked about."""
    conversations = (
        Conversation.objects.belonging_to(viewer).filter(recommendation__public_id=said) if said else []
    )
    rows = _to_be_asked(viewer, said=said, at=timezone.now())
    found = recommendation_panels(
        rows,
        viewer,
        {conversation.recommendation_id: conversation for conversation in conversations},
        may_save=False,
    )
    shown = 2 if found and found[0].verdict else 1
    return {
        "asked": found[:shown],
        "more_asked": len(found) > shown,
        "all_answered": all(card.verdict for card in found),
    }


@for_viewers(BrowserViewer, said=UUIDField(), at=DateTimeField())
def _to_be_asked(viewer, said, at):
    rows = (
        Recommendation.objects.belonging_to(viewer, at)
        .filter(Q(verdict="") | Q(public_id=said), starred=True)
        .exclude(sessionrecommendation__help_session__quiet=True)
        .exclude(messagerecommendation__message__conversation__help_session__quiet=True)
        .select_related("item", "recommended_by")
    )
    return rows.order_by(
        *([Case(When(public_id=said, then=0), default=1)] if said else []), "-recommended_at", "pk"
    )[:3]


@for_viewers()
def _latest_sessions(viewer):
    return (
        HelpSession.objects.belonging_to(viewer)
        .select_related("branch", "staff")
        .latest_first()[: AT_MOST + 1]
    )


@for_viewers()
def _latest_saved(viewer):
    return SavedItem.objects.belonging_to(viewer).select_related("item").latest_first()[:ON_THE_SHELF]
