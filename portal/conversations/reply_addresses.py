"""Make and read the addresses for answers by email.

A reply address contains the conversation, the person and the last day that the address works. The address is
signed, so nothing needs to be stored.
"""

import datetime
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent, User
from portal import signed_addresses

from .models import Conversation

WORKS_FOR = datetime.timedelta(days=90)
PURPOSE = "reply address"
# A reply address stores its last day as the number of days since this day. Two bytes are enough until the
# year 2199.
FIRST_DAY = datetime.date(2020, 1, 1)
ID_BYTES, DAY_BYTES = 8, 2
# The first line of emails that can be answered by email. In an answer, this line and the quoted email below
# it are cut off.
MARKER = _("Write your answer above this line.")
# The first sentence in the HTML of each email. Mail programs show it in their lists.
PREVIEW = _("A message from your library. Open it to read more.")


@dataclass(frozen=True)
class ReplyAddress:
    """The content of a reply address that the library made.

    `conversation` is None if the conversation was erased or forgotten. If the conversation was merged into
    another one, `conversation` is the remaining conversation. `person` is None if the person was erased. If
    two records of a person were merged, `person` is the remaining record.
    """

    conversation: Conversation | None
    person: User | None
    is_expired: bool


def address_for(conversation, person, *, at):
    """Return the address for this person's answers in this conversation.

    Return "" if the library has no reply address. The address works for WORKS_FOR.
    """
    last_day = (at + WORKS_FOR).date() - FIRST_DAY
    return signed_addresses.sign(
        PURPOSE, _id(conversation) + _id(person) + last_day.days.to_bytes(DAY_BYTES, "big")
    )


def read_address(text, *, at):
    """Return the ReplyAddress for an address in an email, or None if the library didn't make the address."""
    content = signed_addresses.read(PURPOSE, text)
    if content is None or len(content) != 2 * ID_BYTES + DAY_BYTES:
        return None
    last_day = FIRST_DAY + datetime.timedelta(days=int.from_bytes(content[2 * ID_BYTES :], "big"))
    return ReplyAddress(
        _conversation(content[:ID_BYTES]),
        _person(content[ID_BYTES : 2 * ID_BYTES]),
        is_expired=at.date() > last_day,
    )


def first_lines():
    """Return the lines that the portal's emails can begin with, in all languages."""
    lines = []
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            lines += [str(MARKER), str(PREVIEW)]
    return lines


def _id(row):
    """Return the first half of the row's public id. Half an id is enough, because the address is signed."""
    return row.public_id.bytes[:ID_BYTES]


def _range(beginning):
    """Return the condition for rows whose public id begins with these bytes."""
    rest = 16 - ID_BYTES
    return {
        "public_id__gte": UUID(bytes=beginning + b"\0" * rest),
        "public_id__lte": UUID(bytes=beginning + b"\xff" * rest),
    }


def _conversation(beginning):
    conversation = Conversation.objects.filter(**_range(beginning)).select_related("merged_into").first()
    if conversation is not None and conversation.merged_into_id:
        conversation = conversation.merged_into
    if conversation is None or conversation.status == Conversation.Status.ERASED:
        return None
    return conversation


def _person(beginning):
    person = User.objects.filter(**_range(beginning)).first()
    if person is not None:
        return person
    # If the record was merged into another record, an audit event names the other record.
    start = str(UUID(bytes=beginning + b"\0" * (16 - ID_BYTES)))[:18]
    merges = AuditEvent.objects.filter(
        action="merged_people", subject_type="user", subject__startswith=start, patron__isnull=False
    )
    merged = merges.select_related("patron").order_by("-at", "-pk").first()
    return merged.patron if merged else None
