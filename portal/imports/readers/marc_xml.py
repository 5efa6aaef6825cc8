"""Read MARCXML files. The records can also be inside answers of OAI-PMH or SRU.

Each record is parsed separately, so that only a damaged record is lost.
"""

import codecs
import re
from xml.etree import ElementTree

import pymarc

from portal.imports.readers.marc import BLOCK, RECORD_MAX
from portal.imports.readers.marc_fields import DELETED, draft
from portal.imports.readers.marc_holdings import configured_layout
from portal.imports.records import Fault, Refused, Unreadable

RECORD_BEGINS = re.compile(rb"<(?:([\w.-]+):)?record(?=[\s>])")
RECORD_ENDS = re.compile(rb"</(?:[\w.-]+:)?record\s*>")
UTF_16 = re.compile(rb"\sencoding\s*=\s*[\"']utf-?16[\"']", re.IGNORECASE)
# Matches the namespace prefix of an element or attribute, such as "marc" in "</marc:leader>".
PREFIX = re.compile(rb"(?:</|\s(?!xmlns:|xml:)(?=[\w.-]+:[\w.-]+=))([A-Za-z_][\w.-]*):")
# The root elements of MARCXML, OAI-PMH and SRU. A file with one of them is accepted even if it has no record.
MARCXML_WRAPPERS = {"collection", "OAI-PMH", "searchRetrieveResponse"}
ELEMENT_OR_COMMENT = re.compile(rb"<(?:!--|([^\s<>/?!]{1,80}))")
DECLARATION = re.compile(rb"\s*(<\?xml[^>]*\?>)")
# The maximum length of a tag that begins or ends a record of MARCXML.
TAG_MAX = 200
TOO_LONG = f"it has more than {RECORD_MAX // 1024**2} MB. Shorten it in your system, and export it again"


def read_xml(file, *, layout=None):
    """Yield the Records and Faults of a MARCXML file, in order.

    `layout` is as in `read_binary`. Each record is parsed separately, so a doctype at the beginning of the
    file has no effect. Raises Unreadable if the XML is not MARCXML.
    """
    layout = layout or configured_layout()
    number, rest, declaration, first_element = 0, b"", b"", ""
    # In OAI-PMH and SRU, each record is inside another element <record>. `around` is the number of outer
    # elements that have not ended.
    around, is_too_long = 0, False
    if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        file = codecs.EncodedFile(file, "utf-8", "utf-16")
    file.seek(0)
    while block := file.read(BLOCK):
        if not rest and not number:
            rest = block.removeprefix(b"\xef\xbb\xbf")
            match = DECLARATION.match(rest)
            # The text has been converted to UTF-8. Some systems declare UTF-16 by mistake.
            declaration = UTF_16.sub(b"", match.group(1)) if match else b""
            first_element = _first_element(rest)
        else:
            rest += block
        while end := RECORD_ENDS.search(rest):
            chunk, rest = rest[: end.end()], rest[end.end() :]
            begins = list(RECORD_BEGINS.finditer(chunk))
            if is_too_long:
                number, is_too_long = number + 1, False
                yield Fault(number, TOO_LONG)
                if not begins:
                    continue
            without_end, outer = _before_last(chunk, begins)
            around += outer
            for _ in range(without_end):
                number += 1
                yield Fault(number, "it has no end")
            if not begins and around:
                around -= 1
                continue
            number += 1
            yield (
                _read_element(declaration, chunk[begins[-1].start() :], begins[-1].group(1), number, layout)
                if begins
                else Fault(number, "it has no beginning")
            )
        if len(rest) > RECORD_MAX:
            begins = list(RECORD_BEGINS.finditer(rest))
            if not number and not begins and not is_too_long:
                raise _not_marcxml(first_element)
            if begins:
                without_end, outer = _before_last(rest, begins)
                around += outer
                for reason in [TOO_LONG] * is_too_long + ["it has no end"] * without_end:
                    number += 1
                    yield Fault(number, reason)
                rest = rest[begins[-1].start() :]
                is_too_long = len(rest) > RECORD_MAX
            if len(rest) > RECORD_MAX:
                # Keep only the end of the text, which may be the beginning of a tag.
                rest = rest[-TAG_MAX:]
    if is_too_long:
        yield Fault(number + 1, TOO_LONG)
    elif begins := list(RECORD_BEGINS.finditer(rest)):
        yield Fault(number + 1, f"it is cut off after {len(rest) - begins[-1].start()} bytes")
    elif not number and first_element.rpartition(":")[2] not in MARCXML_WRAPPERS:
        raise _not_marcxml(first_element)


def _before_last(text, begins):
    """Return (number of records without an end, number of outer records), not counting the last record.

    `begins` are the matches of the tags that begin the records in the text. Only an inner <record> has a
    leader, so a <record> without one is an outer <record>.
    """
    pairs = list(zip(begins, begins[1:], strict=False))
    without_end = sum(b"leader" in text[one.start() : following.start()] for one, following in pairs)
    return without_end, len(pairs) - without_end


def _first_element(text):
    """Return the name of the first element of this XML, or "" if there is none."""
    place = 0
    while match := ELEMENT_OR_COMMENT.search(text, place):
        if match.group(1):
            return match.group(1).decode(errors="replace")
        end = text.find(b"-->", match.end())
        if end < 0:
            break
        place = end + len(b"-->")
    return ""


def _not_marcxml(first_element):
    found = f"its first element is <{first_element}>" if first_element else "it has no element"
    return Unreadable(f"The file is XML, but not MARCXML: {found}. Export the catalog as MARCXML or MARC 21.")


def _read_element(declaration, text, prefix, number, layout):
    try:
        # `text` is a record without the <collection> element, which declares the namespace prefixes. So
        # declare each prefix here, with any namespace.
        undeclared = set(PREFIX.findall(text)) | ({prefix} if prefix else set())
        wrapper = b"".join(b' xmlns:%s="marc"' % name for name in sorted(undeclared))
        document = declaration + b"<one" + wrapper + b">" + text + b"</one>"
        # The text has no doctype, so it can't define entities, and parsing it is safe.
        element = ElementTree.fromstring(document)[0]  # noqa: S314  see above
        if any(child.get("status") == "deleted" for child in element):
            return Fault(number, DELETED)
        return draft(_from_element(element), number, text, layout).finished()
    except ElementTree.ParseError as error:
        return Fault(number, f"it is not well-formed XML: {error}")
    except Exception as error:
        return Fault(number, str(error) or type(error).__name__)


def _from_element(element):
    record = pymarc.Record()
    if not {child.tag.rpartition("}")[2] for child in element} & {"leader", "controlfield", "datafield"}:
        raise Refused("it is not a MARC record. Export the catalog as MARCXML")
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name in {"controlfield", "datafield"} and not child.get("tag"):
            raise Refused(f"it has a <{name}> without a tag. Export it again")
        if name == "leader":
            record.leader = pymarc.Leader(_leader(child.text or ""))
        elif name == "controlfield":
            record.add_field(pymarc.Field(tag=child.get("tag"), data=child.text or ""))
        elif name == "datafield":
            indicators = pymarc.Indicators(child.get("ind1", " "), child.get("ind2", " "))
            subfields = [pymarc.Subfield(part.get("code", ""), "".join(part.itertext())) for part in child]
            record.add_field(pymarc.Field(tag=child.get("tag"), indicators=indicators, subfields=subfields))
    return record


def _leader(text):
    """Return the text of a leader with exactly 24 characters: cut it, or add spaces at its end.

    Remove spaces at both ends first, but only if the text is too long.
    """
    return (text.strip() if len(text) > 24 else text).ljust(24)[:24]
