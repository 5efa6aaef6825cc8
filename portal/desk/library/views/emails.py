"""The emails that did not reach their recipient."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import audit
from accounts.sign_in.access import coordinator_only
from portal.desk.people import find
from portal.desk.undelivered import TITLES, can_send_again, conversation_of, undelivered_at_desk_of
from portal.notifications import actions
from portal.notifications.models import Notification
from portal.paging import page_of


@coordinator_only
@require_safe
def undelivered_emails(request):
    """List the undelivered emails of the coordinator's branches, newest first."""
    emails = undelivered_at_desk_of(request.user, at=timezone.now())
    rows, after = page_of(emails, "created_at", request.GET.get("after"))
    for email in rows:
        _describe(email)
    return render(request, "desk/library/emails.html", {"emails": rows, "after": after})


@coordinator_only
@require_safe
def undelivered_email(request, public_id):
    """Show one undelivered email, and other ways to reach the person. Record that the email was opened."""
    at = timezone.now()
    emails = undelivered_at_desk_of(request.user, at=at).select_related("recipient")
    email = get_object_or_404(emails, public_id=public_id)
    audit.record("opened", email, by=request.user, patron=email.recipient, at=at)
    _describe(email)
    context = {
        "email": email,
        "can_send_again": can_send_again(email, at=at),
        "conversation": conversation_of(email, request.user),
        "has_record": find.at_desk_of(request.user).filter(pk=email.recipient_id).exists(),
    }
    return render(request, "desk/library/email.html", context)


@coordinator_only
@require_POST
def send_email_again(request, public_id):
    """Send an email again after the worker has stopped trying to send it."""
    at = timezone.now()
    email = get_object_or_404(undelivered_at_desk_of(request.user, at=at), public_id=public_id)
    if actions.send_again(email, at=at):
        audit.record("sent_email_again", email, by=request.user, patron=email.recipient, at=at)
        messages.success(
            request, _("The email is being sent again. If it can't be sent, it will be in this list again.")
        )
    else:
        messages.error(request, _("This email can't be sent again, or somebody has just sent it again."))
    return redirect("undelivered_emails")


def _describe(email):
    email.title = TITLES.get(email.kind, _("Email"))
    email.masked = find.masked(email.to_address) or _("address deleted")
    if email.way == Notification.Way.PUSH:
        email.masked = _("on the patron's phone")
