"""Single sign-on: to the provider, back from it, the first time, and how it is connected with a record that is here already."""

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

from accounts.forms import BorrowedForm
from accounts.ils.configured import library_ils
from accounts.patron import people
from accounts.sign_in import access
from accounts.sign_in import single_sign_on as sso
from accounts.sign_in.access import note_proof, proved_recently, safe_next, set_borrowed
from portal import limits
from portal.security_log import note

log = logging.getLogger(__name__)

FIRST_TIME = "single_sign_on_first_time"
FIRST_TIME_LASTS = 10 * 60  # seconds


def single_sign_on(request):
    """The question before somebody is sent away: whose device it is."""
    _or_404()
    if request.user.is_authenticated:
        return redirect(safe_next(request) or "home")
    if request.method == "POST":
        form = BorrowedForm(request.POST)
        form.is_valid()
        return to_provider(
            request, what_for=sso.SIGN_IN, borrowed=form.cleaned_data["borrowed"], else_to="single_sign_on"
        )
    return render(
        request,
        "accounts/single_sign_on.html",
        {
            "form": BorrowedForm(),
            "name": sso.sign_on_name(),
            "next": safe_next(request),
            "has_cards": library_ils() is not None,
        },
    )


def to_provider(request, *, what_for, else_to, borrowed=False):
    """The page that leads on by itself. No redirect: it would be the answer to a form, and our own policy lets no form lead anywhere else;
    through how many hosts a provider sends people nobody can list."""
    limits.count(request, "single_sign_on")
    if not request.viewer:
        request.session.set_expiry(people.UNCONFIRMED_FOR)  # a stranger's: signing in sets it anew
    try:
        address = sso.address_to_begin(
            request, what_for=what_for, going_to=safe_next(request), borrowed=borrowed
        )
    except (sso.Away, sso.NotBelieved) as error:
        return _failed(request, error, else_to)
    response = render(request, "accounts/to_provider.html", {"address": address, "name": sso.sign_on_name()})
    response.headers["Refresh"] = f"0; url={address}"
    return response


@require_GET
def single_sign_on_answer(request):
    """Where the provider sends people back to. It changes something only in the browser that was sent there, and once."""
    _or_404()
    begun = sso.begun(request)
    if request.user.is_authenticated and (
        begun is None or not begun.person
    ):  # in another tab, or with the browser's button back
        return redirect("home")
    else_to = {sso.CONNECT: "connect_sign_on", sso.PROVE: "prove"}.get(
        begun.what_for if begun else "", "single_sign_on"
    )
    if begun is None or begun.person != (
        str(request.user.public_id) if request.user.is_authenticated else ""
    ):
        messages.error(request, _("That sign-in was used already, or has run out. Begin it once more."))
        return redirect(else_to)
    try:
        identity = sso.identity(request, begun)
    except (sso.Away, sso.NotBelieved, sso.Cancelled) as error:
        return _failed(request, error, else_to)
    return {sso.CONNECT: _connect, sso.PROVE: _prove}.get(begun.what_for, _sign_in)(request, begun, identity)


def single_sign_on_first_time(request):
    """For somebody whom the provider knows and nobody here does, with an address that may be known here: have they been here before?"""
    _or_404()
    noted = request.session.get(FIRST_TIME)
    if request.user.is_authenticated or not noted or time.time() - noted["at"] > FIRST_TIME_LASTS:
        return redirect("home" if request.user.is_authenticated else "single_sign_on")
    identity = sso.Identity(**noted["identity"])
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


@proved_recently
def connect_sign_on(request):
    """Whether the provider opens this record."""
    _or_404()
    connected = sso.accounts_of(request.user).exists()
    if request.method == "POST" and not connected:
        return to_provider(request, what_for=sso.CONNECT, else_to="connect_sign_on")
    if request.method == "POST" and request.POST.get("disconnect"):
        try:
            sso.disconnect(request.user, at=timezone.now())
        except sso.OnlySignInMethod:
            return _page_of_connection(request, connected=True)
        messages.success(
            request, _("%(name)s no longer opens your library account.") % {"name": sso.sign_on_name()}
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


def _sign_in(request, begun, identity):
    account = sso.account_of(identity)
    if account is not None:
        return _let_in(
            request,
            account.user,
            borrowed=begun.borrowed,
            going_to=begun.going_to,
            proved=sso.shown_anew(identity, begun),
        )
    taken, proved = False, sso.shown_anew(identity, begun)
    if identity.email_is_proven or not identity.email:
        try:
            person = sso.new_person(identity, at=timezone.now(), language=get_language())
        except people.AddressTaken:
            taken = True
        else:
            return _let_in(request, person, borrowed=begun.borrowed, going_to=begun.going_to, proved=proved)
    noted = {
        "identity": asdict(identity),
        "borrowed": begun.borrowed,
        "going_to": begun.going_to,
        "taken": taken,
        "proved": proved,
        "at": time.time(),
    }
    request.session[FIRST_TIME] = noted
    set_borrowed(request, begun.borrowed)
    return redirect("single_sign_on_first_time")


def _let_in(request, person, *, borrowed, going_to, proved=False):
    """It is a proof like a code where they have just shown the provider who they are. Of staff it is none: with one they set up what opens the desk."""
    if not person.is_active:
        note(request, "refused", what="single_sign_on")
        messages.error(request, _("This account can't be used now. The desk can tell you why."))
        return redirect("single_sign_on")
    access.sign_in(request, person, by="single_sign_on", borrowed=borrowed)
    if proved and not person.is_staff:
        note_proof(request)
    return redirect(going_to or "home")


def _connect(request, begun, identity):
    try:
        sso.connect(request.user, identity, at=timezone.now())
    except sso.AnotherPersons:
        words = _(
            "With this you come in to another library account here. To make the two one, sign in there and give it your e-mail address."
        )
        messages.error(request, words)
        return redirect("connect_sign_on")
    messages.success(request, _("From now on you can sign in with %(name)s.") % {"name": sso.sign_on_name()})
    return redirect("me")


def _prove(request, begun, identity):
    account = sso.account_of(identity)
    if account is None or account.user != request.user or not sso.shown_anew(identity, begun):
        note(request, "refused", what="single_sign_on")
        messages.error(
            request,
            _("That did not show that it is you. Sign in there as yourself, with all that it asks for."),
        )
        return redirect("prove")
    note_proof(request)
    return redirect(begun.going_to or "me")


def _failed(request, error, else_to):
    name = {"name": sso.sign_on_name()}
    if isinstance(error, sso.Cancelled):
        words = _("You came back from %(name)s without signing in. Nothing has changed.") % name
    elif isinstance(error, sso.Away):
        words = _("%(name)s does not answer at the moment. Try it later, or come in another way.") % name
    else:
        words = (
            _(
                "%(name)s gave an answer that cannot be trusted, so nothing was done. Try it once more, or come in another way."
            )
            % name
        )
    if not isinstance(error, sso.Cancelled):
        note(request, "refused", what="single_sign_on")
        log.warning("Nobody can come in by single sign-on: %s", error)
    messages.error(request, words)
    return redirect(else_to)


def _or_404():
    if not sso.sign_on_name():
        raise Http404
