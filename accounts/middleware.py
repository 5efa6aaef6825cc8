import json
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import ObjectDoesNotExist, SuspiciousOperation
from django.db import IntegrityError
from django.http import Http404, HttpResponse, HttpResponseRedirect, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation.trans_real import parse_accept_lang_header
from django_htmx.http import HttpResponseClientRedirect

from accounts.patron import refused_posts

from .models import Library, User
from .sign_in.access import (
    LAST_PERSON,
    is_borrowed,
    last_person_id,
    may_pass_the_desk_door,
    needs_second_factor,
    to_the_desk_door,
)
from .sign_in.methods import note_method
from .sign_in.sign_ins import LAST_USED_ON
from .staff.desk_lock import DESK_TOKEN
from .staff_actions import RoleEnded


class DeviceMiddleware(SessionMiddleware):
    """Django's sessions, and what a device remembers: when it was last used, and how its person signs in."""

    def process_response(self, request, response):
        if hasattr(request, "user"):  # a middleware further out may have answered before PersonMiddleware
            self._note_day_of_use(request)
        response = super().process_response(request, response)
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie and cookie.value and is_borrowed(request):
            cookie["max-age"] = cookie["expires"] = ""  # it also ends when the browser is closed
        note_method(request, response)
        return response

    def _note_day_of_use(self, request):
        """Write the library's day into the session, once a day."""
        if request.user.is_authenticated:
            today = request.library.today().isoformat()
            if request.session.get(LAST_USED_ON) != today:
                request.session[LAST_USED_ON] = today


class LibraryMiddleware:
    """request.library, and times shown in its zone."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.library = SimpleLazyObject(Library.current)
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        timezone.activate(request.library.zone)


class PersonMiddleware(AuthenticationMiddleware):
    """request.user, looked up at once: every page asks who it is, and of a lazy object each word about them costs a call more."""

    def process_request(self, request):
        super().process_request(request)
        request.user = get_user(request)


class LanguageMiddleware:
    """A signed-in person's language; otherwise the one chosen on this device, the browser's, the library's."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        translation.activate(self._language(request))
        request.LANGUAGE_CODE = translation.get_language()
        response = self.get_response(request)
        response.headers.setdefault("Content-Language", translation.get_language())
        return response

    def _language(self, request):
        wanted = [request.user.language] if request.user.is_authenticated else []
        wanted.append(request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME))
        wanted += [
            language
            for language, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", ""))
        ]
        for language in filter(None, wanted):
            with suppress(LookupError):
                return translation.get_supported_language_variant(language)
        return request.library.language


class EndedMeanwhileMiddleware:
    """Whoever is erased, or no longer works at a desk, while another page of theirs is being answered is led out: nothing of it was saved."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, error):
        if isinstance(error, RoleEnded):
            if request.session.exists(request.session.session_key):
                raise Http404
            return redirect_to_login(request.get_full_path())
        is_theirs = isinstance(error, (ObjectDoesNotExist, IntegrityError)) and request.user.is_authenticated
        return (
            HttpResponseRedirect(reverse("signed_out"))
            if is_theirs and not User.objects.filter(pk=request.user.pk).exists()
            else None
        )


class SecondFactorMiddleware:
    """No page under /desk/ opens before the second factor of this sign-in."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if (
            request.path.startswith("/desk/")
            and needs_second_factor(request)
            and not may_pass_the_desk_door(request)
        ):
            return to_the_desk_door(request)
        return self.get_response(request)


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
MOST_KEPT = 200_000  # characters


class KeepRefusedPostMiddleware:
    """What somebody wrote is not lost when their sign-in or form has run out: it waits for them at /kept/.

    A signed cookie, set while they are signed in and gone at sign-out, says whose it was.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if not hasattr(request, "user"):
            return response
        refused_to = self._refused_to(request, response)
        if (
            request.method == "POST"
            and not request.path.startswith(NEVER_KEPT_PATHS)
            and not _sent_by_itself(request)
        ):
            if refused_to:
                response = self._keep(request, response, refused_to)
            else:
                self._drop_what_was_sent_again(request, response)
        elif refused_to == reverse("locked") and request.htmx and not _sent_by_itself(request):
            response = HttpResponseClientRedirect(
                response["Location"]
            )  # what the page shows is not for the next at this computer
        elif refused_to and request.htmx:
            response = HttpResponse(
                status=401
            )  # htmx swaps no 4xx: the page stays, a sign-in form never lands inside it
        if request.user.is_authenticated and is_borrowed(request):
            if (
                LAST_PERSON in request.COOKIES
            ):  # whose device it is: what the borrower writes must not come to wait for them
                response.delete_cookie(LAST_PERSON, samesite="Lax")
        elif request.user.is_authenticated and last_person_id(request) != str(request.user.public_id):
            response.set_signed_cookie(
                LAST_PERSON,
                str(request.user.public_id),
                max_age=settings.SESSION_COOKIE_AGE,
                httponly=True,
                samesite="Lax",
                secure=bool(settings.SESSION_COOKIE_SECURE),
            )
        return response

    def _refused_to(self, request, response):
        """The door to which this request was sent instead of being answered, or an empty string."""
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
        fields = _words_of(request) if _is_same_origin(request) and not _is_nobodys(request) else {}
        person = _author(request)
        kept = bool(person and fields)
        if kept:
            path = request.get_full_path() if len(request.get_full_path()) <= 300 else request.path
            refused_posts.keep_refused_post(person, path=path, fields=fields, at=timezone.now())
            self._drop_the_one_before(request, person)
        elif refused_to == "csrf":
            return response
        going_to = reverse("kept") if kept else _page_it_came_from(request)
        url = (
            going_to
            if refused_to == "csrf"
            else f"{refused_to}?{urlencode(self._said(response) | {'next': going_to})}"
        )
        return HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url)

    def _said(self, response):
        """What the way to the door already says, such as whose page it was."""
        return dict(parse_qsl(urlsplit(response["Location"]).query))

    def _drop_what_was_sent_again(self, request, response):
        if request.user.is_authenticated and response.status_code < 400:
            self._drop_the_one_before(request, request.user)

    def _drop_the_one_before(self, request, person):
        with suppress(ValueError):
            refused_posts.drop_refused_post(person, UUID(request.POST.get("refused_post", "")))


def _sent_by_itself(request):
    """A draft or, by a script, a file, sent while somebody types: the form that they come from is what they will send."""
    return request.path.endswith("/draft/") or (
        request.path.endswith("/attach/") and request.headers.get("HX-Request") == "true"
    )


def _author(request):
    """Whose words they are: theirs who is signed in, or was last. At a shared desk computer only if their form was drawn for them: one that
    was left open in another tab may be a colleague's. Each sign-in has its own token."""
    if DESK_TOKEN in request.COOKIES and CsrfViewMiddleware(lambda _request: None).process_view(
        request, None, (), {}
    ):
        return None
    return request.user if request.user.is_authenticated else _last_person(request)


def _is_nobodys(request):
    """Where a visit is open by its code, what was written may be about it: it is kept in nobody's name, whoever is signed in or was."""
    return bool(request.viewer.opened_by_code) and not request.path.startswith("/desk/")


def _is_same_origin(request):
    """Another site must not be able to put words into somebody's mouth."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
    return urlsplit(origin).netloc == request.get_host()


def _words_of(request):
    """The fields worth keeping: no file, no secret, nothing too long, nothing for a path that isn't ours."""
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
    too_long = len(json.dumps(fields)) > MOST_KEPT
    return fields if any(any(values) for values in fields.values()) and not too_long else {}


def _last_person(request):
    public_id = last_person_id(request)
    return User.objects.filter(public_id=public_id, is_active=True).first() if public_id else None


def _page_it_came_from(request):
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, allowed_hosts={request.get_host()}):
        return urlsplit(referer).path or "/"
    return "/"
