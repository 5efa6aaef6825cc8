"""Sheets of code cards.

A patron gets a code card first. When staff record the help session later, they attach the code card to the
session. From then on, the code on the card opens the session.
"""

from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import staff_only
from portal.desk import slips
from portal.desk.forms.codes import CodeCardsForm
from portal.helpsessions import codes, handover
from portal.htmx import render_page
from portal.printing import qr_svg

PAPERS = {"a4", "letter"}


@staff_only
@require_http_methods(["GET", "POST"])
def code_cards(request):
    """Make code cards, and show a sheet with these cards for ten minutes, ready to print."""
    at = timezone.now()
    if request.method == "POST":
        form = CodeCardsForm(request.POST, user=request.user)
        if form.is_valid():
            made = handover.print_code_cards(by=request.user, at=at, **form.cleaned_data)
            slips.keep(request.session, slips.CARDS, made, at=at)
            return redirect("code_cards")
        return render_page(request, "desk/code_cards.html", {"form": form, "count": 0}, status=422)
    made = slips.kept(request.session, slips.CARDS, at=at)
    paper = request.GET.get("paper")
    if paper in PAPERS and made:
        with override(request.library.language):
            label = _("QR code of this card")
            sheet = [{"grouped": codes.grouped(code), "qr": qr_svg(slips.link(code), label)} for code in made]
        return render(
            request,
            "desk/sheet.html",
            {
                "link_page": slips.typed_at(),
                "cards": sheet,
                "paper": paper,
                "paper_language": request.library.language,
            },
        )
    return render_page(
        request, "desk/code_cards.html", {"form": CodeCardsForm(user=request.user), "count": len(made)}
    )
