"""Find the patron that staff enter in the record form, and record the visit for this patron."""

from contextlib import suppress

from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.patron import check_ins
from accounts.sign_in.access import staff_only
from portal.checkins import recording
from portal.desk import slips
from portal.desk.access_log import log_reason
from portal.desk.people import find
from portal.desk.recipients import find_recipient
from portal.helpsessions.actions import PatronGone

from .record_form import draft_with, record_form, save_draft


@staff_only
@require_POST
def record_recipient(request):
    """Show the patron that staff entered in “For”, and the text to read aloud before staff save the form."""
    form = record_form(request, data=request.POST)
    form.is_valid()
    recipient = find_recipient(request, form)
    form.follow_language_of(recipient and recipient.person)
    context = {"form": form, "recipient": recipient, "swapped": True}
    return render(request, "desk/recipient.html#found", context)


def save_for(request, recipient, fields):
    """Record the session for the recipient, and redirect to the page of the slip.

    `fields` are the arguments of recording.record.
    """
    at = timezone.now()
    needs_reason = _needs_reason(request, recipient.person)
    try:
        help_session, code = _record_for(recipient, by=request.user, at=at, **fields)
    except PatronGone:
        draft = save_draft(request, draft_with(request, fields["token"]), fields["token"])
        words = _(
            "The account of this patron no longer exists. Nothing was recorded, and your text is still here."
        )
        messages.error(request, words)
        return redirect("finish_session", draft.public_id)
    if needs_reason:
        # Until now, the staff member could open the patron's record only with a reason. The new visit opens
        # the record to all staff of this desk, so log a reason.
        events = log_reason(request, recipient.person, at=at, reason=_("Recording a visit for this patron"))
        find.remember(request, [recipient.person], events=events)
    if code:
        slips.keep(request.session, help_session.public_id, [code], at=at)
    if recipient.address:
        slips.keep_sent(request.session, help_session.public_id, recipient.address, at=at)
    messages.success(request, recipient.saved_notice)
    return redirect("slip", help_session.public_id)


def _needs_reason(request, person):
    """Return whether the staff member must give a reason to open this person's record."""
    if person is None or find.reason_for(request, person):
        return False
    return not find.at_desk_of(request.user).filter(pk=person.pk).exists()


def _record_for(recipient, **fields):
    """Record the session, and return (the session, its code). The code is None if no code is needed."""
    if recipient.person is None:
        email = {"to_address": recipient.address, "base_url": slips.base_url()}
        return recording.record_and_hand_over(**email, **fields)
    consent = {"wording": recipient.wording, "wording_language": recipient.language}
    with transaction.atomic():
        recorded = recording.record_and_keep(person=recipient.person, **consent, **fields)
        if recipient.answer:
            # Ignore the answer if the patron has just made another choice on their own device.
            with suppress(check_ins.OnlyThePatron, check_ins.NotOffered):
                check_ins.record_answer(
                    recipient.person, recipient.answer, only_first=True, by=fields["by"], at=fields["at"]
                )
    return recorded
