"""The time by which the library promises an answer."""

from accounts.hours import promised_at


def promise_for(conversation, waiting_since):
    """Return when the library promises to answer a patron who has waited since `waiting_since`.

    Return None if `waiting_since` is None. If the last promise was made for the same `waiting_since`, return
    that promise, even if another branch made it or the opening hours have changed since then.
    """
    if waiting_since is None:
        return None
    if waiting_since == conversation.last_promise_since:
        return conversation.last_promise_at
    return promised_at(conversation.branch, waiting_since)


def set_promise(conversation, promised, waiting_since):
    """Set or remove the promise.

    `last_promise_at` and `last_promise_since` keep the last promise, so that an undo can restore it.
    """
    conversation.promised_at = promised
    if promised is not None:
        conversation.last_promise_at, conversation.last_promise_since = promised, waiting_since
