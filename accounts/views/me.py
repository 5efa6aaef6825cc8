"""The page “Me”, where people see and change their name, sign-in methods and devices."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms.profile import NameForm
from accounts.ils.configured import library_ils
from accounts.languages import languages
from accounts.models import Passkey
from accounts.patron import people
from accounts.sign_in import email_addresses, kept_devices, library_cards, sign_ins
from accounts.sign_in.access import is_borrowed
from accounts.sign_in.passkeys import tell_apart
from accounts.sign_in.single_sign_on import linked_accounts, sign_on_name
from accounts.sign_in.unsent import shows_unsent_text, unsent_form
from accounts.views.passkeys import PASSKEY_HERE


@shows_unsent_text()
def me(request):
    """Show the person's account. A POST changes the name.

    A viewer by code can open the page to choose a language, and to remove the visits from this browser.
    """
    if not request.viewer or (request.method == "POST" and not request.user.is_authenticated):
        return redirect_to_login(request.get_full_path_info())
    person = request.user
    unsent = unsent_form(request)
    name = unsent.typed.get("name", "") if unsent else getattr(person, "name", "")
    form = (
        NameForm(request.POST or None, initial={"name": name}, is_child=person.is_child)
        if person.is_authenticated
        else None
    )
    if form and form.is_valid():
        people.change_name(request.user, name=form.cleaned_data["name"])
        saved = (
            _("Your name is saved.") if form.cleaned_data["name"] else _("We no longer save a name for you.")
        )
        messages.success(request, saved)
        return redirect("me")
    devices = sign_ins.devices(request.user, here=request.session.session_key) if form else []
    card = library_cards.card_of(request.user) if form and library_ils() else None
    passkeys = (
        tell_apart(Passkey.objects.belonging_to(request.viewer), here=request.session.get(PASSKEY_HERE))
        if form
        else []
    )
    waits = email_addresses.pending_address_change(person) if form and person.email else None
    context = {
        "form": form,
        "languages": languages(),
        "devices": devices,
        "card": card,
        "passkeys": passkeys,
        "borrowed": is_borrowed(request),
        "may_keep": kept_devices.may_keep(request),
        "has_push": bool(settings.PUSH_PRIVATE_KEY),
    }
    context |= {"address_waits": waits, "unsent": unsent}
    if form and sign_on_name():
        context |= {"sign_on": sign_on_name(), "connected": linked_accounts(request.user).exists()}
    return render(request, "accounts/me.html", context)


@require_POST
def sign_out_elsewhere(request):
    """Sign out one other device, or all other devices."""
    if not request.user.is_authenticated:
        messages.warning(request, _("No device was signed out. Sign in and try again."))
        return redirect_to_login(reverse("me"))
    mark = request.POST.get("device")
    if not mark:
        sign_ins.end_all_sign_ins(request.user, keep=request.session.session_key)
        messages.success(request, _("You're now signed in only on this device."))
        return redirect("me")
    for signed_in in sign_ins.devices(request.user, here=request.session.session_key):
        if signed_in.mark == mark and not signed_in.is_here:
            sign_ins.end_sign_in_elsewhere(signed_in)
            messages.success(request, _("%(device)s is signed out.") % {"device": signed_in.device})
    return redirect("me")
