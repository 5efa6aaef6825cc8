"""Merge two records of a person who has proven that both are theirs.

The person is signed in to one record, and has just confirmed an email address of the other record.
"""

from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.sign_in.access import (
    OTHER_RECORD,
    is_borrowed,
    other_record,
    reauthentication_required,
    record_reauthentication,
    sign_in,
)
from accounts.sign_in.email_addresses import confirmed_address
from portal.notifications.writing import notify
from portal.privacy import unmerging
from portal.privacy.merging import CannotMerge, may_merge_people, what_moves

HOURS = int(unmerging.CAN_BE_UNMERGED_FOR.total_seconds() // 3600)


@reauthentication_required
def merge_records(request):
    """Show what a merge would move. On POST, merge the records."""
    other = other_record(request)
    if other is None:
        return redirect("me")
    going, into = _going_and_into(request.user, other)
    if going is None:
        text = _(
            "This address belongs to another library account. The two accounts can't be merged. To "
            "open the other account, sign out and sign in with that address."
        )
        messages.error(request, text)
        return redirect("me")
    if request.method != "POST":
        context = {"moving": what_moves(going), "stays": into, "hours": HOURS}
        return render(request, "privacy/merge.html", context)
    del request.session[OTHER_RECORD]
    try:
        _merge(going, into, by=request.user, at=timezone.now())
    except CannotMerge:
        text = _(
            "The two accounts can't be merged now. If you asked to change the email address of "
            "one account, first go to “Me” and keep the old address."
        )
        messages.error(request, text)
        return redirect("me")
    if into != request.user:
        # This browser session belonged to the record `going`, which the merge has deleted.
        borrowed = is_borrowed(request)
        request.session.flush()
        sign_in(request, into, by="joined", borrowed=borrowed)
        record_reauthentication(request)
    messages.success(request, _("Your two accounts are now one."))
    return redirect("home")


def _going_and_into(person, other):
    """Return (record to merge, record to keep), or (None, None) if neither may be merged into the other.

    If possible, the record with the confirmed address is kept.
    """
    for going, into in ((person, other), (other, person)):
        if may_merge_people(going, into):
            return going, into
    return None, None


@transaction.atomic
def _merge(going, into, *, by, at):
    """Merge the records, and send a warning to the address of the record that was deleted.

    Someone who briefly had the device may have made this merge to take over the account. The desk can undo
    the merge for a day.
    """
    ends, language = confirmed_address(going), going.language or get_language()
    unmerging.merge_for_a_day(going, into, by=by, at=at, proven=True)
    if ends and into.email:
        notify("privacy/merged", to=ends, at=at, language=language, context={"hours": HOURS}, remove=True)
