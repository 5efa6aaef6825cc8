"""A conversation as its patron's page tells it: which part of it, in which order, and in which words whose turn it is.

Everything here is made of what is shown by a moment `at`: while an answer is held nothing of it can be noticed. The order is that
in which things were shown, so what arrives always comes last.
"""

import datetime
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID, uuid4

from django.db.models import BigAutoField, DateField, DateTimeField, IntegerField, Q, TextField, UUIDField
from django.db.models.expressions import RawSQL
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.hours import promised_at
from accounts.models import Absence, Library
from accounts.viewer import for_viewers
from portal.prepared import prepared
from portal.templatetags.portal import day_in_a_sentence
from portal.text import uuid_or_none

from . import states
from .models import Conversation, Event, Message, Participation, Side

FEW = 8  # messages that a page shows at least
SPARED = 3  # so many more are shown, rather than folded
MANY = 40  # as many if there are so many that weren't read
PAGE = 50  # by how many it goes back
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

Status, Kind = Conversation.Status, Event.Kind


@dataclass(slots=True)
class ShownMessage:
    """A message as the page shows it: no more than it needs of the row, and what the view hangs on it."""

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
    by: str = ""
    heading: str = ""
    files: list | None = None
    given: list = ()
    event: str = ""
    is_mine: bool = True  # of the patron's side: not where another holder of the visit wrote it


@dataclass
class MessageRange:
    """What a page shows of a conversation."""

    messages: list[ShownMessage]
    total: int  # how many messages the conversation shows in all
    earlier: int  # how many of them come before it, and after it
    later: int = 0
    events: list = field(default_factory=list)
    first_unread: ShownMessage | None = None
    after: datetime.datetime | None = None  # what was shown until then stands on the page already
    goes_on: datetime.date | None = None  # the day that stands first on the page already begins in this part

    @cached_property
    def days(self):
        """[(day, entries)], the entries being messages and events. Of a day whose name stands on the page already the name is None."""
        told = [((m.shown_from, m.sent_at, 1, m.pk), m) for m in self.messages]
        told += [((e.shown_from, e.at, 0 if e.kind == Kind.REOPENED else 2, e.pk), e) for e in self.events]
        told.sort(key=lambda entry: entry[0])
        days = [
            (day, [entry for _key, entry in group])
            for day, group in groupby(told, key=lambda entry: timezone.localdate(entry[0][0]))
        ]
        if days and self.after is not None and days[0][0] == timezone.localdate(self.after):
            days[0] = (None, days[0][1])
        return days

    @property
    def earlier_in_words(self):
        if self.earlier > PAGE:
            return _("Show %(some)s of the %(all)s earlier messages") % {"some": PAGE, "all": self.earlier}
        return ngettext(
            "Show the %(count)s earlier message", "Show the %(count)s earlier messages", self.earlier
        ) % {"count": self.earlier}

    @property
    def shown_until(self):
        """What is asked for news with: until when (in microseconds, since a second holds many) how many messages were shown."""
        latest = max(
            (entry.shown_from for entry in [*self.messages, *self.events]), default=self.after or EPOCH
        )
        return f"{(latest - EPOCH) // datetime.timedelta(microseconds=1)}-{self.total}"


# What there is to look up, as bits of one number: looking for what isn't there is most of what a page costs.
# In SQL, because Django takes longer to put these seven questions together than all the rest of the page's.
EVENTS, ITEMS, FILES, UNSENT_FILES, ABSENCES = (1 << bit for bit in range(5))
THERE_IS = """
    CASE WHEN EXISTS (SELECT 1 FROM conversations_event e WHERE e.conversation_id = conversations_conversation.id) THEN 1 ELSE 0 END
    + CASE WHEN EXISTS (SELECT 1 FROM conversations_messagerecommendation l JOIN conversations_message m ON m.id = l.message_id
        WHERE m.conversation_id = conversations_conversation.id) THEN 2 ELSE 0 END
    + CASE WHEN EXISTS (SELECT 1 FROM conversations_attachment a WHERE a.conversation_id = conversations_conversation.id
        AND a.message_id IS NOT NULL) THEN 4 ELSE 0 END
    + CASE WHEN EXISTS (SELECT 1 FROM conversations_attachment a WHERE a.conversation_id = conversations_conversation.id
        AND a.message_id IS NULL AND a.side = 'patron') THEN 8 ELSE 0 END
    + CASE WHEN EXISTS (SELECT 1 FROM accounts_absence b WHERE b.first_day <= %s AND b.last_day >= %s) THEN 16 ELSE 0 END
"""
# Whose it is: as in actions.writer_in.
DRAFT = """(
    SELECT d.sequence || ' ' || d.client_token || ' ' || d.body FROM conversations_draft d
    WHERE d.conversation_id = conversations_conversation.id AND d.side = 'patron' AND d.kind = 'reply'
    AND COALESCE(d.person_id, 0) = CASE WHEN conversations_conversation.patron_id = %s OR EXISTS (
        SELECT 1 FROM helpsessions_helpsession s WHERE s.id = conversations_conversation.help_session_id AND s.shared_with_id = %s
    ) THEN %s ELSE 0 END
)"""
MESSAGE_COUNT = "(SELECT COUNT(*) FROM conversations_message m WHERE m.conversation_id = conversations_conversation.id AND m.shown_from <= %s)"
COLUMNS = [
    *("public_id", "patron", "branch", "assignee", "merged_into", "subject", "version", "last_message_at"),
    *("status", "waiting_since", "promised_at", "closes_at", "pending_from", "patron_status"),
    *(
        "help_session__public_id",
        "help_session__quiet",
        "help_session__question",
        "help_session__happened_on",
    ),
    *("help_session__with_child", "help_session__shared_with"),
]


@for_viewers(public_id=UUIDField(), at=DateTimeField(), today=DateField())
def for_page(viewer, public_id, at, today):
    """The conversation with what its page needs to know beside it."""
    return (
        Conversation.objects.belonging_to(viewer)
        .filter(public_id=public_id)
        .select_related("help_session")
        .only(*COLUMNS)
        .annotate(
            there_is=RawSQL(THERE_IS, [today, today], output_field=IntegerField()),  # noqa: S611  nothing typed is in it
            draft=RawSQL(DRAFT, [viewer.person or 0] * 3, output_field=TextField()),  # noqa: S611  nothing typed is in it
            message_count=RawSQL(MESSAGE_COUNT, [at], output_field=IntegerField()),  # noqa: S611  nothing typed is in it
        )
    )


def draft_of(conversation):
    """(sequence, client token, words) of what this reader was writing; of a new composer where there is nothing."""
    if not conversation.draft:
        return 0, uuid4(), ""
    sequence, token, words = conversation.draft.split(" ", 2)
    return int(sequence), UUID(token), words


def read_until(conversation, person):
    """How far this person (None: the holder of the code) has read; None: nothing yet."""
    rows = Participation.objects.filter(
        Q(person=person) | Q(person=None),
        conversation=conversation,
        side=Side.PATRON,
        read_until__isnull=False,
    )
    return rows.order_by("-read_until").values_list("read_until", flat=True).first()


def latest_messages(conversation, at, *, unread_since=None):
    """The last messages, and all that weren't read: those of the library since `unread_since` (None: all are read). It costs the same
    whether there are 3 messages or 3,000."""
    least = FEW if conversation.message_count > FEW + SPARED else conversation.message_count
    found = _said(
        _newest(conversation=conversation.pk, at=at)
        if unread_since is None
        else _newest_first(conversation.pk, at)[:MANY]
    )
    first_unread = next((message for message in reversed(found) if _is_unread(message, unread_since)), None)
    wanted = max(least, found.index(first_unread) + 1 if first_unread else 0)
    if conversation.message_count - wanted > SPARED:
        found = found[:wanted]
    part = MessageRange(
        messages=found[::-1],
        total=conversation.message_count,
        earlier=conversation.message_count - len(found),
        first_unread=first_unread,
    )
    return _with_events(part, conversation, at)


def messages_around(conversation, at, public_id, *, back=FEW):
    """The part in which this message stands, with `back` messages before it; the latest if there is no such message."""
    there = _place(conversation, at, public_id)
    if there is None:
        return latest_messages(conversation, at)
    rows = _shown(conversation.pk, at)
    before = rows.filter(_before(there))
    earlier = _said(before.order_by("-shown_from", "-pk")[:back])[::-1]
    found = _said(rows.exclude(_before(there)).order_by("shown_from", "pk")[: MANY + 1])
    count = before.count() - len(earlier)
    shown = earlier + found[:MANY]
    part = MessageRange(
        messages=shown,
        total=conversation.message_count,
        earlier=count,
        later=conversation.message_count - count - len(shown),
    )
    return _with_events(part, conversation, at, until=found[MANY].shown_from if len(found) > MANY else None)


def messages_before(conversation, at, public_id):
    """The page of messages that come before this one, which stands first on the page; None if there is no such message."""
    there = _place(conversation, at, public_id)
    if there is None:
        return None
    before = _shown(conversation.pk, at).filter(_before(there))
    found = _said(before.order_by("-shown_from", "-pk")[:PAGE])[::-1]
    if not found:
        return None
    part = _with_events(
        MessageRange(messages=found, total=conversation.message_count, earlier=before.count() - len(found)),
        conversation,
        at,
        until=there[0],
    )
    day = timezone.localdate(there[0])
    part.goes_on = day if part.days[-1][0] == day else None
    return part


def messages_since(conversation, at, shown_until):
    """What was shown since, to be put after what a page shows; None where that isn't its place: two conversations became one, too much came,
    or the clocks of two servers differ."""
    try:
        moment, count = map(int, shown_until.split("-"))
        after = EPOCH + datetime.timedelta(microseconds=moment)
    except (AttributeError, ValueError, OverflowError):
        return None
    messages = _said(
        _shown(conversation.pk, at).filter(shown_from__gt=after).order_by("shown_from", "pk")[: MANY + 1]
    )
    events = list(conversation.events.filter(shown_from__gt=after, shown_from__lte=at))
    if (
        len(messages) > MANY
        or count + len(messages) != conversation.message_count
        or any(event.kind == Kind.MERGED for event in events)
    ):
        return None
    return MessageRange(
        messages=messages, events=events, total=conversation.message_count, earlier=0, after=after
    )


def _shown(conversation, at):
    shown = Message.objects.filter(conversation=conversation).shown(at)
    whose = ("author", "author__name", "writer_erased")
    return shown.values_list("pk", "public_id", "side", "body", "language", "sent_at", "shown_from", *whose)


def _newest_first(conversation, at):
    return _shown(conversation, at).order_by("-shown_from", "-pk")


@prepared(conversation=BigAutoField(), at=DateTimeField())
def _newest(conversation, at):
    return _newest_first(conversation, at)[: FEW + SPARED]


def _said(rows):
    return [ShownMessage(*row) for row in rows]


def _is_unread(message, since):
    return since is not None and message.side == Side.STAFF and message.shown_from > since


def _place(conversation, at, public_id):
    named = uuid_or_none(public_id)
    return (
        conversation.messages.shown(at).filter(public_id=named).values_list("shown_from", "pk").first()
        if named
        else None
    )


def _before(there):
    shown_from, pk = there
    return Q(shown_from__lt=shown_from) | Q(shown_from=shown_from, pk__lt=pk)


def _with_events(part, conversation, at, until=None):
    if not conversation.there_is & EVENTS:
        return part
    events = conversation.events.filter(shown_from__lte=at)
    if part.earlier and part.messages:
        events = events.filter(shown_from__gte=part.messages[0].shown_from)
    if until is not None:
        events = events.filter(shown_from__lt=until)
    part.events = list(events)
    return part


# Whose turn it is.


def turn(conversation, at):
    """The status as the patron reads it: what was put off waits for the library if something is unanswered, and is answered otherwise."""
    status = conversation.status_at(at)
    if status != Status.SNOOZED:
        return status
    return Status.WAITING_FOR_STAFF if _unanswered_since(conversation, at) else Status.WAITING_FOR_PATRON


def turn_in_words(conversation, at):
    """For a row of a list."""
    return {
        Status.WAITING_FOR_STAFF: _("Waiting for the library"),
        Status.WAITING_FOR_PATRON: _("The library answered"),
        Status.CLOSED: _("Closed"),
    }.get(turn(conversation, at), "")


def state_in_words(conversation, at):
    """For the page: [sentence]."""
    now = turn(conversation, at)
    if now == Status.CLOSED:
        return [closed_in_words()]
    if now == Status.WAITING_FOR_STAFF:
        return list(filter(None, [_("Waiting for the library."), _promise(conversation, at)]))
    closes = closes_at(conversation, at)
    return [_("The library answered."), closes_in_words(closes)] if closes else [_("The library answered.")]


def _promise(conversation, at):
    """Of one that waits for the library: by when it said it would answer."""
    promised = conversation.promised_at
    if conversation.has_pending_answer(at):  # the answer that took the promise off isn't shown yet
        since = _unanswered_since(conversation, at)
        promised = promised_at(conversation.branch, since) if since else None
    if promised is None:
        return ""
    if promised < at:
        return _("This is taking longer than we promised. It is not forgotten.")
    days = (timezone.localdate(promised) - timezone.localdate(at)).days
    if days == 0:
        return _("You can expect an answer today.")
    if days == 1:
        return _("You can expect an answer by tomorrow.")
    return _("You can expect an answer by %(day)s.") % {
        "day": day_in_a_sentence(timezone.localdate(promised))
    }


def closes_at(conversation, at):
    """When it closes by itself, as the patron may know it: the answer that is held moves that day."""
    if not conversation.has_pending_answer(at):
        return conversation.closes_at
    shown, days = states.replay(conversation, shown_at=at), Library.current().closes_after_days
    return (
        shown.turned_at + datetime.timedelta(days=days)
        if days and shown.status == Status.WAITING_FOR_PATRON
        else None
    )


def closes_in_words(moment):
    return _("If you write no more, this closes on %(day)s. Writing opens it again.") % {
        "day": day_in_a_sentence(timezone.localdate(moment))
    }


def closed_in_words():
    return _("This is closed. Writing opens it again.")


def away_in_words(conversation, part, at):
    """That the person who answers is away today; "" if they aren't. Who answers: whose it is, else who answered last."""
    if not conversation.there_is & ABSENCES or turn(conversation, at) == Status.CLOSED:
        return ""
    answered = (
        message.author_id
        for message in reversed(part.messages)
        if message.side == Side.STAFF and message.author_id
    )
    person = conversation.assignee_id or next(answered, None)
    today = Absence.objects.on(timezone.localdate(at)).filter(person=person)
    absence = today.select_related("person", "cover").order_by("-last_day").first() if person else None
    if absence is None:
        return ""
    words = {"name": absence.person.display_name, "day": day_in_a_sentence(absence.last_day)}
    if absence.cover is None:
        return _("%(name)s is away until %(day)s. A colleague answers meanwhile.") % words
    return _("%(name)s is away until %(day)s. %(cover)s answers meanwhile.") % (
        words | {"cover": absence.cover.display_name}
    )


def _unanswered_since(conversation, at):
    if not conversation.has_pending_answer(at):
        return conversation.waiting_since
    return states.replay(conversation, shown_at=at).waiting_since
