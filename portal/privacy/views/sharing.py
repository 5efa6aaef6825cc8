"""Let the child or the adult remove a shared visit from their account, and let the child end the sharing."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import Library
from accounts.sign_in.access import sign_in_to_open
from portal.helpsessions.models import HelpSession
from portal.privacy import sharing


@sign_in_to_open(HelpSession)
@require_POST
def stop_keeping(request, public_id):
    """Remove the visit from the viewer's account. The other person, child or adult, still has the visit."""
    visit = get_object_or_404(_shared(request), public_id=public_id)
    if request.viewer.person.pk not in (visit.patron_id, visit.shared_with_id):
        raise Http404
    sharing.stop_keeping(visit, by=request.viewer.person, at=timezone.now())
    messages.success(request, _("This visit is no longer in your library account."))
    return redirect("home")


@sign_in_to_open(HelpSession)
@require_POST
def stop_sharing(request, public_id):
    """Remove the visit from the adult's account, at the child's request."""
    visit = get_object_or_404(_shared(request), public_id=public_id, patron=request.viewer.person)
    sharing.keep_alone(visit, by=request.viewer.person, at=timezone.now())
    messages.success(request, _("Only you and the staff who help you at the library can see this visit now."))
    return redirect(visit)


def _shared(request):
    """Return the shared visits of a signed-in viewer. Return none for a viewer by code."""
    own = HelpSession.objects.belonging_to(request.viewer).filter(with_child=Library.Children.SHARED)
    return own if request.viewer.person else own.none()
