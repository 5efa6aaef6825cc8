"""Open a visit or a library account with a code, and remove opened visits from the browser."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.languages import languages
from accounts.sign_in import access, kept_devices
from accounts.sign_in.access import renew_session, safe_next
from accounts.sign_in.unsent import drop_unsent_forms
from accounts.staff.desk_lock import shared_desk_here
from portal.conversations import pending_questions
from portal.conversations.viewer import OPENED_CODES
from portal.headers import is_prefetch
from portal.helpsessions import account_codes, codes, push
from portal.helpsessions.forms import CodeForm
from portal.helpsessions.handover import (
    CodeCardNotReady,
    CodeExpired,
    CodeForgotten,
    CodeKept,
    CodeRevoked,
    CodeUnknown,
    open_by_code,
)
from portal.helpsessions.models import ClaimCode
from portal.limits import CodeTry, TooOften
from portal.notifications.push import browser
from portal.security_log import note
from portal.text import uuid_or_none

CODES_PER_BROWSER_MAX = 50
# {error: (key in TITLES of the reason that the page shows, HTTP status)}
REFUSALS = {
    CodeKept: ("used", 410),
    CodeExpired: ("expired", 410),
    CodeRevoked: ("revoked", 410),
    CodeForgotten: ("forgotten", 410),
    CodeCardNotReady: ("not_ready", 409),
}
TITLES = {
    "unknown": gettext_lazy("This code doesn't work"),
    "at_desk": gettext_lazy("This code is for the patron's own device"),
    "used": gettext_lazy("This code was already used"),
    "expired": gettext_lazy("This code has expired"),
    "revoked": gettext_lazy("This code was canceled"),
    "forgotten": gettext_lazy("This visit was deleted"),
    "not_ready": gettext_lazy("Your visit isn't ready yet"),
    "too_many": gettext_lazy("Too many wrong codes"),
}
# If a code doesn't work for one of these reasons, the page shows the typed code. The person can then compare
# the code with the slip, or try it again later.
SHOWS_THE_CODE = {"unknown", "not_ready"}


@require_http_methods(["GET", "HEAD", "POST"])
def open_code(request):
    """Ask for a code, and open the visit or the account of this code."""
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        return _open(request, form.cleaned_data["code"])
    return render(
        request,
        "home/open_code.html",
        {
            "title": _("Open your visit"),
            "languages": languages(),
            "form": form,
            "next": safe_next(request),
        },
        status=422 if form.is_bound else 200,
    )


@require_http_methods(["GET", "HEAD"])
def open_code_link(request, code):
    """Open a visit with the link from a QR code. The link from an email shows a button that opens the visit.

    Mail scanners open the links in emails, so opening such a link must change nothing. A HEAD request or a
    prefetch opens nothing, and isn't counted as an attempt.
    """
    if request.method == "HEAD":
        return HttpResponse()
    form = CodeForm({"code": code})
    is_valid = form.is_valid()
    if is_valid and "email" in request.GET:
        context = {"title": _("Open your visit"), "languages": languages(), "emailed_code": code}
        return render(request, "home/open_code.html", context)
    if is_prefetch(request):
        # Respond with an error, because a browser doesn't reuse a prefetched error. It sends a new request
        # when the person opens the link.
        return HttpResponse(status=503)
    return _open(request, form.cleaned_data["code"] if is_valid else "")


@require_POST
def open_account(request):
    """Sign in with an account code. Only POST is allowed, because opening a link must not sign anyone in."""
    form = CodeForm(request.POST)
    try:
        tries = CodeTry(request, is_known=bool(request.viewer))
    except TooOften as error:
        return _refused(request, "too_many", when=error.when)
    if _is_at_desk(request):
        tries.was_right()
        return _refused(request, "at_desk", status=403)
    try:
        person = account_codes.use_code(
            form.cleaned_data["code"] if form.is_valid() else "", at=timezone.now()
        )
    except account_codes.CodeEnded:
        tries.was_wrong()
        return _refused(request, "unknown", status=404)
    tries.was_right()
    access.sign_in(request, person, by="account_code")
    messages.success(request, _("You are now signed in on this device."))
    return redirect("home")


@require_POST
def leave(request):
    """Remove the visits that were opened by code from this browser.

    Also delete the unsent questions in this browser, and end its push messages about these visits. If the
    form names a visit in `session`, remove only this visit. Otherwise the browser also stops keeping pages,
    and opens the library's catalog, so that the next person sees no page of the portal.
    """
    ids = request.session.get(OPENED_CODES, [])
    codes = ClaimCode.objects.filter(pk__in=ids)
    if named := request.POST.get("session"):
        codes = (
            codes.filter(help_session__in=request.viewer.opened_by_code, help_session__public_id=named)
            if uuid_or_none(named)
            else codes.none()
        )
    found = list(codes.select_related("help_session"))
    removed = {code.pk for code in found}
    if removed:
        browser.end_here(request, {push.about(code.help_session) for code in found if code.help_session})
        request.session[OPENED_CODES] = [pk for pk in ids if pk not in removed]
        if named:
            messages.success(
                request, _("The visit is removed from this device. You can open it again with its code.")
            )
    pending_questions.forget(request, pending_questions.QUESTION, pending_questions.READING)
    if not named:
        kept_devices.end_here(request)
    outside = _catalog(request.library)
    if not outside or named:
        response = redirect("home")
        drop_unsent_forms(request, response)
        return response
    # Our content security policy doesn't allow a form to redirect to another host. So the response is a page
    # that refreshes to the catalog.
    response = render(request, "home/leaving.html", {"outside": outside})
    response["Refresh"] = f"0; url={outside}"
    drop_unsent_forms(request, response)
    return response


def _open(request, code):
    """Open the visit of this code in the browser, and redirect to the visit.

    If the code doesn't work, show the reason without revealing the visit.
    """
    try:
        tries = CodeTry(request, is_known=bool(request.viewer))
    except TooOften as error:
        return _refused(request, "too_many", when=error.when)
    try:
        claim = open_by_code(code, at=timezone.now())
    except CodeUnknown:
        if account_codes.opens_a_record(code, at=timezone.now()):
            tries.was_right()
            if _is_at_desk(request):
                return _refused(request, "at_desk", status=403)
            return render(request, "home/open_account.html", {"code": code})
        tries.was_wrong()
        return _refused(request, "unknown", status=404, code=code)
    except tuple(REFUSALS) as why:
        # The code exists, so don't count this request as a wrong code.
        tries.was_right()
        if isinstance(why, CodeKept) and _keeps(request.viewer.person, why.help_session):
            return redirect(why.help_session)
        refusal, status = REFUSALS[type(why)]
        return _refused(request, refusal, status=status, code=code)
    tries.was_right()
    if claim.pk not in request.session.get(OPENED_CODES, []):
        # Change the browser's session key, because anyone who knows the old key could read the visit too.
        renew_session(request)
    opened = [pk for pk in request.session.get(OPENED_CODES, []) if pk != claim.pk]
    request.session[OPENED_CODES] = [*opened, claim.pk][-CODES_PER_BROWSER_MAX:]
    request.session.set_expiry(None)
    note(request, "opened_visit")
    return redirect(safe_next(request) or claim.help_session)


def _keeps(person, help_session):
    return person is not None and person.pk in (help_session.patron_id, help_session.shared_with_id)


def _is_at_desk(request):
    """Return whether a staff member or a desk computer sent this request.

    Account codes don't work at the desk, because staff must not use the codes that they make for patrons.
    """
    return request.user.is_staff or shared_desk_here(request) is not None


def _refused(request, why, *, status=200, when="", code=""):
    context = {
        "title": TITLES[why],
        "languages": languages(),
        "form": CodeForm(initial={"code": codes.grouped(code) if why in SHOWS_THE_CODE and code else ""}),
        "refused": why,
        "when": when,
        "next": safe_next(request),
    }
    return render(request, "home/open_code.html", context, status=status)


def _catalog(library):
    """Return the address of the front page of the library's catalog, or None."""
    address = urlsplit(library.catalog_link or library.catalog_title_link)
    return (
        f"https://{address.netloc}/"
        if address.scheme == "https" and address.netloc and "{" not in address.netloc
        else None
    )
