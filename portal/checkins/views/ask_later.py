"""Let patrons choose the day when the library asks about a visit, or choose not to be asked."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import sign_in_to_open
from portal.checkins import due, planning
from portal.checkins.forms import AskLaterForm
from portal.helpsessions.models import HelpSession
from portal.htmx import back_to
from portal.templatetags.portal import day_in_a_sentence


@sign_in_to_open(HelpSession)
@require_POST
def ask_later(request, public_id):
    """Move the check-in about the visit to the day that the patron chose."""
    visit, at = _asked_about(request, public_id), timezone.now()
    back = back_to(request, otherwise=visit.get_absolute_url())
    form = AskLaterForm(request.POST, at=at)
    if not form.is_valid():
        messages.error(request, form.errors["day"][0])
        return redirect(back)
    day = form.cleaned_data["day"]
    if planning.ask_later(visit, day=day, at=at) is None:
        raise Http404
    messages.success(request, _("We'll ask you on %(day)s.") % {"day": day_in_a_sentence(day)})
    return redirect(back)


@sign_in_to_open(HelpSession)
@require_POST
def dont_ask(request, public_id):
    """Save that the patron doesn't want to be asked about the visit."""
    visit = _asked_about(request, public_id)
    planning.leave_out(visit, person=request.viewer.person, at=timezone.now())
    messages.success(request, _("We won't ask you about this visit."))
    return redirect(back_to(request, otherwise=visit.get_absolute_url()))


def _asked_about(request, public_id):
    """Return the visit, or raise Http404 if the library never asks this viewer how the visit turned out."""
    visits = HelpSession.objects.belonging_to(request.viewer)
    visit = get_object_or_404(visits, public_id=public_id)
    if not request.library.check_ins or visit.quiet or not due.may_be_asked(request.viewer, visit):
        raise Http404
    return visit
