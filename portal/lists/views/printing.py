"""The page that prints a list."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.sign_in.access import sign_in_to_open
from portal.htmx import render_page

from ..details import fetch_places
from ..links import address_for_paper
from ..models import SavedItem, SavedList
from ..paper import arrange, receipt_height
from ..paper_form import branches_for, read_choices

# If a list has at least this many titles, A4 and US Letter pages have two columns with small print.
MANY = 9


@sign_in_to_open(SavedList)
@require_safe
def print_list(request, public_id):
    """Show a list as it will be printed, with the form that changes the paper and the branch."""
    saved_list = get_object_or_404(SavedList.objects.belonging_to(request.viewer), public_id=public_id)
    rows = SavedItem.objects.belonging_to(request.viewer).filter(saved_list=saved_list)
    saved_items = list(rows.select_related("item").in_order())
    fetch_places(saved_items)
    branches = branches_for(request.viewer.person, request.library)
    share_address = address_for_paper(saved_list, at=timezone.now(), library=request.library)
    form, choices = read_choices(
        request.GET, branches=branches, library=request.library, has_code=bool(share_address)
    )
    branch = next((branch for branch in branches if str(branch.pk) == choices["branch"]), None)
    if not choices["code"]:
        share_address = ""
    context = {
        "saved_list": saved_list,
        "form": form,
        "choices": choices,
        "branch": branch,
        "arranged": arrange(saved_items, branch),
        "count": len(saved_items),
        "is_many": len(saved_items) >= MANY,
        "today": request.library.today(),
        "share_address": share_address,
        "height": receipt_height(
            saved_list, saved_items, branch=branch, choices=choices, share_address=share_address
        ),
    }
    return render_page(request, "lists/print.html", context)
