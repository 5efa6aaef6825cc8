"""The list of emails that were not matched, and the views that staff use to handle them."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import audit
from accounts.sign_in.access import staff_only
from portal.conversations.changes import Erased
from portal.desk.not_matched import addressee_of, advice, masked_sender
from portal.incoming import actions, desk_actions
from portal.incoming.models import IncomingEmail, may_see_not_matched
from portal.incoming.views.originals import original_response
from portal.paging import page_of
from portal.privacy import holds


@staff_only
@require_safe
def not_matched(request):
    """List the emails that were not matched, newest first."""
    if not may_see_not_matched(request.user):
        raise Http404
    emails = IncomingEmail.objects.not_matched_for(request.user)
    rows, after = page_of(emails, "came_at", request.GET.get("after"))
    for email in rows:
        email.masked = masked_sender(email)
    return render(request, "desk/not_matched/list.html", {"emails": rows, "after": after})


@staff_only
@require_safe
def not_matched_email(request, public_id):
    """Show one email, its sender and the patron's confirmed address. Record that the email was opened."""
    email = _find(request, public_id)
    _log_opened(request, email)
    addressee = addressee_of(email, request.user)
    may_add = bool(email.text or email.file) and email.reason in IncomingEmail.ADDABLE
    context = {"email": email, "addressee": addressee, "may_add": may_add, "advice": advice(email)}
    return render(request, "desk/not_matched/email.html", context)


@staff_only
@require_safe
def not_matched_original(request, public_id):
    """Return the file of an email that was not matched. Record that the email was opened."""
    email = _find(request, public_id)
    _log_opened(request, email)
    return original_response(email)


@staff_only
@require_POST
def add_not_matched(request, public_id):
    """Add the email to its conversation. The next page has an undo button."""
    email, reason, at = _find(request, public_id), request.POST.get("reason", ""), timezone.now()
    try:
        message = actions.add_to_conversation(email, by=request.user, at=at)
    except (actions.CannotAdd, Erased):
        messages.error(request, _("This email can't be added to its conversation anymore."))
        return redirect("not_matched")
    query = urlencode({"reason": reason or email.reason})
    undo = f"{reverse('undo_adding_email', args=[email.public_id])}?{query}"
    words = _("Email added to the conversation. Answers still go to the patron's confirmed address.")
    messages.success(request, words, extra_tags=f"undo={undo}")
    addressee = message.conversation
    if type(addressee).objects.at_desk_of(request.user).filter(pk=addressee.pk).exists():
        return redirect("desk_conversation", addressee.public_id)
    return redirect("not_matched")


@staff_only
@require_POST
def undo_adding_email(request, public_id):
    """Undo adding an email to a conversation.

    Only the staff member who has just added the email can do this.
    """
    if not may_see_not_matched(request.user):
        raise Http404
    email = get_object_or_404(IncomingEmail.objects.added_by(request.user), public_id=public_id)
    reason = request.GET.get("reason", "")
    try:
        desk_actions.undo_adding(email, reason=reason, by=request.user, at=timezone.now())
    except desk_actions.CannotUndo:
        words = _("It's too late to undo this, or somebody has written since then.")
        messages.error(request, words)
        return redirect("not_matched")
    messages.success(request, _("The email is back in this list."))
    return redirect("not_matched")


@staff_only
@require_POST
def delete_not_matched(request, public_id):
    """Delete an email that was not matched. If the email is under a legal hold, refuse to delete it."""
    email = _find(request, public_id)
    try:
        holds.delete_email(email, by=request.user, at=timezone.now())
    except holds.HeldByLaw:
        words = _("This email is under a legal hold. It can't be deleted until a coordinator lifts the hold.")
        messages.error(request, words)
        return redirect("not_matched_email", email.public_id)
    messages.success(request, _("Email deleted."))
    return redirect("not_matched")


def _find(request, public_id):
    emails = IncomingEmail.objects.not_matched_for(request.user).exclude(reason=IncomingEmail.Reason.ERASED)
    return get_object_or_404(emails.select_related("conversation", "person"), public_id=public_id)


def _log_opened(request, email):
    audit.record("opened", email, by=request.user, patron=email.person, at=timezone.now())
