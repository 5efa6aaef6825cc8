"""Choose the title of the sign-in page from the page that the person tried to open."""

from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from django.utils.translation import gettext_lazy as _

from .access import safe_next
from .unsent import waiting_form

TO_READ_ANSWER, TO_SEE_VISIT = _("Sign in to read your answer"), _("Sign in to see your visit")
TO_SEND_QUESTION, TO_SAVE_ANSWER = _("Sign in to send your question"), _("Sign in to save your answer")
TITLES = {
    "conversation": TO_READ_ANSWER,
    "attachment": TO_READ_ANSWER,
    "help_session": TO_SEE_VISIT,
    "keep_session": _("Sign in to keep your visit"),
    "verdict": TO_SEE_VISIT,
    "ask_about_session": TO_SEE_VISIT,
    "ask_about_item": TO_SEE_VISIT,
    "share_words": _("Sign in to share a few words"),
    "saved": _("Sign in to see your lists"),
    "me": _("Sign in to see your account"),
    "send_question": _("Sign in to send your question"),
    "send_reading": _("Sign in to send your request"),
    "kept": _("Sign in to send what you wrote"),
}
# The titles of the sign-in page if the person typed a text while signed out. The keys are URL names.
UNSENT_TITLES = {
    "conversation": _("Sign in to send your message"),
    "ask": TO_SEND_QUESTION,
    "ask_about_session": TO_SEND_QUESTION,
    "ask_about_item": TO_SEND_QUESTION,
    "find_reading": _("Sign in to send your request"),
    "verdict": _("Sign in to save your comment"),
    "me": _("Sign in to save your name"),
}
# The titles of the sign-in page if the person pressed a button while signed out. The keys are URL names.
PRESSED_TITLES = {
    "verdict": TO_SAVE_ANSWER,
    "session_outcome": TO_SAVE_ANSWER,
    "all_helped": TO_SAVE_ANSWER,
    "save_item": _("Sign in to save the item"),
}


def wanted_page(request):
    """Return a dict for the sign-in page about the page that the person tried to open.

    `next` is the path of that page, or "" if the person opened the sign-in page itself. `wanted` is the
    title, or "" if the page has no title of its own. `unsent` is the RefusedPost with the text or button from
    that page, or None if no such form waits in this browser. The function makes one query if any form waits
    in this browser, and none otherwise.
    """
    path = safe_next(request)
    try:
        name = resolve(urlsplit(path).path).url_name or ""
    except Resolver404:
        name = ""
    unsent = waiting_form(request, path.partition("#")[0])
    titles = (PRESSED_TITLES if unsent.at_once else UNSENT_TITLES) if unsent else TITLES
    return {"next": path, "wanted": titles.get(name, ""), "unsent": unsent}
