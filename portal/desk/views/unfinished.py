"""Unfinished help sessions, which staff begin now and finish later."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import staff_only
from portal.desk.branches import branch_for
from portal.desk.check_ins.suggestion import suggestion
from portal.desk.forms.posted_sessions import posted_token, with_current_names
from portal.desk.item_picker import ItemPicker
from portal.desk.unfinished import saved_fields, with_first_words
from portal.helpsessions import unfinished
from portal.helpsessions.models import HelpSession

from .record_form import draft_with, record_form, record_page, save_draft


@staff_only
@require_http_methods(["GET"])
def finish_session(request, public_id):
    """Show the form of an unfinished session."""
    draft = get_object_or_404(
        HelpSession.objects.at_desk_of(request.user).select_related("unfinished_form"), public_id=public_id
    )
    if draft.status == HelpSession.Status.RECORDED:
        return redirect("desk_session", public_id)
    if draft.status != HelpSession.Status.UNFINISHED:
        raise Http404
    fields = saved_fields(draft)
    form = record_form(request, initial={**fields, "token": draft.public_id})
    names = ("q", "narrow", "as_typed", "by-hand", "pasted", "kits")
    shown = {name: request.GET.get(name, "") for name in names}
    return record_page(request, form, ItemPicker({**fields, **shown}, by=request.user), draft=draft)


@staff_only
@require_POST
def autosave(request):
    """Save the form as an unfinished session.

    The browser then shows the URL of the unfinished session. So the saved form is there if staff reload the
    page.
    """
    request.POST = with_current_names(request.POST)
    token = posted_token(request.POST)
    draft = draft_with(request, token)
    if draft is None or draft.status == HelpSession.Status.UNFINISHED:
        draft = save_draft(request, draft, token)
    form, at = record_form(request, data=request.POST), timezone.now()
    context = {
        "draft": draft,
        "saved_at": at,
        "secret_number": form.secret_number,
        "suggested": not request.POST.get("conversation")
        and suggestion(form, helper=request.user, branch=branch_for(request), at=at),
        "is_autosave": True,
    }
    response = render(request, "desk/record.html#kept", context)
    if draft.status == HelpSession.Status.UNFINISHED:
        response["HX-Replace-Url"] = reverse("finish_session", args=[draft.public_id])
    return response


@staff_only
@require_http_methods(["GET", "POST"])
def discard_session(request, public_id):
    """Ask whether to discard an unfinished session. On POST, discard the session."""
    draft = get_object_or_404(
        HelpSession.objects.at_desk_of(request.user).unfinished().select_related("unfinished_form"),
        public_id=public_id,
    )
    if request.method == "GET":
        return render(request, "desk/discard.html", {"draft": with_first_words(draft)})
    unfinished.discard_unfinished(draft, by=request.user, at=timezone.now())
    messages.info(request, _("Help session discarded."))
    return redirect("record")
