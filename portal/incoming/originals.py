"""Store the original emails as private files, and delete them."""

import base64
import datetime
import logging
import uuid
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import compat32

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Q, Sum

from accounts.models import private_storage
from portal import signed_addresses

from .models import IncomingEmail

FOLDER = "incoming"
# The total size limit for the originals of emails that were not matched.
MAX_NOT_MATCHED_BYTES = 500 * 1024 * 1024
# Emails that were not sent to a reply address have a separate limit, because anybody can send them. If such
# an email is larger than MAX_NO_ADDRESS_SIZE, its original is not stored.
MAX_NO_ADDRESS_BYTES = 100 * 1024 * 1024
MAX_NO_ADDRESS_SIZE = 1024 * 1024
# A file without a row in the database is deleted only if the file is older than this. An original is written
# before its row is saved, so a newer file may still get its row.
STRAY_FOR = datetime.timedelta(hours=1)

log = logging.getLogger(__name__)


@contextmanager
def stored(raw):
    """Store the bytes of an email in a file, and yield the name of the file.

    The name is "" if there are no bytes, or if the disk is full. If the `with` block fails, delete the file.
    """
    name = _store(raw) if raw else ""
    try:
        yield name
    except BaseException:
        remove([name])
        raise


def without_tokens(raw):
    """Return the bytes of an email without the tokens of our addresses. Also remove tokens in base64 text.

    Return b"" if base64 text can't be read. Then the original is not stored.
    """
    raw = signed_addresses.without_tokens_in_bytes(raw)
    if b"base64" not in raw.lower():
        return raw
    try:
        return _without_tokens_in_base64(raw)
    except Exception as error:
        # Catch every error: the parser has bugs, and deep nesting ends in a RecursionError.
        log.info("the original of an email is not stored: %s", type(error).__name__)
        return b""


def _without_tokens_in_base64(raw):
    message, has_tokens = message_from_bytes(raw, policy=compat32), False
    for part in message.walk():
        if part.get_content_maintype() != "text" or _encoding(part) != "base64":
            continue
        text = part.get_payload(decode=True)
        without = signed_addresses.without_tokens_in_bytes(text)
        if without != text:
            part.set_payload(base64.encodebytes(without).decode("ascii"))
            has_tokens = True
    # Writing the message again could change its headers. So return `raw` if no token was removed.
    return message.as_bytes() if has_tokens else raw


def _encoding(part):
    return str(part.get("Content-Transfer-Encoding", "")).strip().lower()


def _store(raw):
    public_id = uuid.uuid4()
    name = f"{FOLDER}/{public_id.hex[:2]}/{public_id}.eml"
    try:
        return private_storage().save(name, ContentFile(raw))
    except OSError as error:
        log.error("the original of an email could not be written: %s", error)
        remove([name])
        return ""


def content(email):
    """Return the bytes of the original. Return b"" if there is none."""
    if not email.file:
        return b""
    try:
        with email.file.open("rb") as stream:
            return stream.read()
    except OSError:
        return b""


def has_room(size, reason):
    """Return whether there is room for an original of this size, for an email with this Reason."""
    is_unknown = Q(reason=IncomingEmail.Reason.NO_ADDRESS)
    if reason == IncomingEmail.Reason.NO_ADDRESS:
        room, emails = MAX_NO_ADDRESS_BYTES, is_unknown
    else:
        room, emails = MAX_NOT_MATCHED_BYTES, ~is_unknown
    used = IncomingEmail.objects.filter(emails, message=None).aggregate(bytes=Sum("size"))["bytes"] or 0
    return used + size <= room


def is_stored(size, reason):
    """Return whether an original of this size may be stored for an email with this Reason.

    This doesn't check whether there is room for the original. `has_room` checks that.
    """
    return reason != IncomingEmail.Reason.NO_ADDRESS or size <= MAX_NO_ADDRESS_SIZE


def remove(names):
    """Delete these files. If one can't be deleted, `forget_stray_originals` tries again later."""
    for name in filter(None, names):
        try:
            private_storage().delete(name)
        except OSError as error:
            log.error("could not delete the original of an email, will try again: %s", error)


def remove_with_row(sender, instance, **kwargs):
    """Delete the file of a deleted row after the commit. This function receives the signal `post_delete`."""
    if name := instance.file.name:
        transaction.on_commit(lambda: remove([name]))


def forget_stray_originals(*, at):
    """Delete stored originals that have no row. The worker runs this job.

    Such a file remains if a process is killed after it writes the file and before it saves the row.
    """
    storage = private_storage()
    for folder in storage.listdir(FOLDER)[0] if storage.exists(FOLDER) else []:
        names = [f"{FOLDER}/{folder}/{name}" for name in storage.listdir(f"{FOLDER}/{folder}")[1]]
        old = [name for name in names if storage.get_modified_time(name) < at - STRAY_FOR]
        known = set(IncomingEmail.objects.filter(file__in=old).values_list("file", flat=True))
        remove(name for name in old if name not in known)
