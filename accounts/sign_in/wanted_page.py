"""The title of the sign-in pages, if the person wanted to open another page and is signed out."""

from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from django.utils.translation import gettext_lazy as _

from .access import safe_next

TO_READ_ANSWER, TO_SEE_VISIT = _("Sign in to read your answer"), _("Sign in to see your visit")
TITLES = {
    "conversation": TO_READ_ANSWER,
    "attachment": TO_READ_ANSWER,
    "help_session": TO_SEE_VISIT,
    "keep_session": TO_SEE_VISIT,
    "verdict": TO_SEE_VISIT,
    "ask_about_session": TO_SEE_VISIT,
    "ask_about_item": TO_SEE_VISIT,
    "saved": _("Sign in to see your lists"),
}


def wanted_page(request):
    """Return the context of a sign-in page: the path of the wanted page, and the title that fits this page.

    Both can be empty. Then the person opened the sign-in page itself.
    """
    path = safe_next(request)
    try:
        name = resolve(urlsplit(path).path).url_name or ""
    except Resolver404:
        name = ""
    return {"next": path, "wanted": TITLES.get(name, "")}
