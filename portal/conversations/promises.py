"""The time by which the library promised to answer a conversation."""

from accounts.hours import promised_at


def promise_for(conversation, waiting_since):
    """Return when the library promises to answer a patron who has waited since `waiting_since`.

    Return None if `waiting_since` is None. If the last promise was made for the same wait, it counts, even if
    it was made by another branch or by other opening hours.
    """
    if waiting_since is None:
        return None
    if waiting_since == conversation.last_promise_since:
        return conversation.last_promise_at
    return promised_at(conversation.branch, waiting_since)


def set_promise(conversation, promised, waiting_since):
    """Set the promise. If `promised` is None, the last promise stays stored, so that an undo restores it."""
    conversation.promised_at = promised
    if promised is not None:
        conversation.last_promise_at, conversation.last_promise_since = promised, waiting_since
