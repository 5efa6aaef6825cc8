"""Open a visit or a library account with a code, and leave quickly."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.languages import languages
from accounts.sign_in import access
from accounts.sign_in.access import renew_session, safe_next
from accounts.staff.desk_lock import shared_desk_here
from portal.conversations import pending_questions
from portal.conversations.viewer import OPENED_CODES
from portal.helpsessions import account_codes
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
from portal.security_log import note
from portal.text import uuid_or_none

CODES_PER_BROWSER_MAX = 50
# The reason that the page gives, and its status.
REFUSALS = {
    CodeKept: ("used", 410),
    CodeExpired: ("expired", 410),
    CodeRevoked: ("revoked", 410),
    CodeForgotten: ("forgotten", 410),
    CodeCardNotReady: ("not_ready", 409),
}


@require_http_methods(["GET", "HEAD", "POST"])
def open_code(request):
    """Ask for a code and open what it opens."""
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        return _open(request, form.cleaned_data["code"])
    return render(
        request,
        "home/open_code.html",
        {"languages": languages(), "form": form, "next": safe_next(request)},
        status=422 if form.is_bound else 200,
    )


@require_http_methods(["GET", "HEAD"])
def open_code_link(request, code):
    """Open the link in a QR code or an email. HEAD requests and prefetching open and count nothing."""
    if request.method == "HEAD":
        return HttpResponse()
    if "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")):
        # The browser doesn't keep an error, so it asks again when the person follows the link.
        return HttpResponse(status=503)
    form = CodeForm({"code": code})
    return _open(request, form.cleaned_data["code"] if form.is_valid() else "")


@require_POST
def open_account(request):
    """Sign in with an account code. It takes a POST, so that opening a link signs nobody in."""
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
    """Remove all visits opened by code from this browser, or the named one, and show a harmless page.

    What the person wrote here and has not sent is deleted too.
    """
    ids = request.session.get(OPENED_CODES, [])
    codes = ClaimCode.objects.filter(pk__in=ids)
    if named := request.POST.get("session"):
        codes = (
            codes.filter(help_session__in=request.viewer.opened_by_code, help_session__public_id=named)
            if uuid_or_none(named)
            else codes.none()
        )
    removed = set(codes.values_list("pk", flat=True))
    if removed:
        request.session[OPENED_CODES] = [pk for pk in ids if pk not in removed]
    pending_questions.forget(request, pending_questions.QUESTION, pending_questions.READING)
    outside = _catalog(request.library)
    if not outside or named:
        return redirect("home")
    # After a form, our content security policy refuses a redirect to another host, but a page may refresh.
    response = render(request, "home/leaving.html", {"outside": outside})
    response["Refresh"] = f"0; url={outside}"
    return response


def _open(request, code):
    """Add the code to the session and redirect to its visit, or say why not, without revealing the visit."""
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
        return _refused(request, "unknown", status=404)
    except tuple(REFUSALS) as why:
        # The code is real, so nobody is guessing.
        tries.was_right()
        if isinstance(why, CodeKept) and _keeps(request.viewer.person, why.help_session):
            return redirect(why.help_session)
        refusal, status = REFUSALS[type(why)]
        return _refused(request, refusal, status=status)
    tries.was_right()
    if claim.pk not in request.session.get(OPENED_CODES, []):
        # Otherwise a person who knows the old session key could read the visit too.
        renew_session(request)
    opened = [pk for pk in request.session.get(OPENED_CODES, []) if pk != claim.pk]
    request.session[OPENED_CODES] = [*opened, claim.pk][-CODES_PER_BROWSER_MAX:]
    request.session.set_expiry(None)
    note(request, "opened_visit")
    return redirect(safe_next(request) or claim.help_session)


def _keeps(person, help_session):
    return person is not None and person.pk in (help_session.patron_id, help_session.shared_with_id)


def _is_at_desk(request):
    """Return whether this is a staff member or a desk computer. Staff must not use codes that they make."""
    return request.user.is_staff or shared_desk_here(request) is not None


def _refused(request, why, *, status=200, when=""):
    context = {
        "languages": languages(),
        "form": CodeForm(),
        "refused": why,
        "when": when,
        "next": safe_next(request),
    }
    return render(request, "home/open_code.html", context, status=status)


def _catalog(library):
    """Return the front page of the library's catalog, or None."""
    address = urlsplit(library.catalog_link)
    return (
        f"https://{address.netloc}/"
        if address.scheme == "https" and address.netloc and "{" not in address.netloc
        else None
    )
