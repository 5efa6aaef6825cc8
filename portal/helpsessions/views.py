"""The patron's pages for visits: list and show visits, and save replies to the questions about a visit."""

from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import BigAutoField, F, UUIDField
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in
from accounts.viewer import for_viewers
from portal.errors import one_or_404
from portal.htmx import render_page
from portal.paging import page_of
from portal.prepared import prepared
from portal.text import parse_moment
from recommendations.actions import mark_as_helped, unmark_as_helped
from recommendations.models import Recommendation, each_once

from . import actions
from .forms import OutcomeForm
from .models import HelpSession
from .recommendation_panels import count_at_once, recommendation_panels, removed_panels


@require_safe
def help_sessions(request):
    """List the viewer's visits. The latest visit comes first."""
    rows = HelpSession.objects.belonging_to(request.viewer).select_related("branch", "staff")
    sessions, older = page_of(rows, "happened_on", request.GET.get("after"))
    return render_page(
        request,
        "helpsessions/all.html",
        {"help_sessions": sessions, "older": older, "after": request.GET.get("after")},
    )


@sign_in_to_open(HelpSession)
@require_safe
def help_session(request, public_id):
    """Show one visit.

    If the viewer has just pressed "The unanswered items helped", `?marked=` is the time of that step.
    """
    return _page(request, public_id, marked_at=parse_moment(request.GET.get("marked")))


@sign_in_to_open(HelpSession)
@done_after_sign_in
@require_POST
def session_outcome(request, public_id):
    """Save a reply to one of the questions about the whole visit, or clear both replies."""
    session = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    form, cleared = OutcomeForm(request.POST), "clear" in request.POST
    if cleared:
        actions.clear_outcome(session)
        request.done = _("Your answers are cleared.")
    elif form.is_valid() and form.answers():
        actions.answer_outcome(session, at=timezone.now(), **form.answers())
        request.done = _("Your answer is saved.")
    if not request.htmx:
        return redirect(f"{session.get_absolute_url()}#outcome")
    return _page(request, public_id, partial="outcome", cleared=cleared)


@sign_in_to_open(HelpSession)
@done_after_sign_in
@require_POST
def all_helped(request, public_id):
    """Save the verdict "helped" for all items that have no verdict yet.

    The page then has a button to undo it.
    """
    session = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    at = timezone.now()
    mark_as_helped(_recommended_to(request.viewer, session), at=at)
    if not request.htmx:
        return redirect(f"{session.get_absolute_url()}?{urlencode({'marked': at.isoformat()})}#items")
    return _page(request, public_id, partial="items", marked_at=at)


@sign_in_to_open(HelpSession)
@done_after_sign_in
@require_POST
def undo_all_helped(request, public_id):
    """Withdraw all verdicts that one press of "The unanswered items helped" saved.

    The field `marked` has the time of that step.
    """
    session = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    marked_at = parse_moment(request.POST.get("marked"))
    undone = marked_at and unmark_as_helped(_recommended_to(request.viewer, session), marked_at=marked_at)
    if not request.htmx:
        request.done = undone and ngettext(
            "Your answer for %(n)s item is cleared.", "Your answers for %(n)s items are cleared.", undone
        ) % {"n": undone}
        return redirect(f"{session.get_absolute_url()}#items")
    return _page(request, public_id, partial="items", undone=undone)


@sign_in_to_open(Recommendation)
@require_POST
def dismiss_removed_item(request, public_id):
    """Hide an item that staff removed from the visit, together with what the patron said about it.

    With `undo` in the URL, show the item again.
    """
    recommendation = get_object_or_404(
        Recommendation.objects.belonging_to(request.viewer).select_related("item"), public_id=public_id
    )
    session = request.viewer.session_of(recommendation)
    if session is None:
        raise Http404
    is_dismissed = "undo" not in request.GET
    if actions.dismiss(recommendation, is_dismissed=is_dismissed) and is_dismissed:
        undo = reverse("dismiss_removed_item", args=[public_id])
        messages.success(
            request,
            _("“%(title)s” is hidden.") % {"title": recommendation.item.title},
            extra_tags=f"undo={undo}?undo=1",
        )
    return redirect(session)


def _recommended_to(viewer, session):
    return Recommendation.objects.belonging_to(viewer).filter(sessionrecommendation__help_session=session)


def _page(request, public_id, *, partial="", marked_at=None, undone=0, cleared=False):
    session = one_or_404(_for_page(request.viewer, public_id=public_id))
    conversations = session.conversations.belonging_to(request.viewer).latest_first()
    given = each_once(_recommended_in(session=session.pk))
    recommendations = recommendation_panels(
        [recommendation for recommendation in given if recommendation.removed_at is None],
        request.viewer,
        {
            conversation.recommendation_id: conversation
            for conversation in conversations
            if conversation.recommendation_id
        },
        quiet=session.quiet,
    )
    context = {
        "marked": sum(
            r.verdict == Recommendation.Verdict.HELPED and r.decided_at == marked_at for r in recommendations
        ),
        "marked_at": marked_at,
        "undone": undone,
        "cleared": cleared,
        "help_session": session,
        "recommendations": recommendations,
        "removed_items": removed_panels(given),
        "conversations": [
            conversation for conversation in conversations if conversation.merged_into_id is None
        ],
        "all_at_once": count_at_once(sum(r.starred and not r.verdict for r in recommendations)),
        "found_choices": HelpSession.Found.choices,
        "satisfaction_choices": HelpSession.Satisfaction.choices,
        "mine": request.viewer.person is not None
        and request.viewer.person.pk in (session.patron_id, session.shared_with_id),
        "back": session.get_absolute_url(),
    }
    return render_page(request, "helpsessions/session.html", context, partial=partial)


@for_viewers(public_id=UUIDField())
def _for_page(viewer, public_id):
    return (
        HelpSession.objects.belonging_to(viewer).filter(public_id=public_id).select_related("branch", "staff")
    )


@prepared(session=BigAutoField())
def _recommended_in(session):
    recommendations = Recommendation.objects.filter(
        sessionrecommendation__help_session=session
    ).select_related("item", "branch", "recommended_by")
    recommendations = recommendations.annotate(
        removed_at=F("sessionrecommendation__removed_at"),
        is_dismissed=F("sessionrecommendation__is_dismissed"),
    )
    return recommendations.with_places().order_by("sessionrecommendation__position", "pk", "stands_at")
