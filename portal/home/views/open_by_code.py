"""The way in by code, and the quick way out."""

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

REMEMBERED = 50  # codes a browser holds at most
REFUSALS = {
    CodeKept: ("used", 410),
    CodeExpired: ("expired", 410),
    CodeRevoked: ("revoked", 410),
    CodeForgotten: ("forgotten", 410),
    CodeCardNotReady: ("not_ready", 409),
}


@require_http_methods(["GET", "HEAD", "POST"])
def open_code(request):
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
    """What the QR code and the mailed link hold. Looking ahead (HEAD, or a prefetch) opens and counts nothing."""
    if request.method == "HEAD":
        return HttpResponse()
    if "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")):
        return HttpResponse(status=503)  # the browser asks again once the link is really followed
    form = CodeForm({"code": code})
    return _open(request, form.cleaned_data["code"] if form.is_valid() else "")


@require_POST
def open_account(request):
    """The code of a record, and the word that it is to open on this device: whoever only looks at a link is let in nowhere."""
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
    messages.success(request, _("This device opens your library account from now on."))
    return redirect("home")


@require_POST
def leave(request):
    """Take one visit, or without naming one every visit opened by code, out of this browser, and show something harmless.

    What was written here and not sent goes with it."""
    ids = request.session.get(OPENED_CODES, [])
    leaving = ClaimCode.objects.filter(pk__in=ids)
    if named := request.POST.get("session"):
        leaving = (
            leaving.filter(help_session__in=request.viewer.opened_by_code, help_session__public_id=named)
            if uuid_or_none(named)
            else leaving.none()
        )
    gone = set(leaving.values_list("pk", flat=True))
    if gone:
        request.session[OPENED_CODES] = [pk for pk in ids if pk not in gone]
    pending_questions.forget(request, pending_questions.QUESTION, pending_questions.READING)
    outside = _catalog(request.library)
    if not outside or named:
        return redirect("home")
    # A redirect to another host after a form is refused by our own content security policy; a page that moves on is not.
    response = render(request, "home/leaving.html", {"outside": outside})
    response["Refresh"] = f"0; url={outside}"
    return response


def _open(request, code):
    """Into the session, or one page that says why not, and reveals nothing of it."""
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
        tries.was_right()  # a real code: nobody guessed
        if (
            isinstance(why, CodeKept)
            and request.viewer.person
            and request.viewer.person.pk in (why.help_session.patron_id, why.help_session.shared_with_id)
        ):
            return redirect(why.help_session)
        refusal, status = REFUSALS[type(why)]
        return _refused(request, refusal, status=status)
    tries.was_right()
    if claim.pk not in request.session.get(OPENED_CODES, []):
        renew_session(
            request
        )  # whoever knows the key of this browser's session from before must not read along
    opened = [pk for pk in request.session.get(OPENED_CODES, []) if pk != claim.pk]
    request.session[OPENED_CODES] = [*opened, claim.pk][-REMEMBERED:]
    request.session.set_expiry(None)
    note(request, "opened_visit")
    return redirect(safe_next(request) or claim.help_session)


def _is_at_desk(request):
    """Whoever made the code must not be who uses it: not while they are signed in as staff, and not on a computer of a desk."""
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
    """The front page of the library's catalogue, or None."""
    address = urlsplit(library.catalog_link)
    return (
        f"https://{address.netloc}/"
        if address.scheme == "https" and address.netloc and "{" not in address.netloc
        else None
    )
