"""Find the patron whom staff name in the record form, and record the visit for this patron."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.sign_in.access import staff_only
from portal.desk import slips
from portal.desk.access_log import log_reason
from portal.desk.people import find
from portal.desk.recipients import find_recipient
from portal.helpsessions import actions

from .record_form import draft_with, record_form, save_draft


@staff_only
@require_POST
def record_recipient(request):
    """Show the named patron and the text to read aloud, before the form is saved."""
    form = record_form(request, data=request.POST)
    form.is_valid()
    context = {"form": form, "recipient": find_recipient(request, form), "swapped": True}
    return render(request, "desk/recipient.html#found", context)


def save_for(request, recipient, fields):
    """Record the session for the named patron, and redirect to the page of the slip.

    `fields` are the arguments of actions.record.
    """
    at = timezone.now()
    needs_reason = _needs_reason(request, recipient.person)
    try:
        help_session, code = _record_for(recipient, by=request.user, at=at, **fields)
    except actions.PatronGone:
        draft = save_draft(request, draft_with(request, fields["token"]), fields["token"])
        words = _(
            "The account of this patron no longer exists. Nothing was recorded, and your text is still here."
        )
        messages.error(request, words)
        return redirect("finish_session", draft.public_id)
    if needs_reason:
        # With the visit, staff of this desk can open the patron's record without giving a reason.
        events = log_reason(request, recipient.person, at=at, reason=_("Recording a visit for this patron"))
        find.remember(request, [recipient.person], events=events)
    if code:
        slips.keep(request.session, help_session.public_id, [code], at=at)
    if recipient.address:
        slips.keep_sent(request.session, help_session.public_id, recipient.address, at=at)
    messages.success(request, recipient.saved_notice)
    return redirect("slip", help_session.public_id)


def _needs_reason(request, person):
    """Return whether the staff member may open this person's record only with a reason."""
    if person is None or find.reason_for(request, person):
        return False
    return not find.at_desk_of(request.user).filter(pk=person.pk).exists()


def _record_for(recipient, **fields):
    """Record the session, and return (the session, its code). The code is None if the session needs none."""
    if recipient.person is None:
        email = {"to_address": recipient.address, "base_url": slips.base_url()}
        return actions.record_and_hand_over(**email, **fields)
    consent = {"wording": recipient.wording, "wording_language": recipient.language}
    return actions.record_and_keep(person=recipient.person, **consent, **fields)
