"""The views where people choose to keep their pages on a device, and end this choice."""

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import KeptDevice
from accounts.sign_in import kept_devices
from accounts.sign_in.sign_ins import device
from portal.paging import PAGE
from portal.text import uuid_or_none


@require_http_methods(["GET", "HEAD", "POST"])
def keep_pages(request):
    """Explain "Keep my pages on this phone". A POST makes this choice for this browser."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("keep_pages"))
    if not kept_devices.may_keep(request):
        messages.warning(request, _("Pages can't be kept on a device that other people use."))
        return redirect("me")
    if request.method == "POST":
        try:
            kept_devices.keep_here(request, at=timezone.now())
        except kept_devices.CannotKeep:
            messages.warning(
                request, _("We couldn't keep your pages on this phone. Sign out, sign in and try again.")
            )
        else:
            messages.success(request, _("Your pages are now kept on this phone."))
        return redirect("keep_pages")
    context = {"count": PAGE, "days": KeptDevice.KEPT_FOR.days}
    return render(request, "accounts/keep_pages.html", context)


@require_POST
def end_kept_pages(request):
    """Stop keeping the person's pages on the device whose public id is in the form.

    If the form has no public id of a device, stop keeping pages in this browser.
    """
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("me"))
    if "kept" not in request.POST:
        kept_devices.end_here(request)
        messages.success(request, _("Your pages are no longer kept on this phone."))
        return redirect("keep_pages")
    kept = get_object_or_404(
        KeptDevice.objects.belonging_to(request.viewer).select_related("sign_in"),
        public_id=uuid_or_none(request.POST["kept"]),
    )
    kept_devices.end(kept)
    words = _(
        "%(device)s will delete your pages when it next connects to the library's site, or after "
        "%(days)s days at the latest."
    )
    named = {"device": device(kept.sign_in.user_agent), "days": KeptDevice.KEPT_FOR.days}
    messages.success(request, words % named)
    return redirect("me")
