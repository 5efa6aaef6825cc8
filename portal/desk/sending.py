"""The buttons that send an answer. Most of them also take, close or count the conversation."""

from django.utils.translation import gettext as _

from accounts.models import Branch
from portal.conversations.models import Conversation, Message

SEND, TAKE, CLOSE, NEXT, COUNT = "send", "send_take", "send_close", "send_next", "send_count"
# The buttons in the order of their keyboard shortcuts: Alt+1, Alt+2 and so on.
SEND_BUTTONS = [SEND, TAKE, CLOSE, NEXT, COUNT]
MAIN_BUTTONS = {
    Branch.SendButton.SEND: SEND,
    Branch.SendButton.TAKE: TAKE,
    Branch.SendButton.CLOSE: CLOSE,
    Branch.SendButton.NEXT: NEXT,
}


def offered_buttons(conversation, user):
    """Return ((name of the button, digit of its key), ...). The branch's main button comes first.

    Leave out TAKE if the conversation is assigned to the user, or to a colleague who is not away. Leave out
    COUNT if the conversation is already counted. The conversation must have the annotations of
    `away_columns`.
    """
    offered = [SEND, CLOSE, NEXT]
    assignee = conversation.assignee
    if assignee is None or (assignee.pk != user.pk and conversation.away_until):
        offered.insert(1, TAKE)
    if conversation.logged_as_id is None:
        offered.append(COUNT)
    main = MAIN_BUTTONS[conversation.branch.send_button]
    offered.sort(key=lambda name: name != main)
    return tuple((name, SEND_BUTTONS.index(name) + 1) for name in offered)


def pressed_button(data):
    """Return the name of the button that sent the answer.

    After a warning, staff press `send_anyway`. Then the field `how` contains the name of the button that
    staff pressed before the warning.
    """
    name = data.get("how") if data.get("action") == "send_anyway" else data.get("action")
    return name if name in SEND_BUTTONS else SEND


def then_after(name, then):
    """Return the Message.Then of an answer that was sent with this button.

    `then` is the choice that staff made in the composer.
    """
    return Message.Then.CLOSE if name == CLOSE else then


def sent_notice(name):
    """Return the text that staff read after they send an answer with this button."""
    if name == TAKE:
        return _("Sent, and assigned to you.")
    if name == CLOSE:
        return _("Sent, and closed.")
    if name == COUNT:
        return _("Sent, and counted as a contact.")
    return _("Sent.")


def must_ask_to_count(conversation):
    """Return whether the page asks "Count this conversation as a contact?"."""
    return (
        conversation.status == Conversation.Status.CLOSED
        and conversation.logged_as_id is None
        and conversation.count_question == Conversation.CountQuestion.ASKED
    )
