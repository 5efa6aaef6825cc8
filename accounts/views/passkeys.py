"""Passkeys: added, named and removed on Me, shown to sign in or to prove that it is still oneself, offered after a sign-in by code."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import NOT_ACCEPTED, AddPasskeyForm, PasskeyForm, PasskeyNameForm
from accounts.models import Passkey
from accounts.patron import people
from accounts.sign_in import passkeys
from accounts.sign_in.access import (
    lately_proved,
    may_change_keys,
    note_proof,
    origin,
    proved_recently,
    safe_next,
    show_second_factor,
    sign_in,
    to_prove,
    to_the_desk_door,
)
from accounts.sign_in.methods import PASSKEY
from accounts.sign_in.passkeys import NotAccepted, TooMany
from accounts.sign_in.sign_ins import device
from portal import limits

NO_OFFER = (
    settings.COOKIE_PREFIX + "no_passkey_offer"
)  # a cookie of the device, not of the person: another device may well be asked


@require_POST
def show_options(request):
    """What a browser is to sign: with a passkey of the person who is signed in, or with any."""
    limits.count(request, "passkey")
    person = request.user if request.user.is_authenticated else None
    if not request.viewer:
        request.session.set_expiry(people.UNCONFIRMED_FOR)  # a stranger's, who may never sign in
    return JsonResponse(passkeys.options_to_show(request.session, origin=origin(request), person=person))


@require_POST
def sign_in_by_passkey(request):
    """The device has known the person by finger, face or PIN: this is as good as a code, and is a proof as well."""
    _form, passkey = shown_in(request, among=Passkey.objects.filter(person__is_active=True))
    if passkey is None:
        messages.error(request, NOT_ACCEPTED)
        return redirect("sign_in")
    going_to = safe_next(request) or "home"
    sign_in(request, passkey.person, by="passkey")
    note_proof(request)
    return redirect(going_to)


def shown_in(request, *, among):
    """(form, passkey): what was posted, and the passkey that it shows, now noted as used; None where it isn't accepted, as the form says."""
    form = PasskeyForm(request.POST, request=request, among=among)
    if form.is_valid():
        try:
            passkeys.use(form.shown, at=timezone.now())
        except NotAccepted:
            form.add_error(None, NOT_ACCEPTED)
        else:
            return form, form.shown.passkey
    return form, None


@proved_recently
@require_POST
def add_options(request):
    if not may_change_keys(request):
        return to_the_desk_door(request)
    return JsonResponse(passkeys.options_to_add(request.session, request.user, origin=origin(request)))


@proved_recently
def add_passkey(request):
    if not may_change_keys(request):
        return to_the_desk_door(request)
    name = device(request.headers.get("User-Agent", ""))
    form = AddPasskeyForm(request.POST or None, request=request, initial={"name": name})
    if form.is_valid() and _added(request, form, name=form.cleaned_data["name"] or name):
        request.came_in_by = PASSKEY  # so can they the next time, on this device
        messages.success(request, _("From now on you can sign in with your passkey."))
        return redirect(safe_next(request) or "me")
    return render(request, "accounts/add_passkey.html", {"form": form, "next": safe_next(request)})


def _added(request, form, *, name):
    try:
        passkeys.add(request.user, name=name, new=form.new, by=request.user, at=timezone.now())
    except NotAccepted:
        form.add_error(None, NOT_ACCEPTED)
    except TooMany:
        form.add_error(
            None, _("You have as many passkeys as one person can. Remove one that you no longer use.")
        )
    else:
        if request.user.is_staff:
            show_second_factor(request, at=timezone.now())
        return True
    return False


@login_required
def passkey(request, public_id):
    """Its name, and its removal. A stranger's is not there, also for whoever would have to prove themselves first."""
    found = get_object_or_404(Passkey.objects.belonging_to(request.viewer), public_id=public_id)
    if not lately_proved(request):
        return to_prove(request)
    form = PasskeyNameForm(request.POST or None, initial={"name": found.name})
    if request.method == "POST" and request.POST.get("remove"):
        if not may_change_keys(request):
            return to_the_desk_door(request)
        passkeys.remove(found, by=request.user, at=timezone.now())
        messages.success(
            request,
            _("The passkey is removed. Your device may still offer it: it no longer opens anything here."),
        )
        return redirect("me")
    if form.is_valid():
        passkeys.rename(found, name=form.cleaned_data["name"])
        messages.success(request, _("The passkey has its new name."))
        return redirect("me")
    return render(request, "accounts/passkey.html", {"form": form, "passkey": found})


@login_required
def offer_passkey(request):
    """Once after a sign-in by code: next time without one. It can be put off, and whoever declines is not asked again on this device."""
    if request.method == "POST":
        if request.POST.get("answer") == "add":
            return redirect("add_passkey")
        response = redirect("home")
        if request.POST.get("answer") == "never":
            response.set_cookie(
                NO_OFFER,
                "1",
                max_age=settings.SESSION_COOKIE_AGE,
                httponly=True,
                samesite="Lax",
                secure=bool(settings.SESSION_COOKIE_SECURE),
            )
        return response
    if request.user.passkeys.exists():
        return redirect("home")
    return render(request, "accounts/offer_passkey.html")


def is_worth_offering(request):
    """Asked while somebody writes their address: this device could keep a passkey, and nobody has declined one on it."""
    return bool(request.POST.get("passkeys_here")) and NO_OFFER not in request.COOKIES
