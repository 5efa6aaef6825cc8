"""The middleware that saves what people typed or pressed in a form that was refused.

A form is refused if the sign-in or the form itself has expired. A form of the desk waits on the page /kept/
for its author. A patron's form waits in the browser until somebody signs in there: see
accounts/sign_in/unsent.py.
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
from portal.limits import TooOften, count
from portal.text import clean, uuid_or_none

from .models import User
from .sign_in.access import LAST_PERSON, is_borrowed, last_person_id
from .sign_in.unsent import browser_of, tie_to_browser, words_of
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
# A patron's form has at most one text of 5,000 characters, or five short ones.
MAX_UNSENT_CHARACTERS = 20_000


class KeepRefusedPostMiddleware:
    """A middleware that saves a form if the sign-in or the form has expired, so that nobody types it again.

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
                return self._save(request, response, refused_to)
            if response.status_code == 404 and _object_model(request):
                # The person may no longer open the page. Don't lose the text with it.
                words = _typed_words(request)
                return _show_again(request, words, status=404) if words else response
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

    def _save(self, request, response, refused_to):
        """Save the form, and return a response that leads its author back to it through the sign-in page.

        If the form may not be saved, show its text again.
        """
        may_save = _is_same_origin(request) and not _may_be_about_opened_visit(request)
        fields = _fields_to_keep(request) if may_save else None
        author = _author(request)
        person = author if author and fields is not None and _may_open(author, request) else None
        page = _own_page(request)
        if page and fields is not None and DESK_TOKEN not in request.COOKIES:
            return self._leave_in_browser(request, response, refused_to, person, page, fields)
        if person and any(any(values) for values in fields.values()):
            path = request.get_full_path() if len(request.get_full_path()) <= 300 else request.path
            refused_posts.keep_refused_post(person, path=path, fields=fields, at=timezone.now())
            self._drop_previous(request, person)
            return _to_sign_in(request, response, refused_to, reverse("kept"))
        if words := _typed_words(request):
            return _show_again(request, words)
        if refused_to == "csrf":
            return response
        return _to_sign_in(request, response, refused_to, _page_it_came_from(request))

    def _leave_in_browser(self, request, response, refused_to, person, page, fields):
        """Save the form of a patron until somebody signs in with this browser.

        If the author is unknown, the response also shows the text, because the person who signs in may not be
        able to open the page.
        """
        words = _typed_words(request)
        if not _may_wait(request, person, fields):
            if words:
                return _show_again(request, words)
            return _to_sign_in(request, response, refused_to, _page_it_came_from(request))
        if person or request.htmx or not words:
            answer = _to_sign_in(request, response, refused_to, page)
        else:
            answer = _show_again(request, words, saved_for=page)
        refused_posts.keep_refused_post(
            person,
            path=page,
            fields=fields,
            at=timezone.now(),
            browser=tie_to_browser(request, answer),
            at_once=not words and hasattr(_view(request), "done_after_sign_in"),
        )
        self._drop_previous(request, person)
        return answer

    def _drop_what_was_sent_again(self, request, response):
        if request.user.is_authenticated and response.status_code < 400:
            self._drop_previous(request, request.user)

    def _drop_previous(self, request, person):
        """Delete the saved form if its author sent it again."""
        with suppress(ValueError):
            refused_posts.drop_refused_post(
                person, UUID(request.POST.get("refused_post", "")), browser=browser_of(request)
            )


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

    A form about such a visit must not be saved for the person who is signed in. If nobody is signed in, a
    code that has stopped working counts too.
    """
    if request.path.startswith("/desk/"):
        return False
    viewer = request.viewer
    return bool(viewer.opened_by_code if request.user.is_authenticated else viewer.has_opened_codes)


def _typed_words(request):
    """Return the text that a patron wrote in the refused form.

    Return "" for forms of the desk and on shared desk computers, because the next person must not see the
    text.
    """
    if request.path.startswith("/desk/") or DESK_TOKEN in request.COOKIES or not _is_same_origin(request):
        return ""
    with suppress(SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return clean(words_of(request.POST), multiline=True)
    return ""


def _view(request):
    """Return the view of the request, or None."""
    try:
        # A middleware may have refused the request before Django resolved its path.
        return (request.resolver_match or resolve(request.path_info)).func
    except Resolver404:
        return None


def _own_page(request):
    """Return the address at which the form waits for somebody who signs in, or "".

    This is the page with the form, or the form's own address if it has no text.
    """
    view = _view(request)
    if hasattr(view, "shows_unsent_text"):
        kwargs = (request.resolver_match or resolve(request.path_info)).kwargs
        name = view.shows_unsent_text
        page = reverse(name, kwargs=kwargs) if name else request.get_full_path()
        return page if len(page) <= 300 else request.path
    return request.path if hasattr(view, "done_after_sign_in") else ""


def _object_model(request):
    """Return the model of the object that the form is about, or None."""
    return getattr(_view(request), "opens", None)


def _objects(request, rows):
    """Return those of the rows that the form is about: one row or none."""
    view = _view(request)
    match = request.resolver_match or resolve(request.path_info)
    named = request.POST.get(view.named_in, "") if view.named_in else match.kwargs["public_id"]
    return rows.filter(public_id=uuid_or_none(named)) if named else rows.none()


def _may_open(person, request):
    """Return whether the refused form may be saved for this person.

    A sign-in on this browser may have ended before someone else opened a visit with a code. So a form about a
    visit, an item or a conversation is saved only if this person may open it.
    """
    view = _view(request)
    if not hasattr(view, "opens"):
        return view is not None
    if view.opens is None:
        return False
    viewer = request.viewer.__class__(person, ())
    return _objects(request, view.opens.objects.belonging_to(viewer)).exists()


def _may_wait(request, person, fields):
    """Return whether the form may be saved until somebody signs in with this browser.

    If the author is unknown, the form must be short, the limit must not be reached, and the object must be
    in somebody's library account. So nothing is saved about a visit that only a code opens, or a quiet one.
    """
    if person:
        return True
    if sum(len(value) for values in fields.values() for value in values) > MAX_UNSENT_CHARACTERS:
        return False
    if hasattr(_view(request), "opens"):
        model = _object_model(request)
        row = _objects(request, model.objects.all()).first() if model else None
        # Rows without a column `patron` always belong to a patron.
        if row is None or getattr(row, "patron_id", True) is None:
            return False
    with suppress(TooOften):
        count(request, "unsent_text")
        return True
    return False


def _to_sign_in(request, response, refused_to, url):
    """Return a redirect to `url`, through the page on which the person signs in again if necessary."""
    if refused_to != "csrf":
        # Keep the redirect's own parameters. One of them says which person used the page.
        query = dict(parse_qsl(urlsplit(response["Location"]).query)) | {"next": url}
        url = f"{refused_to}?{urlencode(query)}"
    elif not request.user.is_authenticated:
        url = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': url})}"
    return HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url)


def _show_again(request, words, *, saved_for="", status=403):
    """Return the typed text to the browser.

    `saved_for` is the page that shows the text after signing in, or "" if the text is saved nowhere. A page
    with htmx still shows the text. It only needs the status 401.
    """
    if request.htmx:
        return HttpResponse(status=401)
    context = {
        "words": words,
        "saved": bool(saved_for),
        "next": saved_for or _page_it_came_from(request),
        "why": request.viewer.why_closed(_about(request)) or ("closed" if status == 404 else ""),
    }
    return render(request, "accounts/not_sent.html", context, status=status)


def _about(request):
    """Return the object that the form is about, or None."""
    model = _object_model(request)
    return _objects(request, model.objects.all()).first() if model else None


def _is_same_origin(request):
    """Return whether our own site sent the form. Another site must not save text in a person's name."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
    return urlsplit(origin).netloc == request.get_host()


def _fields_to_keep(request):
    """Return {name: values} of the form, without files and secrets.

    Return None if the form is too long, or if the path is too long or unsafe to redirect to.
    """
    if (
        not url_has_allowed_host_and_scheme(request.get_full_path(), allowed_hosts=None)
        or len(request.path) > 300
    ):
        return None
    try:
        fields = {
            name: values
            for name, values in request.POST.lists()
            if name.rpartition("-")[2] not in NEVER_KEPT_FIELDS
        }
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return None
    return fields if len(json.dumps(fields)) <= MAX_KEPT_CHARACTERS else None


def _last_person(request):
    public_id = last_person_id(request)
    return User.objects.filter(public_id=public_id, is_active=True).first() if public_id else None


def _page_it_came_from(request):
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, allowed_hosts={request.get_host()}):
        return urlsplit(referer).path or "/"
    return "/"
