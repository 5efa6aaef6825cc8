"""The page with what a patron can do with a whole list: share, print, export and cite it."""

from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from accounts.sign_in.access import sign_in_to_open
from portal.htmx import render_page

from ..models import SavedList
from .links import share_section


@sign_in_to_open(SavedList)
@require_safe
def list_options(request, public_id):
    """Show how the patron can use the list outside of the portal."""
    lists = SavedList.objects.belonging_to(request.viewer).select_related("patron")
    saved_list = get_object_or_404(lists, public_id=public_id)
    context = {"saved_list": saved_list, **share_section(request, saved_list)}
    return render_page(request, "lists/options.html", context)
