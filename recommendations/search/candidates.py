# ruff: noqa: S608 (the SQL contains no user input: every value from a query is a parameter)
"""Ask the database for items that contain the words of a search. Python ranks these items later (finding.py).

The database returns at most CANDIDATES rows, and must not read many more, even for words such as "the".

On SQLite, FTS5 reads the rows of a word one by one and stops at the limit. On PostgreSQL, a GIN index returns
all rows of a word at once. If the typed word is incomplete, the index even collects the rows of all words
that begin with the typed word. So if the table of words says that many items match, the search doesn't use
the index. It reads a sample of the entries instead.
"""

import re
from typing import NamedTuple

from django.db import connection, transaction

from portal.folding import WITHOUT_SPACES, WORD_MAX

from .narrowing import IN_CATALOG, SIGN

DIGIT = re.compile(r"\d")
# The maximum number of rows that one query returns.
CANDIDATES = 300
# The maximum number of titles that are found by their beginning. The limit applies separately to the query
# itself, and to the query after each article, such as "the".
TITLES = 20
# People leave out the article at the beginning of a title. So a search also finds a title that has one of
# these articles before the typed words.
ARTICLES = frozenset(
    {
        *("the", "a", "an", "el", "la", "los", "las", "un", "una"),
        *("le", "les", "l", "une", "der", "die", "das", "il"),
    }
)
# If PostgreSQL has fewer items than this, each query simply uses the index.
LARGE = 20_000
# A word is rare if at most this many items have it. If a query has rare words, only these are looked up in
# the GIN index. BROAD is the limit for an incomplete word, for which the index collects the items of many
# words. BROAD_WHOLE is the limit for a whole word.
BROAD, BROAD_WHOLE = 30_000, 150_000
# The digits with which years and ISBNs begin.
BROAD_NUMBERS = {"978", "979", *(str(number) for number in (*range(190, 200), *range(200, 210)))}
# A search reads a sample of the entries, and not the index, if it probably matches at least this share of the
# items.
SHARE = 0.0015
# A search needs ENOUGH matches, or better twice as many, to have more at the person's branch. It first reads
# SMALL_SAMPLE entries. Their matches show how large a second sample must be. If even LARGE_SAMPLE entries
# would probably have too few matches, the search uses the index, which is quicker then.
ENOUGH, SMALL_SAMPLE, LARGE_SAMPLE = 50, 1000, 20_000
# A mark (see narrowing.py) is rare if less than this share of the items in a sample have it.
RARE_MARK = 0.05
# At most this many words with the same beginning are counted. Counting more words would take longer than the
# search.
COUNTED_WORDS = 5000
# Two columns of SearchWord: the number of items with the word, and the number with the word in the title. A
# patron's search uses IMPORTED, because it may neither find nor count the items that staff typed by hand.
ALL_ITEMS, IMPORTED = ("items", "titles"), ("imported", "imported_titles")


class Entry(NamedTuple):
    title: str
    names: str
    rest: str


class Counts(NamedTuple):
    """How many items have the words of a query, according to the table of words.

    `words` is {word: (items, items with the word in the title)}. `beginning` has the same two numbers for all
    words that begin with the last word. `total` is the approximate number of all items, or 0 on SQLite.
    `columns` is ALL_ITEMS or IMPORTED. If `is_finished`, the last word is not the beginning of longer words.
    """

    words: dict
    beginning: tuple
    total: int
    columns: tuple = ALL_ITEMS
    is_finished: bool = False


def number_of(words):
    """Return the words joined into one, because they may be an ISBN, a DOI or a call number with spaces.

    Return an empty string if the words have no digit or are too short.
    """
    joined = "".join(words)
    has_digit = any(character.isdigit() for character in joined)
    return joined[:WORD_MAX] if len(joined) >= 3 and has_digit else ""


def is_whole(word):
    """Return whether the word is a single letter of a script without spaces, such as Chinese.

    Such a word is never the beginning of a longer word.
    """
    return len(word) == 1 and bool(WITHOUT_SPACES.match(word))


def is_counted(word):
    """Return whether the table of words counts words like this one.

    It leaves out numbers, and letters of scripts without spaces, because nobody can correct their spelling.
    """
    return not DIGIT.search(word) and (word.isascii() or not WITHOUT_SPACES.match(word))


def may_be_in_a_title(words, counts):
    """Return whether some title may have all words, according to the table of words.

    The last word may be incomplete.
    """
    *finished, last = words
    known = [counts.words.get(word, (0, 0))[1] for word in finished if is_counted(word)]
    return all(known) and (bool(counts.beginning[1]) or not is_counted(last))


LAST = "\U0010ffff"
BETWEEN_ON_SQLITE = "{column} >= {begin} AND {column} < {begin} || {last}"
BETWEEN_ON_POSTGRESQL = "{column} ~>=~ {begin}::text AND {column} ~<~ ({begin}::text || {last})"


def begins(column, begin="%s"):
    """Return SQL that says whether a column begins with the text `begin`. The condition can use an index.

    By default, `begin` is a placeholder. The SQL contains it twice, so the caller passes the value twice.
    """
    sql = BETWEEN_ON_SQLITE if connection.vendor == "sqlite" else BETWEEN_ON_POSTGRESQL
    return sql.format(column=column, begin=begin, last=f"'{LAST}'")


HAS_WORD = "(' ' || {} || ' ') LIKE %s"
ON_BOTH = "SELECT item_id, title, names, rest FROM recommendations_searchentry "
# Read a sample of entries from everywhere in the table, because the first items of a catalog can differ from
# the others. The parameter is a percentage. With a constant seed, the same search finds the same items.
SAMPLED = "TABLESAMPLE SYSTEM (%s) REPEATABLE (0)"


def titles_beginning_with(folded, *, in_catalog=False):
    """Return {item id: Entry} for titles that begin with this text, with or without an article before it.

    Titles equal to the text come first, so that even a broad search never misses them. If `in_catalog` is
    true, only imported items are returned. Items typed by hand then don't count toward the limit.
    """
    beginnings = [folded, *(f"{article} {folded}" for article in sorted(ARTICLES))]
    mark = [f"% {IN_CATALOG} %"] if in_catalog else []
    has_mark = f" AND {HAS_WORD.format('rest')}" if in_catalog else ""
    if connection.vendor == "sqlite":
        one = f"{ON_BOTH} WHERE {begins('title')}{has_mark} ORDER BY title LIMIT {TITLES}"
        query = " UNION ALL ".join([f"SELECT * FROM ({one}) AS one"] * len(beginnings))
        return _entries(query, [value for begin in beginnings for value in [begin, begin, *mark]])
    # No UNION here, because PostgreSQL would take several times as long to plan its parts as to run them.
    one = f"{ON_BOTH} WHERE {begins('title', 'begin')}{has_mark} ORDER BY title USING ~<~ LIMIT {TITLES}"
    query = f"SELECT one.* FROM unnest(%s::text[]) AS begin CROSS JOIN LATERAL ({one}) AS one"
    return _entries(query, [beginnings, *mark])


TOTAL_ON_POSTGRESQL = (
    "(SELECT reltuples::bigint FROM pg_class WHERE oid = 'recommendations_searchentry'::regclass)"
)


def count(words, columns=ALL_ITEMS):
    """Return the Counts for the words of a query."""
    in_all, in_titles = columns
    items = "0" if connection.vendor == "sqlite" else TOTAL_ON_POSTGRESQL
    same_beginning = f"""(
        SELECT {in_all} AS items, {in_titles} AS titles FROM recommendations_searchword
        WHERE {begins("word")} AND {in_all} > 0 LIMIT {COUNTED_WORDS}
    ) AS counted"""
    words_asked = ", ".join(["%s"] * len(words))
    query = f"""
    SELECT word, {in_all}, {in_titles} FROM recommendations_searchword WHERE word IN ({words_asked})
    UNION ALL SELECT '', sum(items), sum(titles) FROM {same_beginning}
    UNION ALL SELECT ' ', {items}, 0"""
    with connection.cursor() as cursor:
        cursor.execute(query, [*words, words[-1], words[-1]])
        rows = {word: (items or 0, titles or 0) for word, items, titles in cursor.fetchall()}
    beginning, total = rows.pop(""), rows.pop(" ")[0]
    return Counts(rows, beginning, total, columns)


# Folded words have no quotes, backslashes, NULs or operators. Quotes around the words are therefore enough to
# escape the words in both query languages.

ON_SQLITE = """
SELECT item_id, title, names, rest
FROM (SELECT rowid AS found FROM recommendations_text WHERE recommendations_text MATCH %s)
CROSS JOIN recommendations_searchentry ON item_id = found"""
TITLE_WORDS = "array_to_tsvector(string_to_array(title, ' '))"
ALL_TEXTS = "title || ' ' || names || ' ' || rest"
ALL_WORDS = f"array_to_tsvector(array_remove(string_to_array({ALL_TEXTS}, ' '), ''))"


def look_up(words, counts, *, in_title=False, marks=()):
    """Return {item id: Entry} for entries that have all these words and marks: at most CANDIDATES of them.

    The last word may be incomplete. If `in_title` is true, all words must be in the title, and the limit is
    lower if marks (see narrowing.py) narrow the search.
    """
    limit = 2 * ENOUGH if in_title and _are_narrow(marks) else CANDIDATES
    if connection.vendor == "sqlite":
        if in_title and len(words) == 1 and _begins_years_or_isbns(words[0]):
            # Nearly all items have a number that begins with this word, such as 19 or 978. FTS5 would read
            # all of these items. `titles_beginning_with` finds the titles that begin with the word.
            return {}
        return _look_up_on_sqlite(words, counts, in_title, marks, limit)
    return _look_up_on_postgresql(words, counts, in_title, marks, limit)


def is_enough(entries, words, counts, marks=()):
    """Return whether these entries, which have all words in the title, are enough candidates.

    Usually, CANDIDATES entries are needed. Only ENOUGH entries are needed if many titles have all words, or
    if marks narrow the search.
    """
    is_less_enough = _are_narrow(marks) or _are_frequent(words, counts, in_title=True)
    return len(entries) >= (ENOUGH if is_less_enough else CANDIDATES)


def may_be_cut(entries, words, counts, marks=()):
    """Return whether the query may have stopped at a limit, so that more items match than these entries.

    If many items have all words, or if marks narrow the search, the limit is ENOUGH. Otherwise it is
    CANDIDATES.
    """
    is_less_enough = _are_narrow(marks) or _are_frequent(words, counts, in_title=False)
    return len(entries) >= (ENOUGH if is_less_enough else CANDIDATES)


def _are_narrow(marks):
    """Return whether any of these marks excludes many items. Only the mark IN_CATALOG excludes few items."""
    return any(mark != IN_CATALOG for mark in marks)


def _are_frequent(words, counts, *, in_title):
    return counts.total > LARGE and _shares(words, counts, in_title)[0] >= SHARE


def _look_up_on_sqlite(words, counts, in_title, marks, limit):
    last = None if counts.is_finished else words[-1]
    numbers = {word: counts.words.get(word, (0, 0))[in_title] for word in words}
    rare = [word for word in words if word != last and is_counted(word) and numbers[word] <= BROAD_WHOLE]
    # FTS5 reads the items of all words that it looks up. Few items have two rare words. So it is quicker to
    # look up only the rare words, and to look for the others in the found items.
    sought = rare if len(rare) > 1 else words
    terms = [f'"{word}"{"*" if word == last and not is_whole(word) else ""}' for word in sought]
    asked = f"{'title : ' if in_title else ''}({' AND '.join(terms)})"
    asked = " AND ".join([asked, *(f'rest : "{mark}"' for mark in marks)])
    tests, values = _tests([word for word in words if word not in sought], last, in_title)
    where = f" WHERE {tests}" if tests else ""
    return _entries(f"{ON_SQLITE}{where} LIMIT %s", [asked, *values, limit])


def _look_up_on_postgresql(words, counts, in_title, marks, limit):
    last = None if counts.is_finished else words[-1]
    if counts.total < LARGE:
        others = words if in_title and marks else []
        return _with_index(words, others, last, in_title, marks, limit)
    share, share_of_whole = _shares(words, counts, in_title)
    entries = _in_sample(words, last, in_title, marks, limit, counts.total) if share >= SHARE else {}
    if len(entries) >= ENOUGH:
        return entries
    if share_of_whole * counts.total >= 2 * CANDIDATES:
        # Enough items have the last word as a whole word. So don't look up longer words that begin with it.
        last = None
    # Nearly all items have the mark for imported items. So check for it afterward, and not in the index.
    sought = [mark for mark in marks if mark != IN_CATALOG]
    if sought and _rare(_items_with(words, last, counts, in_title), last):
        sought = _rare_marks(sought, counts.total)
    indexed = _to_look_up(words, last, counts, in_title and not sought, bool(sought))
    others = words if in_title and sought else [word for word in words if word not in indexed]
    others = [*others, *(mark for mark in marks if mark not in sought)]
    return entries | _with_index(indexed, others, last, in_title, sought, limit, is_large=True)


def _in_sample(words, last, in_title, marks, limit, total):
    """Read a sample of the entries. Return {item id: Entry} for at most `limit` entries that match."""
    tests, values = _tests([*words, *marks], last, in_title)
    query = f"{ON_BOTH} {SAMPLED} WHERE {tests} LIMIT %s"
    entries = _entries(query, [_percentage(SMALL_SAMPLE, total), *values, limit])
    if len(entries) >= 2 * ENOUGH or len(entries) * LARGE_SAMPLE < ENOUGH * SMALL_SAMPLE:
        return entries
    number = min(3 * ENOUGH * SMALL_SAMPLE // len(entries), LARGE_SAMPLE)
    return _entries(query, [_percentage(number, total), *values, limit])


def _percentage(number, total):
    return min(100 * number / total, 100)


def _with_index(indexed_words, others, last, in_title, marks, limit, *, is_large=False):
    """Return {item id: Entry} for the entries that contain every word and every mark of the search.

    The index finds the entries that contain all `indexed_words` and `marks`. `others` are the words and marks
    that the index can't find. PostgreSQL looks for `others` in the entries that the index has found.
    """
    terms = [f"'{word}'{':*' if word == last and not is_whole(last) else ''}" for word in indexed_words]
    # The index of titles contains no marks. So if there are marks, use the other index.
    indexed = TITLE_WORDS if in_title and not marks else ALL_WORDS
    tests, values = _tests(others, last, in_title)
    tests = " AND ".join(filter(None, [f"{indexed} @@ %s::tsquery", tests]))
    query = f"{ON_BOTH} WHERE {tests} LIMIT %s"
    values = [" & ".join([*(f"'{mark}'" for mark in marks), *terms]), *values, limit]
    return _on_large(query, values) if is_large else _entries(query, values)


def _on_large(query, values):
    """Run the query, and make PostgreSQL use an index.

    Otherwise, the planner would read the whole table, because it can't estimate how many rows match.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        return _entries(query, values)


def _tests(words, last, in_title):
    """Return (SQL, values) of a condition for entries with these words and marks.

    `last` is the word that may be incomplete, or None.
    """
    text = "title" if in_title else ALL_TEXTS
    texts = [HAS_WORD.format("rest" if word[0] == SIGN else text) for word in words]
    return " AND ".join(texts), [f"% {word}%" if word == last else f"% {word} %" for word in words]


def _to_look_up(words, last, counts, in_title, has_marks):
    """Return the words to look up in the index. `last` is the incomplete word, or None.

    The first of these rules that applies decides:
    - If some words are rare, return the rare words.
    - If there are at least two whole words, return the whole words.
    - If the index looks up marks, return no words.
    - Otherwise, return the rarest word.
    """
    items = _items_with(words, last, counts, in_title)
    rare = _rare(items, last)
    whole = [word for word in items if word != last]
    if rare or len(whole) > 1:
        return rare or whole
    return [] if has_marks else [min(items, key=lambda word: items[word])]


def _items_with(words, last, counts, in_title):
    """Return {word: approximate number of items with it}. `last` is the incomplete word, or None."""
    items = {word: counts.words.get(word, (0, 0))[in_title] for word in words}
    if last:
        items[last] = _beginning(last, counts, in_title)
    return items


def _rare(items, last):
    """Return the rare words in `items`, which is {word: number of items}."""
    return [word for word, number in items.items() if number <= (BROAD if word == last else BROAD_WHOLE)]


def _rare_marks(marks, total):
    """Return the marks that few items in a small sample have. Only these are looked up in the index.

    It is quicker to find the items that have the rare words, and then to check them for the other marks.
    """
    columns = ", ".join(f"count(*) FILTER (WHERE {HAS_WORD.format('rest')})" for _mark in marks)
    query = f"SELECT {columns} FROM recommendations_searchentry {SAMPLED}"
    with connection.cursor() as cursor:
        cursor.execute(query, [*(f"% {mark} %" for mark in marks), _percentage(SMALL_SAMPLE, total)])
        numbers = cursor.fetchone()
    return [mark for mark, number in zip(marks, numbers, strict=True) if number < SMALL_SAMPLE * RARE_MARK]


def _shares(words, counts, in_title):
    """Return two estimates of the share of the items that have all these words.

    In the first estimate, the last word can be the beginning of a longer word. In the second, it is whole.
    """
    *finished, last = words
    share = 1.0
    for word in finished:
        share *= counts.words.get(word, (0, 0))[in_title] / counts.total
    beginning = _beginning(last, counts, in_title) / counts.total
    return share * beginning, share * counts.words.get(last, (0, 0))[in_title] / counts.total


def _beginning(last, counts, in_title):
    """Return the approximate number of items that have a word with this beginning."""
    if _begins_years_or_isbns(last):
        # The table of words doesn't count numbers. Nearly all items have a number that begins with these
        # digits. If another digit follows 978 or 979, about a tenth of the items have such a number.
        return 0 if in_title else counts.total // (10 if len(last) == 4 else 1)
    return counts.beginning[in_title]


def _begins_years_or_isbns(word):
    is_short = len(word) < 3 or word in BROAD_NUMBERS or (len(word) == 4 and word[:3] in {"978", "979"})
    return word.isdigit() and is_short


def _entries(query, values):
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return {pk: Entry(*entry) for pk, *entry in cursor.fetchall()}
