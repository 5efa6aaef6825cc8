"""Whoever holds a child's visit lets go of it, or has it alone."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import Library
from portal.helpsessions.models import HelpSession
from portal.privacy import sharing


@require_POST
def stop_keeping(request, public_id):
    """Whoever of the two no longer wants to hold a shared visit leaves it to the other."""
    found = get_object_or_404(_shared(request), public_id=public_id)
    if request.viewer.person.pk not in (found.patron_id, found.shared_with_id):
        raise Http404
    sharing.stop_keeping(found, by=request.viewer.person, at=timezone.now())
    messages.success(request, _("This visit is no longer in your library account."))
    return redirect("home")


@require_POST
def stop_sharing(request, public_id):
    """The child, whose visit it is, wants it alone."""
    found = get_object_or_404(_shared(request), public_id=public_id, patron=request.viewer.person)
    sharing.keep_alone(found, by=request.viewer.person, at=timezone.now())
    messages.success(request, _("Only you and the library staff who help you can see this visit now."))
    return redirect(found)


def _shared(request):
    """Those that this person may leave; a browser that only opened a code holds none."""
    mine = HelpSession.objects.belonging_to(request.viewer).filter(with_child=Library.Children.SHARED)
    return mine if request.viewer.person else mine.none()
