"""Process one email: save it as a message, put it into the list of emails for staff, or drop it."""

import hashlib
import logging
import uuid
from enum import Enum

from django.db import transaction
from django.db.models import F
from django.utils import translation
from django.utils.translation import ngettext

from accounts import audit
from accounts.models import Library, User
from accounts.staff_actions import staff_action
from portal import keys, limits, signed_addresses
from portal.conversations import actions, answer_effects, attachments
from portal.conversations.changes import Erased, add_event, lock_conversation
from portal.conversations.models import Event, Message
from portal.notifications import bounces
from portal.notifications.models import Notification

from . import automatic, html_text, originals
from .matching import Match, match
from .models import DroppedEmails, IncomingEmail
from .own_text import own_text
from .polite_replies import reply_to
from .reading import MAX_HEADER_BYTES, parse, read

# The size limit of an email, in bytes. A larger email is refused, or only its beginning is read.
MAX_BYTES = 25 * 1024 * 1024
PURPOSE = "incoming email"
TOKENS = uuid.UUID("6f0f2f2e-3f6a-4d1c-9a53-1f9d1c0f6c52")
PATRON = Message.Side.PATRON
# The `draft_sequence` of a message from an email. Every draft on a page has a higher number, so the message
# deletes no draft.
NO_DRAFT = -1
MAX_ANSWERED = 20
# An email is matched at most this many times. It is matched again if its conversation or its person has
# changed between the match and the lock.
MAX_MATCHES = 3
# If there is no space left for emails that were not matched, only this many characters of an email's text are
# stored.
FEW_WORDS = 200
Kind, Reason = DroppedEmails.Kind, IncomingEmail.Reason
ANSWERED = (Reason.EMPTY, Reason.UNREADABLE, Reason.TOO_LARGE)

log = logging.getLogger(__name__)


class Outcome(Enum):
    """What happened to an email."""

    MESSAGE = "it is a message in its conversation now"
    NOT_MATCHED = "it is in the list of emails that were not matched"
    DROPPED = "it was counted and dropped"


class CannotAdd(Exception):
    """The email can't be added.

    Its conversation is unknown, the patron no longer has the conversation, or the email was already added or
    deleted.
    """


class _MatchChanged(Exception):
    """The conversation or the person has changed since the email was matched."""


class _Known(Exception):
    """Another process has just accepted the same email."""


def receive(raw, *, at, recipient="", sender=None, is_cut=False):
    """Process the email with these bytes, and return an Outcome.

    `recipient` is the address that the mail server delivers the email to. If `recipient` is "", use the
    addresses in the headers. `sender` is the envelope's sender, "" for the null sender, or None if it isn't
    known. `is_cut` is true if the email is larger than MAX_BYTES and `raw` has only its beginning.

    Raises limits.TooOften if the patron sent too many messages. The mail server should then try again later.
    """
    is_cut = is_cut or len(raw) > MAX_BYTES
    message, is_whole = parse(raw[:MAX_HEADER_BYTES] if is_cut else raw)
    kind = _kind(message, sender)
    if kind is not None:
        return _drop(message, kind, recipient=recipient, at=at)
    email = read(message, is_whole)
    email.recipients = [*filter(None, [recipient]), *email.recipients]
    email.quoting = signed_addresses.without_tokens(email.quoting)
    email.subject = signed_addresses.without_tokens(email.subject)
    email_id = email.message_id or hashlib.sha256(raw).hexdigest()
    raw = originals.without_tokens(raw)
    for _number in range(MAX_MATCHES):
        found = match(email.recipients, email.sender, at=at)
        try:
            return _save(raw, email, email_id, found, is_cut=is_cut, at=at)
        except (Erased, _MatchChanged):
            continue
    return _keep(raw, email, email_id, Reason.ERASED, Match(Reason.ERASED), at=at)


@staff_action
def add_to_conversation(email, *, by, at):
    """Add an unmatched email to its conversation as the patron's message, and return the message.

    The desk has shown the addresses of the sender and of the patron to the staff member. The patron's page
    says who added the email. Answers are still sent to the patron's confirmed address. Raises CannotAdd,
    Erased and RoleEnded.
    """
    conversation, person = email.conversation, email.person
    if conversation is None or person is None or email.reason not in IncomingEmail.ADDABLE:
        raise CannotAdd
    read_again = read(*parse(originals.content(email)))
    usable, refused = attachments.checked(read_again.files)
    message = actions.reply(
        conversation,
        by=person,
        side=PATRON,
        at=at,
        body=own_text(email.text, sent=_sent(read_again, person))
        or email.text
        or _words(person, read_again.files),
        language=_language(person),
        client_token=uuid.uuid5(TOKENS, email.message_id_hmac),
        draft_sequence=NO_DRAFT,
        by_email=Message.ByEmail.ADDED,
    )
    added = IncomingEmail.objects.filter(pk=email.pk, message=None).update(
        message=message, reason="", text="", conversation=None, added_by=by, added_at=at
    )
    if not added or message.author_id != person.pk or not message.body:
        raise CannotAdd
    kind = Event.Kind.EMAIL_ADDED if email.sender == person.email else Event.Kind.OTHER_EMAIL_ADDED
    add_event(message.conversation, kind, Message.Side.STAFF, by, message.sent_at, message=message)
    _add_files(message, person, usable, refused, at=at)
    audit.record("added_email", message.conversation, by=by, patron=person, at=at)
    return message


def _save(raw, email, email_id, found, *, is_cut, at):
    """Add the email to its conversation, or store it for staff, as the Match `found` says.

    If the same email was saved before, only count it.

    Raises Erased and _MatchChanged.
    """
    # An email to two reply addresses belongs to two conversations. So the stored id also contains the reply
    # address.
    email_id = f"{email_id} {found.address}"
    if IncomingEmail.objects.filter(message_id_hmac__in=keys.fingerprints(PURPOSE, email_id)).exists():
        return _count(Kind.AGAIN, at)
    if reason := found.reason or (Reason.TOO_LARGE if is_cut else ""):
        # If `raw` has only the beginning of the email, it must not be stored as the original.
        has_original = not is_cut and originals.is_stored(len(raw), reason)
        return _keep(raw if has_original else b"", email, email_id, reason, found, at=at)
    return _take(raw, email, email_id, found, at=at)


def _kind(message, sender):
    """Return the Kind of the email if it must be dropped, or None."""
    if message is None:
        return Kind.AUTOMATIC if sender == "" else None
    try:
        return automatic.kind_of(message, sender=sender)
    except Exception as error:
        log.info("the headers of an email could not be read: %s", type(error).__name__)
        return Kind.AUTOMATIC if sender == "" else None


def _drop(message, kind, *, recipient, at):
    if kind == Kind.BOUNCE:
        for address, status in automatic.failures(message, recipient=recipient):
            bounces.note_report(address, status=status, at=at)
    return _count(kind, at)


def _count(kind, at):
    day = Library.current().today(at)
    row, _is_new = DroppedEmails.objects.get_or_create(day=day, kind=kind)
    DroppedEmails.objects.filter(pk=row.pk).update(count=F("count") + 1)
    return Outcome.DROPPED


def _keep(raw, email, email_id, reason, found, *, at):
    """Store an email for staff. If its conversation was erased, store only the time when the email came.

    Raises Erased and _MatchChanged.
    """
    if reason == Reason.ERASED:
        IncomingEmail.objects.create(came_at=at, reason=reason)
        return Outcome.NOT_MATCHED
    has_room = originals.has_room(len(raw), reason)
    has_original = has_room and reason != Reason.TOO_LARGE
    text = email.quoting if has_room else email.quoting[:FEW_WORDS]
    with originals.stored(raw if has_original else b"") as name, transaction.atomic():
        _lock(email, found, at=at)
        _row, is_new = IncomingEmail.objects.get_or_create(
            message_id_hmac=keys.fingerprint(PURPOSE, email_id),
            defaults=_columns(email, found.person, name, raw, at=at)
            | {"reason": reason, "text": text, "conversation": found.conversation},
        )
        if is_new and reason in ANSWERED:
            reply_to(found.person, conversation=found.conversation, reason=reason, at=at)
    if is_new:
        return Outcome.NOT_MATCHED
    originals.remove([name])
    return _count(Kind.AGAIN, at)


def _take(raw, email, email_id, found, *, at):
    """Save the email as a message of the patron, in the same way as a reply on the page.

    Raises Erased and _MatchChanged.
    """
    person = found.person
    body = own_text(email.quoting, sent=_sent(email, person)) or _words(person, email.files)
    if not email.is_readable or not body:
        reason = Reason.EMPTY if email.is_readable else Reason.UNREADABLE
        return _keep(raw, email, email_id, reason, found, at=at)
    limits.count_by_person("message", person)
    # Decode the pictures before the transaction, because that takes time.
    usable, refused = attachments.checked([_counted(person, *file) for file in email.files])
    try:
        with originals.stored(raw) as name, transaction.atomic():
            answer_effects.lock_comes_back_to(found.conversation)
            _lock(email, found, at=at)
            _enter(email_id, found, body, usable, refused, _columns(email, person, name, raw, at=at))
    except _Known:
        return _count(Kind.AGAIN, at)
    return Outcome.MESSAGE


def _lock(email, found, *, at):
    """Lock the person and the conversation, and match the email again.

    Raises Erased, and _MatchChanged if the result differs from `found`.
    """
    if found.conversation is None:
        return
    if User.objects.select_for_update(no_key=True).filter(pk=found.person.pk).first() is None:
        raise _MatchChanged
    lock_conversation(found.conversation, at)
    if match(email.recipients, email.sender, at=at) != found:
        raise _MatchChanged


def _enter(email_id, found, body, usable, refused, columns):
    """Add the message with its files and its original. Raises Erased, _MatchChanged and _Known."""
    conversation, person, at = found.conversation, found.person, columns["came_at"]
    message = actions.reply(
        conversation,
        by=person,
        side=PATRON,
        at=at,
        body=body,
        language=_language(person),
        client_token=uuid.uuid5(TOKENS, email_id),
        draft_sequence=NO_DRAFT,
        by_email=Message.ByEmail.OWN,
    )
    # `reply` saves a message without an author if the patron no longer has the conversation. Match the email
    # again in this case.
    if message.author_id != person.pk:
        raise _MatchChanged
    _row, is_new = IncomingEmail.objects.get_or_create(
        message_id_hmac=keys.fingerprint(PURPOSE, email_id), defaults=columns | {"message": message}
    )
    if not is_new:
        raise _Known
    refused = _add_files(message, person, usable, refused, at=at)
    if refused:
        reply_to(person, conversation=message.conversation, files=refused, at=at)


def _add_files(message, person, usable, refused, *, at):
    """Add the usable files to the message. Save and return the files that were left out, as [NotAdded]."""
    left_out = list(refused)
    for name, file in usable:
        try:
            attachments.add(
                message.conversation,
                by=person,
                side=PATRON,
                client_token=message.client_token,
                at=at,
                name=name,
                usable=file,
                is_sent=True,
            )
        except attachments.NotAdded as error:
            left_out.append(error)
    if left_out:
        Message.objects.filter(pk=message.pk).update(left_out=[[error.name, error.why] for error in left_out])
    return left_out


def _columns(email, person, name, raw, *, at):
    return {
        "came_at": at,
        "sender": email.sender[:254],
        "subject": email.subject,
        "person": person,
        "file": name,
        "size": len(raw) if name else 0,
    }


def _counted(person, name, file, why):
    """Count a file toward the person's limit, and return (name, file, why).

    If the limit is reached, the returned file is None. Call this before the file is decoded.
    """
    try:
        limits.count_by_person("file", person)
    except limits.TooOften:
        return name, None, "too_often"
    return name, file, why


def _sent(email, person):
    """Find the library's emails to this person that `email` answers, and return their texts.

    Each of these emails has two texts: its plain text and the text of its HTML. A mail program quotes one of
    the two.
    """
    sent = Notification.objects.filter(message_id__in=email.answers_to[:MAX_ANSWERED], recipient=person)
    return [
        words
        for text, html in sent.exclude(text="").values_list("text", "html")
        for words in (text, html_text.text_of(html))
    ]


def _words(person, files):
    """Return the text for a message that has only files, or "" if there are no files."""
    if not files:
        return ""
    with translation.override(_language(person)):
        words = ngettext("See the attached file.", "See the %(count)s attached files.", len(files))
        return words % {"count": len(files)}


def _language(person):
    return person.language or Library.current().language
