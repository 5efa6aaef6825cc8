"""Views that hand over a session on a slip, by email or on a code card, and views that revoke codes."""

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.sign_in.access import staff_only
from portal import limits
from portal.conversations.models import Conversation
from portal.desk import slips
from portal.desk.access_log import log_session_opened
from portal.desk.check_ins.visit_part import planned_row
from portal.desk.corrections import may_correct
from portal.desk.forms.codes import AddressForm, CodeForm
from portal.desk.given_items import given_at
from portal.helpsessions import handover, keeping
from portal.helpsessions.models import HelpSession
from portal.htmx import render_page
from portal.privacy import sharing

PAPERS = {"receipt", "a4", "letter"}


@staff_only
@require_GET
def slip(request, public_id):
    """Show the slip of a session, on the screen or ready to print."""
    return _slip_page(request, _session_to_hand_over(request, public_id))


@staff_only
@require_POST
def hand_over(request, public_id):
    """Make a new code for a session. If staff entered an email address, also email a link with the code."""
    help_session, at = _session_to_hand_over(request, public_id), timezone.now()
    form = AddressForm(request.POST) if "address" in request.POST else None
    if form is not None and (help_session.quiet or not form.is_valid()):
        return _slip_page(request, help_session, form, status=422)
    address = form.cleaned_data["address"] if form else ""
    if form and not limits.counted(request, form, "address", "hand_over_by_mail", target=address):
        return _slip_page(request, help_session, form, status=422)
    try:
        code = handover.hand_over(
            help_session, by=request.user, at=at, to_address=address, base_url=slips.base_url()
        )
    except (keeping.AlreadyKept, keeping.OnPaperOnly):
        # This session needs no code, and the page of the slip says so.
        return redirect("slip", public_id)
    slips.keep(request.session, public_id, [code], at=at)
    if address:
        slips.keep_sent(request.session, public_id, address, at=at)
        messages.success(request, _("We're sending the link to %(address)s.") % {"address": address})
    return redirect("slip", public_id)


@staff_only
@require_POST
def revoke(request, public_id):
    """Revoke every code of a help session."""
    help_session = get_object_or_404(_sessions(request), public_id=public_id)
    handover.revoke_codes(help_session, by=request.user, at=timezone.now())
    slips.forget(request.session, public_id)
    messages.info(request, _("Codes revoked. No slip, code card or link opens this help session now."))
    return redirect("desk_session", public_id)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def take_out(request, public_id):
    """Ask whether to remove a person from a visit that a child and an adult share.

    On POST, remove the person and revoke the codes of the visit. The parameter `who` is the public id of the
    person.
    """
    help_session = get_object_or_404(_sessions(request).select_related("shared_with"), public_id=public_id)
    who = request.POST.get("who") or request.GET.get("who", "")
    people = [person for person in (help_session.patron, help_session.shared_with) if person]
    person = next((person for person in people if str(person.public_id) == who), None)
    if person is None or not help_session.is_shared:
        return redirect("desk_session", public_id)
    if request.method != "POST":
        log_session_opened(request, help_session, at=timezone.now())
        context = {
            "help_session": help_session,
            "person": person,
            "is_adult": person == help_session.shared_with,
            "is_last": len(people) == 1,
        }
        return render(request, "desk/take_out.html", context)
    if sharing.take_out(help_session, person, by=request.user, at=timezone.now()):
        slips.forget(request.session, public_id)
        messages.info(request, _("Person removed from this visit. Make a new code if the child needs one."))
    return redirect("desk_session", public_id)


@staff_only
@require_POST
def attach_code_card(request, public_id):
    """Attach a code card to a session, so that the code on the card opens the session."""
    help_session = _session_to_hand_over(request, public_id)
    form = CodeForm(request.POST)
    if form.is_valid() and limits.counted(request, form, "code", "code_at_desk"):
        try:
            handover.attach_code_card(
                help_session, code=form.cleaned_data["code"], by=request.user, at=timezone.now()
            )
        except handover.UnknownCodeCard:
            form.add_error("code", _("No code card has this code. Check the digits on the card."))
        except (keeping.AlreadyKept, keeping.OnPaperOnly):
            return redirect("slip", public_id)
        except handover.CodeCardAlreadyAttached:
            form.add_error(
                "code",
                _(
                    "This code card already belongs to another help session, or is too old. Give the "
                    "patron another code card."
                ),
            )
        else:
            messages.success(request, _("The code card now opens this help session."))
            return redirect("desk_session", public_id)
    return _slip_page(request, help_session, card_form=form, status=422)


def _sessions(request):
    sessions = HelpSession.objects.at_desk_of(request.user).recorded()
    return sessions.select_related("branch", "staff", "topic", "patron")


def _session_to_hand_over(request, public_id):
    """Return the session, or raise Http404 if this staff member can't hand it over.

    Nobody can hand over a session that logs a conversation as a contact.
    """
    logged_for = Conversation.objects.filter(logged_as=OuterRef("pk"))
    return get_object_or_404(_sessions(request).exclude(Exists(logged_for)), public_id=public_id)


def _slip_page(request, help_session, form=None, card_form=None, *, status=200):
    at = timezone.now()
    log_session_opened(request, help_session, at=at)
    codes = [] if help_session.is_fully_kept else slips.kept(request.session, help_session.public_id, at=at)
    code, paper_language = codes[0] if codes else "", slips.paper_language(help_session)
    with override(paper_language):
        code_context = slips.code_context(code) if code else {}
    recommendations = list(given_at(help_session).for_page())
    context = {
        "help_session": help_session,
        "recommendations": recommendations,
        "live_codes": help_session.claim_codes.live(at).count(),
        "paper_language": paper_language,
        "form": form or AddressForm(),
        "may_correct": may_correct(request.user, help_session),
        "card_form": card_form or CodeForm(prefix=None),
        "code": code,
        "planned": planned_row(request, help_session, at=at),
        "sent": slips.sent(request.session, help_session.public_id, at=at),
        **code_context,
    }
    paper = request.GET.get("paper")
    if paper in PAPERS and (code or help_session.is_on_paper_only):
        context |= {"paper": paper, "height": slips.receipt_height(help_session, recommendations)}
        return render(request, "desk/paper.html", context)
    return render_page(request, "desk/slip.html", context, status=status)
