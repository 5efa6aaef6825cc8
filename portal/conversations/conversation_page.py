"""Load the messages and events for a patron's conversation page.

The functions use only what the patron may see at the time `at`, so a pending answer leaves no trace. Messages
and events are sorted by the time when they were first shown, so the newest is always last.
"""

import datetime
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

from django.db.models import (
    BigAutoField,
    Count,
    DateField,
    DateTimeField,
    Exists,
    OuterRef,
    Q,
    Subquery,
    UUIDField,
)
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Absence
from accounts.viewer import for_viewers
from portal.prepared import prepared
from portal.text import uuid_or_none

from .models import (
    Attachment,
    Conversation,
    Draft,
    Event,
    Message,
    MessageRecommendation,
    Participation,
    Side,
)

# How many messages a page shows. If more than SHOWN_MIN messages are unread, the page shows up to SHOWN_MAX.
SHOWN_MIN = 8
SHOWN_MAX = 40
# The page hides earlier messages only if there are more than this. Fewer are not worth a tap on a link.
HIDDEN_MIN = 3
# How many messages one tap on "Show earlier messages" adds.
PAGE_SIZE = 50
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

COLUMNS = [
    *("public_id", "patron", "branch", "assignee", "merged_into", "subject", "version", "last_message_at"),
    *("status", "waiting_since", "promised_at", "closes_at", "pending_from", "patron_status"),
    *("last_promise_at", "last_promise_since", "wants_no_answer", "call_since", "reason", "opened_at"),
    *("help_session__public_id", "help_session__quiet", "help_session__question"),
    *("help_session__happened_on", "help_session__with_child", "help_session__shared_with"),
]


@dataclass(slots=True)
class ShownMessage:
    """A message as the page shows it. The fields that have defaults are filled in by page_entries.py."""

    pk: int
    public_id: UUID
    side: str
    body: str
    language: str
    sent_at: datetime.datetime
    shown_from: datetime.datetime
    author_id: int | None
    author_name: str | None
    writer_erased: bool
    # A Message.ByEmail, or "" if the message was written on a page.
    by_email: str
    # The files of the email that were not stored. See Message.left_out.
    left_out: list
    by: str = ""
    heading: str = ""
    files: list | None = None
    given: list = ()
    event: str = ""
    # False for messages that the other person of a shared visit wrote: the child or the adult.
    is_mine: bool = True
    # The URL of the original email, or "" if the viewer didn't send this email.
    original: str = ""


@dataclass
class MessageRange:
    """A range of consecutive messages and events on a page.

    `earlier` is the number of messages before the range, and `later` is the number after it. `total` is the
    number of all messages in the conversation. If `after` is set, the open page already has everything up to
    that time.

    An open page adds a range of earlier messages above its first message. If the range ends on the day of
    that message, `goes_on` is this day. The page must then remove its own heading for the day, because the
    range has one. In all other cases, `goes_on` is None.
    """

    messages: list[ShownMessage]
    total: int
    earlier: int
    later: int = 0
    events: list = field(default_factory=list)
    first_unread: ShownMessage | None = None
    after: datetime.datetime | None = None
    goes_on: datetime.date | None = None

    @cached_property
    def days(self):
        """Return [(day, [the messages and events of this day])].

        The day is None if the open page already has a heading for that day.
        """
        entries = [((m.shown_from, m.sent_at, 1, m.pk), m) for m in self.messages]
        for event in self.events:
            order = 0 if event.kind == Event.Kind.REOPENED else 2
            entries.append(((event.shown_from, event.at, order, event.pk), event))
        entries.sort(key=lambda entry: entry[0])
        days = [
            (day, [entry for _key, entry in group])
            for day, group in groupby(entries, key=lambda entry: timezone.localdate(entry[0][0]))
        ]
        if days and self.after is not None and days[0][0] == timezone.localdate(self.after):
            days[0] = (None, days[0][1])
        return days

    @property
    def earlier_in_words(self):
        if self.earlier > PAGE_SIZE:
            return _("Show %(some)s of the %(all)s earlier messages") % {
                "some": PAGE_SIZE,
                "all": self.earlier,
            }
        return ngettext(
            "Show the %(count)s earlier message", "Show the %(count)s earlier messages", self.earlier
        ) % {"count": self.earlier}

    @property
    def shown_until(self):
        """Return the text "<time of the latest entry in microseconds>-<number of messages>".

        An open page sends this text with each poll, so that `messages_since` finds what is new.
        """
        latest = max(
            (entry.shown_from for entry in [*self.messages, *self.events]), default=self.after or EPOCH
        )
        return f"{(latest - EPOCH) // datetime.timedelta(microseconds=1)}-{self.total}"


@for_viewers(public_id=UUIDField(), at=DateTimeField(), today=DateField())
def for_page(viewer, public_id, at, today):
    """Return a list with the conversation, or an empty list if the viewer may not open it.

    The annotations say whether the conversation has drafts, events, calls, items and files. The page runs no
    query for anything that the conversation doesn't have.
    """
    shown = Message.objects.filter(conversation=OuterRef("pk")).shown(at)
    shown_count = shown.values("conversation").annotate(count=Count("pk")).values("count")
    drafts = Draft.objects.filter(conversation=OuterRef("pk"), side=Side.PATRON, kind=Draft.Kind.REPLY)
    recommended = MessageRecommendation.objects.filter(message__conversation=OuterRef("pk"))
    files = Attachment.objects.filter(conversation=OuterRef("pk"))
    return (
        Conversation.objects.belonging_to(viewer)
        .filter(public_id=public_id)
        .select_related("help_session")
        .only(*COLUMNS)
        .annotate(
            message_count=Coalesce(Subquery(shown_count), 0),
            has_drafts=Exists(drafts),
            has_events=Exists(Event.objects.filter(conversation=OuterRef("pk"))),
            has_calls=Exists(Event.objects.filter(conversation=OuterRef("pk"), kind__in=Event.CALLS)),
            has_items=Exists(recommended),
            has_files=Exists(files.filter(Q(message__isnull=False) | Q(side=Side.PATRON))),
            anyone_is_away=Exists(Absence.objects.on(today)),
        )
    )


def read_until(conversation, person):
    """Return the time until which this person has read the conversation, or None.

    `person` is None for a viewer by code.
    """
    rows = Participation.objects.filter(
        Q(person=person) | Q(person=None),
        conversation=conversation,
        side=Side.PATRON,
        read_until__isnull=False,
    )
    return rows.order_by("-read_until").values_list("read_until", flat=True).first()


def latest_messages(conversation, at, *, unread_since=None):
    """Return a MessageRange with the latest messages. It includes all unread messages, up to SHOWN_MAX.

    A message by staff is unread if it was shown after `unread_since`. If `unread_since` is None, no message
    is unread.
    """
    messages = _fetch(
        _newest(conversation=conversation.pk, at=at)
        if unread_since is None
        else _newest_first(conversation.pk, at)[:SHOWN_MAX]
    )
    unread = [number for number, message in enumerate(messages) if _is_unread(message, unread_since)]
    first_unread = messages[unread[-1]] if unread else None
    total = conversation.message_count
    wanted = SHOWN_MIN if total > SHOWN_MIN + HIDDEN_MIN else total
    wanted = max(wanted, unread[-1] + 1 if unread else 0)
    if total - wanted > HIDDEN_MIN:
        messages = messages[:wanted]
    part = MessageRange(
        messages=messages[::-1], total=total, earlier=total - len(messages), first_unread=first_unread
    )
    return _with_events(part, conversation, at)


def messages_around(conversation, at, public_id, *, back=SHOWN_MIN):
    """Return a MessageRange around the message `public_id`.

    The range begins up to `back` messages before this message. From this message on, the range has up to
    SHOWN_MAX messages. If there is no such message, return the latest messages.
    """
    position = _position(conversation, at, public_id)
    if position is None:
        return latest_messages(conversation, at)
    rows = _shown_messages(conversation.pk, at)
    before = rows.filter(_before(position))
    earlier = _fetch(before.order_by("-shown_from", "-pk")[:back])[::-1]
    following = _fetch(rows.exclude(_before(position)).order_by("shown_from", "pk")[: SHOWN_MAX + 1])
    earlier_count = before.count() - len(earlier)
    shown = earlier + following[:SHOWN_MAX]
    part = MessageRange(
        messages=shown,
        total=conversation.message_count,
        earlier=earlier_count,
        later=conversation.message_count - earlier_count - len(shown),
    )
    until = following[SHOWN_MAX].shown_from if len(following) > SHOWN_MAX else None
    return _with_events(part, conversation, at, until=until)


def messages_before(conversation, at, public_id):
    """Return up to PAGE_SIZE messages before `public_id`, the first message on the open page.

    Return None if there is no such message, or no message before it.
    """
    position = _position(conversation, at, public_id)
    if position is None:
        return None
    before = _shown_messages(conversation.pk, at).filter(_before(position))
    messages = _fetch(before.order_by("-shown_from", "-pk")[:PAGE_SIZE])[::-1]
    if not messages:
        return None
    part = MessageRange(
        messages=messages, total=conversation.message_count, earlier=before.count() - len(messages)
    )
    part = _with_events(part, conversation, at, until=position[0])
    first_day = timezone.localdate(position[0])
    part.goes_on = first_day if part.days[-1][0] == first_day else None
    return part


def messages_since(conversation, at, shown_until):
    """Return the messages and events that an open page must add at its end.

    `shown_until` is the text from MessageRange.shown_until. It says what the page already has.

    Return None if the whole page must be loaded again. This is the case if there are too many new messages,
    if conversations were merged, or if earlier messages are missing on the page.
    """
    try:
        moment, count = map(int, shown_until.split("-"))
        after = EPOCH + datetime.timedelta(microseconds=moment)
    except (AttributeError, ValueError, OverflowError):
        return None
    newer = _shown_messages(conversation.pk, at).filter(shown_from__gt=after)
    messages = _fetch(newer.order_by("shown_from", "pk")[: SHOWN_MAX + 1])
    events = list(_events(conversation).filter(shown_from__gt=after, shown_from__lte=at))
    if (
        len(messages) > SHOWN_MAX
        or count + len(messages) != conversation.message_count
        or any(event.kind == Event.Kind.MERGED for event in events)
    ):
        return None
    return MessageRange(
        messages=messages, events=events, total=conversation.message_count, earlier=0, after=after
    )


def _events(conversation):
    return conversation.events.select_related("by", "recommendation__item", "other_item")


def _shown_messages(conversation, at):
    return (
        Message.objects.filter(conversation=conversation)
        .shown(at)
        .values_list(
            "pk",
            "public_id",
            "side",
            "body",
            "language",
            "sent_at",
            "shown_from",
            "author",
            "author__name",
            "writer_erased",
            "by_email",
            "left_out",
        )
    )


def _newest_first(conversation, at):
    return _shown_messages(conversation, at).order_by("-shown_from", "-pk")


@prepared(conversation=BigAutoField(), at=DateTimeField())
def _newest(conversation, at):
    return _newest_first(conversation, at)[: SHOWN_MIN + HIDDEN_MIN]


def _fetch(rows):
    return [ShownMessage(*row) for row in rows]


def _is_unread(message, since):
    return since is not None and message.side == Side.STAFF and message.shown_from > since


def _position(conversation, at, public_id):
    """Return (shown_from, primary key) of this message, or None if the patron can't see it."""
    public_id = uuid_or_none(public_id)
    if not public_id:
        return None
    message = conversation.messages.shown(at).filter(public_id=public_id)
    return message.values_list("shown_from", "pk").first()


def _before(position):
    shown_from, pk = position
    return Q(shown_from__lt=shown_from) | Q(shown_from=shown_from, pk__lt=pk)


def _with_events(part, conversation, at, until=None):
    """Add the events that were shown since the first message of the range, and return the range.

    Events that were shown at `until` or later are left out.
    """
    if not conversation.has_events:
        return part
    events = _events(conversation).filter(shown_from__lte=at)
    if part.earlier and part.messages:
        events = events.filter(shown_from__gte=part.messages[0].shown_from)
    if until is not None:
        events = events.filter(shown_from__lt=until)
    part.events = list(events)
    return part
