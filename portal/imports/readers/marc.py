"""Read binary MARC 21 files. MARCXML is read in marc_xml.py.

When pymarc reads a whole file, it stops at the first damaged record. So this module finds the beginning and
the end of each record itself, and lets pymarc read one record at a time. Then only the damaged record is
lost.
"""

import codecs
import contextlib
import io
import logging
import re
import warnings

import pymarc
from pymarc import marc8_mapping

from portal.imports.readers.marc_fields import draft
from portal.imports.readers.marc_holdings import configured_layout
from portal.imports.records import Fault

BLOCK = 256 * 1024
RECORD_MAX = 1024 * 1024
# The maximum length of a record in bytes, because MARC writes the length with five digits.
LENGTH_MAX = 99_999
NOT_VALID = "it has bytes that are not valid in its encoding"
SUBFIELD_LOST = "the mark of a subfield is damaged, so a text may be missing"
# The character that replaces bytes that are not valid UTF-8.
UNKNOWN = "\ufffd"
END_OF_RECORD = b"\x1d"
# Bytes that may be between records: line ends, padding, DOS end-of-file, and the UTF-8 byte order mark.
BETWEEN = b"\r\n \x00\x1a" + codecs.BOM_UTF8

# MARC-8 may have Cyrillic, Hebrew, Arabic and Greek letters in either half of its code table. pymarc knows
# each script in only one half, and would leave out the letters in the other half. So add both halves to
# pymarc's tables.
for charset in b"NQ234S":
    letters = marc8_mapping.CODESETS[charset]
    letters.update({code ^ 0x80: letter for code, letter in list(letters.items())})
# Matches the escape sequence that puts East Asian letters into the upper half of the code table. pymarc can't
# read this sequence.
UPPER_EAST_ASIAN = re.compile(rb"\x1b\$[)-]")
# Matches an escape character that doesn't begin an escape sequence of MARC-8. A program has written it in
# place of a letter. pymarc would drop it, and nobody would see that a letter is missing.
DAMAGED_ESCAPE = re.compile(rb"\x1b(?![bgps]|[(,)-][!1-4BENQS]|\$[(,)-]?1)")
# MARC-8 doesn't use this byte, so it can mark a lost letter.
LOST = b"\xff"
marc8_mapping.ODD_MAP[LOST[0]] = ord(UNKNOWN)
# Matches the mark of a subfield with a damaged code. A code is damaged if it isn't ASCII.
DAMAGED_SUBFIELD = re.compile(rb"\x1f[\x80-\xff]+")
# Bytes that are letters in Windows-1252 and that MARC-8 doesn't define.
ONLY_IN_WINDOWS_1252 = re.compile(rb"[\xc9-\xdf\xfc\xfd\xff]")

# Matches four accented letters in a row. No word in Windows-1252 has them, so the text is in an unknown
# alphabet, such as Cyrillic in Windows-1251.
OTHER_ALPHABET = re.compile(rb"[\xc0-\xff]{4}")

# Hide the warning that pymarc logs for each missing indicator.
logging.getLogger("pymarc").setLevel(logging.ERROR)


def read_binary(file, *, layout=None):
    """Yield the Records and Faults of a binary file, in order.

    `layout` is a Layout of marc_holdings.py. If it is None, the Layout comes from the setting
    IMPORT_HOLDINGS.
    """
    number, layout = 0, layout or configured_layout()
    for dropped, chunk in _chunks(file):
        for piece in _pieces(chunk):
            number += 1
            yield _read_piece(piece, number, layout, dropped)
            dropped = 0


def _chunks(file):
    """Split the file after each record terminator. Yield (number of dropped bytes, chunk).

    The last chunk may have no terminator. If a chunk gets longer than RECORD_MAX, drop all but its last
    LENGTH_MAX bytes, because the chunk would fill the memory. The end of the chunk may be a whole record, and
    no record of MARC is longer than LENGTH_MAX.
    """
    rest, dropped = b"", 0
    while block := file.read(BLOCK):
        *whole, rest = (rest + block).split(END_OF_RECORD)
        for chunk in whole:
            yield dropped, chunk.lstrip(BETWEEN) + END_OF_RECORD
            dropped = 0
        if len(rest) > RECORD_MAX:
            dropped += len(rest) - LENGTH_MAX
            rest = rest[-LENGTH_MAX:]
    if rest.strip(BETWEEN):
        yield dropped, rest.lstrip(BETWEEN)


def _pieces(chunk):
    """Return [cut-off record, whole record] if the chunk has both. Otherwise return [chunk].

    A record begins with a leader, and a leader begins with the length of the record. So look for a leader
    whose stated length is exactly the distance to the end of the chunk. The whole record begins there.
    """
    if _length(chunk) != len(chunk):
        for leader in re.finditer(rb"(?=\d{5}.{5}22.{8}45)", chunk[1:], re.DOTALL):
            start = leader.start() + 1
            if _length(chunk[start : start + 5]) == len(chunk) - start:
                return [chunk[:start], chunk[start:]]
    return [chunk]


def _length(chunk):
    return int(chunk[:5]) if chunk[:5].isdigit() else -1


def _read_piece(piece, number, layout, dropped):
    length = dropped + len(piece)
    if not piece.endswith(END_OF_RECORD):
        return Fault(number, f"it is cut off after {length} bytes")
    if length > LENGTH_MAX:
        return Fault(number, f"it is {length} bytes long, and MARC allows {LENGTH_MAX}. Export it as MARCXML")
    if piece.startswith(b"00000"):
        # Some programs write zeros in place of the length.
        piece = b"%05d" % len(piece) + piece[5:]
    if piece == END_OF_RECORD:
        return Fault(number, "it is empty")
    piece = _before_conversion(piece)
    if _length(piece) != len(piece):
        stated = piece[:5].decode("ascii", "replace")
        return Fault(number, f"it says it is {stated!r} bytes long and is {len(piece)}")
    if UPPER_EAST_ASIAN.search(piece):
        return Fault(number, NOT_VALID)
    try:
        if _is_shifted(piece):
            return Fault(number, "its directory doesn't lead to its fields. Export it again")
        if b"\x1b" in piece:
            # Only MARC-8 has escape sequences, and this record contains one. So the record is in MARC-8, even
            # if its leader says UTF-8. Make the leader say MARC-8.
            piece = piece[:9] + b" " + piece[10:]
        readable, damaged = DAMAGED_SUBFIELD.subn(_with_unused_code, piece)
        found = draft(_from_piece(readable), number, piece, layout)
        if damaged:
            found.remark = found.remark or SUBFIELD_LOST
        found = found.finished()
        return Fault(number, NOT_VALID) if _is_unsure(found, piece) else found
    except UnicodeDecodeError:
        return Fault(number, NOT_VALID)
    except pymarc.exceptions.NoFieldsFound:
        return Fault(number, "it has no fields")
    except (ValueError, pymarc.exceptions.PymarcException):
        return Fault(number, "the numbers in its leader or directory are damaged")
    except Exception as error:
        # pymarc may raise any error for a damaged record, but the next record must still be read.
        return Fault(number, str(error) or type(error).__name__)


def _with_unused_code(mark):
    """Return the replacement for a damaged subfield code: a code of the same length that no field uses.

    Without the replacement, pymarc would guess a code, and treat the rest of the damaged bytes as text.
    """
    return b"\x1f".ljust(len(mark.group()), b"?")


def _before_conversion(piece):
    """Return the record as it was before a program converted it from Latin-1 to UTF-8.

    Such a program makes the record longer, but doesn't change the lengths in the leader and in the directory.
    So if the length in the leader is exactly the length of the original record, return the original record.
    Otherwise, return the record unchanged.
    """
    if _length(piece) >= len(piece) or piece.isascii():
        return piece
    try:
        original = piece.decode().encode("latin-1")
    except UnicodeError:
        return piece
    return original if _length(original) == len(original) else piece


def _is_unsure(found, piece):
    """Return whether a text of the item may be wrong, because nobody knows the encoding of the record.

    This is the case if the record has words in an alphabet that Windows-1252 doesn't have, if it wrongly says
    that it is in UTF-8, or if a letter of MARC-8 was lost. If the damaged letters are only in fields that the
    item doesn't need, such as a price in pounds, the item is complete.
    """
    if isinstance(found, Fault) or (piece.isascii() and b"\x1b" not in piece):
        return False
    if _is_windows_1252(piece):
        return bool(OTHER_ALPHABET.search(piece))
    if _is_utf8(piece):
        return False
    return UNKNOWN in "".join(
        [found.key, *map(str, found.values.values()), *(str(copy) for copy in found.holdings)]
    )


def _is_shifted(piece):
    """Return whether an entry of the directory points to a wrong field, or not to the beginning of a field.

    A field begins after a terminator. A control field (001 to 009) has no subfields, but every other field
    has some, or is empty. Fields of a local system, such as FMT, may have any form.

    If all entries together are longer than the record, some of them overlap. Reading overlapping entries
    could take all the memory, because the same text would be read thousands of times.
    """
    base = int(piece[12:17])
    if sum(int(piece[entry + 3 : entry + 7]) for entry in range(24, base - 1, 12)) > len(piece):
        return True
    for entry in range(24, base - 1, 12):
        begin = base + int(piece[entry + 7 : entry + 12])
        field = piece[begin : begin + int(piece[entry + 3 : entry + 7])]
        is_control = piece[entry : entry + 2] == b"00"
        is_free = not piece[entry : entry + 3].isdigit() or not field.strip(b" \x1e")
        # Ignore the mark of a subfield at the end of the field. Some control numbers end with one, but have
        # no subfield.
        has_subfields = b"\x1f" in field.rstrip(b"\x1e\x1f")
        if piece[begin - 1 : begin] != b"\x1e" or (has_subfields == is_control and not is_free):
            return True
    return False


def _from_piece(piece):
    if _is_windows_1252(piece):
        return pymarc.Record(piece, file_encoding="cp1252")
    # pymarc reads plain ASCII much faster as UTF-8, and the result is the same. An escape character (1B)
    # begins a sequence of MARC-8, so a record with one is not plain ASCII.
    if piece.isascii() and b"\x1b" not in piece:
        return pymarc.Record(piece, force_utf8=True)
    piece = DAMAGED_ESCAPE.sub(LOST, piece)
    # Hide the messages about MARC-8 that pymarc writes to the terminal.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        return pymarc.Record(
            piece, force_utf8=_is_utf8(piece), hide_utf8_warnings=True, utf8_handling="replace"
        )


def _is_windows_1252(piece):
    """Return whether a record says that it is in MARC-8, but has letters that only Windows-1252 has."""
    return (
        piece[9:10] != b"a"
        and b"\x1b" not in piece
        and bool(ONLY_IN_WINDOWS_1252.search(piece))
        and not _is_utf8(piece)
    )


def _is_utf8(piece):
    """Return whether the record has non-ASCII characters in UTF-8. Ignore the leader, which is often wrong.

    MARC-8 text with accents is never valid UTF-8. In MARC-8 an ASCII letter follows each accent byte, and in
    UTF-8 that sequence is invalid.
    """
    try:
        return not piece.isascii() and bool(piece.decode("utf-8"))
    except UnicodeDecodeError:
        return False
