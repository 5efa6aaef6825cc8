from django.db.models import BigAutoField, Case, DateTimeField, Exists, OuterRef, Q, UUIDField, When
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.languages import languages
from accounts.viewer import for_viewers
from portal.checkins.due import due_check_in, suggested_day
from portal.conversations.models import Conversation
from portal.conversations.patron_lists import read_open_conversations
from portal.helpsessions.check_ins import question_at_home
from portal.helpsessions.forms import CodeForm
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.helpsessions.recommendation_panels import recommendation_panels
from portal.htmx import render_page
from portal.lists.models import SavedItem
from portal.text import uuid_or_none
from recommendations.models import Recommendation

from ..items_to_come import items_to_come

ROWS_SHOWN = 5
SAVED_ITEMS_SHOWN = 4


@require_safe
def home(request):
    """Show the viewer's unread answers, open conversations, recent visits and saved items.

    A person who isn't signed in and has opened no visit sees the welcome page. The home page also asks for a
    verdict on one recommendation at a time, beginning with the newest.

    `?said=` is the public id of a recommendation on which the viewer has just given a verdict. This
    recommendation stays on the page, so that the viewer can correct the verdict. The next recommendation
    follows. htmx gets only the part of the page that asks for verdicts.
    """
    viewer = request.viewer
    if not viewer:
        return render(request, "home/welcome.html", {"form": CodeForm(), "languages": languages()})
    asked = _asked(viewer, uuid_or_none(request.GET.get("said", "")))
    if request.htmx:
        return render_page(request, "home/home.html", {**asked, "back": reverse("home")}, partial="asked")
    unread = _read_unread(viewer, unread=sorted(viewer.unread)) if viewer.unread else []
    open_conversations = read_open_conversations(
        viewer, at=timezone.now(), unread=sorted(viewer.unread) or None
    )
    sessions = _latest_sessions(viewer)
    at = timezone.now()
    context = {
        "check_in": due_check_in(viewer, request.library, at=at),
        "ask_on": suggested_day(request.library, at=at),
        **asked,
        **items_to_come(viewer, at=at),
        "unread_conversations": unread,
        "open_conversations": open_conversations[:ROWS_SHOWN],
        "more_open": len(open_conversations) > ROWS_SHOWN,
        "help_sessions": sessions[:ROWS_SHOWN],
        "more_sessions": len(sessions) > ROWS_SHOWN,
        "saved_items": _latest_saved(viewer),
        "check_ins": question_at_home(viewer, request.library, sessions),
        "back": reverse("home"),
    }
    return render(request, "home/home.html", context)


def _asked(viewer, said):
    """Return the context for the part of the page that asks for a verdict.

    `said` is the public id of the recommendation that just got a verdict, if any. The page shows this
    recommendation, and then the next recommendation without a verdict.
    """
    conversations = (
        Conversation.objects.belonging_to(viewer).filter(recommendation__public_id=said) if said else []
    )
    by_recommendation = {conversation.recommendation_id: conversation for conversation in conversations}
    rows = _to_be_asked(viewer, said=said, at=timezone.now())
    panels = recommendation_panels(rows, viewer, by_recommendation, may_save=False)
    shown = 2 if panels and panels[0].verdict else 1
    return {
        "asked": panels[:shown],
        "more_asked": len(panels) > shown,
        "all_answered": all(panel.verdict for panel in panels),
    }


@for_viewers(said=UUIDField(), at=DateTimeField())
def _to_be_asked(viewer, said, at):
    rows = (
        Recommendation.objects.belonging_to(viewer, at)
        .filter(Q(verdict="") | Q(public_id=said), ~Exists(_visits_with_a_child(viewer)), starred=True)
        .exclude(sessionrecommendation__help_session__quiet=True)
        .exclude(messagerecommendation__message__conversation__help_session__quiet=True)
        .select_related("item", "branch", "recommended_by")
        .with_next_step()
    )
    said_first = [Case(When(public_id=said, then=0), default=1)] if said else []
    return rows.order_by(*said_first, "-recommended_at", "pk")[:3]


def _visits_with_a_child(viewer):
    """Return a subquery of the SessionRecommendations that Home must not ask this viewer about.

    Home asks about a visit with a child only if the signed-in viewer is the child. The adult and a viewer by
    code can still give a verdict on the visit's page. The outer query must be a query of recommendations.
    """
    links = SessionRecommendation.objects.filter(recommendation=OuterRef("pk"))
    links = links.exclude(help_session__with_child="")
    if viewer.person is None:
        return links
    return links.exclude(help_session__patron=viewer.person, help_session__patron__child_since__isnull=False)


@for_viewers(unread=BigAutoField())
def _read_unread(viewer, unread):
    rows = Conversation.objects.belonging_to(viewer).filter(pk__in=unread)
    return rows.select_related("help_session").latest_first()[:ROWS_SHOWN]


@for_viewers()
def _latest_sessions(viewer):
    shown = HelpSession.objects.only(
        *("public_id", "question", "quiet", "happened_on", "branch__name", "staff__name"),
        # The page needs these fields to decide whether to ask for consent to check-ins.
        *("patron", "with_child", "forgotten_on", "check_ins"),
    )
    rows = shown.belonging_to(viewer).select_related("branch", "staff")
    return rows.latest_first()[: ROWS_SHOWN + 1]


@for_viewers()
def _latest_saved(viewer):
    return SavedItem.objects.belonging_to(viewer).select_related("item").latest_first()[:SAVED_ITEMS_SHOWN]
