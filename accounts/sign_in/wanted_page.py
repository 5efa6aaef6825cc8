"""Choose the title of the sign-in page. It depends on the page that the person tried to open."""

from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from django.utils.translation import gettext_lazy as _

from .access import safe_next
from .unsent import waiting_form

TO_READ_ANSWER, TO_SEE_VISIT = _("Sign in to read your answer"), _("Sign in to see your visit")
TO_SEND_QUESTION, TO_SAVE_ANSWER = _("Sign in to send your question"), _("Sign in to save your answer")
TO_SEE_LISTS, TO_SEE_ACCOUNT = _("Sign in to see your lists"), _("Sign in to see your account")
TO_ADD_VISIT, TO_SAVE_LIST = _("Sign in to add the visit to your account"), _("Sign in to save your list")
TO_GET_CALL = _("Sign in to ask for a call")
PAGES_OF_VISITS = (
    *("help_session", "share_titles", "visit_phone_messages"),
    *("verdict", "ask_about_session", "ask_about_item"),
)
PAGES_OF_LISTS = (
    *("saved", "removed_from_lists", "new_list", "saved_list", "change_list", "add_title", "find_in_catalog"),
    *("order_list", "list_options", "share_list", "list_link", "search_list", "print_list", "export_list"),
    *("email_list", "cite_list", "cite_title", "saved_title", "choose_lists", "share_saved"),
)
PAGES_OF_ACCOUNT = (
    *("me", "keep_pages", "add_address", "keep_address", "add_passkey", "offer_passkey", "passkey"),
    *("connect_sign_on", "reauthenticate", "merge_records", "try_address", "phone_messages"),
    *("who_looked", "export", "export_file", "erase", "remember", "check_ins", "check_in_titles"),
)
TITLES = {
    **dict.fromkeys(("conversation", "attachment", "original_email"), TO_READ_ANSWER),
    **dict.fromkeys(PAGES_OF_VISITS, TO_SEE_VISIT),
    **dict.fromkeys(PAGES_OF_LISTS, TO_SEE_LISTS),
    **dict.fromkeys(PAGES_OF_ACCOUNT, TO_SEE_ACCOUNT),
    **dict.fromkeys(("keep_session", "keep_session_code"), TO_ADD_VISIT),
    **dict.fromkeys(("call_in_conversation", "call_about_session"), TO_GET_CALL),
    "notices": _("Sign in to choose your notices"),
    "share_words": _("Sign in to share a few words"),
    "item": _("Sign in to see this item"),
    "recommendations": _("Sign in to see what was recommended to you"),
    "search": _("Sign in to search your visits and lists"),
    "send_question": TO_SEND_QUESTION,
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
    "share_words": _("Sign in to share your words"),
    "me": _("Sign in to save your name"),
    "saved_title": _("Sign in to save your note"),
    "add_title": _("Sign in to add the title"),
    "share_list": _("Sign in to share your list"),
    **dict.fromkeys(("new_list", "change_list", "choose_lists"), TO_SAVE_LIST),
}
# The titles of the sign-in page if the person pressed a button while signed out. The keys are URL names.
PRESSED_TITLES = {
    "verdict": TO_SAVE_ANSWER,
    "session_outcome": TO_SAVE_ANSWER,
    "all_helped": TO_SAVE_ANSWER,
    "save_item": _("Sign in to save the item"),
}


def wanted_page(request):
    """Return what the sign-in page needs to know about the page that the person tried to open.

    The result is a dict. `next` is the path of that page, or "" if the person opened the sign-in page itself.
    `wanted` is the title of the sign-in page, or "" for the usual title. `unsent` is the RefusedPost with the
    text or button from that page, or None if no such form waits in this browser. The function makes one query
    if any form waits in this browser, and none otherwise.
    """
    path = safe_next(request)
    try:
        name = resolve(urlsplit(path).path).url_name or ""
    except Resolver404:
        name = ""
    unsent = waiting_form(request, path.partition("#")[0])
    titles = (PRESSED_TITLES if unsent.at_once else UNSENT_TITLES) if unsent else TITLES
    return {"next": path, "wanted": titles.get(name, ""), "unsent": unsent}
