"""Save a patron's answers about a visit, and whether the library should write to the patron."""

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in
from accounts.waiting_forms import has_waited, may_wait_on_phone, refuse_quiet, tapped_at
from portal.conversations import actions, outcomes
from portal.conversations.forms import OutcomeForm
from portal.conversations.views.verdicts import page_of
from portal.helpsessions.models import HelpSession
from portal.helpsessions.views import session_page
from recommendations.models import Recommendation


@may_wait_on_phone
@sign_in_to_open(HelpSession)
@done_after_sign_in
@require_POST
def session_outcome(request, public_id):
    """Save an answer to one of the questions about the whole visit, or clear all answers."""
    session = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    form, cleared = OutcomeForm(request.POST), "clear" in request.POST
    if has_waited(request):
        refuse_quiet(session)
        if not (form.is_valid() and form.answers()):
            return HttpResponse(status=422)
    try:
        if cleared:
            outcomes.clear_outcome(session, at=timezone.now())
            request.done = _("Your answers are cleared.")
        elif form.is_valid() and form.answers():
            outcomes.take_outcome(
                session,
                by=request.viewer.person,
                at=timezone.now(),
                tapped_at=tapped_at(request),
                **form.answers(),
            )
            request.done = _("Your answer is saved.")
    except actions.Erased:
        raise Http404 from None
    if not request.htmx:
        return redirect(f"{session.get_absolute_url()}#outcome")
    return session_page(request, public_id, partial="outcome", cleared=cleared)


@sign_in_to_open(HelpSession)
@done_after_sign_in
@require_POST
def wish_about_session(request, public_id):
    """Save whether the library should write to the patron about the visit."""
    session = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    return _wish(request, session, back=f"{session.get_absolute_url()}#outcome")


@sign_in_to_open(Recommendation)
@done_after_sign_in
@require_POST
def wish_about_item(request, public_id):
    """Save whether the library should write to the patron about the item."""
    recommendation = get_object_or_404(
        Recommendation.objects.belonging_to(request.viewer).for_page(), public_id=public_id
    )
    back = page_of(recommendation, request.viewer)
    return _wish(request, recommendation, back=f"{back}#rec-{public_id}")


def _wish(request, about, *, back):
    """Save whether the library should write to the patron.

    If the library should write and there is a conversation, redirect to the conversation. Otherwise redirect
    to `back`.
    """
    wanted = request.POST.get("wanted")
    if wanted not in {"yes", "no"}:
        return redirect(back)
    try:
        conversation = outcomes.wish_for_answer(
            about,
            wanted=wanted == "yes",
            by=request.viewer.person,
            at=timezone.now(),
            language=get_language(),
        )
    except actions.Erased:
        raise Http404 from None
    if wanted == "yes" and conversation is not None:
        request.done = _("Your message is sent.")
        return redirect(conversation)
    if conversation is not None and conversation.wants_no_answer:
        request.done = _("The library will see your answer. Nobody will write to you.")
    return redirect(back)
