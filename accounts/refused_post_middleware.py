"""The middleware that saves refused forms.

A form is refused if the sign-in or the form itself has expired. The author of a desk form finds the saved
form on the page /kept/. If the author has signed out, the response shows the text once more. A patron's form
is saved until somebody signs in with the same browser: see accounts/sign_in/unsent.py. refused_form.py
decides what may be saved.
"""

from contextlib import suppress
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from accounts.patron import refused_posts
from portal.errors import page_it_came_from, signed_out

from . import refused_form
from .sign_in.access import LAST_PERSON, WAS_BORROWED, is_borrowed, last_person_id, was_borrowed
from .sign_in.unsent import browser_of, tie_to_browser
from .staff.desk_lock import DESK_TOKEN

NEVER_SAVED_PATHS = (
    "/sign-in/",
    "/sign-out/",
    "/second-factor/",
    "/c/",
    "/how/",
    "/shared/",
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
    "/search/",
    "/desk/record/autosave/",
)


class KeepRefusedPostMiddleware:
    """A middleware that saves refused forms, so that nobody has to type them again.

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
        automatic = refused_form.is_sent_by_script(request)
        if request.method == "POST" and not request.path_info.startswith(NEVER_SAVED_PATHS) and not automatic:
            if refused_to:
                return self._save(request, response, refused_to)
            if response.status_code == 404 and refused_form.has_object(request):
                # The person has lost access to the page. Show their text again.
                words = refused_form.typed_words(request)
                return _show_again(request, words, status=404) if words else response
            self._drop_what_was_sent_again(request, response)
            return response
        if refused_to == reverse("locked") and request.htmx and not automatic:
            # Make the browser leave the current page and load the lock page. Otherwise the next person at
            # this computer could still read the current page.
            return HttpResponseClientRedirect(response["Location"])
        if refused_to and request.htmx:
            # htmx ignores a 401 response, so the page stays as it is. After a redirect, htmx would show the
            # sign-in form inside the page.
            if request.path_info.endswith("/draft/") and not request.path_info.startswith("/desk/"):
                return _say_beside(request, draft=True)
            return HttpResponse(status=401)
        return response

    def _set_last_person(self, request, response):
        """Store the id of the signed-in person in a cookie, except on a borrowed device.

        A borrowed device gets a cookie without an id. As long as the browser has this cookie, forms that are
        sent while nobody is signed in aren't saved.
        """
        if not request.user.is_authenticated:
            return
        if is_borrowed(request):
            # The owner of the borrowed device must not find what this person typed.
            if LAST_PERSON in request.COOKIES:
                response.delete_cookie(LAST_PERSON, samesite="Lax")
            if not was_borrowed(request):
                response.set_cookie(
                    WAS_BORROWED,
                    "1",
                    httponly=True,
                    samesite="Lax",
                    secure=bool(settings.SESSION_COOKIE_SECURE),
                )
            return
        if was_borrowed(request):
            response.delete_cookie(WAS_BORROWED, samesite="Lax")
        if last_person_id(request) != str(request.user.public_id):
            response.set_signed_cookie(
                LAST_PERSON,
                str(request.user.public_id),
                max_age=settings.SESSION_COOKIE_AGE,
                httponly=True,
                samesite="Lax",
                secure=bool(settings.SESSION_COOKIE_SECURE),
            )

    def _refused_to(self, request, response):
        """Return the path that a refused request was redirected to.

        Return "csrf" if the CSRF check refused the request, and an empty string if nothing was refused.
        """
        if (
            response.status_code == 403
            and request.method == "POST"
            and not getattr(request, "csrf_processing_done", False)
        ):
            return "csrf"
        # If a page for entering a code redirects to the sign-in page, the code no longer works. The sign-in
        # page says why. The form has no text to save, so this doesn't count as a refusal.
        if response.status_code == 302 and not request.path_info.endswith("/code/"):
            path = urlsplit(response["Location"]).path
            if path in {resolve_url(settings.LOGIN_URL), reverse("second_factor"), reverse("locked")}:
                return path
        return ""

    def _save(self, request, response, refused_to):
        """Save the form, and return a redirect to the sign-in page.

        After signing in, the author gets to a page with the form. If the form may not be saved, return a page
        that shows its text.
        """
        fields = refused_form.fields_to_save(request)
        author = refused_form.author(request)
        may_save = author and fields is not None and refused_form.may_save_for(author, request)
        person = author if may_save else None
        page = refused_form.own_page(request)
        if page and fields is not None and DESK_TOKEN not in request.COOKIES:
            return self._leave_in_browser(request, response, refused_to, person, page, fields)
        at_desk = request.path_info.startswith("/desk/")
        # A patron's form without `page` has only a choice, and no text. The form isn't saved: the person can
        # choose again after signing in.
        can_wait = page or at_desk
        if person and can_wait and any(any(values) for values in fields.values()):
            path = request.get_full_path_info()
            path = path if len(path) <= 300 else request.path_info
            refused_posts.save_refused_post(person, path=path, fields=fields, at=timezone.now())
            self._drop_previous(request, person)
            return _to_sign_in(request, response, refused_to, reverse("kept"))
        if words := refused_form.typed_words(request):
            return _show_again(request, words)
        if refused_to == "csrf":
            return response
        came_from = page_it_came_from(request)
        is_signed_out = refused_to == resolve_url(settings.LOGIN_URL)
        if is_signed_out and at_desk and came_from != "/" and not request.htmx:
            # Somebody pressed a button on a desk page. Say that nothing was done.
            return signed_out(request)
        return _to_sign_in(request, response, refused_to, came_from)

    def _leave_in_browser(self, request, response, refused_to, person, page, fields):
        """Save a patron's form until somebody signs in with this browser, and return the response.

        If the author is unknown, the response shows the text, because the person who signs in may be somebody
        else.
        """
        words = refused_form.typed_words(request)
        if not refused_form.may_wait(request, person, fields):
            if words:
                return _show_again(request, words)
            return _to_sign_in(request, response, refused_to, page_it_came_from(request))
        if person or request.htmx or not words:
            answer = _to_sign_in(request, response, refused_to, page)
        else:
            answer = _show_again(request, words, saved_for=page)
        refused_posts.save_refused_post(
            person,
            path=page,
            fields=fields,
            at=timezone.now(),
            browser=tie_to_browser(request, answer),
            at_once=not words and refused_form.is_done_after_sign_in(request),
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


def _to_sign_in(request, response, refused_to, url):
    """Return a redirect to the page where the person signs in again. That page leads to `url`.

    If the person is still signed in, return a redirect to `url` itself.
    """
    if refused_to != "csrf":
        # Keep the parameters of the earlier redirect. One of them says which person used the page.
        query = dict(parse_qsl(urlsplit(response["Location"]).query)) | {"next": url}
        url = f"{refused_to}?{urlencode(query)}"
    elif not request.user.is_authenticated:
        url = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': url})}"
    answer = HttpResponseClientRedirect(url) if request.htmx else HttpResponseRedirect(url)
    # Keep the cookies, because one of them can contain a notice for the next page.
    answer.cookies = response.cookies
    return answer


def _show_again(request, words, *, saved_for="", status=403):
    """Return a page that shows the typed text.

    If htmx sent the form, the browser still shows the text. In this case, return a notice with the status 401
    instead.

    `saved_for` is the page that shows the text after signing in, or "" if the text isn't saved.
    """
    if request.htmx:
        return _say_beside(request, closed=status == 404)
    context = {
        "words": words,
        "saved": bool(saved_for),
        "next": saved_for or page_it_came_from(request),
        "why": _why(request, closed=status == 404),
        "at_desk": request.path_info.startswith("/desk/"),
    }
    return render(request, "accounts/not_sent.html", context, status=status)


def _say_beside(request, *, closed=False, draft=False):
    """Return a notice that a script shows beside the form. The form still has the text."""
    context = {
        "draft": draft,
        "next": page_it_came_from(request),
        "why": _why(request, closed=closed),
        "at_desk": request.path_info.startswith("/desk/"),
    }
    return render(request, "accounts/not_sent_beside.html", context, status=401)


def _why(request, *, closed):
    """Return why the form was refused, or "" if the person is only signed out.

    "kept" means that somebody has added the visit to an account. "ended" means that the code of the visit no
    longer works. "closed" means that the person may no longer open the page.
    """
    row = refused_form.object_of(request)
    why = request.viewer.why_closed(type(row), row.public_id) if row else ""
    return why or ("closed" if closed else "")
