"""The views of single sign-on.

They send people to the provider and handle its response. They also handle a person's first sign-in, and
connect the provider to an existing account.
"""

import logging
import time
from dataclasses import asdict

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.forms.sign_in import BorrowedForm
from accounts.ils.configured import library_ils
from accounts.patron import people
from accounts.sign_in import access, openid_connect
from accounts.sign_in import single_sign_on as sso
from accounts.sign_in.access import (
    reauthentication_required,
    record_reauthentication,
    safe_next,
    set_borrowed,
)
from accounts.sign_in.wanted_page import wanted_page
from portal import limits
from portal.security_log import note

log = logging.getLogger(__name__)

# request.session[FIRST_TIME] is an identity that belongs to no person in the portal yet.
FIRST_TIME = "single_sign_on_first_time"
FIRST_TIME_SECONDS = 10 * 60


def single_sign_on(request):
    """Ask whether the device is borrowed, and then send the person to the provider."""
    _or_404()
    if request.user.is_authenticated:
        return redirect(safe_next(request) or "home")
    if request.method == "POST":
        form = BorrowedForm(request.POST)
        form.is_valid()
        return to_provider(
            request,
            purpose=openid_connect.SIGN_IN,
            borrowed=form.cleaned_data["borrowed"],
            else_to="single_sign_on",
        )
    return render(
        request,
        "accounts/single_sign_on.html",
        {
            "form": BorrowedForm(),
            "name": sso.sign_on_name(),
            **wanted_page(request),
            "has_cards": library_ils() is not None,
        },
    )


def to_provider(request, *, purpose, else_to, borrowed=False):
    """Return a page that opens the provider's page automatically.

    Browsers would block a redirect, because our content security policy lets forms redirect only to our own
    site. We can't add the provider's hosts to the policy, because we don't know all of these hosts.
    """
    limits.count(request, "single_sign_on")
    if not request.viewer:
        # Nobody is signed in, and maybe nobody will sign in, so the session expires soon. Signing in sets a
        # new expiry.
        request.session.set_expiry(people.UNCONFIRMED_FOR)
    try:
        address = openid_connect.authorization_url(
            request, purpose=purpose, going_to=safe_next(request), borrowed=borrowed
        )
    except (openid_connect.Unavailable, openid_connect.InvalidResponse) as error:
        return _failed(request, error, else_to)
    response = render(request, "accounts/to_provider.html", {"address": address, "name": sso.sign_on_name()})
    response.headers["Refresh"] = f"0; url={address}"
    return response


@require_GET
def single_sign_on_answer(request):
    """Handle the provider's response.

    A response works only once, and only in the browser that was sent to the provider.
    """
    _or_404()
    auth_request = openid_connect.pop_auth_request(request)
    # The person is already signed in, because they used another tab or the browser's back button.
    if request.user.is_authenticated and (auth_request is None or not auth_request.person):
        return redirect("home")
    else_to = {
        openid_connect.CONNECT: "connect_sign_on",
        openid_connect.REAUTHENTICATE: "reauthenticate",
    }.get(auth_request.purpose if auth_request else "", "single_sign_on")
    person = str(request.user.public_id) if request.user.is_authenticated else ""
    if auth_request is None or auth_request.person != person:
        messages.error(request, _("That sign-in has expired or was already used. Start again."))
        return redirect(else_to)
    try:
        identity = openid_connect.identity(request, auth_request)
    except (openid_connect.Unavailable, openid_connect.InvalidResponse, openid_connect.Canceled) as error:
        return _failed(request, error, else_to)
    finish = {openid_connect.CONNECT: _connect, openid_connect.REAUTHENTICATE: _reauthenticate}.get(
        auth_request.purpose, _sign_in
    )
    return finish(request, auth_request, identity)


def single_sign_on_first_time(request):
    """Ask a person whether they already have a library account.

    The person has signed in at the provider for the first time. The provider has not verified their email
    address, or a library account already uses that address.
    """
    _or_404()
    noted = request.session.get(FIRST_TIME)
    if request.user.is_authenticated or not noted or time.time() - noted["at"] > FIRST_TIME_SECONDS:
        return redirect("home" if request.user.is_authenticated else "single_sign_on")
    identity = openid_connect.Identity(**noted["identity"])
    if request.method == "POST" and not noted["taken"]:
        person = sso.new_person(identity, at=timezone.now(), language=get_language())
        del request.session[FIRST_TIME]
        return _let_in(
            request, person, borrowed=noted["borrowed"], going_to=noted["going_to"], proved=noted["proved"]
        )
    return render(
        request,
        "accounts/sign_on_first_time.html",
        {"name": sso.sign_on_name(), "email": identity.email, "taken": noted["taken"]},
    )


@reauthentication_required
def connect_sign_on(request):
    """Connect the provider to the person's account, or disconnect it."""
    _or_404()
    connected = sso.linked_accounts(request.user).exists()
    if request.method == "POST" and not connected:
        return to_provider(request, purpose=openid_connect.CONNECT, else_to="connect_sign_on")
    if request.method == "POST" and request.POST.get("disconnect"):
        try:
            sso.disconnect(request.user, at=timezone.now())
        except sso.OnlySignInMethod:
            return _page_of_connection(request, connected=True)
        messages.success(
            request, _("You can no longer sign in with %(name)s.") % {"name": sso.sign_on_name()}
        )
        return redirect("me")
    return _page_of_connection(request, connected=connected)


def _page_of_connection(request, *, connected):
    only = connected and not sso.has_another_sign_in_method(request.user)
    return render(
        request,
        "accounts/connect_sign_on.html",
        {"name": sso.sign_on_name(), "connected": connected, "only_way_in": only},
    )


def _sign_in(request, auth_request, identity):
    account = sso.linked_account(identity)
    if account is not None:
        return _let_in(
            request,
            account.user,
            borrowed=auth_request.borrowed,
            going_to=auth_request.going_to,
            proved=openid_connect.authenticated_again(identity, auth_request),
        )
    taken, proved = False, openid_connect.authenticated_again(identity, auth_request)
    if identity.email_is_proven or not identity.email:
        try:
            person = sso.new_person(identity, at=timezone.now(), language=get_language())
        except people.AddressTaken:
            taken = True
        else:
            return _let_in(
                request, person, borrowed=auth_request.borrowed, going_to=auth_request.going_to, proved=proved
            )
    noted = {
        "identity": asdict(identity),
        "borrowed": auth_request.borrowed,
        "going_to": auth_request.going_to,
        "taken": taken,
        "proved": proved,
        "at": time.time(),
    }
    request.session[FIRST_TIME] = noted
    set_borrowed(request, auth_request.borrowed)
    return redirect("single_sign_on_first_time")


def _let_in(request, person, *, borrowed, going_to, proved=False):
    """Sign the person in. `proved` says whether the person has just authenticated at the provider.

    If `proved` is true, a patron also counts as reauthenticated. Staff don't, because single sign-on alone
    must not be enough to set up a second factor.
    """
    if not person.is_active:
        note(request, "refused", what="single_sign_on")
        messages.error(request, _("You can't use this account right now. Ask at the desk to find out why."))
        return redirect("single_sign_on")
    access.sign_in(request, person, by="single_sign_on", borrowed=borrowed)
    if proved and not person.is_staff:
        record_reauthentication(request)
    return redirect(going_to or "home")


def _connect(request, auth_request, identity):
    try:
        sso.connect(request.user, identity, at=timezone.now())
    except sso.ConnectedToAnotherPerson:
        words = _(
            "That sign-in belongs to another library account. To merge the two accounts, sign in to "
            "the other account and add your email address."
        )
        messages.error(request, words)
        return redirect("connect_sign_on")
    messages.success(request, _("You can now sign in with %(name)s.") % {"name": sso.sign_on_name()})
    return redirect("me")


def _reauthenticate(request, auth_request, identity):
    account = sso.linked_account(identity)
    if (
        account is None
        or account.user != request.user
        or not openid_connect.authenticated_again(identity, auth_request)
    ):
        note(request, "refused", what="single_sign_on")
        messages.error(
            request,
            _(
                "We couldn't confirm that it's you. Sign in again with your own account and complete "
                "every step."
            ),
        )
        return redirect("reauthenticate")
    record_reauthentication(request)
    return redirect(auth_request.going_to or "me")


def _failed(request, error, else_to):
    name = {"name": sso.sign_on_name()}
    if isinstance(error, openid_connect.Canceled):
        words = _("You returned from %(name)s without signing in. Nothing has changed.") % name
    elif isinstance(error, openid_connect.Unavailable):
        words = _("%(name)s isn't responding right now. Try again later, or sign in another way.") % name
    else:
        words = (
            _(
                "We couldn't verify the answer from %(name)s, so nothing was changed. "
                "Try again, or sign in another way."
            )
            % name
        )
    if not isinstance(error, openid_connect.Canceled):
        note(request, "refused", what="single_sign_on")
        log.warning("Nobody can sign in by single sign-on: %s", error)
    messages.error(request, words)
    return redirect(else_to)


def _or_404():
    if not sso.sign_on_name():
        raise Http404
