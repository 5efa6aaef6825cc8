"""Middlewares for the session, the library, the person, the language and the desk's second factor."""

from contextlib import suppress

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError
from django.http import Http404, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject
from django.utils.translation.trans_real import parse_accept_lang_header

from .models import Library, User
from .sign_in import double_tap
from .sign_in.access import (
    is_borrowed,
    may_open_desk,
    needs_second_factor,
    redirect_to_second_factor,
)
from .sign_in.methods import note_method
from .sign_in.sign_ins import LAST_USED_ON
from .staff_actions import RoleEnded


class DeviceMiddleware(SessionMiddleware):
    """Django's session middleware, extended for sign-ins.

    It stores the day of the last use in the session, and the sign-in method in a cookie. On a borrowed
    device, the session ends when the browser closes. Only a request that ends a session deletes the session's
    cookie. Both requests of a double tap get the same response.
    """

    def process_request(self, request):
        super().process_request(request)
        if response := double_tap.first_response(request):
            request.is_repeated = True
            return response
        return None

    def process_view(self, request, view, args, kwargs):
        request.leaves_session_alone = getattr(view, "leaves_session_alone", False)

    def process_response(self, request, response):
        if getattr(request, "is_repeated", False):
            return response
        # If a middleware before PersonMiddleware returned the response, request.user is not set.
        if hasattr(request, "user") and not getattr(request, "leaves_session_alone", False):
            self._note_day_of_use(request)
        response = super().process_response(request, response)
        if not request.session.modified:
            # The session had ended before this request, so Django would delete the cookie. But another
            # request may just have replaced the session and the cookie, for example the first request of a
            # double tap on "Sign in".
            response.cookies.pop(settings.SESSION_COOKIE_NAME, None)
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie and cookie.value and is_borrowed(request):
            # Without these two attributes, the browser deletes the cookie when it closes.
            cookie["max-age"] = cookie["expires"] = ""
        note_method(request, response)
        return double_tap.save_or_replace(request, response)

    def _note_day_of_use(self, request):
        """Store today's date in the session, in the library's time zone, if the date isn't stored yet."""
        if request.user.is_authenticated:
            today = request.library.today().isoformat()
            if request.session.get(LAST_USED_ON) != today:
                request.session[LAST_USED_ON] = today


class LibraryMiddleware:
    """Set request.library, and activate the library's time zone."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.library = SimpleLazyObject(Library.current)
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        timezone.activate(request.library.zone)


class PersonMiddleware(AuthenticationMiddleware):
    """Set request.user to the user itself instead of Django's lazy object.

    Every page needs the user, and each access to a lazy object costs a function call.
    """

    def process_request(self, request):
        super().process_request(request)
        request.user = get_user(request)


class LanguageMiddleware:
    """Activate the language of the page.

    The person's own language comes first. The next choices are the language chosen on this device, the
    browser's languages, and the library's language.
    """

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
    """Return a page if the person was erased or lost a staff role while the request was running.

    Such a request fails and saves nothing. An erased person sees the signed-out page. A staff member who lost
    a role sees a 404, or the sign-in page if they were also signed out.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, error):
        if isinstance(error, RoleEnded):
            if request.session.exists(request.session.session_key):
                raise Http404
            return redirect_to_login(request.get_full_path_info())
        if not isinstance(error, (ObjectDoesNotExist, IntegrityError)) or not request.user.is_authenticated:
            return None
        if User.objects.filter(pk=request.user.pk).exists():
            return None
        return HttpResponseRedirect(reverse("signed_out"))


class SecondFactorMiddleware:
    """Ask staff for their second factor before any page under /desk/.

    On a shared desk computer, a sign-in by PIN is enough.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if (
            request.path_info.startswith("/desk/")
            and needs_second_factor(request)
            and not may_open_desk(request)
        ):
            return redirect_to_second_factor(request)
        return self.get_response(request)
