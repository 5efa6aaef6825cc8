"""MARC 21, binary and MARCXML. pymarc reads a record; where one ends and the next begins is found here, because a damaged
record must cost that record only and pymarc gives up the file."""

import hashlib
import logging
import re
import warnings
from xml.etree import ElementTree

import pymarc

from portal.imports import isbns
from portal.imports.records import Draft, Fault, Unreadable
from recommendations.models import Item

BLOCK = 256 * 1024
LONGEST_RECORD = 1024 * 1024
END_OF_RECORD = b"\x1d"

KINDS = {
    "a": Item.Kind.BOOK,
    "t": Item.Kind.BOOK,
    "c": Item.Kind.SCORE,
    "d": Item.Kind.SCORE,
    "e": Item.Kind.MAP,
    "f": Item.Kind.MAP,
    "g": Item.Kind.VIDEO,
    "i": Item.Kind.AUDIOBOOK,
    "j": Item.Kind.SOUND,
}

logging.getLogger("pymarc").setLevel(logging.ERROR)  # it comments on each missing indicator


# Binary.


def read_binary(file):
    """Records and Faults of a binary file, in order."""
    number = 0
    for chunk in _chunks(file):
        for piece in _pieces(chunk):
            number += 1
            yield piece if isinstance(piece, Fault) else _read_piece(piece, number)


def _chunks(file):
    """What lies between one record terminator and the next, terminator included; the last may lack it."""
    kept = b""
    while block := file.read(BLOCK):
        *whole, kept = (kept + block).split(END_OF_RECORD)
        yield from (chunk.lstrip(b"\r\n \x00\x1a") + END_OF_RECORD for chunk in whole)
        if len(kept) > LONGEST_RECORD:  # no record is that long: don't hold a file of another kind in memory
            yield kept[:LONGEST_RECORD]
            kept = b""
    if kept.strip(b"\r\n \x00\x1a"):
        yield kept.lstrip(b"\r\n \x00\x1a")


def _pieces(chunk):
    """A record that was cut off runs into the next one: that one is found by the length it states, which must reach the end."""
    if _length(chunk) != len(chunk):
        for found in re.finditer(rb"(?=\d{5}.{5}22.{8}45)", chunk[1:], re.DOTALL):
            start = found.start() + 1
            if _length(chunk[start:]) == len(chunk) - start:
                return [chunk[:start], chunk[start:]]
    return [chunk]


def _length(chunk):
    return int(chunk[:5]) if chunk[:5].isdigit() else -1


def _read_piece(piece, number):
    if not piece.endswith(END_OF_RECORD):
        return Fault(number, f"it is cut off after {len(piece)} bytes")
    if _length(piece) != len(piece):
        stated = piece[:5].decode("ascii", "replace")
        return Fault(number, f"it says it is {stated!r} bytes long and is {len(piece)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record = pymarc.Record(piece, force_utf8=_is_utf8(piece), hide_utf8_warnings=True)
        return _draft(record, number, piece).finished()
    except UnicodeDecodeError:
        return Fault(number, "it holds bytes that are no text in the encoding it names")
    except ValueError:
        return Fault(number, "the numbers in its leader or directory are damaged")
    except Exception as error:  # whatever pymarc meets in a damaged record, the next one is to be read
        return Fault(number, str(error) or type(error).__name__)


def _is_utf8(piece):
    """Many records are UTF-8 and don't say so. What reads as UTF-8 beyond ASCII is never MARC-8: there, a letter follows its accent."""
    try:
        return not piece.isascii() and bool(piece.decode("utf-8"))
    except UnicodeDecodeError:
        return False


# XML.

RECORD_BEGINS = re.compile(rb"<(?:([\w.-]+):)?record(?=[\s>])")
RECORD_ENDS = re.compile(rb"</(?:[\w.-]+:)?record\s*>")
DECLARATION = re.compile(rb"\s*(<\?xml[^>]*\?>)")


def read_xml(file):
    """Records and Faults of a MARCXML file, in order. Each record is parsed by itself, so no doctype is ever looked at."""
    number, kept, declaration = 0, b"", b""
    while block := file.read(BLOCK):
        if not kept and not number:
            kept = block.removeprefix(b"\xef\xbb\xbf")
            found = DECLARATION.match(kept)
            declaration = found.group(1) if found else b""
        else:
            kept += block
        while end := RECORD_ENDS.search(kept):
            chunk, kept = kept[: end.end()], kept[end.end() :]
            begins = list(RECORD_BEGINS.finditer(chunk))
            for cut_off, following in zip(begins, begins[1:], strict=False):
                if (
                    b"leader" in chunk[cut_off.start() : following.start()]
                ):  # without one it is an envelope, as harvesting puts around
                    number += 1
                    yield Fault(number, "it has no end")
            number += 1
            yield (
                _read_element(declaration, chunk[begins[-1].start() :], begins[-1].group(1), number)
                if begins
                else Fault(number, "it has no beginning")
            )
        if len(kept) > LONGEST_RECORD:
            raise Unreadable(f"Record {number + 1} has no end. Is this MARCXML?")
    if begins := list(RECORD_BEGINS.finditer(kept)):
        yield Fault(number + 1, f"it is cut off after {len(kept) - begins[-1].start()} bytes")


def _read_element(declaration, text, prefix, number):
    try:
        # Names of an XML namespace are declared on the collection, out of sight here; what they stand for doesn't matter.
        undeclared = set(re.findall(rb"</([\w.-]+):", text)) | ({prefix} if prefix else set())
        wrapper = b"".join(b' xmlns:%s="marc"' % name for name in sorted(undeclared))
        # It is one record without a doctype: there are no entities to expand.
        element = ElementTree.fromstring(declaration + b"<one" + wrapper + b">" + text + b"</one>")[0]  # noqa: S314 (see above)
        return _draft(_from_element(element), number, text).finished()
    except ElementTree.ParseError as error:
        return Fault(number, f"it is not well-formed XML: {error}")
    except Exception as error:
        return Fault(number, str(error) or type(error).__name__)


def _from_element(element):
    record = pymarc.Record()
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name == "leader":
            record.leader = pymarc.Leader((child.text or "").ljust(24)[:24])
        elif name == "controlfield":
            record.add_field(pymarc.Field(tag=child.get("tag"), data=child.text or ""))
        elif name == "datafield":
            indicators = pymarc.Indicators(child.get("ind1", " "), child.get("ind2", " "))
            subfields = [pymarc.Subfield(part.get("code", ""), part.text or "") for part in child]
            record.add_field(pymarc.Field(tag=child.get("tag"), indicators=indicators, subfields=subfields))
    return record


# What the fields mean.


def _draft(record, number, raw):
    isbn, repair = isbns.best_of(_each(record, "020", "a"))
    fixed = record.get_fields("008")
    fixed = fixed[0].data if fixed else ""
    imprint = sorted(record.get_fields("264"), key=lambda field: field.indicator2 != "1") + record.get_fields(
        "260"
    )
    return Draft(
        number=number,
        key=_key(record, raw),
        isbn=repair,
        call_numbers=_call_numbers(record),
        values={
            "kind": Item.Kind.SERIAL
            if record.leader[6] in "at" and record.leader[7] == "s"
            else KINDS.get(record.leader[6], Item.Kind.OTHER),
            "title": _text(next(iter(record.get_fields("245")), None), "abnp"),
            "original_title": _text(
                next(
                    (field for field in record.get_fields("880") if (field.get("6") or "").startswith("245")),
                    None,
                ),
                "abnp",
            ),
            "creators": _names(record),
            "publisher": next((name for field in imprint if (name := _text(field, "b"))), ""),
            "year": _year([field.get("c") or "" for field in imprint], fixed),
            "isbn": isbn,
            "series": next((name for field in record.get_fields("490") if (name := _text(field, "av"))), ""),
            "summary": "\n".join(_each(record, "520", "a")),
            "language": fixed[35:38].strip(" |#") if fixed[35:38].isalpha() else "",
            "url": _link(record),
        },
    )


def _key(record, raw):
    """The record's own number and whose number it is; a record without one is known by its content."""
    control = record.get_fields("001")
    if control and (control[0].data or "").strip():
        whose = record.get_fields("003")
        return f"{(whose[0].data or '').strip() if whose else ''}:{control[0].data.strip()}"
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _each(record, tag, code):
    return [
        value.strip()
        for field in record.get_fields(tag)
        for value in field.get_subfields(code)
        if value and value.strip()
    ]


def _text(field, codes):
    """The subfields in their order, without the punctuation that cataloguing rules put before the next one."""
    if field is None:
        return ""
    return re.sub(
        r"[\s/:;,=]+$", "", " ".join(value.strip() for value in field.get_subfields(*codes) if value)
    )


def _names(record):
    names: list[str] = []
    for field in record.get_fields("100", "110", "111", "700"):
        name = _text(field, "abc" if field.tag != "111" else "a")
        name = re.sub(r"(?<=\w{3})\.$", "", name)  # the full stop of a field, not of an initial
        if name and name not in names and len("; ".join([*names, name])) <= 300:
            names.append(name)
    return "; ".join(names)


def _year(imprints, fixed):
    for text in imprints:
        if found := re.search(r"(?<!\d)\d{4}(?!\d)", text):
            return found.group()
    return fixed[7:11] if fixed[7:11].isdigit() else ""


def _call_numbers(record):
    """852 where holdings are in the record; otherwise the first classification: of Congress, local, Dewey, local Dewey."""
    call_numbers = [_text(field, "hijkm") for field in record.get_fields("852")]
    if any(call_numbers):
        return call_numbers
    return [
        number
        for tag in ("050", "090", "082", "092")
        for field in record.get_fields(tag)
        if (number := _text(field, "ab"))
    ][:1]


def _link(record):
    fields = sorted(
        record.get_fields("856"), key=lambda field: field.indicator2 == "2"
    )  # 2: about something else
    return next(
        (url.strip() for field in fields for url in field.get_subfields("u") if url and url.strip()), ""
    )
