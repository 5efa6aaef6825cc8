"""Delete an email that was not matched, or undo adding an email to a conversation."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Max

from accounts import audit
from accounts.staff_actions import staff_action
from portal.conversations import search, states
from portal.conversations.changes import Erased, enter, lock_conversation, save
from portal.conversations.models import Attachment
from portal.deadlines import compares_deadlines
from portal.signed_addresses import without_tokens

from . import originals
from .models import IncomingEmail
from .reading import parse, read

UNDO_WITHIN = timedelta(minutes=10)


class CannotUndo(Exception):
    """Too much time has passed, something has happened in the conversation, or the email was deleted."""


@compares_deadlines
@staff_action
def undo_adding(email, *, reason, by, at, now):
    """Delete the message, and put the email back into the list of emails that were not matched.

    `reason` is the Reason that the email had before, one of IncomingEmail.ADDABLE. Only the staff member who
    added the email can undo this. If a colleague was assigned because of the message, the colleague remains
    assigned. Raises CannotUndo.
    """
    message = email.message
    if message is None or reason not in IncomingEmail.ADDABLE:
        raise CannotUndo
    try:
        conversation = lock_conversation(message.conversation, at)
    except Erased as error:
        raise CannotUndo from error
    email = IncomingEmail.objects.filter(pk=email.pk, message=message, added_by=by).first()
    if email is None or now() - email.added_at > UNDO_WITHIN or _something_happened(conversation, message):
        raise CannotUndo
    IncomingEmail.objects.filter(pk=email.pk).update(
        message=None,
        reason=reason,
        text=without_tokens(read(*parse(originals.content(email))).quoting) or message.body,
        conversation=conversation,
        added_by=None,
        added_at=None,
    )
    files = [name for file in message.attachments.all() for name in file.stored_names()]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    search.remove_message(message)
    # Deleting the message also deletes its files, and the events that it caused.
    message.delete()
    shown = conversation.messages.shown(conversation.changed_at)
    conversation.last_message_at = shown.aggregate(latest=Max("shown_from"))["latest"]
    conversation.version += 1
    enter(conversation, states.replay(conversation))
    save(conversation)
    audit.record("undid_added_email", conversation, by=by, patron=email.person, at=at)


@staff_action
def delete(email, *, by, at):
    """Delete an email that was not matched, and its original. Do nothing if the email has been added.

    This function doesn't check legal holds. So views call `portal.privacy.holds.delete_email` instead.
    """
    waiting = IncomingEmail.objects.select_for_update(no_key=True).filter(pk=email.pk, message=None)
    for row in waiting:
        row.delete()
        audit.record("deleted_email", email, by=by, patron=email.person, at=at)


def _something_happened(conversation, message):
    """Return whether anybody has written, closed, snoozed or merged the conversation after the message."""
    return (
        conversation.messages.filter(sent_at__gt=message.sent_at).exists()
        or conversation.events.filter(at__gt=message.sent_at).exclude(message=message).exists()
        or conversation.desk_events.filter(at__gt=message.sent_at).exists()
    )
