# ruff: noqa: S608 (the SQL contains no user input: every word is a parameter)
"""Correct typing errors with the words of the catalog.

One error is a missing letter, an additional letter, a wrong letter, or two letters in the wrong order. A word
of eight letters or more may have two errors. A patron's search uses only the words of imported items.

The table of words is too large to compare the typed word with every word in it. To correct one error, the
search asks for all spellings that differ from the typed word by one error. To correct two errors, it divides
the typed word into three parts. At least one part has no error. So the search asks for words that have the
same beginning or end as the typed word, with at most one error there.
"""

import json
import re
from itertools import islice, product

from django.db import connection

from .candidates import begins

# A word with fewer letters than this is not corrected, because too many other words differ from it by only
# one letter.
MIN_LETTERS = 3
# A word with more letters than this is not corrected, because that would take too long. Nearly all words are
# shorter.
MAX_LETTERS = 24
TWO_ERRORS_FROM = 8
# If a word has at most this many letters, one of its two errors may be two letters in the wrong order.
SWAPPED_UP_TO = 16
# At most CORRECTED words of a query are corrected. A query is split between letters and digits only if this
# makes at most PARTS parts.
CORRECTED, PARTS = 3, 24
# A rare word of the catalog is replaced only by a much more frequent word. At least MUCH_MORE times as many
# items must have that word. A word is rare if at most RARE items have it.
MUCH_MORE = 20
RARE = 2
# At most SPELLINGS other spellings of one word are searched, and at most TRIES corrections of a whole query.
SPELLINGS, TRIES = 3, 6
# To correct two errors, the search reads at most this many words with the same beginning.
SAME_BEGINNING = 60
LETTERS_OR_DIGITS = re.compile(r"\d+|\D+")
# The letters of some scripts, as `fold` returns them.
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz",
    "абвгдежзийклмнопрстуфхцчшщъыьэюяієґћђџљњј",
    "αβγδεζηθικλμνξοπρσςτυφχψω",
    "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
    "ءابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژکگی",
]


def corrections(words, counts, *, has_found):
    """Yield lists of words to search instead of `words`, the most likely list first.

    If the search has found something, only unknown and rare words are corrected. If it has found nothing
    although all words are known, one of them may be the wrong word. Then each of the rarest words is replaced
    in turn.
    """
    apart = [part for word in words for part in LETTERS_OR_DIGITS.findall(word)]
    if apart != words and len(apart) <= PARTS and not has_found:
        # For example, the query is "catch22", but the title has "catch 22".
        yield apart
    *finished, last = words
    known = {word: counts.words.get(word, (0, 0))[0] for word in words}
    beginning = counts.beginning[0]
    doubtful = [word for word in finished if known[word] <= RARE]
    doubtful += [last] if max(known[last], beginning) <= RARE else []
    doubtful = [word for word in dict.fromkeys(doubtful) if _alphabet(word)][:CORRECTED]
    if doubtful:
        others = [_others(word, known[word], word == last, counts.columns[0]) for word in doubtful]
        # An unknown word without other spellings is searched as typed, because it may be in a description.
        choices = [found or [word] for word, found in zip(doubtful, others, strict=True)]
        for choice in islice(product(*choices), TRIES):
            changes = dict(zip(doubtful, choice, strict=True))
            if any(word != other for word, other in changes.items()):
                yield [changes.get(word, word) for word in words]
    elif not has_found:
        yield from islice(_one_changed(words, known, counts.columns[0]), TRIES)


def _one_changed(words, known, items):
    """Yield copies of `words`, each with another spelling of one word. Only the rarest words are replaced."""
    places = [place for place, word in enumerate(words) if _alphabet(word)]
    rarest = sorted(places, key=lambda place: known[words[place]])[:CORRECTED]
    for place in sorted(rarest):
        for other in _others(words[place], 0, False, items):
            yield [*words[:place], other, *words[place + 1 :]]


def _others(word, known, may_be_incomplete, items):
    """Return other spellings of the word, the most likely first.

    `known` is the number of items with the word. `items` is the name of the column of SearchWord that
    counts the items with a word.
    """
    found = _ask_for(_one_error(word), items)
    if not found and len(word) >= TWO_ERRORS_FROM:
        found = _two_errors(word, items)
    if not found and may_be_incomplete and len(word) > MIN_LETTERS + 1:
        found = _beginning_with(_one_error(word), items)
    enough = known * MUCH_MORE
    likely = [
        (other[0] != word[0], -number, other)
        for other, number in found.items()
        if other != word and number > enough
    ]
    return [other for _first, _items, other in sorted(likely)[:SPELLINGS]]


def _alphabet(word):
    """Return all letters of the alphabet in which the word is written, or "" if it can't be corrected."""
    if not MIN_LETTERS <= len(word) <= MAX_LETTERS or any(letter.isdigit() for letter in word):
        return ""
    return next((letters for letters in ALPHABETS if any(letter in letters for letter in word)), "")


def _one_error(word):
    """Return the set of all spellings that differ from this word by one error."""
    letters = _alphabet(word) or ALPHABETS[0]
    parts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    spellings = {begin + end[1:] for begin, end in parts if end}
    spellings |= {begin + end[1] + end[0] + end[2:] for begin, end in parts if len(end) > 1}
    spellings |= {begin + letter + end[1:] for begin, end in parts if end for letter in letters}
    spellings |= {begin + letter + end for begin, end in parts for letter in letters}
    return spellings - {word, ""}


def _two_errors(word, items):
    """Return {known word: number of items} for the words that differ from this word by two errors."""
    third = len(word) // 3
    first, second, last = word[:third], word[third : 2 * third], word[2 * third :]
    found = _beginning_with({first + other for other in {second, *_one_error(second)}}, items, len(word))
    found |= _beginning_with({other + second for other in _one_error(first)}, items, len(word))
    endings = {(other + last)[::-1] for other in {second, *_one_error(second)}}
    found |= _beginning_with(endings, items, len(word), column="backward")
    found |= _around(first, last, items, len(word))
    if not found and len(word) <= SWAPPED_UP_TO:
        swapped = {word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in range(len(word) - 1)}
        found = _ask_for(swapped.union(*map(_one_error, swapped)), items)
    return {other: number for other, number in found.items() if distance(word, other) <= 2}


def _ask_for(spellings, items):
    """Return {spelling: number of items} for those of the spellings that items contain."""
    if connection.vendor == "sqlite":
        query = "word IN (SELECT value FROM json_each(%s))"
        return _rows(query, items, [_as_json(spellings)])
    return _rows("word = ANY(%s::text[])", items, [list(spellings)])


def _beginning_with(beginnings, items, length=None, column="word"):
    """Return {word: number of items} for some words with one of these beginnings.

    `length` is the length of the typed word. If it is given, much longer and shorter words are left out.
    """
    condition = f"{begins(column, 'begin')} AND {items} > 0{_similar_length(length) if length else ''}"
    if connection.vendor == "sqlite":
        asked = "(SELECT value AS begin FROM json_each(%s)) AS asked"
        query = f"SELECT word, {items} FROM {asked} CROSS JOIN recommendations_searchword WHERE {condition}"
        values = [_as_json(beginnings)]
    else:
        # Only the first words are read. Sort them, because otherwise the table's order would decide which are
        # first.
        known = f"""(
            SELECT word, {items} FROM recommendations_searchword WHERE {condition}
            ORDER BY {column} USING ~<~ LIMIT {SAME_BEGINNING}
        )"""
        query = f"SELECT word, {items} FROM unnest(%s::text[]) AS begin CROSS JOIN LATERAL {known} AS known"
        values = [list(beginnings)]
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return dict(cursor.fetchall())


def _around(first, last, items, length):
    """Return {word: number of items} for the words that begin with `first` and end with `last`."""
    condition = f"{begins('word')} AND word LIKE %s{_similar_length(length)}"
    return _rows(condition, items, [first, first, f"%{last}"])


def _similar_length(length):
    return f" AND length(word) BETWEEN {length - 2} AND {length + 2}"


def _rows(condition, items, values):
    known = f"SELECT word, {items} FROM recommendations_searchword"
    with connection.cursor() as cursor:
        cursor.execute(f"{known} WHERE {condition} AND {items} > 0", values)
        return dict(cursor.fetchall())


def _as_json(words):
    return json.dumps(list(words))


def distance(word, other):
    """Return the number of errors between two words, or 3 if there are more than two."""
    if abs(len(word) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        previous, before = before, row
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == wanted:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
        if min(row) > 2:
            return 3
    return min(row[-1], 3)
