"""Find the author and the text of a refused form, and decide whether the form may be saved.

Most functions take the request that sent the form. The decorators of a view say what the view's form is
about: see sign_in_to_open, shows_unsent_text and done_after_sign_in.
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

from portal.headers import split_address
from portal.limits import TooOften, count
from portal.text import clean, uuid_or_none

from .models import RefusedPost, User
from .patron.refused_posts import claim_refused_post
from .sign_in.access import last_person_id, was_borrowed
from .sign_in.unsent import as_query, words_of
from .staff.desk_lock import DESK_TOKEN
from .staff_actions import RoleEnded
from .waiting_forms import has_waited

NEVER_SAVED_FIELDS = {
    *("csrfmiddlewaretoken", "refused_post", "code", "credential", "pin", "password", "next"),
    # The fields in which a patron asks for a call. They contain a phone number and the name of a person.
    *("call_number", "ask_for"),
}
MAX_CHARACTERS = 200_000
# The maximum number of characters in a form by an unknown author. A patron's form has at most one text of
# 5,000 characters, or five short texts.
MAX_UNSENT_CHARACTERS = 20_000


def puts_text_back(restore):
    """Mark a desk view. If its form is refused, `restore` can turn the text into a draft.

    `restore` takes the request, the form as a QueryDict, and the view's arguments. It saves the draft, and
    returns the URL of the page that shows it. If no page can show the draft, it returns "" or raises Http404.
    """

    def decorate(view):
        view.puts_text_back = restore
        return view

    return decorate


def put_back(request, post):
    """Turn the refused form into the signed-in person's draft, and return the URL of the draft's page.

    Return "" if no page can show the draft. Then the page /kept/ still lists the form.
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
    """Return whether a script sent this request automatically.

    Scripts send drafts, files, and forms that waited on a phone. Such a request need not be saved, because
    the page or the phone still has what the person wrote.
    """
    return (
        has_waited(request)
        or request.path_info.endswith("/draft/")
        or (request.path_info.endswith("/attach/") and request.headers.get("HX-Request") == "true")
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
    """Return {name of a field: list of its values} for the form, without files and secrets.

    In each of these cases, the form may not be saved, so return None:
    - Another site sent the form.
    - The form may be about a visit that this browser opened by code.
    - The form or its path is too long.
    - A redirect to the path of the form would be unsafe.
    """
    is_safe = url_has_allowed_host_and_scheme(request.get_full_path_info(), allowed_hosts=None)
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
    """Return whether our own site sent the form. Another site must not save text in the person's name."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
    return split_address(origin).netloc == request.get_host()


def _may_be_about_opened_visit(request):
    """Return whether the refused form may be about a visit that this browser has opened by code.

    A form about such a visit must not be saved for the person who is signed in. If nobody is signed in,
    visits whose codes have stopped working count too.
    """
    if request.path_info.startswith("/desk/"):
        return False
    viewer = request.viewer
    return bool(viewer.opened_by_code if request.user.is_authenticated else viewer.has_opened_codes)


def author(request):
    """Return the person who wrote the refused form, or None if the author is unknown.

    The author is the person who is signed in, or who was signed in last. But on a shared desk computer, an
    earlier colleague may have left the form open in another tab. Each sign-in has its own CSRF token. So the
    author of a form with a wrong token is unknown on such a computer.
    """
    check_token = CsrfViewMiddleware(lambda _request: HttpResponse()).process_view
    if DESK_TOKEN in request.COOKIES and check_token(request, _view(request), (), {}):
        return None
    return request.user if request.user.is_authenticated else _last_person(request)


def _last_person(request):
    public_id = last_person_id(request)
    return User.objects.filter(public_id=public_id, is_active=True).first() if public_id else None


def may_save_for(person, request):
    """Return whether the refused form may be saved for this person.

    If the form is about a visit, an item or a conversation, the person must be allowed to open this object.
    This check is necessary, because somebody else may have used the browser after the person's sign-in ended.
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

    `person` is the author, or None if the author is unknown. A form by a known author may always wait.

    Text by an unknown author may wait only if people can use the form while they are signed out. Otherwise
    the next person who signs in could see the text, for example the name of a new list. Such a form must be
    short, and the rate limit must not be reached.

    A form that is only a button may wait even if its author is unknown. If it is about an object, the object
    must be in somebody's library account. So no button about a quiet visit is saved, and none about a visit
    that nobody has added to an account.

    If the last sign-in in this browser was on a borrowed device, no form by an unknown author may wait.
    """
    if person:
        return True
    if was_borrowed(request) or not (_is_button(request) or _is_for_everybody(request)):
        return False
    if sum(len(text) for name, values in fields.items() for text in [name, *values]) > MAX_UNSENT_CHARACTERS:
        return False
    if hasattr(_view(request), "opens"):
        row = object_of(request)
        # Some objects, such as a SavedItem, have no field `patron`. They always belong to somebody.
        if row is None or getattr(row, "patron_id", True) is None:
            return False
    with suppress(TooOften):
        count(request, "unsent_text")
        return True
    return False


def own_page(request):
    """Return the URL that the person opens after signing in, or "" if no page can show the form again.

    This is the URL of the page with the form. If the form is only a button, it is the URL that the form was
    sent to.
    """
    view = _view(request)
    if hasattr(view, "shows_unsent_text"):
        name = view.shows_unsent_text
        page = reverse(name, kwargs=_match(request).kwargs) if name else request.get_full_path_info()
        return page if len(page) <= 300 else request.path_info
    return request.path_info if is_done_after_sign_in(request) else ""


def is_done_after_sign_in(request):
    """Return whether the view has the decorator done_after_sign_in."""
    return hasattr(_view(request), "done_after_sign_in")


def _is_button(request):
    return is_done_after_sign_in(request) and not typed_words(request)


def _is_for_everybody(request):
    """Return whether people can use the form while they are signed out."""
    return getattr(_view(request), "saves_text_by_unknown_author", False)


def has_object(request):
    """Return whether the form is about an object, such as a visit or a conversation."""
    return getattr(_view(request), "opens", None) is not None


def object_of(request):
    """Return the object that the form is about, or None."""
    return _among(_view(request).opens.objects.all(), request) if has_object(request) else None


def _among(rows, request):
    """Return the object in the queryset `rows` that the form is about, or None."""
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
