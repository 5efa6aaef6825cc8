"""Take back an answer during its undo window."""

from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines
from recommendations.models import Recommendation

from . import answer_effects, drafts, search, states
from .answer_emails import withdraw_announcement
from .changes import PATRON, STAFF, enter, lock_conversation, pending_answers, save
from .models import Message, Participation


class TooLate(Exception):
    """The patron may have seen the answer or its email, so the answer can't be taken back."""


@compares_deadlines
@staff_action
def take_back(message, *, by, at, now, typed=None):
    """Delete an answer that the patron hasn't seen, and save its text and files as a draft of its writer.

    If the answer also closed, took or counted the conversation, undo these effects too. `typed` is {name:
    value} for all fields of the composer except the text. These values are saved in the draft. Raises TooLate
    if the patron may have seen the answer or its email, or if `by` didn't write the answer.
    """
    conversation = lock_conversation(message.conversation, at)
    at = conversation.changed_at
    message = conversation.messages.filter(pk=message.pk, side=STAFF, author=by).first()
    if message is None or _may_be_seen(message, now()):
        raise TooLate
    message.conversation = conversation
    answer_effects.undo_effects(message, at=at)
    drafts.put_back(message, typed=typed or {}, at=at)
    if not withdraw_announcement(message.mail_id):
        raise TooLate
    message.attachments.update(message=None, added_at=at)
    search.remove_message(message)
    deleted, _by_model = Recommendation.objects.filter(messagerecommendation__message=message).delete()
    if deleted:
        search.index_conversation(conversation)
    # Deleting the message also deletes the events that it caused.
    message.delete()
    pending = pending_answers(conversation, at)
    conversation.pending_from = pending["first"]
    # Some events were hidden until the deleted answer would be shown. Show them together with the last answer
    # that is still pending, or immediately if no answer is pending.
    others = conversation.messages.filter(side=STAFF, shown_from__gt=at).values("shown_from")
    waiting_events = conversation.events.filter(shown_from__gt=at).exclude(shown_from__in=others)
    if waiting_events.update(shown_from=pending["last"] or at) and pending["last"] is None:
        # No answer is pending anymore, so the patron sees these events now. For example, a colleague closed
        # the conversation while the answer was pending, and the patron reopened it.
        conversation.version += 1
    enter(conversation, states.replay(conversation), undone_at=message.sent_at)
    save(conversation)
    # Check the time again, because each query above may have waited for a lock. Until the transaction is
    # committed, the answer can still appear on the patron's page.
    if _may_be_seen(message, now()):
        raise TooLate
    return conversation


def _may_be_seen(message, at):
    """Return whether it is too late at the time `at` to hide the answer from the patron.

    It is too late if less than UNDO_MARGIN is left, because committing the transaction takes time. It is also
    too late if a web server whose clock is fast has already shown the answer.
    """
    read = Participation.objects.filter(
        conversation=message.conversation_id, side=PATRON, read_until__gte=message.shown_from
    )
    return at >= message.shown_from - Message.UNDO_MARGIN or read.exists()
