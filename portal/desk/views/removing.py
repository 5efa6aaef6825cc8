"""The pages that remove a wrong patron from a visit, and delete a help session."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import staff_only
from portal.checkins.planning import day_of_check_in
from portal.conversations.models import Conversation
from portal.desk import slips
from portal.desk.access_log import log_session_opened
from portal.desk.corrections import session_to_correct
from portal.privacy import deleting, holds, wrong_patron
from portal.privacy.session_lock import Gone, conversations_of, merged_messages_of


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def remove_patron(request, public_id):
    """Ask whether to remove a wrong patron from a visit.

    On POST, remove the patron and show the code of a new visit.
    """
    help_session = session_to_correct(request, public_id)
    patron = help_session.patron
    if patron is None:
        messages.info(request, _("This visit is in nobody's account now."))
        return redirect("desk_session", public_id)
    if request.method != "POST":
        log_session_opened(request, help_session, at=timezone.now())
        context = {
            "help_session": help_session,
            "person": patron,
            "merged_messages": merged_messages_of(help_session),
            "open_conversations": conversations_of(help_session).filter(status__in=Conversation.OPEN).count(),
            "asks_on": day_of_check_in(help_session),
        }
        return render(request, "desk/remove_patron.html", context)
    if request.POST.get("who") != str(patron.public_id):
        messages.error(request, _("The visit is in another account now. Check whose account it is."))
        return redirect("remove_patron", public_id)
    at = timezone.now()
    try:
        right, code = wrong_patron.remove_wrong_patron(help_session, patron, by=request.user, at=at)
    except (Gone, wrong_patron.NotThePatron):
        messages.info(request, _("This visit is in nobody's account now."))
        return redirect("desk_session", public_id)
    slips.forget(request.session, public_id)
    slips.keep(request.session, right.public_id, [code], at=at)
    messages.success(request, _("Patron removed. This is the new visit for the right patron."))
    return redirect("slip", right.public_id)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def delete_session(request, public_id):
    """Ask whether to delete a session, and list what else will be deleted. On POST, delete the session."""
    help_session = session_to_correct(request, public_id)
    why, is_held = deleting.why_it_must_stay(help_session), holds.held(help_session)
    if request.method == "POST":
        try:
            deleting.delete_session(help_session, by=request.user, at=timezone.now())
        except deleting.MustStay as stays:
            why = stays.why
        except holds.HeldByLaw:
            is_held = True
        except Gone:
            raise Http404 from None
        else:
            slips.forget(request.session, public_id)
            messages.info(request, _("Help session deleted."))
            return redirect("desk_sessions")
    else:
        log_session_opened(request, help_session, at=timezone.now())
    context = {
        "help_session": help_session,
        "why": why and why.label,
        "is_held": is_held,
        "items": help_session.recommendation_links.count(),
        "asks_on": day_of_check_in(help_session),
        "codes": help_session.claim_codes.live(timezone.now()).count(),
    }
    status = 409 if request.method == "POST" else 200
    return render(request, "desk/delete_session.html", context, status=status)
