"""The button "I've got it" on an item of a visit."""

from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import done_after_sign_in
from accounts.waiting_forms import has_waited, may_wait_on_phone, refuse_quiet, refuse_waiting, tapped_at
from portal.checkins import planning
from portal.conversations.views.verdicts import page_of
from portal.htmx import back_to
from recommendations.models import Recommendation


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
        request.done = _("Undone: you don't have “%(title)s” yet.") % title
    else:
        planning.got_it(recommendation, at=timezone.now(), tapped_at=tapped_at(request))
        request.done = _("Saved: you've got “%(title)s”.") % title
    back = back_to(request, otherwise="") or page_of(recommendation, request.viewer)
    return redirect(f"{back}#rec-{public_id}")
