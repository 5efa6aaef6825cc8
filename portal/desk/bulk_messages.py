"""Messages about a change to many conversations at once."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

# For each reason, a message lists at most this many of the conversations that were not changed.
MAX_NAMED = 3


def left_words(result):
    """Return a message that says how many conversations were not changed, and why.

    Return "" if all of them were changed. `result` is what an action of `portal.conversations.bulk` returned.
    """
    count = len(result.taken) + len(result.moved) + len(result.unfit)
    if not count:
        return ""
    words = ngettext(
        "%(count)s conversation was not changed.", "%(count)s conversations were not changed.", count
    )
    return " ".join([words % {"count": count}, *_reasons(result)])


def _reasons(result):
    for conversation in result.taken[:MAX_NAMED]:
        values = {"conversation": _quoted(conversation), "name": conversation.assignee.display_name}
        yield _("%(conversation)s is assigned to %(name)s.") % values
    for conversation in result.moved[:MAX_NAMED]:
        words = _("%(conversation)s has changed since you opened this page. Open it to see what is new.")
        yield words % {"conversation": _quoted(conversation)}
    for conversation in result.unfit[:MAX_NAMED]:
        words = (
            _("Your colleague doesn't work at the branch of %(conversation)s.")
            if conversation.is_open
            else _("%(conversation)s is already closed.")
        )
        yield words % {"conversation": _quoted(conversation)}


def _quoted(conversation):
    return _("“%(subject)s”") % {"subject": conversation.subject}


def undone_words(count, left):
    """Return the message that appears after an undo.

    `count` is how many conversations were restored. `left` is how many were not restored, because somebody
    had changed them between the bulk change and the undo.
    """
    sentences = []
    if count:
        words = ngettext(
            "The change to %(count)s conversation was undone.",
            "The changes to %(count)s conversations were undone.",
            count,
        )
        sentences.append(words % {"count": count})
    if left:
        words = ngettext(
            "%(count)s conversation was changed again after your action, so nothing was undone there.",
            "%(count)s conversations were changed again after your action, so nothing was undone there.",
            left,
        )
        sentences.append(words % {"count": left})
    return " ".join(sentences)
