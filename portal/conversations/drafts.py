"""What is being written, kept on the server as it is typed: it is there on another device, and after signing in again.

`person` is None for the holder of a code, `conversation` None for a new question.
"""

import datetime
import uuid

from django.db import IntegrityError, transaction
from django.db.models import Q

from .models import Attachment, Draft, Message, Side

KEPT_FOR = datetime.timedelta(days=30)


class NewerDraft(Exception):
    """Another tab or device has written since: what came is not kept."""

    def __init__(self, draft):
        self.draft = draft


class AlreadySent(Exception):
    """The composer was sent while this was on its way."""


def draft_of(conversation, *, person, side, kind):
    """What this person was writing; where there is nothing, a new row that isn't saved: a new composer."""
    found = Draft.objects.filter(conversation=conversation, person=person, side=side, kind=kind).first()
    return found or Draft(conversation=conversation, person=person, side=side, kind=kind, client_token=uuid.uuid4(), sequence=0)


def save_draft(conversation, *, person, side, kind, client_token, sequence, body, language="", typed=None, at):
    """Keep what was typed, if `sequence` is higher than what is kept. Raises NewerDraft, AlreadySent."""
    if Message.objects.filter(client_token=client_token, **({"conversation": conversation} if conversation else {"conversation__patron": person})).exists():
        raise AlreadySent
    key = {"conversation": conversation, "person": person, "side": side, "kind": kind}
    words = {"client_token": client_token, "body": body, "language": language, "typed": typed or {}, "sequence": sequence, "saved_at": at}
    if Draft.objects.filter(sequence__lt=sequence, **key).update(**words):
        return
    try:
        with transaction.atomic():
            Draft.objects.create(**key, **words)
    except IntegrityError:
        raise NewerDraft(Draft.objects.filter(**key).first()) from None


def put_back(message, *, typed, at):
    """An answer that was taken back is a draft again, before whatever was begun since."""
    key = {"conversation": message.conversation, "person": message.author, "side": Side.STAFF, "kind": Draft.Kind.REPLY}
    begun = Draft.objects.select_for_update().filter(**key).first()
    body = "\n\n".join(filter(None, [message.body, begun.body if begun else ""]))
    words = {"client_token": message.client_token, "body": body, "language": message.language, "typed": typed, "saved_at": at}
    if begun:  # the composer's files are the message's now
        Attachment.objects.filter(conversation=message.conversation, client_token=begun.client_token, message=None).update(client_token=message.client_token)
    Draft.objects.update_or_create(**key, defaults={**words, "sequence": begun.sequence + 1 if begun else 1})


def forget(conversation, *, person, side, kind, up_to=None, body=""):
    """It was sent, or thrown away.

    `up_to` is the number of the last state that the composer knew of: other words than `body` that were typed since, in
    another tab, stay and become a message of their own.
    """
    rows = Draft.objects.filter(conversation=conversation, person=person, side=side, kind=kind)
    if up_to is None:
        rows.delete()
        return
    newer = Q(sequence__gt=up_to) & ~Q(body=body)
    gone, _models = rows.exclude(newer).delete()
    if not gone:
        rows.update(client_token=uuid.uuid4())


def forget_old_drafts(*, at):
    """For the worker."""
    Draft.objects.filter(saved_at__lt=at - KEPT_FOR).delete()
