"""The page where a patron emails a list to their own address."""

import uuid

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.email_addresses import confirmed_address
from portal import limits
from portal.htmx import render_page
from portal.text import uuid_or_none

from .. import emailing
from ..models import SavedList


@sign_in_to_open(SavedList)
@require_http_methods(["GET", "HEAD", "POST"])
def email_list(request, public_id):
    """Show a button that names the patron's confirmed address. On POST, send the list to this address.

    The button posts the address. If the patron's address has changed since the page was opened, send
    nothing, and show the new address.
    """
    saved_list = get_object_or_404(SavedList.objects.belonging_to(request.viewer), public_id=public_id)
    address = confirmed_address(request.viewer.person)
    token = uuid_or_none(request.POST.get("client_token", ""))
    if request.method == "POST" and token and address and request.POST.get("to") == address:
        limits.count(request, "list_email")
        emailing.email_list(saved_list, request.viewer, to=address, token=token, at=timezone.now())
        words = _("The email with “%(list)s” is on its way to %(address)s.")
        messages.success(request, words % {"list": saved_list.title, "address": address})
        return redirect("list_options", public_id)
    context = {
        "saved_list": saved_list,
        "address": address,
        "unconfirmed": not address and bool(request.viewer.person.email),
        "token": uuid.uuid4(),
        "not_sent": request.method == "POST",
    }
    return render_page(request, "lists/email_list.html", context)
