"""The desk's search for conversations.

The search looks at subjects, patrons' names, messages, and the titles and creators of recommended items, also
in their original script. It does not look at private notes. The words are stored in rows of
ConversationWords, in lower case and without accents. SQLite searches these rows with an FTS5 table, and
PostgreSQL with a GIN index (migration 0003). No trigger updates the index, so code that changes a
conversation must call index_conversation() or index_message().

A word in more than COMMON_FROM rows is called common, and any other word is called rare. The index finds the
conversations that contain all rare words of the search. Common words are checked only in these conversations.
If all words of the search are common, desk_lists checks conversations in the order of the list until it has
enough of them. So no search reads the whole index.
"""

from django.db import connection, transaction
from django.db.models import F, Q

from portal.folding import fold
from recommendations.search.finding import DESK_SEARCH_FIELDS, WORDS_ASKED

from .models import Conversation, ConversationWords, Message, MessageRecommendation

# A word is common if more rows than this contain it.
COMMON_FROM = 5000
TEXT_MAX_LENGTH = 400

# The query on SQLite. The FTS5 table conversations_text indexes the rows of ConversationWords.
ON_SQLITE = (
    "SELECT words.conversation_id FROM conversations_text "
    "JOIN conversations_conversationwords AS words ON words.id = conversations_text.rowid "
    "WHERE conversations_text MATCH %s LIMIT %s"
)
ON_POSTGRESQL = (
    "SELECT conversation_id FROM conversations_conversationwords "
    "WHERE array_to_tsvector(array_remove(string_to_array(words, ' '), '')) @@ %s::tsquery LIMIT %s"
)
ADD_ROW = (
    "INSERT INTO conversations_conversationwords (conversation_id, message_id, name, words) "
    "VALUES (%s, %s, '', %s)"
)
ADD = "INSERT INTO conversations_text (rowid, words) VALUES (%s, %s)"
REMOVE = "INSERT INTO conversations_text (conversations_text, rowid, words) VALUES ('delete', %s, %s)"
MERGE = "INSERT INTO conversations_text (conversations_text, rank) VALUES ('merge', %s)"
# In one transaction, FTS5 merges at most this many pages of its index, which are about 2 MB. Other requests
# can write to the database between two of these transactions.
PAGES = 500
REBUILD = "INSERT INTO conversations_text (conversations_text) VALUES ('rebuild')"


def look_up(text):
    """Return (ids, common) for desk_lists.Filters.

    `ids` has the primary keys of the conversations that contain all rare words. If there is no rare word,
    `ids` is None. `common` has the common words that the SQL of desk_lists must check. A word also matches
    longer words that begin with it.
    """
    ids, common = None, []
    for word in _asked(text):
        rows = _rows_with(word)
        if len(rows) > COMMON_FROM:
            common.append(word)
        else:
            ids = set(rows) if ids is None else ids.intersection(rows)
    if ids is not None and len(ids) <= COMMON_FROM and common:
        for word in common:
            ids = set(
                ConversationWords.objects.filter(_contains(word), conversation__in=ids).values_list(
                    "conversation", flat=True
                )
            )
        common = []
    return ids, common


def _asked(text):
    """Return the words of the search, in lower case and without accents.

    A word is left out if a longer word of the search begins with it.
    """
    words = sorted(
        set(fold(str(text)[:TEXT_MAX_LENGTH]).split()[:WORDS_ASKED]), key=lambda word: (-len(word), word)
    )
    return [
        word
        for number, word in enumerate(words)
        if not any(longer.startswith(word) for longer in words[:number])
    ]


def _contains(word):
    """Return a condition for rows with a word that begins with `word`.

    `word` needs no escaping, because `fold` removes % and _ from the words of a search.
    """
    return Q(words__startswith=word) | Q(words__contains=f" {word}")


def _rows_with(word):
    """Find the rows that have a word beginning with `word`, and return the keys of their conversations.

    A key can be in the list more than once. The list has at most COMMON_FROM + 1 keys.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(ON_SQLITE, [f'"{word}"*', COMMON_FROM + 1])
        else:
            cursor.execute(ON_POSTGRESQL, [f"'{word}':*", COMMON_FROM + 1])
        return [conversation for (conversation,) in cursor.fetchall()]


def index_conversation(conversation):
    """Index the conversation's subject, its patron's name, and the titles and creators of its items.

    The subjects of conversations that were merged into this one are indexed too. The words of each message
    are in a separate row, see index_message.
    """
    _remove(Q(conversation=conversation, message=None))
    _add([_row_of_conversation(conversation)])


def index_message(message):
    """Add a row with the words of a new message."""
    words = fold(message.body)
    with connection.cursor() as cursor:
        cursor.execute(ADD_ROW, [message.conversation_id, message.pk, words])
        if connection.vendor == "sqlite":
            cursor.execute(ADD, [cursor.lastrowid, words])


def remove_message(message):
    """Remove the message from the search index."""
    _remove(Q(message=message))


def remove_conversation(conversation):
    """Remove the conversation and its messages from the search index."""
    _remove(Q(conversation=conversation))


def move(conversation, into):
    """Move the index rows of the messages to the conversation `into`.

    The caller must call index_conversation(into) next.
    """
    _remove(Q(conversation=conversation, message=None))
    ConversationWords.objects.filter(conversation=conversation).update(conversation=into)


def renew_names(*, at):
    """Update the rows of conversations whose patron has changed their name.

    The worker does this, because the accounts app, which changes names, can't import this module.
    """
    renamed = ConversationWords.objects.filter(message=None, conversation__patron__isnull=False).exclude(
        name=F("conversation__patron__name")
    )
    for row in renamed.select_related("conversation__patron")[:1000]:
        with transaction.atomic():
            index_conversation(row.conversation)


def forget_removed_words(*, at):
    """Remove deleted words from the file of SQLite's index. The worker does this every day.

    FTS5 doesn't remove a deleted word from the file until it merges the segments of its index.
    """
    # FTS5 takes a negative number as the command to start a merge of all segments into one.
    pages = -PAGES
    while connection.vendor == "sqlite":
        with transaction.atomic(), connection.cursor() as cursor:
            before = connection.connection.total_changes
            cursor.execute(MERGE, [pages])
            if connection.connection.total_changes - before < 2:
                return
        pages = PAGES


def rebuild():
    """Write the whole search index again. After every thousand conversations, yield how many are done."""
    done, last = 0, 0
    while conversations := list(
        Conversation.objects.filter(pk__gt=last, merged_into=None)
        .select_related("patron")
        .order_by("pk")[:1000]
    ):
        with transaction.atomic():
            _remove(Q(conversation__in=conversations) | Q(conversation__merged_into__in=conversations))
            alive = [
                conversation
                for conversation in conversations
                if conversation.status != Conversation.Status.ERASED
            ]
            _add([_row_of_conversation(conversation) for conversation in alive])
            messages = Message.objects.filter(conversation__in=alive).values_list(
                "conversation_id", "pk", "body"
            )
            _add(
                [
                    ConversationWords(conversation_id=conversation_id, message_id=pk, words=fold(body))
                    for conversation_id, pk, body in messages
                ]
            )
        done, last = done + len(conversations), conversations[-1].pk
        yield done
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(REBUILD)


def _row_of_conversation(conversation):
    """Return an unsaved row of the index, with the words of the conversation but not of its messages."""
    merged_subjects = (
        Conversation.objects.filter(merged_into=conversation).order_by("pk").values_list("subject", flat=True)
    )
    recommendations = MessageRecommendation.objects.filter(message__conversation=conversation).order_by("pk")
    given = recommendations.select_related("recommendation__item")
    items = [link.recommendation.item for link in given]
    if conversation.recommendation:
        items.insert(0, conversation.recommendation.item)
    names = [getattr(item, field) for item in items for field in DESK_SEARCH_FIELDS]
    name = conversation.patron.name if conversation.patron else ""
    return ConversationWords(
        conversation=conversation,
        name=name,
        words=fold(" ".join([conversation.subject, *merged_subjects, name, *names])),
    )


def _add(rows):
    rows = ConversationWords.objects.bulk_create(rows)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.executemany(ADD, [[row.pk, row.words] for row in rows])


def _remove(condition):
    rows = ConversationWords.objects.filter(condition)
    if connection.vendor == "sqlite":
        # To delete a row from the index, FTS5 needs the words of the row.
        with connection.cursor() as cursor:
            cursor.executemany(REMOVE, list(rows.values_list("pk", "words")))
    rows.delete()
