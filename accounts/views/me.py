"""What a person can say about themselves, and what being signed in means on this device."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import actions, cards, sign_ins
from accounts.forms import AddressForm, CodeForm, NameForm
from accounts.ils.configured import library_ils
from accounts.languages import languages
from accounts.mailed_codes import MailedCode
from accounts.models import Passkey


def me(request):
    if request.method == "POST" and not request.user.is_authenticated:
        return redirect("sign_in")
    form = NameForm(request.POST or None, initial={"name": request.user.name}) if request.user.is_authenticated else None
    if form and form.is_valid():
        actions.change_name(request.user, name=form.cleaned_data["name"])
        messages.success(request, _("Your name is changed."))
        return redirect("me")
    elsewhere = sign_ins.elsewhere(request.user, but=request.session.session_key) if form else []
    card = cards.card_of(request.user) if form and library_ils() else None
    passkeys = Passkey.objects.belonging_to(request.reader) if form else []
    context = {"form": form, "languages": languages(), "elsewhere": elsewhere, "card": card, "passkeys": passkeys}
    return render(request, "accounts/me.html", context)


@login_required
@require_POST
def sign_out_elsewhere(request):
    actions.end_all_sign_ins(request.user, but=request.session.session_key)
    messages.success(request, _("You are signed in on this device only."))
    return redirect("me")


@login_required
def add_address(request):
    """For a person whom only this device can show: an address, so that they can come back from any other."""
    if request.user.email:
        return redirect("me")
    process = MailedCode.going_on(request, purpose="add_address")
    if request.POST.get("another") and process:
        process.abort()
        return redirect("add_address")
    if not process:
        return _ask_address(request)
    return _ask_code(request, process)


def _ask_address(request):
    form = AddressForm(request.POST or None, request=request, initial={"email": cards.offered_address(request.user)})
    if form.is_valid():
        MailedCode.start(request, purpose="add_address", email=form.cleaned_data["email"])
        return redirect("add_address")
    return render(request, "accounts/add_address.html", {"form": form, "card": cards.card_of(request.user)})


def _ask_code(request, process):
    form = CodeForm(request.POST or None, request=request, process=process)
    if form.is_valid():
        process.abort()
        return _add(request, process.email)
    if form.is_bound and not process.record_invalid_attempt():
        messages.error(request, _("That was not the code either, so it no longer works. Write your address again to get a new one."))
        return redirect("add_address")
    return render(request, "accounts/add_address.html", {"form": form, "email": process.email})


def _add(request, email):
    try:
        actions.add_address(request.user, email=email, at=timezone.now())
    except actions.AddressTaken:
        messages.error(request, _("This address already opens another library account. Sign out here and sign in with it to see that one."))
        return redirect("me")
    messages.success(request, _("From now on you can sign in with this address on any device."))
    return redirect("me")
