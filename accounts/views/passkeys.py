"""The views to add, rename and remove passkeys, and to sign in with a passkey.

After a sign-in by code, another page offers to add a passkey.
"""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms.passkeys import NOT_ACCEPTED, AddPasskeyForm, PasskeyForm, PasskeyNameForm
from accounts.models import Passkey
from accounts.patron import people
from accounts.sign_in import passkeys
from accounts.sign_in.access import (
    may_change_passkeys,
    origin,
    reauthentication_required,
    recently_authenticated,
    record_reauthentication,
    record_second_factor,
    redirect_to_reauthenticate,
    redirect_to_second_factor,
    safe_next,
    sign_in,
)
from accounts.sign_in.methods import PASSKEY
from accounts.sign_in.passkeys import NotAccepted, TooMany
from accounts.sign_in.sign_ins import device
from portal import limits

# request.session[PASSKEY_HERE] is the public id of the passkey that this device itself has created or used.
PASSKEY_HERE = "passkey_here"
# This cookie says that someone declined a passkey on this device. Other devices still offer a passkey.
NO_OFFER = settings.COOKIE_PREFIX + "no_passkey_offer"


@require_POST
def show_options(request):
    """Return the options that the browser needs to ask for a passkey.

    A signed-in person can use only their own passkeys. If nobody is signed in, any passkey can be used.
    """
    limits.count(request, "passkey")
    person = request.user if request.user.is_authenticated else None
    if not request.viewer:
        # Nobody is signed in, and maybe nobody will sign in, so the session expires soon.
        request.session.set_expiry(people.UNCONFIRMED_FOR)
    return JsonResponse(
        passkeys.authentication_options(request.session, origin=origin(request), person=person)
    )


@require_POST
def sign_in_by_passkey(request):
    """Sign the owner of the passkey in.

    The sign-in also counts as reauthentication, because the device has checked who uses the passkey.
    """
    form, passkey = verify_posted_passkey(request, among=Passkey.objects.filter(person__is_active=True))
    if passkey is None:
        messages.error(request, NOT_ACCEPTED)
        return redirect("sign_in")
    going_to = safe_next(request) or "home"
    sign_in(request, passkey.person, by="passkey")
    _note_passkey_here(request, passkey, form.used)
    record_reauthentication(request)
    return redirect(going_to)


def verify_posted_passkey(request, *, among):
    """Check a passkey's posted response, and save that the passkey was used. Return (form, passkey).

    If the response is not accepted, `passkey` is None and the form has an error.
    """
    form = PasskeyForm(request.POST, request=request, among=among)
    if form.is_valid():
        try:
            passkeys.use(form.used, at=timezone.now())
        except NotAccepted:
            form.add_error(None, NOT_ACCEPTED)
        else:
            _note_passkey_here(request, form.used.passkey, form.used)
            return form, form.used.passkey
    return form, None


def _note_passkey_here(request, passkey, verified):
    """Store the passkey's id in the session if the passkey is stored on this device itself.

    `verified` is a NewPasskey or a UsedPasskey.
    """
    if verified.is_on_this_device:
        request.session[PASSKEY_HERE] = str(passkey.public_id)


@reauthentication_required
@require_POST
def add_options(request):
    if not may_change_passkeys(request):
        return redirect_to_second_factor(request)
    return JsonResponse(passkeys.registration_options(request.session, request.user, origin=origin(request)))


@reauthentication_required
def add_passkey(request):
    if not may_change_passkeys(request):
        return redirect_to_second_factor(request)
    name = device(request.headers.get("User-Agent", ""))
    form = AddPasskeyForm(request.POST or None, request=request, initial={"name": name})
    if form.is_valid() and _added(request, form, name=form.cleaned_data["name"] or name):
        # From now on, the sign-in page asks for a passkey first on this device.
        request.sign_in_method = PASSKEY
        messages.success(request, _("You can now sign in with your passkey."))
        return redirect(safe_next(request) or "me")
    return render(request, "accounts/add_passkey.html", {"form": form, "next": safe_next(request)})


def _added(request, form, *, name):
    try:
        added = passkeys.add(request.user, name=name, new=form.new, by=request.user, at=timezone.now())
    except NotAccepted:
        form.add_error(None, NOT_ACCEPTED)
    except TooMany:
        form.add_error(
            None,
            _("You have the maximum number of passkeys. Remove one that you no longer use, then try again."),
        )
    else:
        _note_passkey_here(request, added, form.new)
        if request.user.is_staff:
            record_second_factor(request, at=timezone.now())
        return True
    return False


@login_required
def passkey(request, public_id):
    """Rename or remove one of the person's passkeys.

    Return a 404 for another person's passkey, without asking for reauthentication first.
    """
    own_passkeys = Passkey.objects.belonging_to(request.viewer)
    own_passkey = get_object_or_404(own_passkeys, public_id=public_id)
    if not recently_authenticated(request):
        return redirect_to_reauthenticate(request)
    form = PasskeyNameForm(request.POST or None, initial={"name": own_passkey.name})
    if request.method == "POST" and request.POST.get("remove"):
        if not may_change_passkeys(request):
            return redirect_to_second_factor(request)
        passkeys.remove(own_passkey, by=request.user, at=timezone.now())
        messages.success(
            request,
            _("Passkey removed. Your device may still offer it, but it no longer works here."),
        )
        return redirect("me")
    if form.is_valid():
        passkeys.rename(own_passkey, name=form.cleaned_data["name"])
        messages.success(request, _("Passkey renamed."))
        return redirect("me")
    all_passkeys = passkeys.tell_apart(own_passkeys, here=request.session.get(PASSKEY_HERE))
    shown = next(one for one in all_passkeys if one == own_passkey)
    return render(request, "accounts/passkey.html", {"form": form, "passkey": shown})


@login_required
def offer_passkey(request):
    """Offer a passkey after a sign-in by code.

    If the person chooses "never", a cookie stops this offer on this device.
    """
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
    """Return whether this device can store a passkey and nobody has chosen "never" on it.

    A script fills in the field `passkeys_here` of the sign-in form if the device can store a passkey.
    """
    return bool(request.POST.get("passkeys_here")) and NO_OFFER not in request.COOKIES
