"""Add, describe and remove pictures and PDFs in a conversation, and delete files that were never sent.

`by` is None for a viewer by code. A new file belongs to the composer that has the same `client_token`. When
the message is sent, `actions.reply` moves the files of the composer into the message.
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

from .changes import Erased, lock_conversation, save, writer_in
from .models import Attachment, Draft, Side

MEGABYTE = 1024 * 1024
MAX_BYTES_PER_PATRON = 200 * MEGABYTE
# The maximum total size of the files that all viewers by code together can add to one conversation.
MAX_BYTES_BY_CODE = 50 * MEGABYTE
MAX_BYTES_PER_STAFF = 2000 * MEGABYTE
UNSENT_FOR = datetime.timedelta(days=1)
# A stored file without an Attachment row is deleted when the file is older than this. The row of a newer file
# may not be saved yet, because the portal writes the file first.
STRAY_FOR = datetime.timedelta(hours=1)
NAME_MAX_LENGTH = 100
ALT_MAX_LENGTH = 300
FOLDER = "attachments"

ENDINGS = {"jpeg": ("jpg", "jpeg", "jpe", "jfif"), "png": ("png",), "webp": ("webp",), "pdf": ("pdf",)}
STORED = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.")

log = logging.getLogger(__name__)


class NotAdded(Exception):
    """A file could not be added.

    `name` is the file's name. `why` is a short word for the reason, such as "too_large". `words` is a text
    that tells the person what to do.
    """

    def __init__(self, name, why):
        super().__init__(why)
        self.name, self.why = name, why

    @property
    def words(self):
        return {
            "empty": _("This file is empty. Choose another file."),
            "too_large": _("This file is larger than %(size)s MB. Send a smaller copy or a link."),
            "too_many_dots": _("This picture is too large to open. Send a smaller copy or a screenshot."),
            "damaged": _("This picture is damaged and can't be opened. Try again, or send a screenshot."),
            "unknown": _("You can only send pictures (JPEG, PNG, WebP) and PDFs. Try a screenshot instead."),
            "too_often": _(
                "You sent a lot of files in a short time. Send this file in an hour, or bring it to "
                "the library."
            ),
            "too_many": _("A message can have up to %(files)s files. Send this file with your next message."),
            "used_up": _(
                "You have used all your space for files. Send a link, or bring the file to the library."
            ),
            "used_up_by_code": _(
                "This conversation has no more space for files. "
                "Send a link, or bring the file to the library."
            ),
            "no_room": _(
                "The library can't store files right now. Your text is safe. "
                "Send it without the file, or try again later."
            ),
            "no_answer": _("The patron doesn't want an answer, so you can't send files."),
            "sent": _(
                "The message was already sent from another page. "
                "Reload this page to add the file to your next message."
            ),
        }[self.why] % {"size": MAX_FILE_BYTES // MEGABYTE, "files": MAX_FILES}


def checked(uploads):
    """Return two lists: the usable files as [(name, files.Usable)], and the refused files as [NotAdded].

    `uploads` comes from portal.uploads.uploaded.
    """
    usable, refused = [], []
    for name, file, why in uploads:
        name = clean(re.split(r"[/\\]", name)[-1], max_length=NAME_MAX_LENGTH) or _("file")
        try:
            if why:
                raise NotAdded(name, why)
            usable.append((name, files.usable(file)))
        except files.Unusable as error:
            refused.append(NotAdded(name, error.reason))
        except NotAdded as error:
            refused.append(error)
    return usable, refused


def add(conversation, *, by, side, client_token, at, name, usable, is_sent=False):
    """Add one file to the composer, and return the attachment.

    `name` and `usable` describe the file, as `checked` returned them.

    If `is_sent` is true, the text from the same form was already sent as a message. The file is added to
    that message. If `is_sent` is false, a draft is saved, so that the person sees the file on another device.

    If the composer already has the same file, return that attachment. Raises NotAdded, Erased.
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
    """Add each upload with `add`. Return ([added attachments], [a NotAdded for each refused file]).

    Raises Erased.
    """
    accepted, refused = checked(uploads)
    added = []
    for name, usable in accepted:
        try:
            added.append(add(conversation, name=name, usable=usable, **where))
        except NotAdded as error:
            refused.append(error)
    return added, refused


@transaction.atomic
def describe(conversation, *, by, side, client_token, words, at):
    """Save the descriptions of pictures in a composer. `words` is {public id of the picture: description}."""
    conversation = lock_conversation(conversation, at)
    composer = conversation.attachments.in_composer(
        client_token, side=side, person=writer_in(conversation, by, side)
    )
    for attachment in composer.filter(public_id__in=words):
        attachment.alt = words[attachment.public_id]
        attachment.save(update_fields=["alt"])


@transaction.atomic
def remove(conversation, *, by, side, client_token, public_id, at):
    """Remove a file from the composer. Do nothing if it was removed or sent already."""
    conversation = lock_conversation(conversation, at)
    composer = conversation.attachments.in_composer(
        client_token, side=side, person=writer_in(conversation, by, side)
    )
    _forget(composer.filter(public_id=public_id))


def forget_unsent_attachments(*, at):
    """Delete files that were not sent within UNSENT_FOR."""
    with transaction.atomic():
        _forget(Attachment.objects.select_for_update().filter(message=None, added_at__lt=at - UNSENT_FOR))


def forget_stray_files(*, at):
    """Delete stored files that don't belong to an Attachment row.

    A file like this remains if a process is killed after it writes the file and before it saves the row.
    """
    storage = private_storage()
    for folder in storage.listdir(FOLDER)[0] if storage.exists(FOLDER) else []:
        names = [f"{FOLDER}/{folder}/{name}" for name in storage.listdir(f"{FOLDER}/{folder}")[1]]
        old = {
            name: STORED.match(os.path.basename(name))
            for name in names
            if storage.get_modified_time(name) < at - STRAY_FOR
        }
        ids = {name: match[1] for name, match in old.items() if match}
        known = {
            str(public_id)
            for public_id in Attachment.objects.filter(public_id__in=set(ids.values())).values_list(
                "public_id", flat=True
            )
        }
        Attachment.remove_files([name for name, public_id in ids.items() if public_id not in known])


def attachments_of(messages, *, unsent=None):
    """Return {primary key of a message: [its attachments]}, with one query.

    `unsent` is a queryset of attachments without a message. The result has these attachments under the key
    None.
    """
    wanted = Attachment.objects.filter(message__in=[message.pk for message in messages])
    attachments: dict[int | None, list[Attachment]] = {}
    for attachment in wanted if unsent is None else wanted | unsent:
        attachments.setdefault(attachment.message_id, []).append(attachment)
    return attachments


def _write(attachment, usable):
    """Store the file and its preview under names made from `public_id`, not from the name of the upload."""
    place = f"{FOLDER}/{attachment.public_id.hex[:2]}/{attachment.public_id}"
    storage = private_storage()
    attachment.file = f"{place}.{usable.extension}"
    storage.save(attachment.file.name, ContentFile(usable.content))
    if usable.preview:
        attachment.preview = f"{place}.preview.webp"
        storage.save(attachment.preview.name, ContentFile(usable.preview))


@transaction.atomic
def _add_row(attachment, conversation, by, is_sent):
    """Save the row if there is room for the file, and return the row.

    If the composer has the same file already, return the row of that file. Locks the person and the
    conversation, so that no other request adds a file while the sizes are summed.
    """
    if by is not None and not User.objects.select_for_update(no_key=True).filter(pk=by.pk):
        raise Erased
    conversation = lock_conversation(conversation, attachment.added_at)
    if attachment.side == Side.STAFF and conversation.wants_no_answer:
        raise NotAdded(attachment.name, "no_answer")
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
    if _used(conversation, by, attachment.side) + attachment.size > _max_bytes(by, attachment.side):
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
    """Return how many bytes this person's files take up in all conversations.

    If `by` is None, return how many bytes the files of all viewers by code take up in this conversation.
    """
    own = Attachment.objects.filter(added_by=by, side=side)
    if by is None:
        own = own.filter(conversation=conversation)
    return own.aggregate(bytes=Sum("size"))["bytes"] or 0


def _max_bytes(by, side):
    if side == Side.STAFF:
        return MAX_BYTES_PER_STAFF
    return MAX_BYTES_PER_PATRON if by else MAX_BYTES_BY_CODE


def _forget(attachments):
    gone = list(attachments)
    names = [name for attachment in gone for name in attachment.stored_names()]
    Attachment.objects.filter(pk__in=[attachment.pk for attachment in gone]).delete()
    transaction.on_commit(lambda: Attachment.remove_files(names))


def _named(name, extension):
    """Return the name with an extension that fits the type of the file."""
    stem, _dot, ending = name.rpartition(".")
    endings = ENDINGS[extension]
    if stem and ending.lower() in endings:
        return name
    is_known = any(ending.lower() in others for others in ENDINGS.values())
    return f"{stem if stem and is_known else name}.{endings[0]}"
