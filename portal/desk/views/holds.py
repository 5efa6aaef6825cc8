"""Views that set, list and lift legal holds.

If the law forbids deleting a record, a coordinator sets a hold on it, and lifts the hold later. A record is a
help session, a conversation or a person.
"""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from accounts.sign_in.access import coordinator_only
from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.desk.access_log import log_session_opened
from portal.desk.corrections import HAVE_A_PAGE, history_of
from portal.desk.people import find
from portal.helpsessions.models import HelpSession
from portal.privacy import holds
from portal.privacy.corrected_fields import LABELS
from portal.privacy.forms import HoldForm
from portal.privacy.models import LegalHold

MAX_LIFTED = 100


@coordinator_only
@require_safe
def legal_holds(request):
    """List the holds that are in force, and up to MAX_LIFTED holds that were lifted."""
    rows = LegalHold.objects.select_related(
        "set_by", "lifted_by", "person", "help_session", "conversation", "comes_from"
    )
    in_force = list(rows.filter(lifted_at=None))
    openable = _openable_records(request)
    for hold in in_force:
        hold.url = _url(hold.record) if hold.record.pk in openable[hold.kind] else ""
    lifted = rows.exclude(lifted_at=None)[:MAX_LIFTED]
    return render(request, "desk/holds.html", {"in_force": in_force, "lifted": lifted})


@coordinator_only
@require_http_methods(["GET", "POST"])
def hold_session(request, public_id):
    sessions = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request))
    return _hold(request, get_object_or_404(sessions, public_id=public_id, status__in=HAVE_A_PAGE))


@coordinator_only
@require_http_methods(["GET", "POST"])
def hold_conversation(request, public_id):
    conversations = Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
    return _hold(request, get_object_or_404(conversations, public_id=public_id))


@coordinator_only
@require_http_methods(["GET", "POST"])
def hold_person(request, public_id):
    people = find.at_desk_of(request.user, find.found(request))
    return _hold(request, get_object_or_404(people, public_id=public_id))


@coordinator_only
@require_POST
def lift_hold(request, public_id):
    hold = get_object_or_404(LegalHold, public_id=public_id)
    holds.lift(hold, by=request.user, at=timezone.now())
    messages.info(request, _("Hold lifted. Records that are past their deletion date are deleted tonight."))
    return redirect("legal_holds")


def _hold(request, record):
    """Ask for a reason, then set a legal hold on the record."""
    form = HoldForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            holds.hold(record, reason=form.cleaned_data["reason"], by=request.user, at=timezone.now())
        except holds.Gone:
            messages.error(
                request,
                _("The record was just deleted, so no hold was set."),
            )
            return redirect("legal_holds")
        messages.info(
            request, _("Hold set. Nothing under this hold is deleted until a coordinator lifts it.")
        )
        return redirect("legal_holds")
    context = {
        "form": form,
        "kind": holds.FIELD[type(record)],
        "record": record,
        "back": _url(record),
        "held": holds.held(record),
    }
    return render(request, "desk/hold.html", context, status=422 if form.is_bound else 200)


def _url(record):
    names = {User: "patron_record", HelpSession: "desk_session", Conversation: "desk_conversation"}
    return reverse(names[type(record)], args=[record.public_id])


def _openable_records(request):
    """Return {kind: primary keys of the held records that this coordinator may open}."""
    held = LegalHold.objects.filter(lifted_at=None)
    sessions = HelpSession.objects.at_desk_of(request.user).filter(legal_holds__in=held)
    conversations = Conversation.objects.at_desk_of(request.user).filter(legal_holds__in=held)
    people = User.objects.filter(legal_holds__in=held)
    return {
        "help_session": set(sessions.values_list("pk", flat=True)),
        "conversation": set(conversations.values_list("pk", flat=True)),
        "person": set(people.values_list("pk", flat=True)),
    }


@coordinator_only
@require_safe
def old_words(request, public_id):
    """Show the text that a session had before each correction.

    The database keeps this text only under a legal hold.
    """
    sessions = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request))
    help_session = get_object_or_404(sessions, public_id=public_id)
    if not holds.held(help_session):
        raise Http404
    log_session_opened(request, help_session, at=timezone.now())
    corrections = [correction for correction in history_of(help_session) if correction.old_words]
    for correction in corrections:
        correction.before = [(LABELS.get(name, name), text) for name, text in correction.old_words.items()]
    return render(request, "desk/old_words.html", {"help_session": help_session, "corrections": corrections})
