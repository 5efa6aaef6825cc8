"""Pictures and PDFs in a conversation: added to a composer, described, removed, sent with its message, forgotten.

`by` is None for the holder of a code. Who adds something belongs to the composer, named by its `client_token`; actions.reply makes
what is in the composer part of the message.
"""

import datetime
import logging
import os
import re
import uuid

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from accounts.models import User, private_storage
from portal import files
from portal.text import clean
from portal.uploads import MAX_FILE_BYTES, MAX_FILES

from .changes import lock_conversation, save, writer_in
from .models import Attachment, Draft, Side

MEGABYTE = 1024 * 1024
MOST_OF_A_PATRON = 200 * MEGABYTE
MOST_BY_CODE = 50 * MEGABYTE  # of one conversation, by all who hold its code
MOST_OF_STAFF = 2000 * MEGABYTE
UNSENT_FOR = datetime.timedelta(days=1)
STRAY_FOR = datetime.timedelta(hours=1)  # a file is written before its row
LONGEST_NAME = 100
LONGEST_ALT = 300
FOLDER = "attachments"

ENDINGS = {"jpeg": ("jpg", "jpeg", "jpe", "jfif"), "png": ("png",), "webp": ("webp",), "pdf": ("pdf",)}
STORED = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.")

log = logging.getLogger(__name__)


class NotAdded(Exception):
    """A file that was not added: its name, why, and in `words` what to do."""

    def __init__(self, name, why):
        super().__init__(why)
        self.name, self.why = name, why

    @property
    def words(self):
        return {
            "empty": _("This file is empty. Choose another."),
            "too_large": _(
                "This file is larger than %(size)s MB. Send a smaller copy of it, or a link to it."
            ),
            "too_many_dots": _(
                "This picture is too large to be opened. Send a smaller copy of it, or a screenshot."
            ),
            "damaged": _(
                "This picture is damaged: it could not be opened. Try once more, or send a screenshot of it."
            ),
            "unknown": _(
                "Only pictures (JPEG, PNG, WebP) and PDFs can be sent. A screenshot is a picture, too."
            ),
            "too_often": _(
                "Very many files came in a short time. Send this one in an hour, or bring it to the library."
            ),
            "too_many": _("One message can carry %(files)s files. Send this one with the next."),
            "used_up": _(
                "There is no more room for files of yours here. Send a link to it, or bring it to the library."
            ),
            "used_up_by_code": _(
                "There is no more room for files in this conversation. Send a link to it, or bring it to the library."
            ),
            "no_room": _(
                "The library has no room for files at the moment. Your text is safe. Send it without the file, or try again later."
            ),
            "sent": _(
                "The message was sent already, from another page. Open this page again to add the file to the next one."
            ),
        }[self.why] % {"size": MAX_FILE_BYTES // MEGABYTE, "files": MAX_FILES}


def checked(uploads):
    """What of the uploads (portal.uploads.uploaded) can be kept, [(name, files.Usable)], and what cannot, [NotAdded]."""
    fine, refused = [], []
    for name, file, why in uploads:
        name = clean(re.split(r"[/\\]", name)[-1], max_length=LONGEST_NAME) or _("file")
        try:
            if why:
                raise NotAdded(name, why)
            fine.append((name, files.usable(file)))
        except files.Unusable as error:
            refused.append(NotAdded(name, error.reason))
        except NotAdded as error:
            refused.append(error)
    return fine, refused


def add(conversation, *, by, side, client_token, at, name, usable, is_sent=False):
    """Put one file (of `checked`) into the composer; with `is_sent` into the message that the composer became: the file came in its form.

    The same file twice is one. A draft is begun with it, so that it is there on another device. Returns the attachment.
    Raises NotAdded, actions.Erased.
    """
    attachment = Attachment(
        public_id=uuid.uuid4(),
        client_token=client_token,
        side=side,
        kind=Attachment.Kind.PICTURE if usable.is_picture else Attachment.Kind.PDF,
        name=_named(name, usable.extension),
        size=len(usable.content) + len(usable.preview),
        width=usable.width,
        height=usable.height,
        added_at=at,
    )
    try:
        _write(attachment, usable)
        added = _add_row(attachment, conversation, by, is_sent)
    except OSError as error:
        log.error("an attachment could not be written: %s", error)
        Attachment.remove_files(attachment.stored_names())
        raise NotAdded(name, "no_room") from error
    except BaseException:
        Attachment.remove_files(attachment.stored_names())
        raise
    if added is not attachment:
        Attachment.remove_files(attachment.stored_names())
    return added


def add_each(conversation, *, uploads, **where):
    """Put the uploads there (see `add`). Returns what was added and what was not: [Attachment], [NotAdded]. Raises actions.Erased."""
    fine, refused = checked(uploads)
    added = []
    for name, usable in fine:
        try:
            added.append(add(conversation, name=name, usable=usable, **where))
        except NotAdded as error:
            refused.append(error)
    return added, refused


@transaction.atomic
def describe(conversation, *, by, side, client_token, words, at):
    """Keep what can be seen in the pictures of the composer: {public id: words}."""
    conversation = lock_conversation(conversation, at)
    composer = conversation.attachments.in_composer(
        client_token, side=side, person=writer_in(conversation, by, side)
    )
    for attachment in composer.filter(public_id__in=words):
        attachment.alt = words[attachment.public_id]
        attachment.save(update_fields=["alt"])


@transaction.atomic
def remove(conversation, *, by, side, client_token, public_id, at):
    """Take a file out of the composer. One that is gone or sent already stays as it is."""
    conversation = lock_conversation(conversation, at)
    composer = conversation.attachments.in_composer(
        client_token, side=side, person=writer_in(conversation, by, side)
    )
    _forget(composer.filter(public_id=public_id))


def forget_unsent_attachments(*, at):
    """For the worker."""
    with transaction.atomic():
        _forget(Attachment.objects.select_for_update().filter(message=None, added_at__lt=at - UNSENT_FOR))


def forget_stray_files(*, at):
    """Remove the files that no row knows: a process that is killed between the row and the file leaves one. For the worker."""
    storage = private_storage()
    for folder in storage.listdir(FOLDER)[0] if storage.exists(FOLDER) else []:
        names = [f"{FOLDER}/{folder}/{name}" for name in storage.listdir(f"{FOLDER}/{folder}")[1]]
        old = {
            name: STORED.match(os.path.basename(name))
            for name in names
            if storage.get_modified_time(name) < at - STRAY_FOR
        }
        ids = {name: found[1] for name, found in old.items() if found}
        known = {
            str(public_id)
            for public_id in Attachment.objects.filter(public_id__in=set(ids.values())).values_list(
                "public_id", flat=True
            )
        }
        Attachment.remove_files([name for name, public_id in ids.items() if public_id not in known])


def attachments_of(messages, *, unsent=None):
    """{primary key of the message: its attachments}, for the messages of a page, in one query. With `unsent` (a query) also those,
    under None."""
    wanted = Attachment.objects.filter(message__in=[message.pk for message in messages])
    found: dict[int | None, list[Attachment]] = {}
    for attachment in wanted if unsent is None else wanted | unsent:
        found.setdefault(attachment.message_id, []).append(attachment)
    return found


def _write(attachment, usable):
    """Write the files. Their names hold nothing that anybody chose, and say which row is theirs."""
    place = f"{FOLDER}/{attachment.public_id.hex[:2]}/{attachment.public_id}"
    storage = private_storage()
    attachment.file = f"{place}.{usable.extension}"
    storage.save(attachment.file.name, ContentFile(usable.content))
    if usable.preview:
        attachment.preview = f"{place}.preview.webp"
        storage.save(attachment.preview.name, ContentFile(usable.preview))


@transaction.atomic
def _add_row(attachment, conversation, by, is_sent):
    """The row, if there is room for it. Whoever else adds meanwhile waits, so that the sums are right. Returns it, or that of the same file."""
    if by is not None:
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
    conversation = lock_conversation(conversation, attachment.added_at)
    by = writer_in(conversation, by, attachment.side)
    attachment.conversation, attachment.added_by = conversation, by
    in_it = Attachment.objects.filter(
        conversation=conversation, side=attachment.side, added_by=by, client_token=attachment.client_token
    )
    same = in_it.filter(
        name=attachment.name, size=attachment.size, width=attachment.width, height=attachment.height
    ).first()
    if same is not None:
        return same
    message = conversation.messages.filter(
        client_token=attachment.client_token, side=attachment.side, author=by
    ).first()
    if message is not None and not is_sent:
        raise NotAdded(attachment.name, "sent")
    if in_it.count() >= MAX_FILES:
        raise NotAdded(attachment.name, "too_many")
    if _used(conversation, by, attachment.side) + attachment.size > _most(by, attachment.side):
        raise NotAdded(attachment.name, "used_up" if by else "used_up_by_code")
    attachment.message = message
    attachment.save()
    if message is not None:
        conversation.version += 1
        save(conversation)
        return attachment
    begun = {"client_token": attachment.client_token, "sequence": 0, "saved_at": attachment.added_at}
    Draft.objects.get_or_create(
        conversation=conversation, person=by, side=attachment.side, kind=Draft.Kind.REPLY, defaults=begun
    )
    return attachment


def _used(conversation, by, side):
    """Bytes that this person has in all conversations, or those who hold its code in this one."""
    theirs = Attachment.objects.filter(added_by=by, side=side)
    if by is None:
        theirs = theirs.filter(conversation=conversation)
    return theirs.aggregate(bytes=Sum("size"))["bytes"] or 0


def _most(by, side):
    if side == Side.STAFF:
        return MOST_OF_STAFF
    return MOST_OF_A_PATRON if by else MOST_BY_CODE


def _forget(attachments):
    gone = list(attachments)
    names = [name for attachment in gone for name in attachment.stored_names()]
    Attachment.objects.filter(pk__in=[attachment.pk for attachment in gone]).delete()
    transaction.on_commit(lambda: Attachment.remove_files(names))


def _named(name, extension):
    """What its owner called it, with an ending that says what it is."""
    stem, _dot, ending = name.rpartition(".")
    endings = ENDINGS[extension]
    if stem and ending.lower() in endings:
        return name
    is_known = any(ending.lower() in others for others in ENDINGS.values())
    return f"{stem if stem and is_known else name}.{endings[0]}"
