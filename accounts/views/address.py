"""Another address, or a first one: proven by a code. And the way back, for whoever reads the old one."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import actions, addresses, cards
from accounts.access import lately_proved, note_other_record, to_prove
from accounts.forms import AddressForm, CodeForm
from accounts.mailed_codes import MailedCode
from accounts.single_sign_on import accounts_of, has_another_way_in


@login_required
def add_address(request):
    """Whoever can shows first that it is still them: an address lets in whoever reads it. For a person whom only this device can show, its
    code is enough."""
    if _can_prove(request.user) and not lately_proved(request):
        return to_prove(request)
    process = MailedCode.going_on(request, purpose="add_address")
    if request.POST.get("another") and process:
        process.abort()
        return redirect("add_address")
    return _ask_code(request, process) if process else _ask_address(request)


def _can_prove(person):
    return has_another_way_in(person) or accounts_of(person).exists()


def undo_address(request, token):
    """For whoever reads the address that was: opened from a mail, so that looking changes nothing; a button does."""
    try:
        change = addresses.change_of(token, at=timezone.now())
        if request.method == "POST":
            addresses.undo_change(token, at=timezone.now())
            return render(request, "accounts/undo_address.html", {"done": True, "email": change.old_email})
    except addresses.UnknownChange:
        return render(request, "accounts/undo_address.html", {"unknown": True}, status=404)
    except actions.AddressTaken:
        return render(request, "accounts/undo_address.html", {"taken": True, "email": change.old_email}, status=409)
    return render(request, "accounts/undo_address.html", {"email": change.old_email})


def _ask_address(request):
    form = AddressForm(request.POST or None, request=request, initial={"email": addresses.offered_address(request.user)})
    if form.is_valid():
        MailedCode.start(request, purpose="add_address", email=form.cleaned_data["email"])
        return redirect("add_address")
    return render(
        request,
        "accounts/add_address.html",
        {"form": form, "now": request.user.email, "card": cards.card_of(request.user), "sign_on": accounts_of(request.user).exists()},
    )


def _ask_code(request, process):
    form = CodeForm(request.POST or None, request=request, process=process)
    if form.is_valid():
        process.abort()
        return _change(request, process.email)
    if form.is_bound and not process.record_invalid_attempt():
        messages.error(request, _("That was not the code either, so it no longer works. Write your address again to get a new one."))
        return redirect("add_address")
    return render(request, "accounts/add_address.html", {"form": form, "email": process.email, "now": request.user.email})


def _change(request, email):
    try:
        addresses.change_address(request.user, email=email, at=timezone.now())
    except actions.AddressTaken as taken:
        note_other_record(request, taken.person)
        return redirect("join_records")
    messages.success(request, _("From now on you can sign in with this address on any device."))
    return redirect("me")
