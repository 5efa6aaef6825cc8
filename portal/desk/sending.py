"""The buttons that send an answer. Some of them do something else with the same key."""

from django.utils.translation import gettext as _

from accounts.models import Branch
from portal.conversations.models import Conversation, Message

SEND, TAKE, CLOSE, NEXT = (f"send_{name}" if name != "send" else name for name in Branch.SendButton.values)
COUNT = "send_count"
SENDS = (SEND, TAKE, CLOSE, NEXT, COUNT)


def sends_offered(conversation, user):
    """Return the names of the buttons. The first one is the main button, which the branch has chosen.

    A button is left out if it would change nothing: nobody can take what is taken, or count it twice. The
    conversation must have the annotations of `away_columns`.
    """
    offered = [SEND, CLOSE, NEXT]
    assignee = conversation.assignee
    if assignee is None or (assignee.pk != user.pk and conversation.away_until):
        offered.insert(1, TAKE)
    if conversation.logged_as_id is None:
        offered.append(COUNT)
    chosen = conversation.branch.send_button
    main = chosen if chosen == SEND else f"send_{chosen}"
    return tuple(sorted(offered, key=lambda name: name != main))


def posted_send(data):
    """Return the name of the pressed button. After a warning, `how` has the button that was pressed first."""
    name = data.get("how") if data.get("action") == "send_anyway" else data.get("action")
    return name if name in SENDS else SEND


def then_after(name, then):
    """Return the Message.Then of an answer that was sent with this button."""
    return Message.Then.CLOSE if name == CLOSE else then


def sent_words(name):
    """Return the notice after an answer was sent with this button."""
    if name == TAKE:
        return _("Sent, and assigned to you.")
    if name == CLOSE:
        return _("Sent, and closed.")
    if name == COUNT:
        return _("Sent, and counted as a contact.")
    return _("Sent.")


def must_ask_to_count(conversation):
    """Return whether the page asks "Count this as a contact?"."""
    return (
        conversation.status == Conversation.Status.CLOSED
        and conversation.logged_as_id is None
        and conversation.count_question == Conversation.CountQuestion.ASKED
    )
