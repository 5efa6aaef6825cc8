"""Show a text again, or repeat a button press, after the person had to sign in.

The middleware in accounts.refused_post_middleware saves the refused form. A signed cookie ties the form to
the browser for 30 minutes. After somebody signs in with this browser, the page of the form shows the text
again. If the form was only a button, the view of the form runs. In both cases, the view still checks what
this person may do.
"""

import secrets
from functools import wraps
from urllib.parse import urldefrag

from django.conf import settings
from django.contrib import messages
from django.http import QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ..models import RefusedPost
from ..patron import refused_posts

UNSENT = settings.COOKIE_PREFIX + "unsent"
# The fields where patrons type text. A form has one of them, or "title" and "creators".
WORDS = ("body", "comment", "words", "note", "title", "name")


def shows_unsent_text(page="", *, for_everybody=False):
    """Mark a view whose refused form is saved until somebody signs in.

    After the sign-in, the form's page shows the text. `page` is the name of this page's URL, which has the
    same arguments as the view's URL. If `page` is "", the view itself shows the form.

    A text by an unknown author is saved only if `for_everybody` is true. Set it if people can use the form
    while they are signed out.
    """

    def decorate(view):
        view.shows_unsent_text = page
        view.saves_text_by_unknown_author = for_everybody
        return view

    return decorate


def done_after_sign_in(view):
    """Decorate a view so that it handles a refused POST after somebody has signed in.

    Use this for forms that are only a button, such as *Save*. Each refused form is used once. The view
    decides whether the signed-in person may do what the button asks for. The view sets `request.done` to a
    text that says what was done. The next page shows this text at the top.
    """

    @wraps(view)
    def guarded(request, *args, **kwargs):
        post = _next_at_once(request) if request.method == "GET" else None
        if post is None or not refused_posts.claim_refused_post(post):
            response = view(request, *args, **kwargs)
            if response.status_code == 405 and request.method == "GET":
                # The person took more than 30 minutes to sign in, so the refused form is no longer saved.
                return render(request, "errors/404.html", status=405)
            return response
        request.method, request.POST = "POST", as_query(post.fields)
        try:
            response = view(request, *args, **kwargs)
        finally:
            request.method = "GET"
        words = getattr(request, "done", "")
        if words and response.has_header("Location"):
            messages.success(request, words)
            response["Location"] = urldefrag(response["Location"]).url
        return response

    guarded.done_after_sign_in = True  # type: ignore[attr-defined]  # functions in the stubs have no such attribute
    return guarded


def unsent_form(request, *paths):
    """Return the newest RefusedPost of this page whose text the signed-in person may see, or None.

    `paths` are the page's URLs. The default is the requested page. If no form waits in the browser, no query
    runs.
    """
    return _waiting(request, paths or [request.get_full_path_info()]).filter(at_once=False).first()


def with_unsent_text(request, initial):
    """Return (unsent, values) for a form of this page.

    `unsent` is the RefusedPost that waits for this page, or None. `values` are the initial values of the
    form: what the person typed, or `initial` if no RefusedPost waits. `initial` must name every field of the
    form.
    """
    unsent = unsent_form(request) if request.method != "POST" else None
    if unsent is None:
        return None, initial
    return unsent, {name: unsent.typed.get(name, "") for name in initial}


def waiting_form(request, path):
    """Return the newest RefusedPost that waits in this browser for the page at this path, or None.

    The caller must never show what the form contains, because the person may not be signed in.
    """
    browser = browser_of(request)
    if not browser:
        return None
    return RefusedPost.objects.waiting_in(browser, at=timezone.now()).filter(path=path).first()


def own_text_for_closed_page(request):
    """Return a 404 page that shows the signed-in person's unsent text for the requested page, or None.

    Use this function if the person may no longer open the requested page. A text whose author is unknown is
    ignored.
    """
    post = (
        _waiting(request, [request.get_full_path_info()]).filter(person=request.user, at_once=False).first()
    )
    words = post and words_of(post.typed)
    if not words:
        return None
    return render(request, "accounts/not_sent.html", {"words": words, "why": "closed"}, status=404)


def words_of(typed):
    """Return the text that the person typed into the form, or "". `typed` has the values of the form."""
    return next((typed[name] for name in WORDS if typed.get(name)), "")


def drop_unsent_forms(request, response):
    """Delete the forms that wait in this browser, because the person signs out or removes visits from it."""
    if browser := browser_of(request):
        refused_posts.drop_refused_posts_in(browser)
        response.delete_cookie(UNSENT, samesite="Lax")


def browser_of(request):
    """Return the value of RefusedPost.browser for this browser, or "" if no form waits in this browser."""
    token = _token_of(request)
    return mark_of(token) if token else ""


def tie_to_browser(request, response):
    """Set the cookie that ties refused forms to this browser, and return the value of RefusedPost.browser."""
    token = _token_of(request) or secrets.token_urlsafe(32)
    response.set_signed_cookie(
        UNSENT,
        token,
        max_age=RefusedPost.KEPT_FOR,
        httponly=True,
        samesite="Lax",
        secure=bool(settings.SESSION_COOKIE_SECURE),
    )
    return mark_of(token)


def _token_of(request):
    return request.get_signed_cookie(UNSENT, default="", max_age=RefusedPost.KEPT_FOR)


def mark_of(token):
    return salted_hmac("accounts.sign_in.unsent", token, algorithm="sha256").hexdigest()


def _next_at_once(request):
    return _waiting(request, [request.path_info]).filter(at_once=True).first()


def _waiting(request, paths):
    """Return the refused forms that wait for the pages at these paths."""
    browser = browser_of(request) if request.user.is_authenticated else ""
    if not browser:
        return RefusedPost.objects.none()
    rows = RefusedPost.objects.left_in(browser, person=request.user, at=timezone.now())
    return rows.filter(path__in=paths)


def as_query(fields):
    """Return the fields of a refused form as a QueryDict, like request.POST."""
    query = QueryDict(mutable=True)
    for name, values in fields.items():
        query.setlist(name, values)
    return query
