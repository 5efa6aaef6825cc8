"""Every URL of the portal and who it is for. A URL that stands in no table fails a test."""

import inspect
from dataclasses import dataclass

import pytest
from django.urls import URLPattern, get_resolver

# Open to anybody, with the reason.
PUBLIC = {
    "home": "without a reader it says how to begin",
    "open_code": "the form into which a code is typed",
    "open_code_link": "the code is the key",
    "open_account": "the code is the key",
    "leave": "leads out of the portal",
    "ask": "anybody may write a question first",
    "send_question": "shows what this browser wrote",
    "discard_question": "throws away what this browser wrote",
    "find_reading": "anybody may answer first",
    "send_reading": "shows what this browser answered",
    "discard_reading": "throws away what this browser answered",
    "sign_in": "the way in",
    "card_sign_in": "the way in with a library card",
    "single_sign_on": "the way in through the library's own provider",
    "single_sign_on_answer": "the way back from it: what this browser was sent there with is the key",
    "single_sign_on_first_time": "the second step of that way, for whoever is new",
    "account_login": "the way in, by allauth's name",
    "account_confirm_login_code": "the second step of the way in",
    "resend_code": "the second step of the way in, again",
    "sign_in_by_passkey": "the way in, without a code",
    "passkey_options": "what a browser is to sign on its way in",
    "stop_address": "the token of the mail is the key",
    "invitation": "the token of the link is the key; it opens no more than the way to show whose it is",
    "sign_out": "out of one's own sign-in",
    "signed_out": "the words after it",
    "set_language": "a choice on this device",
    "lock": "out of one's own sign-in, at a shared desk computer",
    "locked": "the browser's own token is the key, and a PIN",
    "logo": "the library's own picture",
    "privacy": "what the library keeps is for anybody to read",
    "erased": "a receipt names nobody, and its address is known to whoever was erased",
    "offline": "holds nothing of anybody's",
    "service_worker": "holds nothing of anybody's",
}
# Show only what belongs to the reader; nothing in the address says whose.
READERS_OWN = {
    *(
        "ask_draft",
        "help_sessions",
        "conversations",
        "saved",
        "me",
        "sign_out_elsewhere",
        "add_address",
        "keep_address",
        "connect_sign_on",
        "reauthenticate",
        "remember",
    ),
    *("second_factor", "change_second_factor", "kept", "export", "erase"),
    "who_looked",
    *("add_passkey", "add_passkey_options", "offer_passkey", "merge_records"),
}
# Name an object in the address: which of `world` it is.
OBJECT = {
    "help_session": "session",
    "session_outcome": "session",
    "all_helped": "session",
    "keep_session": "session",
    "stop_keeping": "session",
    "stop_sharing": "session",
    "ask_about_session": "session",
    "conversation": "conversation",
    "conversation_news": "conversation",
    "reply": "conversation",
    "close_conversation": "conversation",
    "conversation_draft": "conversation",
    "attach": "conversation",
    "attachment": "attachment",
    "verdict": "recommendation",
    "ask_about_item": "recommendation",
    "save_item": "item",
    "remove_saved": "saved_item",
    "discard_kept": "refused_post",
    "passkey": "passkey",
    "export_file": "export",
    "erased": "erasure",
    "desk_conversation": "conversation",
    "desk_old_address": "conversation",
    "desk_reply": "conversation",
    "desk_news": "conversation",
    "desk_leave": "conversation",
    "desk_draft": "conversation",
    "desk_take_back": "conversation",
    "desk_close": "conversation",
    "desk_attach": "conversation",
    "desk_attachment": "attachment",
    "desk_take": "conversation",
    "desk_assign": "conversation",
    "desk_snooze": "conversation",
    "desk_wake": "conversation",
    "desk_undo": "conversation",
    "desk_merge": "conversation",
    "desk_erase": "conversation",
    "desk_note": "conversation",
    "desk_colleagues": "conversation",
    "finish_session": "unfinished",
    "discard_session": "unfinished",
    "undo_tally": "tally",
    "desk_session": "session",
    "slip": "session",
    "hand_over": "session",
    "revoke_codes": "session",
    "take_out": "session",
    "attach_code_card": "session",
    "branch_settings": "branch",
    "branch_hours": "branch",
    "branch_closed_days": "branch",
    "branch_use": "branch",
    "absence": "absence",
    "reply_template": "reply_template",
    "remove_reply_template": "reply_template",
    "person": "person",
    "patron_record": "patron",
    "hold_session": "session",
    "hold_conversation": "conversation",
    "hold_person": "patron",
    "lift_hold": "hold",
    "keep_for_patron": "patron",
    "make_account_code": "patron",
    "change_childs_record": "patron",
    "remove_lost_passkey": "patron",
    "desk_merge_records": "patron",
    "desk_unmerge_records": "patron",
    "end_role": "person",
    "invite_again": "invitation",
    "withdraw_invitation": "invitation",
    "forget_second_factor": "person",
    "close_desk_computer": "shared_desk",
}
# Objects that are nobody's in particular, with the reason why no scope stands before them.
SHARED = {
    "save_item": "an item of the catalogue is everybody's",
    "branch_settings": "a coordinator sees to all branches",
    "branch_hours": "a coordinator sees to all branches",
    "branch_closed_days": "a coordinator sees to all branches",
    "branch_use": "a coordinator sees to all branches",
    "absence": "a coordinator sees to the people of the whole library",
    "reply_template": "a coordinator sees to all branches",
    "remove_reply_template": "a coordinator sees to all branches",
    "lift_hold": "a hold is of the whole library: any coordinator may lift it",
    "desk_old_address": "it only redirects, and the page behind it starts from a scope",
    "discard_kept": "looked up among the person's own",
    "open_code_link": "the code is the key",
    "erased": "the address is the key, and names nobody",
    "stop_address": "the token of the mail is the key",
    "invitation": "the token of the link is the key",
}


@dataclass(frozen=True)
class Route:
    path: str
    name: str
    view: object
    converters: tuple

    @property
    def at_desk(self):
        return self.path.startswith("desk/")

    @property
    def for_staff(self):
        return self.at_desk or hasattr(self.view, "guard")

    def __str__(self):
        return self.name


def routes():
    return list(_walk(get_resolver(), "", ()))


def owned(for_staff):
    """Return the routes whose owner works at the desk, or those whose owner is a patron."""
    return [route for route in routes() if route.for_staff == for_staff]


both_owners = pytest.mark.parametrize("for_staff", [True, False], ids=["desk", "patron"])


def _walk(resolver, prefix, converters):
    for pattern in resolver.url_patterns:
        path, found = prefix + str(pattern.pattern), (*converters, *pattern.pattern.converters)
        if isinstance(pattern, URLPattern):
            if not path.startswith("demo/"):
                yield Route(path, pattern.name, pattern.callback, found)
        else:
            yield from _walk(pattern, path, found)


def functions_behind(view):
    """The view itself and every function of ours that it calls, directly or through others."""
    seen, todo = [], [inspect.unwrap(view)]
    while todo:
        function = todo.pop()
        if function not in seen:
            seen.append(function)
            names = set(function.__code__.co_names)
            for name in names & set(function.__globals__):
                called = (
                    inspect.unwrap(function.__globals__[name])
                    if callable(function.__globals__[name])
                    else None
                )
                if inspect.isfunction(called) and called.__module__.split(".")[0] in {
                    "accounts",
                    "portal",
                    "recommendations",
                }:
                    todo.append(called)
    return seen
