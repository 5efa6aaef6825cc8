"""The button "I've got it" on an item of a visit."""

from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in
from accounts.waiting_forms import has_waited, may_wait_on_phone, refuse_quiet, refuse_waiting, tapped_at
from portal.checkins import planning
from portal.conversations import next_steps
from portal.conversations.changes import Erased
from portal.conversations.verdicts import take_verdict
from portal.conversations.views.verdicts import page_of
from portal.htmx import back_to
from recommendations.models import Recommendation

Verdict = Recommendation.Verdict
# request.session[REASONS] is {public id of the recommendation: why the patron could not get the item}.
# Pressing "I've got it" deletes the reason from the recommendation. Undoing this restores the reason from the
# browser's session.
REASONS = "reasons_before_got_it"
MAX_REASONS = 20


@may_wait_on_phone
@sign_in_to_open(Recommendation)
@done_after_sign_in
@require_POST
def got_it(request, public_id):
    """Save that the patron has the item now, or undo a mistaken press if the form has the field `undo`."""
    recommendation = get_object_or_404(
        Recommendation.objects.belonging_to(request.viewer).for_page(), public_id=public_id
    )
    if has_waited(request):
        refuse_quiet(request.viewer.session_of(recommendation))
    title = {"title": recommendation.item.title}
    if "undo" in request.POST:
        refuse_waiting(request)
        planning.undo_got_it(recommendation, at=timezone.now())
        is_untried = recommendation.verdict == Verdict.NOT_TRIED
        if is_untried and next_steps.can_be_resumed(recommendation, at=timezone.now()):
            why = request.session.get(REASONS, {}).get(str(public_id))
            _take(request, recommendation, Verdict.COULD_NOT_GET_IT, why=why)
        request.done = _("Undone. We know that you don't have “%(title)s” yet.") % title
    else:
        if recommendation.verdict == Verdict.COULD_NOT_GET_IT:
            # The patron has the item now. Change the verdict, so that staff do nothing more about the item.
            _remember_reason(request, recommendation)
            _take(request, recommendation, Verdict.NOT_TRIED)
        planning.got_it(recommendation, at=timezone.now(), tapped_at=tapped_at(request))
        request.done = _("Saved: you've got “%(title)s”.") % title
    back = back_to(request, otherwise="") or page_of(recommendation, request.viewer)
    return redirect(f"{back}#rec-{public_id}")


def _remember_reason(request, recommendation):
    reasons = request.session.get(REASONS, {})
    if recommendation.why:
        reasons = {**reasons, str(recommendation.public_id): recommendation.why}
        request.session[REASONS] = dict(list(reasons.items())[-MAX_REASONS:])


def _take(request, recommendation, verdict, *, why=None):
    try:
        take_verdict(
            recommendation,
            verdict=verdict.value,
            why=why,
            comment=None,
            by=request.viewer.person,
            at=timezone.now(),
            tapped_at=tapped_at(request),
        )
    except Erased:
        raise Http404 from None
