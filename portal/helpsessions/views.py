"""The patron's pages for visits: list and show visits, and save replies to the questions about a visit."""

from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import BigAutoField, F, OuterRef, Subquery, UUIDField
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.branch_contact import contact_of
from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in
from accounts.viewer import for_viewers
from accounts.waiting_forms import has_waited, may_wait_on_phone, refuse_quiet, tapped_at
from portal.errors import one_or_404
from portal.htmx import render_page
from portal.paging import page_of
from portal.prepared import prepared
from portal.text import parse_moment
from recommendations.actions import unmark_as_helped
from recommendations.models import Recommendation, each_once
from recommendations.shared_text import titles_as_text
from recommendations.verdicts import NEEDS_FOLLOW_UP

from . import actions
from .check_ins import may_leave_out, question_about
from .models import HelpSession
from .recommendation_panels import count_at_once, recommendation_panels, removed_panels

# The page of a visit shows this many of its conversations, and a link to the older ones.
MAX_CONVERSATIONS = 3


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

    If the viewer has just pressed "Mark the unanswered items as helpful", `?marked=` is the time of the
    press.
    """
    return session_page(request, public_id, marked_at=parse_moment(request.GET.get("marked")))


@may_wait_on_phone
@sign_in_to_open(HelpSession)
@done_after_sign_in
@require_POST
def all_helped(request, public_id):
    """Save the verdict "helped" for all starred items that have no verdict yet.

    The page that the patron sees next has a button that undoes this.
    """
    session = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    if has_waited(request):
        refuse_quiet(session)
    at, recommendations = timezone.now(), _recommended_to(request.viewer, session)
    actions.mark_all_helped(session, recommendations, at=at, tapped_at=tapped_at(request))
    if not request.htmx:
        return redirect(f"{session.get_absolute_url()}?{urlencode({'marked': at.isoformat()})}#items")
    return session_page(request, public_id, partial="items", marked_at=at)


@sign_in_to_open(HelpSession)
@done_after_sign_in
@require_POST
def undo_all_helped(request, public_id):
    """Withdraw all verdicts that one press of "Mark the unanswered items as helpful" saved.

    The field `marked` has the time of the press.
    """
    session = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    marked_at = parse_moment(request.POST.get("marked"))
    undone = marked_at and unmark_as_helped(_recommended_to(request.viewer, session), marked_at=marked_at)
    if not request.htmx:
        request.done = undone and ngettext(
            "Your answer for %(n)s item is cleared.", "Your answers for %(n)s items are cleared.", undone
        ) % {"n": undone}
        return redirect(f"{session.get_absolute_url()}#items")
    return session_page(request, public_id, partial="items", undone=undone)


@sign_in_to_open(Recommendation)
@require_POST
def dismiss_removed_item(request, public_id):
    """Hide an item that staff removed from the visit. This also hides the patron's verdict on the item.

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


@sign_in_to_open(HelpSession)
@require_safe
def share_titles(request, public_id):
    """Show the titles of a visit as a text that the patron can share, copy or email.

    If the URL has `words`, the text also says what the visit was about. Otherwise the text contains nothing
    private. Raises Http404 if the visit is quiet.
    """
    session = one_or_404(_for_page(request.viewer, public_id=public_id))
    if session.quiet:
        raise Http404
    given = [
        recommendation
        for recommendation in each_once(_recommended_in(session=session.pk))
        if recommendation.removed_at is None
    ]
    words = [session.question, session.summary] if "words" in request.GET else []
    context = {
        "help_session": session,
        "has_words": bool(words),
        "may_add_words": bool(session.question or session.summary),
        "text": titles_as_text(
            [recommendation.item for recommendation in given],
            library=request.library,
            branch=session.branch,
            words=words,
        ),
        "back": session.get_absolute_url(),
    }
    return render(request, "recommendations/share.html", context)


def _recommended_to(viewer, session):
    return Recommendation.objects.belonging_to(viewer).filter(sessionrecommendation__help_session=session)


def session_page(request, public_id, *, partial="", marked_at=None, undone=0, cleared=False):
    """Render the page of one visit. If `partial` is the name of a part of the page, render only that part."""
    session = one_or_404(_for_page(request.viewer, public_id=public_id))
    conversations = _conversations_about(request.viewer, session=session.pk)
    for conversation in conversations:
        conversation.help_session = session
    given = each_once(_recommended_in(session=session.pk))
    listed = [conversation for conversation in conversations if conversation.merged_into_id is None]
    shown = listed if "conversations" in request.GET else listed[:MAX_CONVERSATIONS]
    declined, wish = _declined_and_wish(session, given, conversations)
    recommendations = recommendation_panels(
        [recommendation for recommendation in given if recommendation.removed_at is None],
        request.viewer,
        {
            conversation.recommendation_id: conversation
            for conversation in conversations
            if conversation.recommendation_id
        },
        quiet=session.quiet,
        declined=declined,
        may_get=request.library.check_ins,
    )
    context = {
        "wish": wish,
        "may_share_words": session.found in HelpSession.FOUND_SOMETHING
        and session.may_share_words(request.viewer.person),
        "marked": sum(
            r.verdict == Recommendation.Verdict.HELPED and r.decided_at == marked_at for r in recommendations
        ),
        "marked_at": marked_at,
        "undone": undone,
        "cleared": cleared,
        "help_session": session,
        "recommendations": recommendations,
        "removed_items": removed_panels(given),
        "conversations": shown,
        "not_shown": len(listed) - len(shown),
        "all_at_once": count_at_once(sum(r.starred and not r.verdict for r in recommendations)),
        "found_choices": HelpSession.Found.choices,
        "satisfaction_choices": HelpSession.Satisfaction.choices,
        "mine": request.viewer.person is not None
        and request.viewer.person.pk in (session.patron_id, session.shared_with_id),
        "check_ins": question_about(session, request.viewer, request.library),
        "may_leave_out": may_leave_out(session, request.viewer, request.library),
        "check_in_on": _planned_day(session, request.library),
        "back": session.get_absolute_url(),
        # The parts that htmx swaps don't show how to reach the branch.
        "contact": None if partial and request.htmx else _contact(session, request.library),
    }
    return render_page(request, "helpsessions/session.html", context, partial=partial)


def _planned_day(session, library):
    """Return the future day when the library plans to ask how the visit turned out, or None."""
    is_later = session.check_in_on is not None and session.check_in_on > library.today()
    has_answered = session.found and session.satisfaction
    return session.check_in_on if is_later and not has_answered else None


def _contact(session, library):
    """Return how to reach the visit's branch, or the default branch if that branch is permanently closed."""
    now = timezone.now()
    found = contact_of(session.branch, library=library, at=now)
    if found is None and library.default_branch:
        return contact_of(library.default_branch, library=library, at=now)
    return found


def _declined_and_wish(session, recommendations, conversations):
    """Return (declined, wish), which say what the patron wants no answer about.

    `declined` has the primary keys of the recommendations that the patron wants no answer about. `wish` is
    about the whole visit. If it is "ask", the page asks "Shall we write to you about it?". If it is
    "declined", the page says that the patron wants no answer. If it is "", the page shows neither, because a
    conversation about the visit has messages already or the visit helped.
    """
    has_failed = session.found in (HelpSession.Found.NO, HelpSession.Found.PART)
    if not has_failed and not any(given.verdict in NEEDS_FOLLOW_UP for given in recommendations):
        return set(), ""
    declined = dict(
        session.conversations.filter(wants_no_answer=True).values_list(
            "recommendation_id", "is_about_outcome"
        )
    )
    wish = ""
    if has_failed and any(declined.values()):
        wish = "declined"
    elif has_failed and not any(conversation.is_about_outcome for conversation in conversations):
        wish = "ask"
    return declined.keys(), wish


@for_viewers(public_id=UUIDField())
def _for_page(viewer, public_id):
    # Use the name of the reverse relation, because this app can't import check-ins, which are in a higher
    # layer. A visit has at most one planned check-in.
    planned = HelpSession.objects.filter(pk=OuterRef("pk"), check_ins_made__status="planned")
    visits = HelpSession.objects.belonging_to(viewer).filter(public_id=public_id)
    return visits.select_related("branch", "staff").annotate(
        check_in_on=Subquery(planned.values("check_ins_made__due_on")[:1])
    )


@for_viewers(session=BigAutoField())
def _conversations_about(viewer, session):
    # Find the model by the reverse relation, because this app can't import the conversations app, which is in
    # a higher layer.
    conversations = HelpSession._meta.get_field("conversations").related_model.objects
    return conversations.belonging_to(viewer).filter(help_session=session).latest_first()


@prepared(session=BigAutoField())
def _recommended_in(session):
    recommendations = Recommendation.objects.filter(
        sessionrecommendation__help_session=session
    ).select_related("item", "branch", "recommended_by")
    recommendations = recommendations.annotate(
        removed_at=F("sessionrecommendation__removed_at"),
        is_dismissed=F("sessionrecommendation__is_dismissed"),
    )
    return (
        recommendations.with_next_step()
        .with_places()
        .order_by("sessionrecommendation__position", "pk", "place_branch")
    )
