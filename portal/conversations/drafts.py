"""Save drafts on the server. People can then continue on another device, or after they sign in again.

`person` is None for a viewer by code. `conversation` is None for a new question.
"""

import datetime
import uuid

from django.db import transaction
from django.db.models import BigAutoField, CharField, Q

from accounts.models import User
from accounts.staff_actions import lock_roles
from portal.prepared import prepared
from portal.text import clean, uuid_or_none

from .models import Attachment, Conversation, ConversationNote, Draft, Message, Side

# `put_back` sets the `sequence` of a draft to the number of seconds since this time.
NUMBERED_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
KEPT_FOR = datetime.timedelta(days=30)
# How long `restore` can undo `discard_for_now`.
UNDO_FOR = datetime.timedelta(minutes=5)


class NewerDraft(Exception):
    """Another tab or device has saved a newer draft, so the text was not saved. `draft` is that draft."""

    def __init__(self, draft):
        self.draft = draft


class AlreadySent(Exception):
    """The text was not saved.

    Either it was already sent as a message, or the conversation was erased, or the patron wants no answer.
    """


def draft_of(conversation, *, person, side, kind):
    """Return this person's draft. If there is none, return an unsaved draft with a new token."""
    return drafts_of(conversation, person=person, side=side, kinds=[kind])[kind]


def drafts_of(conversation, *, person, side, kinds):
    """Return the person's drafts as {kind: draft}, with one query.

    If the person has no draft of a kind, the value is an unsaved draft with a new token.
    """
    rows = _kept(
        conversation=conversation and conversation.pk,
        person=person and person.pk,
        side=side,
        kinds=list(kinds),
    )
    saved = {draft.kind: draft for draft in rows}
    new = {"conversation": conversation, "person": person, "side": side, "sequence": 0}
    return {kind: saved.get(kind) or Draft(kind=kind, client_token=uuid.uuid4(), **new) for kind in kinds}


@prepared(conversation=BigAutoField(), person=BigAutoField(), side=CharField(), kinds=CharField())
def _kept(conversation, person, side, kinds):
    return Draft.objects.filter(conversation=conversation, person=person, side=side, kind__in=kinds)


def with_unsent_text(draft, unsent):
    """Return (text, token) for a composer that shows unsent text. `unsent` is from accounts.sign_in.unsent.

    The unsent text is newer than the draft. If the draft has a different text, the returned text contains
    both.
    """
    text = unsent.typed.get("body", "")
    if draft.body and not text.startswith(draft.body):
        text = f"{draft.body}\n\n{text}"
    token = draft.client_token if draft.pk else uuid_or_none(unsent.typed.get("client_token", ""))
    return text, token or uuid.uuid4()


@transaction.atomic
def save_draft(
    conversation, *, person, side, kind, client_token, sequence, body, language="", typed=None, at
):
    """Save what was typed, if `sequence` is higher than the sequence of the saved draft.

    Saving a draft locks the same row as sending a message. If a tab saves a draft while another tab sends the
    same text as a message, the draft is refused. Otherwise the sent text would appear in the composer again.
    Raises NewerDraft, AlreadySent, and RoleEnded for staff.
    """
    if side == Side.STAFF:
        lock_roles(person)
    conversation = _conversation_locked(conversation) if conversation else None
    if side == Side.STAFF and kind == Draft.Kind.REPLY and conversation.wants_no_answer:
        raise AlreadySent
    if conversation is None:
        User.objects.select_for_update(no_key=True).get(pk=person.pk)
        is_sent = Message.objects.filter(conversation__patron=person, client_token=client_token).exists()
    else:
        becomes = ConversationNote if kind == Draft.Kind.NOTE else Message
        is_sent = becomes.objects.filter(conversation=conversation, client_token=client_token).exists()
    if is_sent:
        raise AlreadySent
    key = {"conversation": conversation, "person": person, "side": side, "kind": kind}
    kept = Draft.objects.filter(**key).first()
    if kept and (kept.sequence, kept.client_token, kept.body) == (sequence, client_token, body):
        # The browser has posted the same draft twice, so the draft is saved already.
        return
    if kept and kept.sequence >= sequence:
        raise NewerDraft(kept)
    words = {
        "client_token": client_token,
        "body": body,
        "language": clean(language),
        "typed": _cleaned(typed or {}),
        "sequence": sequence,
        "saved_at": at,
    }
    if not Draft.objects.filter(**key).update(**words):
        Draft.objects.create(**key, **words)


def _cleaned(typed):
    """Return the typed fields without NUL characters, because databases refuse these even in JSON."""
    return {clean(name): clean(value, multiline=True) for name, value in typed.items()}


def _conversation_locked(conversation):
    """Lock the row of the conversation, and return the conversation.

    If the conversation was merged, lock and return the conversation that it was merged into.
    """
    locked = Conversation.objects.select_for_update(no_key=True).get(
        pk=conversation.merged_into_id or conversation.pk
    )
    if locked.status == Conversation.Status.ERASED:
        # Nothing may be saved for an erased conversation.
        raise AlreadySent
    return _conversation_locked(locked) if locked.merged_into_id else locked


def put_back(message, *, typed, at):
    """Save an answer as a draft after its writer has taken the answer back.

    The writer may have begun a new draft since then. The text of this draft is added after the answer's text.
    The saved draft gets a higher `sequence` than the drafts of all open pages, so that no open page
    overwrites it.
    """
    key = {
        "conversation": message.conversation,
        "person": message.author,
        "side": Side.STAFF,
        "kind": Draft.Kind.REPLY,
    }
    begun = Draft.objects.select_for_update().filter(**key).first()
    body = "\n\n".join(filter(None, [message.body, begun.body if begun else ""]))
    words = {
        "client_token": message.client_token,
        "body": body,
        "language": message.language,
        "typed": _cleaned(typed),
        "saved_at": at,
    }
    if begun:
        # Add the files of the new draft to the files of the answer that was taken back.
        Attachment.objects.filter(
            conversation=message.conversation, client_token=begun.client_token, message=None
        ).update(client_token=message.client_token)
    Draft.objects.update_or_create(
        **key, defaults={**words, "sequence": int((at - NUMBERED_FROM).total_seconds())}
    )


def append(draft, *, to):
    """Append the text of `draft` to the draft `to`, and move the files of `draft` there."""
    files = Attachment.objects.filter(
        conversation=draft.conversation, client_token=draft.client_token, side=draft.side, message=None
    )
    files.update(client_token=to.client_token)
    to.body = "\n\n".join(filter(None, [to.body, draft.body]))
    to.typed = to.typed or draft.typed
    to.sequence = max(to.sequence, draft.sequence) + 1
    to.save(update_fields=["body", "typed", "sequence"])


def forget(conversation, *, person, side, kind, up_to=None, body=""):
    """Delete the person's draft after its text was sent or discarded.

    `up_to` is the sequence of the last draft that the page loaded or saved. A draft with a higher sequence
    was saved in another tab. Keep this draft with a new token if its text differs from the sent text `body`.
    If `up_to` is None, always delete the draft.
    """
    for draft in _kept(conversation=conversation.pk, person=person and person.pk, side=side, kinds=[kind]):
        if up_to is None or draft.sequence <= up_to or draft.body == body:
            draft.delete()
        else:
            Draft.objects.filter(pk=draft.pk).update(client_token=uuid.uuid4())


def keep_both(conversation, *, person, side, kind, client_token, sequence, body, language="", typed=None, at):
    """Save what was typed, as save_draft does, but never refuse it.

    If the saved draft is newer, the text is added to that draft. If the message was sent already, the text
    becomes a new draft.
    """
    words = {
        "body": body,
        "language": language,
        "typed": typed,
        "at": at,
        "person": person,
        "side": side,
        "kind": kind,
    }
    try:
        save_draft(conversation, client_token=client_token, sequence=sequence, **words)
    except NewerDraft as newer:
        kept = newer.draft
        words["body"] = "\n\n".join(dict.fromkeys(filter(None, [kept.body, body])))
        save_draft(conversation, client_token=kept.client_token, sequence=kept.sequence + 1, **words)
    except AlreadySent:
        save_draft(conversation, client_token=uuid.uuid4(), sequence=sequence, **words)


def discard_for_now(draft, *, at):
    """Mark the draft as deleted. `restore` can undo this for UNDO_FOR. Later, the worker deletes it."""
    Draft.objects.filter(pk=draft.pk).update(discarded_at=at)


@transaction.atomic
def restore(person, *, client_token, at):
    """Undo `discard_for_now`. Return False if it is too late.

    If the person has begun a new draft of this kind in the same conversation, add the text of the deleted
    draft to the new one.
    """
    discarded = Draft.with_discarded.select_for_update().filter(
        person=person, client_token=client_token, discarded_at__gt=at - UNDO_FOR
    )
    draft = discarded.first()
    if draft is None:
        return False
    place = {"conversation": draft.conversation, "person": person, "side": draft.side, "kind": draft.kind}
    if another := Draft.objects.select_for_update().filter(**place).first():
        append(draft, to=another)
        draft.delete()
    else:
        discarded.update(discarded_at=None)
    return True


@transaction.atomic
def discard(conversation, *, person, side, kind, client_token):
    """Delete the person's draft and its unsent files."""
    forget(conversation, person=person, side=side, kind=kind)
    added = Attachment.objects.filter(
        conversation=conversation, client_token=client_token, side=side, added_by=person, message=None
    )
    files = [name for attachment in added for name in attachment.stored_names()]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    added.delete()


def forget_old_drafts(*, at):
    """Delete drafts older than KEPT_FOR, and deleted drafts that can no longer be restored."""
    Draft.with_discarded.filter(Q(saved_at__lt=at - KEPT_FOR) | Q(discarded_at__lte=at - UNDO_FOR)).delete()
