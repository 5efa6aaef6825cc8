"""The middleware that saves what people typed into a form that was refused.

A form is refused if the sign-in or the form itself has expired.
"""

import json
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse, HttpResponseRedirect, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render, resolve_url
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect

from accounts.patron import refused_posts
from portal.text import clean

from .models import User
from .sign_in.access import LAST_PERSON, is_borrowed, last_person_id
from .staff.desk_lock import DESK_TOKEN

NEVER_KEPT_PATHS = (
    "/sign-in/",
    "/sign-out/",
    "/second-factor/",
    "/c/",
    "/language/",
    "/kept/",
    "/me/address/",
    "/me/passkeys/",
    "/me/single-sign-on/",
    "/me/prove/",
    "/lock/",
    "/locked/",
    "/desk/pin/",
    "/not-me/",
    "/invitation/",
    "/demo/",
    "/desk/record/autosave/",
)
NEVER_KEPT_FIELDS = {"csrfmiddlewaretoken", "refused_post", "code", "credential", "pin", "password", "next"}
MAX_KEPT_CHARACTERS = 200_000


class KeepRefusedPostMiddleware:
    """A middleware that saves typed text if the sign-in or form has expired. The page /kept/ shows the text.

    A signed cookie says who was signed in last. Signing out deletes this cookie.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if not hasattr(request, "user"):
            return response
        response = self._answer(request, response)
        self._set_last_person(request, response)
        return response

    def _answer(self, request, response):
        """Save the form if it was refused, and return the response that the browser gets."""
        refused_to = self._refused_to(request, response)
        automatic = _is_sent_by_script(request)
        if request.method == "POST" and not request.path.startswith(NEVER_KEPT_PATHS) and not automatic:
            if refused_to:
                return self._keep(request, response, refused_to)
            self._drop_what_was_sent_again(request, response)
            return response
        if refused_to == reverse("locked") and request.htmx and not automatic:
            # Make the browser leave the current page and load the lock page. Otherwise the next person at
            # this computer could still read the current page.
            return HttpResponseClientRedirect(response["Location"])
        if refused_to and request.htmx:
            # htmx ignores a 401 response. After a redirect, htmx would show the sign-in form inside the page.
            return HttpResponse(status=401)
        return response

    def _set_last_person(self, request, response):
        """Store the id of the signed-in person in a cookie, except on a borrowed device."""
        if not request.user.is_authenticated:
            return
        if is_borrowed(request):
            # The device is somebody else's. Its owner must not find what this person typed.
            if LAST_PERSON in request.COOKIES:
                response.delete_cookie(LAST_PERSON, samesite="Lax")
        elif last_person_id(request) != str(request.user.public_id):
            response.set_signed_cookie(
                LAST_PERSON,
                str(request.user.public_id),
                max_age=settings.SESSION_COOKIE_AGE,
                httponly=True,
                samesite="Lax",
                secure=bool(settings.SESSION_COOKIE_SECURE),
            )

    def _refused_to(self, request, response):
        """Return the path to which a refused request was redirected.

        Return "csrf" if the CSRF check refused the request, and an empty string if nothing was refused.
        """
        if (
            response.status_code == 403
            and request.method == "POST"
            and not getattr(request, "csrf_processing_done", False)
        ):
            return "csrf"
        if response.status_code == 302:
            path = urlsplit(response["Location"]).path
            if path in {resolve_url(settings.LOGIN_URL), reverse("second_factor"), reverse("locked")}:
                return path
        return ""

    def _keep(self, request, response, refused_to):
        """Save the form if its author is known, and return the response.

        The response sends the author to sign in, and then to the saved form.
        """
        may_keep = _is_same_origin(request) and not _may_be_about_opened_visit(request)
        fields = _fields_to_keep(request) if may_keep else {}
        person = _author(request)
        kept = bool(person and fields and _may_open(person, request))
        if kept:
            path = request.get_full_path() if len(request.get_full_path()) <= 300 else request.path
            refused_posts.keep_refused_post(person, path=path, fields=fields, at=timezone.now())
            self._drop_previous(request, person)
        elif words := _typed_words(request):
            return self._show_again(request, words)
        elif refused_to == "csrf":
            return response
        url = reverse("kept") if kept else _page_it_came_from(request)
        if refused_to != "csrf":
            # Keep the redirect's own parameters. One of them says which person used the page.
            query = dict(parse_qsl(urlsplit(response["Location"]).query)) | {"next": url}
            url = f"{refused_to}?{urlencode(query)}"
        return HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url)

    def _show_again(self, request, words):
        """Return the typed text to a browser whose author is unknown, because the text is saved nowhere.

        A page with htmx still shows the text. It only needs the status.
        """
        if request.htmx:
            return HttpResponse(status=401)
        context = {"words": words, "next": _page_it_came_from(request)}
        return render(request, "accounts/not_sent.html", context, status=403)

    def _drop_what_was_sent_again(self, request, response):
        if request.user.is_authenticated and response.status_code < 400:
            self._drop_previous(request, request.user)

    def _drop_previous(self, request, person):
        """Delete the saved form if its author sent it again from the page /kept/."""
        with suppress(ValueError):
            refused_posts.drop_refused_post(person, UUID(request.POST.get("refused_post", "")))


def _is_sent_by_script(request):
    """Return whether a script sent this request while the person was typing.

    Scripts send drafts and files. Such a request isn't worth saving, because the person still sees the form.
    """
    return request.path.endswith("/draft/") or (
        request.path.endswith("/attach/") and request.headers.get("HX-Request") == "true"
    )


def _author(request):
    """Return the person who is signed in or was signed in last, or None if the author is unknown.

    On a shared desk computer, a colleague may have left the form open in another tab. Each sign-in has its
    own CSRF token. If the token is wrong, the colleague may have written the form, so its author is unknown.
    """
    check_token = CsrfViewMiddleware(lambda _request: None).process_view
    if DESK_TOKEN in request.COOKIES and check_token(request, None, (), {}):
        return None
    return request.user if request.user.is_authenticated else _last_person(request)


def _may_be_about_opened_visit(request):
    """Return whether the refused form may be about a visit that this browser has opened by code.

    A form about such a visit must not be saved for the person who is signed in.
    """
    return bool(request.viewer.opened_by_code) and not request.path.startswith("/desk/")


def _typed_words(request):
    """Return the text that a patron wrote in the refused form.

    Return "" for forms of the desk and on shared desk computers, because the next person must not see the
    text.
    """
    if request.path.startswith("/desk/") or DESK_TOKEN in request.COOKIES or not _is_same_origin(request):
        return ""
    with suppress(SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return clean(request.POST.get("body") or request.POST.get("comment") or "", multiline=True)
    return ""


def _may_open(person, request):
    """Return whether the refused form may be saved for this person.

    A sign-in on this browser may have ended before someone else opened a visit with a code. So a form about a
    visit, an item or a conversation is saved only if this person may open it.
    """
    try:
        # A middleware may have refused the request before Django resolved its path.
        match = request.resolver_match or resolve(request.path_info)
    except Resolver404:
        return False
    if not hasattr(match.func, "opens"):
        return True
    if match.func.opens is None:
        return False
    viewer = request.viewer.__class__(person, ())
    rows = match.func.opens.objects.belonging_to(viewer)
    return rows.filter(public_id=match.kwargs["public_id"]).exists()


def _is_same_origin(request):
    """Return whether our own site sent the form. Another site must not save text in a person's name."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
    return urlsplit(origin).netloc == request.get_host()


def _fields_to_keep(request):
    """Return {name: values} of the form, without files and secrets.

    Return {} if the form is empty or too long. Also return {} if the path is too long or unsafe to redirect
    to.
    """
    if (
        not url_has_allowed_host_and_scheme(request.get_full_path(), allowed_hosts=None)
        or len(request.path) > 300
    ):
        return {}
    try:
        fields = {
            name: values
            for name, values in request.POST.lists()
            if name.rpartition("-")[2] not in NEVER_KEPT_FIELDS
        }
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return {}
    too_long = len(json.dumps(fields)) > MAX_KEPT_CHARACTERS
    return fields if any(any(values) for values in fields.values()) and not too_long else {}


def _last_person(request):
    public_id = last_person_id(request)
    return User.objects.filter(public_id=public_id, is_active=True).first() if public_id else None


def _page_it_came_from(request):
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, allowed_hosts={request.get_host()}):
        return urlsplit(referer).path or "/"
    return "/"
