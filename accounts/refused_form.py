"""A form that was refused: what is in it, who wrote it, and whether it may be saved for its author.

All functions take the refused request. A view says in its attributes what its form is about: see
sign_in_to_open, shows_unsent_text and done_after_sign_in.
"""

import json
from contextlib import suppress
from urllib.parse import urlsplit

from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.http import Http404, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from portal.limits import TooOften, count
from portal.text import clean, uuid_or_none

from .models import RefusedPost, User
from .patron.refused_posts import claim_refused_post
from .sign_in.access import last_person_id
from .sign_in.unsent import as_query, words_of
from .staff.desk_lock import DESK_TOKEN
from .staff_actions import RoleEnded

NEVER_SAVED_FIELDS = {"csrfmiddlewaretoken", "refused_post", "code", "credential", "pin", "password", "next"}
MAX_CHARACTERS = 200_000
# The form of an unknown author. A patron's form has at most one text of 5,000 characters, or five short ones.
MAX_UNSENT_CHARACTERS = 20_000


def puts_text_back(restore):
    """Mark a view of the desk whose refused form can become a draft on its own page.

    `restore` gets the request, the form as a QueryDict and the arguments of the view. It saves the draft and
    returns the address of the page that shows it. It returns "" or raises Http404 if that isn't possible.
    """

    def decorate(view):
        view.puts_text_back = restore
        return view

    return decorate


def put_back(request, post):
    """Make the refused form a draft of the signed-in person, and return the address of its page.

    Return "" if its page can't show it. Then the page /kept/ still has the form.
    """
    try:
        match = resolve(urlsplit(post.path).path)
        restore = getattr(match.func, "puts_text_back", None)
        with transaction.atomic():
            page = restore(request, as_query(post.fields), **match.kwargs) if restore else ""
            if page:
                claim_refused_post(post)
            return page
    except (Http404, RoleEnded):
        return ""


def is_sent_by_script(request):
    """Return whether a script sent this request while the person was typing.

    Scripts send drafts and files. Such a request isn't worth saving, because the person still sees the form.
    """
    return request.path_info.endswith("/draft/") or (
        request.path_info.endswith("/attach/") and request.headers.get("HX-Request") == "true"
    )


def typed_words(request):
    """Return the text that the person wrote in the refused form.

    Return "" on shared desk computers, because the next person must not see the text.
    """
    if DESK_TOKEN in request.COOKIES or not _is_same_origin(request):
        return ""
    with suppress(SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        if request.path_info.startswith("/desk/"):
            texts = RefusedPost(fields=dict(request.POST.lists())).texts
            return clean("\n\n".join(texts), multiline=True)
        return clean(words_of(request.POST), multiline=True)
    return ""


def fields_to_save(request):
    """Return {name: values} of the form, without files and secrets.

    Return None if the form may not be saved at all: another site sent it, it may be about a visit that this
    browser opened by code, it is too long, or its path is too long or unsafe to redirect to.
    """
    is_safe = url_has_allowed_host_and_scheme(request.get_full_path(), allowed_hosts=None)
    if not is_safe or len(request.path_info) > 300:
        return None
    if not _is_same_origin(request) or _may_be_about_opened_visit(request):
        return None
    try:
        fields = {
            name: values
            for name, values in request.POST.lists()
            if name.rpartition("-")[2] not in NEVER_SAVED_FIELDS
        }
        if request.FILES:
            fields[RefusedPost.CHOSE_FILES] = ["1"]
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return None
    return fields if len(json.dumps(fields)) <= MAX_CHARACTERS else None


def _is_same_origin(request):
    """Return whether our own site sent the form. Another site must not save text in a person's name."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
    return urlsplit(origin).netloc == request.get_host()


def _may_be_about_opened_visit(request):
    """Return whether the refused form may be about a visit that this browser has opened by code.

    A form about such a visit must not be saved for the person who is signed in. If nobody is signed in, a
    code that has stopped working counts too.
    """
    if request.path_info.startswith("/desk/"):
        return False
    viewer = request.viewer
    return bool(viewer.opened_by_code if request.user.is_authenticated else viewer.has_opened_codes)


def author(request):
    """Return the person who is signed in or was signed in last, or None if the author is unknown.

    On a shared desk computer, a colleague may have left the form open in another tab. Each sign-in has its
    own CSRF token. If the token is wrong, the colleague may have written the form, so its author is unknown.
    """
    check_token = CsrfViewMiddleware(lambda _request: HttpResponse()).process_view
    if DESK_TOKEN in request.COOKIES and check_token(request, _view(request), (), {}):
        return None
    return request.user if request.user.is_authenticated else _last_person(request)


def _last_person(request):
    public_id = last_person_id(request)
    return User.objects.filter(public_id=public_id, is_active=True).first() if public_id else None


def may_open(person, request):
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
    return _among(view.opens.objects.belonging_to(viewer), request) is not None


def may_wait(request, person, fields):
    """Return whether the form may be saved until somebody signs in with this browser.

    `person` is the author, or None if the author is unknown. Then the form must be short and the limit not
    reached. Its object must be in somebody's library account, so nothing is saved about a quiet visit or one
    that nobody keeps.
    """
    if person:
        return True
    if sum(len(text) for name, values in fields.items() for text in [name, *values]) > MAX_UNSENT_CHARACTERS:
        return False
    if hasattr(_view(request), "opens"):
        row = object_of(request)
        # Rows without a column `patron` always belong to a patron.
        if row is None or getattr(row, "patron_id", True) is None:
            return False
    with suppress(TooOften):
        count(request, "unsent_text")
        return True
    return False


def own_page(request):
    """Return the address to which the person goes after signing in, or "" if the form can't wait there.

    This is the page with the form, or the form's own address if it has no text.
    """
    view = _view(request)
    if hasattr(view, "shows_unsent_text"):
        name = view.shows_unsent_text
        page = reverse(name, kwargs=_match(request).kwargs) if name else request.get_full_path()
        return page if len(page) <= 300 else request.path_info
    return request.path_info if is_done_after_sign_in(request) else ""


def is_done_after_sign_in(request):
    """Return whether the view does what the form asks for once somebody has signed in."""
    return hasattr(_view(request), "done_after_sign_in")


def has_object(request):
    """Return whether the form is about an object, such as a visit or a conversation."""
    return getattr(_view(request), "opens", None) is not None


def object_of(request):
    """Return the object that the form is about, or None."""
    return _among(_view(request).opens.objects.all(), request) if has_object(request) else None


def _among(rows, request):
    """Return the object that the form is about if it is among these rows, or None."""
    view = _view(request)
    public_id = request.POST.get(view.named_in) if view.named_in else _match(request).kwargs["public_id"]
    return rows.filter(public_id=uuid_or_none(public_id)).first() if public_id else None


def _view(request):
    """Return the view of the request, or None."""
    match = _match(request)
    return match and match.func


def _match(request):
    try:
        # A middleware may have refused the request before Django resolved its path.
        return request.resolver_match or resolve(request.path_info)
    except Resolver404:
        return None
