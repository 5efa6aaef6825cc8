"""Finding conversations by their words: subject, the patron's name, what was written, titles of what was recommended. For the desk alone.

One row a message and one a conversation hold the words as recommendations.search folds them; on SQLite an FTS5 table finds them, on
PostgreSQL a GIN index (migration 0003). Neither has a trigger: whoever changes a conversation calls index_conversation() or index_message().
Notes of the staff are not in it.

A word that many rows hold is not looked up but looked for: in the conversations that the other words left, or in those that a list
shows first. So neither "a" nor a rare name reads the whole index.
"""

from django.db import connection, transaction
from django.db.models import F, Q

from recommendations.search import WORDS_ASKED, fold

from .models import Conversation, ConversationWords, Message, MessageRecommendation

FEW = 5000  # rows: what more than these hold is a common word
LONGEST_TEXT = 400

# conversations_text is SQLite's FTS5 table over these rows.
ON_SQLITE = (
    "SELECT words.conversation_id FROM conversations_text JOIN conversations_conversationwords AS words ON words.id = conversations_text.rowid "
    "WHERE conversations_text MATCH %s LIMIT %s"
)
ON_POSTGRESQL = (
    "SELECT conversation_id FROM conversations_conversationwords "
    "WHERE array_to_tsvector(array_remove(string_to_array(words, ' '), '')) @@ %s::tsquery LIMIT %s"
)
ADD_ROW = "INSERT INTO conversations_conversationwords (conversation_id, message_id, name, words) VALUES (%s, %s, '', %s)"
ADD = "INSERT INTO conversations_text (rowid, words) VALUES (%s, %s)"
REMOVE = "INSERT INTO conversations_text (conversations_text, rowid, words) VALUES ('delete', %s, %s)"
MERGE = "INSERT INTO conversations_text (conversations_text, rank) VALUES ('merge', %s)"
PAGES = 500  # of two megabytes: others write in between
REBUILD = "INSERT INTO conversations_text (conversations_text) VALUES ('rebuild')"


def look_up(text):
    """(ids, common) for desk_lists.Filters: the conversations (primary keys) that hold all the words that few rows hold, None where there
    is no such word; and the words still to be looked for in them. A word is perhaps unfinished."""
    ids, common = None, []
    for word in _asked(text):
        found = _rows_with(word)
        if len(found) > FEW:
            common.append(word)
        else:
            ids = set(found) if ids is None else ids.intersection(found)
    if ids is not None and len(ids) <= FEW and common:
        for word in common:
            ids = set(
                ConversationWords.objects.filter(_holds(word), conversation__in=ids).values_list(
                    "conversation", flat=True
                )
            )
        common = []
    return ids, common


def _asked(text):
    """The folded words that say something: not those with which another begins."""
    words = sorted(
        set(fold(str(text)[:LONGEST_TEXT]).split()[:WORDS_ASKED]), key=lambda word: (-len(word), word)
    )
    return [
        word
        for number, word in enumerate(words)
        if not any(longer.startswith(word) for longer in words[:number])
    ]


def _holds(word):
    """Folded words hold no sign that LIKE knows."""
    return Q(words__startswith=word) | Q(words__contains=f" {word}")


def _rows_with(word):
    """The conversations of the rows that hold the word, one for each row, at most one more than FEW."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(ON_SQLITE, [f'"{word}"*', FEW + 1])
        else:
            cursor.execute(ON_POSTGRESQL, [f"'{word}':*", FEW + 1])
        return [conversation for (conversation,) in cursor.fetchall()]


# Kept in step by the actions, in the transaction of the change.


def index_conversation(conversation):
    """Bring the row of the conversation up to date: its subject and those of the conversations joined into it, the patron's name, titles."""
    _remove(Q(conversation=conversation, message=None))
    _add([_row_of_conversation(conversation)])


def index_message(message):
    words = fold(message.body)
    with connection.cursor() as cursor:
        cursor.execute(ADD_ROW, [message.conversation_id, message.pk, words])
        if connection.vendor == "sqlite":
            cursor.execute(ADD, [cursor.lastrowid, words])


def remove_message(message):
    _remove(Q(message=message))


def remove_conversation(conversation):
    """Every word of it."""
    _remove(Q(conversation=conversation))


def move(conversation, into):
    """After a join: its messages' words go with them. Their own rows say so only after index_conversation(into)."""
    _remove(Q(conversation=conversation, message=None))
    ConversationWords.objects.filter(conversation=conversation).update(conversation=into)


def renew_names(*, at):
    """Those whose patron has another name by now. For the worker: people change it on a floor that knows no conversations."""
    renamed = ConversationWords.objects.filter(message=None, conversation__patron__isnull=False).exclude(
        name=F("conversation__patron__name")
    )
    for row in renamed.select_related("conversation__patron")[:1000]:
        with transaction.atomic():
            index_conversation(row.conversation)


def forget_removed_words(*, at):
    """FTS5 goes on holding a word that was removed, and where it stood, until the parts of its index are merged. For the worker: what was
    erased is out of the file within a day."""
    pages = -PAGES  # so it begins: all parts are to become one
    while connection.vendor == "sqlite":
        with transaction.atomic(), connection.cursor() as cursor:
            before = connection.connection.total_changes
            cursor.execute(MERGE, [pages])
            if connection.connection.total_changes - before < 2:
                return
        pages = PAGES


def rebuild():
    """Write the whole index anew, a thousand conversations at a time. Yields how many are done."""
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
            said = Message.objects.filter(conversation__in=alive).values_list("conversation_id", "pk", "body")
            _add(
                [
                    ConversationWords(conversation_id=conversation_id, message_id=pk, words=fold(body))
                    for conversation_id, pk, body in said
                ]
            )
        done, last = done + len(conversations), conversations[-1].pk
        yield done
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(REBUILD)


def _row_of_conversation(conversation):
    joined = (
        Conversation.objects.filter(merged_into=conversation).order_by("pk").values_list("subject", flat=True)
    )
    given = (
        MessageRecommendation.objects.filter(message__conversation=conversation)
        .order_by("pk")
        .values_list("recommendation__item__title", flat=True)
    )
    hung_on = [conversation.recommendation.item.title] if conversation.recommendation else []
    name = conversation.patron.name if conversation.patron else ""
    return ConversationWords(
        conversation=conversation,
        name=name,
        words=fold(" ".join([conversation.subject, *joined, name, *hung_on, *given])),
    )


def _add(rows):
    rows = ConversationWords.objects.bulk_create(rows)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.executemany(ADD, [[row.pk, row.words] for row in rows])


def _remove(which):
    rows = ConversationWords.objects.filter(which)
    if connection.vendor == "sqlite":
        with (
            connection.cursor() as cursor
        ):  # the FTS5 table reads its words from the row: it is told them once more to forget them
            gone = list(rows.values_list("pk", "words"))
            cursor.executemany(REMOVE, gone)
    rows.delete()
