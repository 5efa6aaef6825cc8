"""Handing a session over: the slip on the screen and on paper, by mail, on a card; taking it back."""

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
from portal.desk.forms import AddressForm, CodeForm
from portal.helpsessions import codes, handover, keeping
from portal.helpsessions.models import HelpSession
from portal.htmx import render_page
from portal.privacy import sharing
from recommendations.models import Recommendation

PAPERS = {"receipt", "a4", "letter"}


@staff_only
@require_GET
def slip(request, public_id):
    return _slip_page(request, _to_hand_over(request, public_id))


@staff_only
@require_POST
def hand_over(request, public_id):
    """Make a new code, and mail its link where an address was typed."""
    help_session, at = _to_hand_over(request, public_id), timezone.now()
    form = AddressForm(request.POST) if "address" in request.POST else None
    if form is not None and (help_session.quiet or not form.is_valid()):
        return _slip_page(request, help_session, form, status=422)
    address = form.cleaned_data["address"] if form else ""
    if form and not limits.counted(request, form, "address", "hand_over_by_mail", target=address.lower()):
        return _slip_page(request, help_session, form, status=422)
    try:
        code = handover.hand_over(
            help_session, by=request.user, at=at, to_address=address, base_url=slips.base_url()
        )
    except (keeping.AlreadyKept, keeping.OnPaperOnly):
        return redirect("slip", public_id)  # which says that it needs no code
    slips.keep(request.session, public_id, [code], at=at)
    if address:
        messages.success(request, _("The link is on its way to %(address)s.") % {"address": address})
    return redirect("slip", public_id)


@staff_only
@require_POST
def revoke(request, public_id):
    help_session = get_object_or_404(_sessions(request), public_id=public_id)
    handover.revoke_codes(help_session, by=request.user, at=timezone.now())
    slips.forget(request.session, public_id)
    messages.info(request, _("Revoked. No slip, card or link opens this session any more."))
    return redirect("desk_session", public_id)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def take_out(request, public_id):
    """Who has the adult's part, or the child's and isn't the child: out they go, and with them whoever has a code. `who`: as the page that asked named them."""
    help_session = get_object_or_404(_sessions(request).select_related("shared_with"), public_id=public_id)
    who = request.POST.get("who") or request.GET.get("who", "")
    person = next(
        (
            person
            for person in (help_session.patron, help_session.shared_with)
            if person and str(person.public_id) == who
        ),
        None,
    )
    if person is None or not help_session.is_shared:
        return redirect("desk_session", public_id)
    if request.method != "POST":
        log_session_opened(request, help_session, at=timezone.now())
        context = {
            "person": person,
            "is_adult": person == help_session.shared_with,
            "is_last": not (help_session.patron and help_session.shared_with),
        }
        return render(request, "desk/take_out.html", {"help_session": help_session, **context})
    if sharing.take_out(help_session, person, by=request.user, at=timezone.now()):
        slips.forget(request.session, public_id)
        messages.info(request, _("Taken out. Make a new code if the child needs one."))
    return redirect("desk_session", public_id)


@staff_only
@require_POST
def attach_code_card(request, public_id):
    """Tie a card that the patron walked away with to the session."""
    help_session = _to_hand_over(request, public_id)
    form = CodeForm(request.POST)
    if form.is_valid() and limits.counted(request, form, "code", "code_at_desk"):
        try:
            handover.attach_code_card(
                help_session, code=form.cleaned_data["code"], by=request.user, at=timezone.now()
            )
        except handover.UnknownCodeCard:
            form.add_error("code", _("No card has this code. Please compare it with the card."))
        except (keeping.AlreadyKept, keeping.OnPaperOnly):
            return redirect("slip", public_id)
        except handover.CodeCardAlreadyAttached:
            form.add_error(
                "code",
                _(
                    "This card belongs to another session already, or is too old. Give the patron another card."
                ),
            )
        else:
            messages.success(request, _("The card now opens this session."))
            return redirect("desk_session", public_id)
    return _slip_page(request, help_session, card_form=form, status=422)


def _sessions(request):
    return (
        HelpSession.objects.at_desk_of(request.user)
        .recorded()
        .select_related("branch", "staff", "topic", "patron")
    )


def _to_hand_over(request, public_id):
    """Never a contact as which the work of a conversation was counted: it begins with somebody's words, and is the desk's own."""
    return get_object_or_404(
        _sessions(request).exclude(Exists(Conversation.objects.filter(logged_as=OuterRef("pk")))),
        public_id=public_id,
    )


def _slip_page(request, help_session, form=None, card_form=None, *, status=200):
    at = timezone.now()
    log_session_opened(request, help_session, at=at)
    code = (
        ""
        if help_session.is_fully_kept
        else next(iter(slips.kept(request.session, help_session.public_id, at=at)), "")
    )
    context = {
        "help_session": help_session,
        "recommendations": Recommendation.objects.filter(sessionrecommendation__help_session=help_session)
        .order_by("sessionrecommendation__position", "pk")
        .for_page(),
        "live_codes": help_session.claim_codes.live(at).count(),
        "paper_language": slips.paper_language(help_session),
        "form": form or AddressForm(),
        "card_form": card_form or CodeForm(prefix=None),
        "code": code,
    }
    if code:
        with override(context["paper_language"]):
            context |= {
                "link_page": slips.typed_at(),
                "grouped": codes.grouped(code),
                "link": slips.link(code),
                "qr": slips.qr_svg(slips.link(code), _("QR code that opens this page on a phone")),
            }
    paper = request.GET.get("paper")
    if paper in PAPERS and (code or help_session.is_on_paper_only):
        return render(request, "desk/paper.html", {**context, "paper": paper})
    return render_page(request, "desk/slip.html", context, status=status)
