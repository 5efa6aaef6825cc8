"""Did it work out? One tap, changeable; where it failed, a follow-up is offered at once."""

from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from portal.conversations import actions, verdicts
from portal.conversations.forms import VerdictForm
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from portal.helpsessions.recommendation_panels import recommendation_panels
from portal.htmx import back_to
from recommendations.models import Recommendation


@require_http_methods(["GET", "HEAD", "POST"])
def verdict(request, public_id):
    """GET: the item with why, comment and follow-up. POST: the verdict; htmx gets the card as the page it came from would show it."""
    found = get_object_or_404(
        Recommendation.objects.belonging_to(request.viewer).for_page(), public_id=public_id
    )
    form = VerdictForm(request.POST if request.method == "POST" else None, initial={"comment": found.comment})
    if request.method != "POST" or not form.is_valid():
        back = reverse("verdict", args=[public_id])
        context = {
            "form": form,
            "full": True,
            "found_at": _found_at(found, request.viewer),
            **_card(request, found, back),
        }
        return render(request, "conversations/verdict.html", context, status=422 if form.is_bound else 200)
    try:
        verdicts.take_verdict(found, by=request.viewer.person, at=timezone.now(), **form.cleaned_data)
    except actions.Erased:
        raise Http404 from None
    back = back_to(request, otherwise=_found_at(found, request.viewer))
    # Home asks about one at a time: the one just answered would leave it at once, so its address says to keep
    # that in sight.
    shown_at = f"{back}?said={found.public_id}" if back == reverse("home") else back
    if not request.htmx:
        return redirect(f"{shown_at}#rec-{found.public_id}")
    context = {"next_question": shown_at if shown_at != back else "", **_card(request, found, back)}
    return render(request, "conversations/item.html", context)


def _card(request, recommendation, back):
    """What the card shows on the page at the address `back`."""
    conversation = (
        Conversation.objects.belonging_to(request.viewer)
        .filter(
            Q(recommendation=recommendation)
            | Q(messages__recommendation_links__recommendation=recommendation)
        )
        .first()
    )
    session = request.viewer.session_of(recommendation)
    compact = back == reverse("home")
    quiet = session is not None and session.quiet
    [recommendation] = recommendation_panels(
        [recommendation], request.viewer, {recommendation.pk: conversation}, quiet=quiet, may_save=not compact
    )
    return {"recommendation": recommendation, "back": back, "compact": compact}


def _found_at(recommendation, viewer):
    """The page on which the reader finds the recommendation again: its session, or the conversation of the answer it came in."""
    session = (
        HelpSession.objects.belonging_to(viewer)
        .filter(recommendation_links__recommendation=recommendation)
        .first()
    )
    if session is not None:
        return session.get_absolute_url()
    conversation = (
        Conversation.objects.belonging_to(viewer)
        .filter(messages__recommendation_links__recommendation=recommendation)
        .first()
    )
    return conversation.get_absolute_url() if conversation else reverse("home")
