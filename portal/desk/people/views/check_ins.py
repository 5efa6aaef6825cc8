"""Views that record whether a patron may be asked how visits turned out, and whether the patron has died."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.patron import check_ins
from accounts.sign_in.access import staff_only

from .records import open_record


@staff_only
@require_POST
def record_check_ins(request, public_id):
    """Record whether the patron lets the library ask later how visits turned out.

    Staff first read this question to the patron, and then choose the patron's answer.
    """
    person, _reason = open_record(request, public_id)
    choice = request.POST.get("check_ins", "")
    if not request.library.check_ins or person.died_at or choice not in User.CheckIns.values:
        raise Http404
    try:
        check_ins.record_answer(person, choice, by=request.user, at=timezone.now())
    except check_ins.OnlyThePatron:
        words = _(
            "This patron doesn't want check-ins. Only the patron can change this, under “Me”. Nothing was "
            "changed."
        )
        messages.error(request, words)
    except check_ins.NotOffered:
        messages.error(request, _("The library can't ask this child by email. Nothing was changed."))
    else:
        messages.success(request, _("The patron's answer is recorded."))
    return redirect("patron_record", person.public_id)


@staff_only
@require_POST
def stop_check_ins(request, public_id):
    """Stop asking the patron how visits turned out. Only the patron can turn these questions on again."""
    person, _reason = open_record(request, public_id)
    check_ins.stop(person, by=request.user, at=timezone.now())
    messages.success(request, _("We won't send this patron any more check-ins."))
    return redirect("patron_record", person.public_id)


@staff_only
@require_POST
def note_death(request, public_id):
    """Note that the patron has died. If the request has the field `undo`, remove this note."""
    person, _reason = open_record(request, public_id)
    if "undo" in request.POST:
        check_ins.undo_death(person, by=request.user, at=timezone.now())
        messages.success(
            request, _("The note about the death is removed. The library sends notices to this patron again.")
        )
    else:
        check_ins.note_death(person, by=request.user, at=timezone.now())
        messages.success(
            request, _("The patron's death is noted. The library sends no more notices to this patron.")
        )
    return redirect("patron_record", person.public_id)
