"""Two records of one person, proven from both sides: the one in which they are signed in, and the one whose address they have just proved."""

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
from portal.notifications.actions import notify
from portal.privacy import unmerging
from portal.privacy.merging import CannotMerge, may_merge_people, what_moves

HOURS = int(unmerging.CAN_BE_UNMERGED_FOR.total_seconds() // 3600)


@reauthentication_required
def merge_records(request):
    """What would move, and the button that does it."""
    other = other_record(request)
    if other is None:
        return redirect("me")
    going, into = _which_ends(request.user, other)
    if going is None:
        messages.error(
            request,
            _(
                "This address opens another library account, and the two cannot be joined. Sign out and sign in with it to see that one."
            ),
        )
        return redirect("me")
    if request.method != "POST":
        return render(
            request, "privacy/merge.html", {"moving": what_moves(going), "stays": into, "hours": HOURS}
        )
    del request.session[OTHER_RECORD]
    try:
        _join(going, into, by=request.user, at=timezone.now())
    except CannotMerge:
        messages.error(
            request,
            _(
                "The two accounts cannot be joined now. If another address waits for one of them, keep the old one first, on your page Me."
            ),
        )
        return redirect("me")
    if into != request.user:
        borrowed = is_borrowed(request)
        request.session.flush()  # it was the other one's
        sign_in(request, into, by="joined", borrowed=borrowed)
        record_reauthentication(request)
    messages.success(request, _("Your two accounts are one now."))
    return redirect("home")


def _which_ends(person, other):
    """(going, into): the record of the proven address stays, unless that is not possible; (None, None) where neither may end."""
    for going, into in ((person, other), (other, person)):
        if may_merge_people(going, into):
            return going, into
    return None, None


@transaction.atomic
def _join(going, into, *, by, at):
    """The address that ends is told: whoever had the device for a moment took all of it along, and for a day the desk can part them."""
    ends, language = confirmed_address(going), going.language or get_language()
    unmerging.merge_for_a_day(going, into, by=by, at=at, proven=True)
    if ends and into.email:
        notify("privacy/merged", to=ends, at=at, language=language, context={"hours": HOURS}, remove=True)
