"""Read the answers of an OAI-PMH server.

A page of records isn't parsed as a whole, because one damaged record would make the whole page unreadable.
Instead, the page is cut before the header of each record, and each record is parsed alone.
"""

import html
import io
import re
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from xml.etree import ElementTree

from portal.imports.readers.marc_fields import DELETED
from portal.imports.readers.marc_xml import read_xml
from portal.imports.records import Fault, Record, Unreadable
from portal.text import clean, printable

# No pattern reads past the next "<". Otherwise a hostile server could make a pattern start at many places of
# a page and read to its end each time, which takes hours.
NAME = rb"(?:[\w.-]+:)?"
# Matches the text of an element. The text may be in CDATA sections.
TEXT = rb"((?:[^<]++|<!)*+)"
ROOT = re.compile(rb"<" + NAME + rb"OAI-PMH[\s>]")
END = re.compile(rb"</" + NAME + rb"OAI-PMH\s*>\s*\Z")
DECLARATION = re.compile(rb"\s*(<\?xml[^>]*\?>)")
DATE = re.compile(rb"<" + NAME + rb"responseDate\s*>([^<]*)<")
ERROR = re.compile(
    rb"<" + NAME + rb"error\s[^<>]{0,500}?\bcode\s*=\s*[\"'](\w+)[\"'][^<>]{0,500}?(?:/>|>([^<]*))"
)
HEADER = re.compile(rb"<" + NAME + rb"header(?=[\s>])([^<>]*)>")
IDENTIFIER = re.compile(rb"<" + NAME + rb"identifier\s*>" + TEXT + rb"</")
DATESTAMP = re.compile(rb"<" + NAME + rb"datestamp\s*>([^<]*)<")
SET = re.compile(rb"<" + NAME + rb"setSpec\s*>([^<]*)<")
END_OF_HEADER = re.compile(rb"</" + NAME + rb"header\s*>")
RECORD = re.compile(rb"<" + NAME + rb"record(?=[\s>])")
END_OF_RECORD = re.compile(rb"</" + NAME + rb"record\s*>")
TOKEN = re.compile(rb"<" + NAME + rb"resumptionToken(?=[\s/>])([^<>]*?)(?:/>|>" + TEXT + rb"</)")
LIST_SIZE = re.compile(rb"completeListSize\s*=\s*[\"'](\d{1,9})[\"']")
CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
# This many bytes at the beginning of an answer must contain the start of the root element, and this many
# bytes at the end must contain its end.
SEEN = 4096
# The longest token in characters, the most records on a page, and the most bytes in an answer without
# records. Anything longer is refused.
TOKEN_MAX, RECORDS_MAX, TEXTS_MAX = 4000, 20_000, 2 * 1024 * 1024
# A time outside these years is ignored, because the server's clock or program is wrong.
YEARS = range(2000, 3000)
UTF_8_MARK = b"\xef\xbb\xbf"


class Broken(Exception):
    """The whole answer is unusable. The text of the exception says why."""


class OaiError(Exception):
    """The server answered with an error of OAI-PMH, such as "badResumptionToken"."""

    def __init__(self, code, words):
        super().__init__(f"{code}: {words}" if words else code)
        self.code = code


@dataclass(frozen=True)
class Listed:
    """One record of a page.

    `record` is None if the record was deleted. It is a Fault if the record can't be read. `identifier` is ""
    if the header is damaged.
    """

    identifier: str
    datestamp: str
    is_deleted: bool
    record: Record | Fault | None
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """One page of a list. `token` is the resumption token for the next page, or "" on the last page."""

    records: list[Listed]
    token: str = ""
    list_size: int | None = None
    server_time: datetime | None = None


@dataclass
class Identity:
    """What the server says about itself."""

    name: str = ""
    version: str = ""
    granularity: str = ""
    deleted_records: str = ""
    earliest: str = ""
    server_time: datetime | None = field(default=None)

    @property
    def has_seconds(self):
        return self.granularity.endswith("Z")


def read_page(content):
    """Parse the answer to a ListRecords request, and return the Page. Raises Broken and OaiError."""
    content = _checked(content)
    headers = list(islice(HEADER.finditer(content), RECORDS_MAX + 1))
    if len(headers) > RECORDS_MAX:
        raise Broken(f"a page has more than {RECORDS_MAX} records. Let the server send fewer records at once")
    if not headers:
        _raise_error(content)
    declaration = DECLARATION.match(content)
    first_line = declaration.group(1) if declaration else b""
    ends = [*(header.start() for header in headers), len(content)][1:]
    records = [
        _listed(content[header.start() : end], first_line, number)
        for number, (header, end) in enumerate(zip(headers, ends, strict=True), 1)
    ]
    rest = content[headers[-1].end() :] if headers else content
    # The last resumption token on the page is the server's. The metadata of a record may contain others.
    tokens = deque(TOKEN.finditer(rest), maxlen=1)
    size = LIST_SIZE.search(tokens[-1].group(1)) if tokens else None
    return Page(
        records,
        token=_token(tokens[-1].group(2) or b"") if tokens else "",
        list_size=int(size.group(1)) if size else None,
        server_time=_server_time(content),
    )


def _token(raw):
    """Return the text of a resumption token. Raises Broken if it can't be stored or sent."""
    token = _text(raw)
    if len(token) > TOKEN_MAX or "\0" in token:
        raise Broken("the token for its next page can't be used")
    return token


def _checked(content):
    """Return the content without a byte order mark. Raises Broken if it isn't a complete OAI-PMH answer."""
    content = content.removeprefix(UTF_8_MARK)
    start = content[:SEEN]
    if not ROOT.search(start):
        if b"<html" in start.lower() or b"<!doctype html" in start.lower():
            raise Broken("it answers with a web page, not with OAI-PMH")
        raise Broken("its answer is not OAI-PMH")
    if not END.search(content[-SEEN:]):
        raise Broken("it sent only a part of a page")
    return content


def _raise_error(content):
    if error := ERROR.search(content):
        raise OaiError(
            error.group(1).decode(), clean(printable(_text(error.group(2) or b"")), max_length=200)
        )


def _listed(chunk, declaration, number):
    """Parse one part of a page, and return the Listed.

    The part has one record's header, and what follows until the next header.
    """
    end = END_OF_HEADER.search(chunk)
    head, rest = (chunk[: end.start()], chunk[end.end() :]) if end else (chunk, b"")
    attributes = head[: head.index(b">")]
    found, date = IDENTIFIER.search(head), DATESTAMP.search(head)
    identifier = clean(_text(found.group(1))) if found and end else ""
    datestamp = _text(date.group(1)) if date else ""
    if not identifier:
        return Listed("", datestamp, False, Fault(number, "its header is damaged"))
    is_deleted = bool(re.search(rb"\bstatus\s*=\s*[\"']deleted[\"']", attributes))
    record = None if is_deleted else _record(rest, declaration, number)
    if isinstance(record, Fault) and record.reason == DELETED:
        # Some systems mark a deleted record only in the leader of its MARC record.
        is_deleted, record = True, None
    sets = tuple(_text(name) for name in SET.findall(head))
    return Listed(identifier, datestamp, is_deleted, record, sets)


def _record(rest, declaration, number):
    """Parse the metadata of one record. Return the Record, or a Fault if the metadata can't be read."""
    start, ends = RECORD.search(rest), list(END_OF_RECORD.finditer(rest))
    if not start or not ends:
        return Fault(number, "its metadata is not MARCXML")
    # The first end tag closes the MARC record. The second one closes the OAI-PMH record around it.
    marc = declaration + rest[start.start() : ends[0].end()]
    try:
        record = next(read_xml(io.BytesIO(marc)), Fault(number, "its metadata is not MARCXML"))
    except Unreadable as error:
        return Fault(number, str(error))
    return replace(record, number=number)


def read_identity(content):
    """Parse the answer to an Identify request, and return the Identity. Raises Broken and OaiError."""
    content = _checked(content)
    _raise_error(content)
    values = {name: texts[0] for name, texts in _texts(content).items() if texts[0]}
    if "repositoryName" not in values:
        raise Broken("it doesn't say who it is")
    return Identity(
        name=clean(printable(values["repositoryName"]), max_length=200),
        version=values.get("protocolVersion", ""),
        granularity=values.get("granularity", ""),
        deleted_records=values.get("deletedRecord", ""),
        earliest=values.get("earliestDatestamp", ""),
        server_time=_server_time(content),
    )


def read_names(content, element):
    """Return (texts of all elements with this name, resumption token). Raises Broken and OaiError."""
    content = _checked(content)
    _raise_error(content)
    texts = _texts(content)
    names = [clean(printable(text), max_length=200) for text in texts.get(element, [])]
    return names, next(iter(texts.get("resumptionToken", [])), "")


def _texts(content):
    """Return {name of an element: [its texts]} for the whole answer. Raises Broken."""
    if len(content) > TEXTS_MAX:
        raise Broken("its answer is too long")
    if b"<!DOCTYPE" in content:
        raise Broken("its answer has a doctype, which OAI-PMH doesn't have")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  it has no doctype, so it can't define entities
    # LookupError and ValueError mean that expat doesn't know the encoding or can't read it.
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise Broken(f"its answer is not well-formed XML: {error}") from None
    found: dict[str, list[str]] = {}
    for element in root.iter():
        found.setdefault(element.tag.rpartition("}")[2], []).append((element.text or "").strip())
    return found


def read_time(text):
    """Return a date or time of OAI-PMH as a datetime, or None."""
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"):
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            continue
    try:
        # Some servers write fractions of seconds, or their own time zone.
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _server_time(content):
    found = DATE.search(content[:SEEN])
    time = read_time(_text(found.group(1))) if found else None
    return time if time and time.year in YEARS else None


def _text(raw):
    text = raw.decode("utf-8", "replace").strip()
    if cdata := CDATA.fullmatch(text):
        return cdata.group(1).strip()
    return html.unescape(text)
