"""Sort call numbers as the items are sorted on the shelf.

Call numbers are compared part by part. If one call number is the beginning of another, the shorter one comes
first ("nothing before something").

- Library of Congress: class letters, class number as a whole number with decimals, Cutter numbers as
  decimals, then dates, volumes and copies. So QA9 comes before QA76, and .B125 before .B2. The source is the
  Classification and Shelflisting Manual of the Library of Congress, sheets G 55, G 63 and G 140.
- Dewey: a decimal number, then an author mark or a Cutter number, then dates, volumes and copies. In MARC
  082, a slash or an apostrophe marks where a library may cut the number. These marks are ignored.
- A prefix such as FIC, REF or DVD names a collection, which has separate shelves. Its items stay
  together, and are sorted by the rules above. A prefix of one or two letters before a number, as in
  J 599, is sorted like the class letters of the Library of Congress. Both give the same order.
- Everything else is a local scheme. Its numbers are whole numbers, so A-9 comes before A-10.

Call numbers of different schemes are not mixed. The schemes are in this order: Dewey, local numbers, Library
of Congress, collections, empty call numbers. Local numbers come right after Dewey, because a local number of
three digits looks like Dewey.
"""

import re
import unicodedata

DEWEY, LOCAL, CONGRESS, COLLECTION, EMPTY = range(5)

# The maximum number of characters that are read. A longer call number is a mistake.
MAX_LENGTH = 200
LETTERS = r"[^\W\d_]"
DEWEY_NUMBER = re.compile(r"(\d{3})(?!\d)(?:\.(\d+))?")
CLASS = re.compile(
    rf"({LETTERS}{{1,2}}|K[A-Z]{{2}}|DAW|DJK)(?!{LETTERS})[\W_]*(\d+)(?:\.(\d+))?", re.IGNORECASE
)
WORD = re.compile(rf"({LETTERS}+)[\W_]*")
# After these prefixes, a letter with digits is a Cutter number, not a class. So FIC B35 comes before FIC B4.
# N, NOV and I are Spanish (novela, infantil), and JN and JUV are used in both languages.
BEFORE_AUTHORS = frozenset(
    ["FIC", "FICTION", "F", "E", "B", "BIO", "YA", "J", "JUV", "N", "NOV", "NOVELA", "I", "JN"]
)
WITH_SHORTENING_MARKS = re.compile(r"(?<!\S)\d{3}[/'’]?\.[\d/'’]+")
SHORTENING_MARKS = str.maketrans("", "", "/'’")
LEADING_SIGNS = re.compile(r"^[\W_]+")
SPACE_BEFORE_DECIMALS = re.compile(r"(?<=\d)\s+(?=\.\d)")
# v2 is a volume, but V2 can be a Cutter number. After a date, both are volumes. Vol 2 is always a volume.
SHORT_VOLUME = re.compile(r"(?<=[\s:,;])([vct]|vol|no|pt|bd|ed|ej)(?=\d)")
SPACED_VOLUME = re.compile(r"(?<=\s)(vol|no|copy|ej)\s+(?=\d)", re.IGNORECASE)
VOLUME_AFTER_DATE = re.compile(r"(?<=\b[12]\d{3})([A-Za-z]?\s+)([VCT]|VOL|NO|PT|BD|ED|EJ)(?=\d)")
PARTS = re.compile(
    rf"(?P<series>{LETTERS}+)\.\s?(?P<whole>\d+)"
    rf"|(?P<dot>\.?)(?P<letters>{LETTERS}+)(?:(?P<digits>\d+)(?P<mark>{LETTERS}{{1,3}}(?![^\W_]))?)?"
    rf"|(?P<number>\d+)(?:\.(?P<decimals>\d+))?(?P<end>{LETTERS}{{1,2}}(?![^\W_]))?"
)
# Each part of a key is a tuple that begins with one of these kinds. So Python compares the rest of two parts
# only if they have the same kind.
NUMBER, MARK, CUTTER = range(3)


def shelf_key(call_number):
    """Return a key for sorting. Every text has a key, and different texts have different keys."""
    text = _plain(call_number)
    scheme, parts = _parts(text)
    return scheme, parts, str(call_number)


def _plain(call_number):
    """Return the call number in capital letters without accents, and with volumes written as V.2."""
    text = unicodedata.normalize("NFKD", str(call_number)[:MAX_LENGTH])
    text = "".join(
        str(unicodedata.decimal(character, character))
        # NFKD expands some characters to many words, and each word of a prefix is one level of recursion. So
        # shorten the text again.
        for character in text[:MAX_LENGTH]
        if unicodedata.category(character)[0] != "M"
    )
    text = SPACE_BEFORE_DECIMALS.sub("", LEADING_SIGNS.sub("", text))
    text = WITH_SHORTENING_MARKS.sub(lambda found: found[0].translate(SHORTENING_MARKS), text)
    text = SPACED_VOLUME.sub(r"\1.", SHORT_VOLUME.sub(r"\1.", text))
    text = VOLUME_AFTER_DATE.sub(r"\1\2.", text)
    return text.upper()


def _parts(text):
    """Return the scheme of a call number, and the parts of its key."""
    if found := DEWEY_NUMBER.match(text):
        return DEWEY, (_number(*found.groups()), *_scan(text[found.end() :], DEWEY))
    if found := CLASS.match(text):
        letters, whole, decimals = found.groups()
        rest = _scan(text[found.end() :], CONGRESS)
        return CONGRESS, (_mark(letters), _number(whole, decimals), *rest)
    if found := WORD.match(text):
        return COLLECTION, (_mark(found[1]), *_in_collection(found[1], text[found.end() :]))
    parts = _scan(text, LOCAL)
    return (LOCAL if parts else EMPTY), parts


def _in_collection(prefix, text):
    """Return the parts of the sort key for the text after the prefix of a collection, such as FIC."""
    if prefix not in BEFORE_AUTHORS or DEWEY_NUMBER.match(text):
        scheme, parts = _parts(text)
        return parts if scheme != CONGRESS or _has_cutter(parts) else _scan(text, LOCAL)
    return _scan(text, DEWEY)


def _has_cutter(parts):
    return any(part[0] == CUTTER for part in parts)


def _scan(text, scheme):
    """Return the parts of the sort key for the text after the class number.

    In a local scheme, digits after letters are a whole number. In the other schemes, they are the decimals of
    a Cutter number. In Dewey, an author mark without digits can replace the Cutter number.
    """
    parts = []
    for found in PARTS.finditer(text):
        if found["series"]:
            parts.append(_mark(found["series"], found["whole"]))
        elif found["number"]:
            parts.append(_number(found["number"], found["decimals"], found["end"]))
        elif scheme == DEWEY or (scheme == CONGRESS and (found["digits"] or found["dot"])):
            digits = (found["digits"] or "").rstrip("0")
            parts.append((CUTTER, found["letters"], digits, found["mark"] or ""))
        else:
            parts.append(_mark(found["letters"], found["digits"], found["mark"]))
    return tuple(parts)


def _number(whole, decimals=None, end=None):
    """Return the part of a sort key for a number. `end` has the letters after it, such as "a" in 1990a."""
    return (NUMBER, *_whole(whole), (decimals or "").rstrip("0"), end or "")


def _mark(letters, whole=None, end=None):
    """Return the part of a sort key for letters with or without a number, such as LEE, v.2 or op.7."""
    return (MARK, letters, *_whole(whole), end or "")


def _whole(digits):
    """Return a key that sorts whole numbers given as text. The key of None comes before the key of zero."""
    if digits is None:
        return (-1, "")
    significant = digits.lstrip("0")
    return len(significant), significant
