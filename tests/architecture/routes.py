"""List every URL of the portal and who may open it. A test fails if this list lacks a URL."""

import inspect
from dataclasses import dataclass

import pytest
from django.urls import URLPattern, get_resolver

# {name of a URL that everybody may open: the reason}
PUBLIC = {
    "home": "a visitor reads how to begin",
    "open_code": "the form for typing a code",
    "open_code_link": "the code gives access",
    "open_account": "the code gives access",
    "leave": "leads out of the portal",
    "ask": "a question can be written before signing in",
    "send_question": "shows what this browser wrote",
    "send_question_code": "shows what this browser wrote, and is the second step of sign-in",
    "discard_question": "deletes what this browser wrote",
    "restore_discarded": "brings back what this browser wrote",
    "ask_for_call": "says how to get on the call list; the form needs a sign-in or a code",
    "find_reading": "the form can be filled in before signing in",
    "send_reading": "shows what this browser answered",
    "send_reading_code": "shows what this browser answered, and is the second step of sign-in",
    "discard_reading": "deletes what this browser answered",
    "sign_in": "sign-in",
    "card_sign_in": "sign-in with a library card",
    "single_sign_on": "sign-in through the library's own provider",
    "single_sign_on_answer": "the return from the provider; the browser must have the state of its request",
    "single_sign_on_first_time": "the second step of single sign-on, for new patrons",
    "account_login": "sign-in, under allauth's name",
    "account_confirm_login_code": "the second step of sign-in",
    "resend_code": "sends a new sign-in code",
    "sign_in_by_passkey": "sign-in with a passkey",
    "passkey_options": "the options for signing in with a passkey",
    "stop_address": "the token in the email gives access",
    "invitation": "the token in the link gives access, but accepting requires signing in",
    "sign_out": "ends the browser's own sign-in",
    "signed_out": "the page after signing out",
    "set_language": "the language is saved on this device",
    "lock": "locks a shared desk computer",
    "locked": "the browser's token and a PIN give access",
    "logo": "the library's logo",
    "unsubscribe": "the signed token in the email gives access",
    "how_it_went": "the token in the email gives access",
    "shared_list": "the token in the address gives access",
    "copy_shared_list": "the token in the address gives access, but copying requires signing in",
    "shared_item": "the token in the address gives access",
    "shared_cover": "the token in the address gives access",
    "privacy": "the privacy page is for everybody",
    "erased": "a receipt names nobody, and only the erased person knows its URL",
    "offline": "contains no personal data",
    "kept_pages": "without a device that keeps pages, the list is empty, so that the browser deletes its pages",
    "service_worker": "contains no personal data",
    "who_sends": "says who is signed in with this browser",
    "manifest": "contains no personal data, and browsers fetch it without cookies",
    "app_icon": "the library's icon",
    "api_description": "contains nothing about the library",
    "record_help_session": "the token of another system gives access",
    "read_figures": "the token of another system gives access",
    "read_outcomes": "the token of another system gives access",
    "phone_here": "says which subscription this browser itself has",
    "renew_phone": "changes only the subscription that this browser itself has",
}
# Pages that show the viewer's own data, without an id in the URL.
VIEWERS_OWN = {
    *(
        "ask_draft",
        "help_sessions",
        "recommendations",
        "conversations",
        "saved",
        "removed_from_lists",
        "search",
        "new_list",
        "me",
        "sign_out_elsewhere",
        "keep_pages",
        "end_kept_pages",
        "add_address",
        "keep_address",
        "connect_sign_on",
        "reauthenticate",
        "remember",
        "notices",
        "check_ins",
        "check_in_titles",
    ),
    *("second_factor", "change_second_factor", "kept", "export", "erase"),
    "who_looked",
    "try_address",
    *("phone_messages", "try_phone", "end_phone"),
    *("add_passkey", "add_passkey_options", "offer_passkey", "merge_records"),
}
# {name of a URL with an id: attribute of `world` that has the object with this id}
OBJECT = {
    "help_session": "session",
    "session_outcome": "session",
    "wish_about_session": "session",
    "all_helped": "session",
    "dismiss_removed_item": "recommendation",
    "undo_all_helped": "session",
    "share_titles": "session",
    "visit_phone_messages": "session",
    "leave_out_of_check_ins": "session",
    "ask_later": "session",
    "dont_ask": "session",
    "keep_session": "session",
    "keep_session_code": "session",
    "stop_keeping": "session",
    "stop_sharing": "session",
    "ask_about_session": "session",
    "call_about_session": "session",
    **dict.fromkeys(["call_in_conversation", "cancel_call", "restore_call"], "conversation"),
    "conversation": "conversation",
    "conversation_news": "conversation",
    "reply": "conversation",
    "close_conversation": "conversation",
    "conversation_draft": "conversation",
    "attach": "conversation",
    "attachment": "attachment",
    "original_email": "emailed",
    "verdict": "recommendation",
    "ask_about_item": "recommendation",
    "wish_about_item": "recommendation",
    "got_it": "recommendation",
    "share_words": "session",
    **dict.fromkeys(["save_item", "item", "desk_item", "desk_cover", "item_cover"], "item"),
    "remove_saved": "saved_item",
    "restore_saved": "saved_item",
    "delete_saved": "saved_item",
    **dict.fromkeys(
        [
            "saved_list",
            "change_list",
            "remove_list",
            "restore_list",
            "delete_list",
            "add_title",
            "add_found",
            "find_in_catalog",
            "order_list",
            "list_options",
            "share_list",
            "search_list",
            "print_list",
            "cite_list",
            "export_list",
            "email_list",
        ],
        "saved_list",
    ),
    **dict.fromkeys(["list_link", "end_list_link"], "list_link"),
    "kit_from_session": "session",
    **dict.fromkeys(["desk_kit", "change_kit", "retire_kit", "share_kit"], "kit"),
    "remove_from_own_kit": "own_kit",
    "share_answer": "answer",
    "share_session": "session",
    **dict.fromkeys(["desk_link", "end_desk_link"], "staff_link"),
    "choose_lists": "recommendation",
    "saved_title": "saved_item",
    "cite_title": "saved_item",
    "move_saved": "saved_item",
    "share_saved": "saved_item",
    "discard_kept": "refused_post",
    "passkey": "passkey",
    "export_file": "export",
    "erased": "erasure",
    **dict.fromkeys(["match_item", "undo_match"], "item"),
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
    "desk_original_email": "emailed",
    **dict.fromkeys(
        ["not_matched_email", "not_matched_original", "add_not_matched", "delete_not_matched"], "not_matched"
    ),
    "undo_adding_email": "added",
    "desk_call": "conversation",
    "desk_next_step": "conversation",
    "desk_called": "conversation",
    "desk_call_session": "session",
    "desk_call_patron": "patron",
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
    "correct_session": "session",
    "correction_draft": "session",
    "old_words": "session",
    "remove_patron": "session",
    "delete_session": "session",
    "hand_over": "session",
    "revoke_codes": "session",
    "take_out": "session",
    "attach_code_card": "session",
    **dict.fromkeys(
        ["desk_check_in", "move_check_in", "skip_check_in", "unskip_check_in", "send_check_in"], "check_in"
    ),
    "plan_check_in": "session",
    "branch_settings": "branch",
    "branch_use": "branch",
    "restore_closed_day": "branch",
    "remove_branch_code": "branch_code",
    "service_points": "branch",
    "tally_kinds": "branch",
    "undo_tally_sheet": "tally",
    "absence": "absence",
    **dict.fromkeys(["rule_set", "remove_rule_set"], "rule_set"),
    **dict.fromkeys(
        ["log_upload", "log_columns", "log_values", "import_log", "delete_log", "failed_rows"], "log_upload"
    ),
    "undo_log_import": "log_import",
    "reply_template": "reply_template",
    "remove_reply_template": "reply_template",
    "person": "person",
    "patron_record": "patron",
    "hold_session": "session",
    "hold_conversation": "conversation",
    "hold_person": "patron",
    "lift_hold": "hold",
    "undelivered_email": "email",
    "send_email_again": "email",
    "keep_for_patron": "patron",
    "make_account_code": "patron",
    "change_childs_record": "patron",
    "remove_lost_passkey": "patron",
    "record_check_ins": "patron",
    "stop_check_ins": "patron",
    "note_death": "patron",
    "desk_merge_records": "patron",
    "desk_unmerge_records": "patron",
    "desk_old_merge_records": "patron",
    "desk_old_unmerge_records": "patron",
    "end_role": "person",
    "email_reader": "person",
    "invite_again": "invitation",
    "withdraw_invitation": "invitation",
    "forget_second_factor": "person",
    "close_desk_computer": "shared_desk",
    "revoke_api_token": "api_token",
    "restore_api_token": "api_token",
}
# {name of a URL with an id: why its view finds any row with this id}. All other views find only rows that the
# person may see.
SHARED = {
    **dict.fromkeys(
        ["save_item", "match_item", "undo_match", "desk_cover"], "items of the catalog belong to nobody"
    ),
    "desk_item": "items belong to nobody, and the page has nothing about patrons",
    "manifest": "the same for everybody; the URL has only a language",
    "app_icon": "the same for everybody; the URL has only a version and a size",
    "branch_settings": "coordinators manage all branches",
    "branch_use": "coordinators manage all branches",
    "restore_closed_day": "coordinators manage all branches",
    "remove_branch_code": "coordinators manage all branches",
    "service_points": "coordinators manage all branches",
    "tally_kinds": "coordinators manage all branches",
    "undo_tally_sheet": "it only deletes what the person has counted",
    "absence": "coordinators manage the staff of the whole library",
    "rule_set": "the library has one list of counting rules",
    "undo_log_import": "coordinators manage the imports of the whole library",
    "remove_rule_set": "the library has one list of counting rules",
    **dict.fromkeys(
        ["revoke_api_token", "restore_api_token"],
        "it finds only tokens for branches that the person coordinates",
    ),
    "reply_template": "coordinators manage all branches",
    "remove_reply_template": "coordinators manage all branches",
    "lift_hold": "any coordinator may lift a legal hold",
    "desk_old_address": "it only redirects to a page that uses a scope",
    "discard_kept": "looked up among the person's own rows",
    "open_code_link": "the code gives access",
    "erased": "only the erased person knows the URL, and it names nobody",
    "stop_address": "the token in the email gives access",
    "unsubscribe": "the signed token in the email gives access",
    "how_it_went": "the token in the email gives access",
    "shared_list": "the token in the address gives access",
    "copy_shared_list": "the token in the address gives access, but copying requires signing in",
    "shared_item": "the token in the address gives access",
    "shared_cover": "the token in the address gives access",
    "invitation": "the token in the link gives access",
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
    def for_systems(self):
        """Return whether only other systems with a token may open the URL. Everybody else gets status 401."""
        return self.name in {"record_help_session", "read_figures", "read_outcomes"}

    @property
    def for_staff(self):
        return self.at_desk or hasattr(self.view, "guard")

    def __str__(self):
        return self.name


def routes():
    return list(_walk(get_resolver(), "", ()))


def owned(for_staff):
    """Return the staff-only routes if `for_staff` is true. Return all other routes if it is false."""
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
    """Return the view, and all of our own functions that the view calls directly or indirectly."""
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
