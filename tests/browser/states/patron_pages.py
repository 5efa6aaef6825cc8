"""The states of the pages that patrons see, by who looks at them."""

from tests.factories import ErasureFactory

from .rows import verdict_path
from .steps import (
    add_from_catalog,
    add_title,
    address_off,
    as_kept,
    ask_before_signing_out,
    ask_for_code,
    change_list,
    confirm,
    day_by_link,
    earlier,
    email_list,
    empty,
    find_as_typed,
    find_in_catalog,
    keep_pages,
    let_wait,
    long_name_of_link,
    make_link_to_list,
    mark_all,
    move_down,
    name_taken,
    no_answer,
    on_borrowed_device,
    open_list,
    press,
    preview_link,
    print_empty_list,
    refused_subscription,
    remove_list,
    search_for,
    search_for_too_little,
    search_long_list,
    show_phone,
    unfold_branches,
    unsave,
    wait_for_waiting,
    wish_by_link,
    with_choice_of_phone,
    with_lists,
    with_phones,
    write_by_link,
    write_note,
    wrong_card,
    wrong_code,
    wrong_time_zone,
)
from .words import State


def nobody(rows, words, steps):
    return [
        State("welcome", "/", main=True),
        State("how", rows.how, main=True),
        State("how-titles", rows.how_titles),
        State("how-by-push", rows.how_by_push, lambda page: page.locator("#later summary").click()),
        State("how-ended", "/how/x/"),
        State("how-yes", rows.how, press("#found-all", "#saved")),
        State("how-no", rows.how, press("#found-no", "#wish-yes")),
        State("how-written", rows.how, write_by_link),
        State("how-no-words", rows.how, press("#send", "#error-summary")),
        State("how-wish", rows.how, wish_by_link("yes")),
        State("how-no-wish", rows.how, wish_by_link("no")),
        State("how-no-day", rows.how, day_by_link(words="")),
        State("how-later", rows.how, day_by_link()),
        State("how-left-out", rows.how, day_by_link(button="#leave-out")),
        State("how-item-failed", rows.how_titles, press("[id^=did_not_help]", "[id^=wish-]")),
        State("how-all-helped", rows.how_titles, press("#all-helped", "#all-marked")),
        State("shared-list", rows.shared_list),
        State("shared-item", f"{rows.shared_list}items/{rows.shared_saved.item.public_id}/"),
        State("shared-list-empty", rows.empty_list),
        State("shared-list-long", rows.long_shared),
        State("shared-list-second-page", rows.second_page),
        State("shared-items", rows.items_shared),
        State("shared-list-ended", "/shared/x/"),
        State("code", "/c/"),
        State("code-missing", "/c/", empty("code", "#open")),
        State("code-from-an-email", "/c/1234567890123/?email"),
        State("code-unknown", "/c/1234567890123/"),
        *[
            State(f"code-{name}", f"/c/{rows.codes[name]}/")
            for name in ("kept", "revoked", "expired", "forgotten", "card")
        ],
        State("sign-in", "/sign-in/"),
        State("sign-in-error", "/sign-in/", empty("email", "#send-code")),
        State("sign-in-code", "/sign-in/", ask_for_code),
        State("sign-in-wrong-code", "/sign-in/", wrong_code),
        State("sign-in-card", "/sign-in/card/"),
        State("sign-in-single-sign-on", "/sign-in/single-sign-on/"),
        State("sign-in-card-nothing", "/sign-in/card/", empty("card", "#check-card")),
        State("sign-in-card-wrong", "/sign-in/card/", wrong_card),
        State("open-account", f"/c/{rows.account_code}/"),
        State("invitation", f"/invitation/{rows.invited}/"),
        State("signed-out", "/signed-out/"),
        State("no-such-page", "/nowhere/"),
        State("nobody-sessions", "/sessions/"),
        State("nobody-messages", "/messages/"),
        State("sign-in-for-answer", rows.answered.get_absolute_url(), main=True),
        State("sign-in-for-list", "/lists/"),
        State("nobody-privacy", "/privacy/"),
        State("erased", f"/privacy/erased/{ErasureFactory().public_id}/"),
        State("ask", "/ask/"),
        State("ask-new-nothing", "/ask/", empty()),
        State("call-ways", "/ask/call/"),
        State("ask-where", "/ask/", steps.write_question),
        State("ask-where-wrong-address", "/ask/", steps.ask_with_wrong_address),
        State("ask-another", "/ask/", steps.write_another),
        State("ask-not-sent", "/"),
        State("ask-deleted", "/ask/send/", press("#discard", "#undo-1")),
        State("ask-code", "/ask/", steps.ask_for_question_code),
        State("not-sent", "/ask/", steps.not_sent),
        State("sign-in-not-sent", "/ask/", steps.not_sent_then_sign_in),
        *[
            State(f"read-{step}", f"/find-something-to-read/?step={step}")
            for step in ("loved", "mood", "avoid", "whom", "format")
        ],
        State("read-whom-nothing", "/find-something-to-read/?step=whom", no_answer),
        State("read-answers-where", "/find-something-to-read/", steps.answer_all),
        State("sign-on-first-time", "/sign-in/", steps.first_time(taken=False)),
        State("sign-on-taken", "/sign-in/", steps.first_time(taken=True)),
    ]


def code_holder(rows, words, steps):
    return [
        State("code-home", "/"),
        State("code-sessions", "/sessions/"),
        State("session", rows.at["by_code"], main=True),
        State("verdict", verdict_path(rows.code_items[0]), main=True),
        State("ask-about-session", f"{rows.at['by_code']}ask/"),
        State("call-about-session", f"{rows.at['by_code']}call/"),
        State("call-wrong-number", f"{rows.at['by_code']}call/", steps.wrong_number),
        State("call-from-ask", "/ask/call/"),
        State("ask-nothing", f"{rows.at['by_code']}ask/", empty()),
        State("code-share-titles", f"{rows.at['by_code']}share/"),
        State("ask-about-item", f"/recommendations/{rows.code_items[1].public_id}/ask/"),
        State("code-ask", "/ask/"),
        State("code-conversation", rows.code_conversation.get_absolute_url()),
        State("code-phone", f"{rows.at['by_code']}phone/", show_phone("ready")),
        State("code-phone-ios", f"{rows.at['by_code']}phone/", show_phone("ios")),
        State("keep", f"{rows.at['by_code']}keep/"),
        State("keep-and-save", f"{rows.at['by_code']}keep/?save={rows.code_items[0].public_id}"),
        State(
            "keep-code",
            f"{rows.at['by_code']}keep/?save={rows.code_items[0].public_id}",
            lambda page: ask_for_code(page, "keeps@example.org"),
        ),
        State("keep-and-ask", f"{rows.at['by_code']}keep/?check_ins=email"),
        State("keep-and-ask-by-push", f"{rows.at['by_code']}keep/?check_ins=push"),
        State("code-item", f"/items/{rows.code_items[0].item.public_id}/"),
        State("code-list", "/lists/"),
        State("code-recommendations", "/recommendations/"),
        State("code-search", "/search/", search_for("compost")),
        State("code-me", "/me/"),
        State("code-privacy", "/privacy/"),
        State("code-outcome", rows.at["by_code"], press("#found-all", "#clear-outcome")),
        State("code-outcome-no", rows.at["by_code"], press("#found-no", "#wish-visit")),
        State(
            "code-outcome-told", rows.at["by_code"], press("#tell-visit", "#outcome:not(:has(#tell-visit))")
        ),
        State("code-outcome-cleared", rows.at["by_code"], press("#clear-outcome", "#outcome [autofocus]")),
        State("code-home-chosen", "/", press("#check_ins-pages", "#undo-1")),
        State("code-session-left-out", rows.at["by_code"], press("#leave-out", "#ask-about-it")),
        # This state clears the cookies that open the visit, so it must be the last one.
        State("code-message-not-sent", rows.code_conversation.get_absolute_url(), steps.send_after_the_code),
    ]


def quiet_code_holder(rows, words, steps):
    return [
        State("quiet-home", "/"),
        State("quiet-session", rows.at["quiet"]),
        State("quiet-item", f"/items/{rows.quiet_items[0].item.public_id}/"),
        State("quiet-conversation", rows.quiet_conversation.get_absolute_url()),
        State("quiet-ask", f"{rows.at['quiet']}ask/"),
        State("quiet-ask-new", "/ask/"),
        State("quiet-keep", f"{rows.at['quiet']}keep/"),
        State("quiet-messages", "/messages/"),
    ]


def childs_code_holder(rows, words, steps):
    return [
        State("childs-session", rows.kept_by_nobody.get_absolute_url()),
        State("childs-keep", f"{rows.kept_by_nobody.get_absolute_url()}keep/"),
        State("childs-keep-as-child", f"{rows.kept_by_nobody.get_absolute_url()}keep/?as=child"),
        State("childs-keep-as-adult", f"{rows.kept_by_nobody.get_absolute_url()}keep/?as=adult"),
        State("childs-kept-already", f"{rows.shared.get_absolute_url()}keep/?as=adult"),
    ]


def child(rows, words, steps):
    return [
        State(
            "child-session",
            rows.shared.get_absolute_url(),
            lambda page: page.locator("#shared summary").click(),
        ),
        State("child-conversation", rows.childs_conversation.get_absolute_url()),
        State("child-privacy", "/privacy/"),
        State("child-me", "/me/"),
        State("child-check-ins", "/me/check-ins/"),
    ]


def patron(rows, words, steps):
    return [
        State("home", "/", main=True),
        State("sessions", "/sessions/"),
        State("kept-session", rows.at["kept"]),
        State("promised-session", rows.promised.get_absolute_url()),
        State("promised-item", f"/items/{rows.missed[0].item.public_id}/"),
        State("promised-verdict", verdict_path(rows.missed[1])),
        State("promised-recommendations", "/recommendations/?verdict=could_not_get_it"),
        State("plain-session", rows.at["plain"]),
        State("corrected-session", rows.corrected.get_absolute_url()),
        State(
            "shared-session",
            rows.shared.get_absolute_url(),
            lambda page: page.locator("#shared summary").click(),
        ),
        *[State(f"verdict-{item.verdict or 'none'}", verdict_path(item)) for item in rows.items],
        State("messages", "/messages/"),
        State("conversation", rows.conversation_urls["answered"], main=True),
        *[
            State(f"conversation-{name}", rows.conversation_urls[name])
            for name in ("waiting", "closed", "sorted")
        ],
        State("conversation-call", rows.open_call.get_absolute_url()),
        State("conversation-call-given-up", rows.given_up_call.get_absolute_url()),
        State(
            "conversation-call-canceled", rows.open_call.get_absolute_url(), press("#cancel-call", "#undo-1")
        ),
        State("call-in-conversation", f"{rows.conversation_urls['answered']}call/"),
        State("call-change", f"{rows.open_call.get_absolute_url()}call/"),
        State("conversation-long", rows.long.get_absolute_url()),
        State("conversation-long-read", rows.long.get_absolute_url()),
        State("conversation-earlier", rows.long.get_absolute_url(), earlier),
        State(
            "conversation-around",
            f"{rows.long.get_absolute_url()}?message={rows.long.messages.first().public_id}",
        ),
        State("conversation-newer-draft", rows.conversation_urls["sorted"], steps.newer_draft),
        State("conversation-emailed", rows.emailed.get_absolute_url()),
        State("conversation-attached", rows.conversation_urls["waiting"], steps.add_files),
        State("reply-nothing", rows.conversation_urls["answered"], empty()),
        State("patron-ask", "/ask/"),
        State("patron-read-answers", "/find-something-to-read/", steps.answer_all),
        State("patron-read-change", "/find-something-to-read/?step=mood&then=check"),
        State("list", "/lists/"),
        State("recommendations", "/recommendations/"),
        State("recommendations-narrowed", f"/recommendations/?verdict=helped&visit={rows.kept.public_id}"),
        State("recommendations-nothing", "/recommendations/?verdict=not_tried"),
        State("search", "/search/"),
        State("search-found", "/search/", search_for(words.title[:20])),
        State("search-nothing", "/search/", search_for("volcano zebra")),
        State("search-error", "/search/", search_for_too_little),
        State("session-of-old-branch", rows.moved.get_absolute_url()),
        State("share-saved", f"/lists/share/{rows.saved.public_id}/"),
        State("share-titles", f"{rows.at['kept']}share/"),
        State("share-titles-words", f"{rows.at['kept']}share/?words=1"),
        State("me", "/me/"),
        State("privacy", "/privacy/"),
        State("who-looked", "/privacy/who-looked/"),
        State("prove", "/me/prove/"),
        State("export", "/privacy/copy/"),
        State("erase", "/privacy/erase/"),
        State("remember", "/privacy/remember/"),
        State("remember-error", "/privacy/remember/?remember=until"),
        State("remember-effect", "/privacy/remember/?remember=30"),
        State("notices", "/me/emails/"),
        State("notices-error", "/me/emails/", wrong_time_zone),
        State("notices-phone-lost", "/me/emails/", with_choice_of_phone),
        State("phone", "/me/phone/"),
        State("phone-ready", "/me/phone/", show_phone("ready")),
        *[
            State(f"phone-{state}", "/me/phone/", show_phone(state))
            for state in ("dismissed", "failed", "denied", "ios")
        ],
        State("phone-refused", "/me/phone/", refused_subscription),
        State("phone-borrowed", "/me/phone/", on_borrowed_device),
        State("phone-on", "/me/phone/", with_phones),
        State("check-ins", "/me/check-ins/"),
        State("how-signed-in", rows.how_signed_in),
        State("how-signed-in-yes", rows.how_signed_in, press("#found-all", "#saved")),
        State("unsubscribe", rows.unsubscribe_path),
        State("unsubscribe-check-ins", rows.unsubscribe_check_ins),
        State("unsubscribe-unknown", "/unsubscribe/unknown/"),
        State("stop-address", f"/not-me/{rows.stop}/"),
        State("stop-address-unknown", "/not-me/0123456789abcdef0123456789abcdef01234567/"),
        State("invitation-accept", f"/invitation/{rows.invited}/"),
        State("refused", "/kept/"),
        State(
            "conversation-unsent",
            rows.conversation_urls["waiting"],
            steps.unsent(rows.conversation_urls["waiting"], body=words.message),
        ),
        State("ask-unsent", "/ask/", steps.unsent("/ask/", body=words.message)),
        State("ask-unsent-deleted", "/ask/", steps.discarded("/ask/", body=words.message)),
        State("me-unsent", "/me/", steps.unsent("/me/", name=words.name)),
        State(
            "verdict-unsent",
            verdict_path(rows.items[0]),
            steps.unsent(verdict_path(rows.items[0]), verdict="helped", comment=words.message[:200]),
        ),
        State(
            "read-unsent",
            "/find-something-to-read/?step=mood",
            steps.unsent("/find-something-to-read/?step=mood", words="calm", chosen="funny"),
        ),
        # These states change what the states above show, so the states above must come first.
        State("item", f"/items/{rows.item.public_id}/", main=True),
        State("ask-more", f"/recommendations/{rows.items[2].public_id}/ask/?for=more"),
        State("item-unfolded", f"/items/{rows.item.public_id}/", unfold_branches),
        State(
            "item-verdict",
            f"/items/{rows.items[3].item.public_id}/",
            press("[id^=did_not_help]", "[id^=tell-]"),
        ),
        State("saved-title", f"/lists/titles/{rows.saved.public_id}/"),
        State(
            "saved-title-unsent",
            f"/lists/titles/{rows.saved.public_id}/",
            steps.unsent(f"/lists/titles/{rows.saved.public_id}/", note=words.message),
        ),
        State(
            "saved-title-done",
            f"/lists/titles/{rows.saved.public_id}/",
            press("#reading-done", "#reading-done[value='']"),
        ),
        State("saved-title-note", f"/lists/titles/{rows.saved.public_id}/", write_note(words)),
        State("add-title", f"/lists/{rows.saved.saved_list.public_id}/add/"),
        State("add-title-error", f"/lists/{rows.saved.saved_list.public_id}/add/", empty("title", "#add")),
        State("catalog-found", rows.add, find_in_catalog(words.title[:20], "#found-title"), main=True),
        State("catalog-added", rows.add, add_from_catalog(words.title[:20])),
        State("catalog-corrected", rows.add, find_in_catalog("gardne", "#as-typed")),
        State("catalog-as-typed", rows.add, find_as_typed),
        State("catalog-nothing", rows.add, find_in_catalog("volcano", "#nothing-found")),
        State("catalog-error", rows.add, find_in_catalog("%", "#error-summary")),
        State("list-added", f"/lists/{rows.saved.saved_list.public_id}/add/", add_title(words)),
        State("list-removed", "/lists/", press("button[id^=remove-]", "button[id^=restore-]")),
        State("removed-titles", "/lists/removed/"),
        State("lists", "/lists/", with_lists(words, rows.patron)),
        State("list-of-several", "/lists/", open_list),
        State("list-change", "/lists/", change_list),
        State("saved-title-with-lists", f"/lists/titles/{rows.saved.public_id}/"),
        State("list-order", f"/lists/{rows.saved.saved_list.public_id}/order/"),
        State("list-ordered", f"/lists/{rows.saved.saved_list.public_id}/order/", move_down),
        State("list-options", f"/lists/{rows.saved.saved_list.public_id}/options/"),
        State("share-list", f"/lists/{rows.saved.saved_list.public_id}/share/"),
        State(
            "share-list-error",
            f"/lists/{rows.saved.saved_list.public_id}/share/",
            long_name_of_link,
        ),
        State("share-list-preview", f"/lists/{rows.saved.saved_list.public_id}/share/", preview_link(words)),
        State("list-link", rows.list_link.get_absolute_url()),
        State("list-link-made", f"/lists/{rows.saved.saved_list.public_id}/share/", make_link_to_list(words)),
        State("list-link-ended", rows.list_link.get_absolute_url(), press("#end-link", "#notices p")),
        State("list-link-that-ended", rows.list_link.get_absolute_url()),
        State("copy-list", f"{rows.shared_list}copy/"),
        State("copy-list-error", f"{rows.shared_list}copy/", empty("name", "#copy-titles")),
        State("copy-list-copied", f"{rows.shared_list}copy/", press("#copy-titles", "#notices p")),
        State("list-print", f"/lists/{rows.saved.saved_list.public_id}/print/"),
        State(
            "list-print-receipt",
            f"/lists/{rows.saved.saved_list.public_id}/print/?paper=receipt&covers=on&with_notes=on&large=on",
        ),
        State("list-print-empty", "/lists/", print_empty_list),
        State("list-email", f"/lists/{rows.saved.saved_list.public_id}/email/"),
        State("list-emailed", f"/lists/{rows.saved.saved_list.public_id}/email/", email_list),
        State("list-cite", f"/lists/{rows.saved.saved_list.public_id}/cite/"),
        State("list-cite-mla-es", f"/lists/{rows.saved.saved_list.public_id}/cite/?style=mla&in=es"),
        State("title-cite", f"/lists/titles/{rows.saved.public_id}/cite/"),
        State("list-name-taken", "/lists/new/", name_taken),
        State("choose-lists", f"/lists/choose/{rows.items[0].public_id}/"),
        State("session-with-lists", rows.at["kept"]),
        State("removed-list", "/lists/", remove_list),
        State("removed-lists", "/lists/removed/"),
        State("removed-deleted", "/lists/removed/", press("button[id^=delete-]", "#notices p")),
        State("session-unsaved", rows.at["kept"], unsave),
        State(
            "session-cleared",
            rows.at["kept"],
            press(".item-card button[id^=clear-]", ".item-card [autofocus]"),
        ),
        State("session-all-helped", rows.at["kept"], mark_all),
        State("check-ins-email", "/me/check-ins/", press("#check_ins-email", "#show-titles")),
        State("check-ins-titles", "/me/check-ins/", press("#show-titles", "#hide-titles")),
        State("session-left-out", rows.at["kept"], press("#leave-out", "#ask-about-it")),
        State("session-got-it", rows.at["plain"], press("[id^=got-]", "[id^=got-][name=undo]")),
        State("session-item-failed", rows.at["plain"], press("[id^=did_not_help]", "[id^=tell-]")),
        State("session-item-told", rows.at["plain"], press("[id^=tell-]", "[id^=wish-]")),
        State("session-found", rows.at["plain"], press("#found-all", "#share-words")),
        State("share-words", f"{rows.at['plain']}words/"),
        State("share-words-nothing", f"{rows.at['plain']}words/", empty("words", "#share-words")),
        State("share-words-shared", f"{rows.at['plain']}words/", steps.share_and_return),
        State("unsubscribe-done", rows.unsubscribe_path, press("#unsubscribe", "main:not(:has(form))")),
        State(
            "unsubscribe-check-ins-done",
            rows.unsubscribe_check_ins,
            press("#unsubscribe", "main:not(:has(form))"),
        ),
        State("keep-pages", "/me/offline/"),
        # From here on, the browser keeps pages for reading offline.
        State("keep-pages-on", "/me/offline/", keep_pages),
        State("me-keeps", "/me/"),
        State("session-keeps", rows.at["kept"]),
        State("conversation-keeps", rows.conversation_urls["answered"]),
        State("home-as-of", "/", as_kept),
        State("session-as-of", rows.at["kept"], as_kept),
        # From here on, forms wait in the browser until they can be sent.
        State("list-searched", "/lists/", search_long_list(words, rows.patron)),
        State(
            "conversation-waits", rows.conversation_urls["answered"], lambda page: let_wait(page, *rows.wait)
        ),
        State("session-waits", rows.at["kept"], wait_for_waiting),
        State("home-waits", "/", wait_for_waiting),
        State("me-asks-about-waiting", "/me/", ask_before_signing_out),
        # From here on, every page says that notices to the person's address are turned off.
        State("home-address-off", "/", address_off),
    ]


def new_patron(rows, words, steps):
    return [
        State("new-home", "/"),
        State("new-sessions", "/sessions/"),
        State("new-messages", "/messages/"),
        State("new-list", "/lists/"),
        State("new-recommendations", "/recommendations/"),
        State("new-search", "/search/"),
        State("new-removed-titles", "/lists/removed/"),
        State("new-list-form", "/lists/new/"),
        State("new-me", "/me/"),
        State("new-check-ins", "/me/check-ins/", press("#check_ins-email", "#check-ins-address")),
        State("add-address", "/me/address/"),
        State("new-who-looked", "/privacy/who-looked/"),
        State("new-prove", "/me/prove/"),
        State("offer-passkey", "/me/passkeys/offer/"),
        State("add-passkey", "/me/passkeys/add/", confirm),
        State("new-export", "/privacy/copy/"),
        State(
            "new-export-in-hand",
            "/privacy/copy/",
            lambda page: (page.locator("#make-copy").click(), page.locator("progress").wait_for()),
        ),
        State("new-erase", "/privacy/erase/"),
    ]


def card_holder(rows, words, steps):
    return [
        State("card-me", "/me/"),
        State("card-add-address", "/me/address/"),
        State("card-prove", "/me/prove/"),
    ]


def asked_by_email(rows, words, steps):
    return [
        State("home-check-in-due", "/"),
        State(
            "home-check-in-later",
            "/",
            lambda page: page.locator("[aria-labelledby=due-title] summary").click(),
        ),
    ]


def leaver(rows, words, steps):
    return [
        State("prove-by-code-or-card", "/me/prove/?next=/me/address/"),
        State("prove-by-card", "/me/prove/?by=card&next=/me/address/"),
        State("change-address", "/me/address/", steps.changes_address()),
        State("old-address", "/me/address/", steps.changes_address(stage="asked")),
        State("old-address-code", "/me/address/", steps.changes_address(stage="code")),
        State("old-address-confirmed", "/me/address/", steps.changes_address(stage="confirmed")),
        State("leaver-me", "/me/"),
    ]


PAGES = {
    "nobody": nobody,
    "holder of a code": code_holder,
    "holder of a quiet code": quiet_code_holder,
    "holder of a child's code": childs_code_holder,
    "child": child,
    "patron": patron,
    "new patron": new_patron,
    "card holder": card_holder,
    "asked by email": asked_by_email,
    "leaver": leaver,
}
