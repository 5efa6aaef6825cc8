"""Choose the title of the sign-in page from the page that the person tried to open."""

from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from django.utils.translation import gettext_lazy as _

from .access import safe_next
from .unsent import browser_of

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
    """Return `next`, the path of the page to open after signing in, and `wanted`, the title for this page.

    `next` is empty if the person opened the sign-in page itself. `wanted` is empty for pages without a title
    of their own, too. `unsent` says whether something that the person typed or pressed waits in this browser.
    """
    path = safe_next(request)
    try:
        name = resolve(urlsplit(path).path).url_name or ""
    except Resolver404:
        name = ""
    return {"next": path, "wanted": TITLES.get(name, ""), "unsent": bool(path and browser_of(request))}
