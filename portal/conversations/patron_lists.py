"""Load the open conversations and the last messages that patron pages list.

Both functions use only what the patron may see at the time `at`, so they ignore pending answers.
"""

from dataclasses import dataclass

from django.db.models import BigAutoField, DateTimeField, Exists, OuterRef, Q, Subquery
from django.db.models.functions import Left
from django.utils.text import Truncator

from accounts.viewer import for_viewers

from .models import Conversation, Message, Side

# How many open conversations the home page shows. If there are more, it also links to all conversations.
ROWS_SHOWN = 5
LAST_WORDS_LENGTH = 90
# How many characters of a message are read from the database. This is more than the page shows, because
# repeated whitespace is removed after reading.
READ_LENGTH = 300


@dataclass(frozen=True)
class LastWords:
    """The beginning of the last message of a conversation."""

    text: str
    language: str
    is_mine: bool


@for_viewers(at=DateTimeField(), unread=BigAutoField())
def read_open_conversations(viewer, at, unread):
    """Return the latest conversations that the viewer sees as open, except those in `unread`.

    `unread` has primary keys of conversations, or is None.
    """
    pending = Exists(Message.objects.filter(conversation=OuterRef("pk"), side=Side.STAFF, shown_from__gt=at))
    is_open, was_open = Q(status__in=Conversation.OPEN), Q(patron_status__in=Conversation.OPEN)
    shown_as_open = (
        (Q(pending_from=None) & is_open)
        | (Q(pending_from__isnull=False) & pending & was_open)
        | (Q(pending_from__isnull=False) & ~pending & is_open)
    )
    rows = Conversation.objects.belonging_to(viewer).not_merged().filter(shown_as_open)
    rows = rows.exclude(pk__in=unread) if unread else rows
    return rows.select_related("help_session").latest_first()[: ROWS_SHOWN + 1]


def add_last_words(conversations, viewer, at):
    """Set `last_words` on each conversation, with one query for all of them.

    `last_words` is a LastWords, or None if the visit is quiet or the conversation has no message.
    """
    not_quiet = [
        conversation.pk
        for conversation in conversations
        if conversation.help_session is None or not conversation.help_session.quiet
    ]
    latest = Message.objects.filter(conversation=OuterRef("pk")).shown(at).order_by("-shown_from", "-pk")
    newest = Conversation.objects.filter(pk__in=not_quiet).values_list(Subquery(latest.values("pk")[:1]))
    rows = (
        Message.objects.filter(pk__in=newest)
        .shown(at)
        .values_list("conversation", "side", "author", "language", Left("body", READ_LENGTH))
    )
    found = {pk: rest for pk, *rest in rows}
    for conversation in conversations:
        conversation.last_words = (
            _last_words(conversation, viewer, *found[conversation.pk]) if conversation.pk in found else None
        )


def _last_words(conversation, viewer, side, author, language, body):
    session, me = conversation.help_session, viewer.person and viewer.person.pk
    is_by_other_person = session is not None and session.is_shared and author != me
    return LastWords(
        text=Truncator(" ".join(body.split())).chars(LAST_WORDS_LENGTH),
        language=language,
        is_mine=side == Side.PATRON and not is_by_other_person,
    )
