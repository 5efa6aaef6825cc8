"""Read the bytes of an email: its sender and recipients, what it says and which files it has.

The bytes can be anything. The functions `parse` and `read` raise no error because of malformed bytes.
"""

import codecs
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from email.policy import Compat32, compat32, default
from email.utils import getaddresses
from functools import cache

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile

from portal.addresses import clean_address
from portal.text import clean
from portal.uploads import MAX_FILE_BYTES, MAX_FILES

from . import html_text

# Longer headers are not parsed, because the parsing time grows quadratically with their length. The first
# limit is for the headers of all parts together. The second is for one header such as Content-Type.
MAX_HEADER_BYTES = 64 * 1024
MAX_CONTENT_HEADER = 4 * 1024
MAX_PARTS = 200
# The maximum number of lines in an email, because each line takes time. An email of 25 MB has about 350,000
# lines of base64.
MAX_LINES = 500_000
# A longer text of an email is cut. The original email still has the whole text.
MAX_TEXT = 20_000
MAX_TEXT_BYTES = 1024 * 1024
# Python's names of the charsets that mail programs use. Other codecs of Python, such as punycode, are slow or
# are not for text.
CHARSETS = re.compile(
    r"ascii|utf-8|utf-8-sig|utf-16|utf-16-[bl]e|utf-32|utf-32-[bl]e|iso8859-\d+|cp\d+|koi8-[rtu]|mac-[a-z]+"
    r"|gb2312|gbk|gb18030|hz|big5|big5hkscs|euc_[a-z0-9_]+|shift_jis[x0-9_]*|iso2022_[a-z0-9_]+|johab|tis-620"
)
MAX_CHARSET_NAME = 40
ENCRYPTED = {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
# Types of parts that contain nothing for a person to read.
SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
# A picture in the text is kept only if it has at least this size. A smaller picture is usually part of a
# signature.
MIN_INLINE_BYTES = 8 * 1024
# Matches a Message-ID: printable ASCII between "<" and ">".
MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")

log = logging.getLogger(__name__)


class Unreadable(Exception):
    """The text of the email can't be read. `text` has the parts of the text that could be guessed."""

    def __init__(self, text=""):
        super().__init__(text)
        self.text = text


@dataclass
class ReadEmail:
    """What an email says. All texts are clean, and can be empty.

    `files` has (name, file, reason), as portal.uploads.uploaded returns them. `quoting` is the whole text,
    including quotes of earlier emails.
    """

    message_id: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    answers_to: list[str] = field(default_factory=list)
    subject: str = ""
    quoting: str = ""
    files: list = field(default_factory=list)
    is_readable: bool = True


def parse(raw):
    """Return (the EmailMessage of these bytes, whether all of it could be parsed).

    If not all of it could be parsed, the message has only headers, or is None.
    """
    head = re.split(rb"\r?\n\r?\n", raw[: MAX_HEADER_BYTES + 4], maxsplit=1)[0]
    if len(head) > MAX_HEADER_BYTES:
        return None, False
    if max(raw.count(b"\n"), raw.count(b"\r")) > MAX_LINES:
        return _headers_only(head), False
    try:
        # Python's older policy parses no headers. So this first pass quickly finds emails that would take too
        # long. The type stubs don't know that a policy takes its attributes as arguments.
        message_from_bytes(raw, policy=_Budget(spent=_Spent()))  # type: ignore[call-arg]
        return message_from_bytes(raw, policy=_policy()), True
    except Exception as error:
        # Catch every error: the parser has bugs, and deep nesting ends in a RecursionError.
        log.info("an email could not be parsed: %s", type(error).__name__)
    return _headers_only(head), False


class _TooMuch(Exception):
    """The email has too many parts, or headers that are too long."""


@dataclass
class _Spent:
    """The number of parts parsed so far, and the total length of their headers."""

    parts: int = 0
    headers: int = 0


class _Budget(Compat32):
    """A policy that stops the parser with _TooMuch before parsing takes too long."""

    spent = _Spent()

    def message_factory(self, policy):
        self.spent.parts += 1
        if self.spent.parts > MAX_PARTS:
            raise _TooMuch
        return Message(policy)

    def header_source_parse(self, sourcelines):
        name, value = super().header_source_parse(sourcelines)
        self.spent.headers += len(value)
        if self.spent.headers > MAX_HEADER_BYTES or _is_long(name, value):
            raise _TooMuch
        return name, value


def _policy():
    """Return the default policy with a cache, because the default policy parses a header on each access."""
    return default.clone(header_factory=cache(default.header_factory))


def _is_long(name, value):
    return name.lower().startswith("content-") and len(value) > MAX_CONTENT_HEADER


def _headers_only(head):
    """Return a message with these headers and no text, without Content-* headers that are too long."""
    message = EmailMessage(policy=_policy())
    for name, value in BytesHeaderParser(policy=compat32).parsebytes(head).raw_items():
        if not _is_long(name, value):
            message.set_raw(name, value)
    return message


def header(message, name):
    """Return the header as text, or "" if it is missing. If it is malformed, return it as it was sent."""
    values = raw_headers(message, name)
    try:
        return clean(str(message[name] or ""))
    except Exception:
        return clean(values[0]) if values else ""


def raw_headers(message, name):
    """Return the values of all headers with this name, as they were sent."""
    return [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]


def read(message, is_whole=True):
    """Return a ReadEmail of the message that `parse` returned."""
    if message is None:
        return ReadEmail(is_readable=False)
    email = ReadEmail(
        message_id=next(iter(_message_ids(message, "Message-ID")), ""),
        sender=sender_of(message),
        recipients=recipients_of(message),
        answers_to=_message_ids(message, "In-Reply-To") + _message_ids(message, "References"),
        subject=clean(header(message, "Subject"), max_length=200),
    )
    if not is_whole:
        email.is_readable = False
        return email
    try:
        texts, files = _parts(message)
        email.quoting = _clean_text("\n\n".join(texts))
        email.files = _files(files)
    except Unreadable as error:
        email.quoting, email.is_readable = _clean_text(error.text), False
    except Exception as error:
        log.info("an email could not be read: %s", type(error).__name__)
        email.is_readable = False
    return email


def sender_of(message):
    """Return the address in From. Return "" if there is none, or more than one."""
    named, addresses = _named(message, "From"), _addresses(message, "From")
    return addresses[0] if len(named) == len(addresses) == 1 else ""


def recipients_of(message):
    """Return the addresses that the email was sent or delivered to."""
    names = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Cc"]
    return [address for name in names for address in _addresses(message, name)]


def _addresses(message, name):
    found = []
    for address in _named(message, name):
        with suppress(ValidationError):
            found.append(clean_address(address))
    return found


def _named(message, name):
    """Return the addresses in these headers, valid or not. For a header that can't be parsed, add ""."""
    named = []
    for value in raw_headers(message, name):
        try:
            named += [address for _name, address in getaddresses([value])]
        except Exception:
            # Deeply nested comments in a header cause a RecursionError.
            named.append("")
    return named


def _message_ids(message, name):
    return [found for value in raw_headers(message, name) for found in MESSAGE_ID.findall(value)]


def _clean_text(text):
    return clean(text, max_length=MAX_TEXT, multiline=True)


def _parts(message):
    """Return (the texts to read, the parts with files). Raises Unreadable.

    HTML is read only if there is no plain text. There can be several texts, because some mail programs put
    pictures between them.
    """
    leaves = list(_leaves(message))
    if any(part.get_content_type() in ENCRYPTED for part in leaves):
        raise Unreadable
    # If the line that separates the parts is missing, the parser returns a multipart without parts.
    if damaged := [part for part in leaves if part.get_content_maintype() == "multipart"]:
        raise Unreadable(_content_of(damaged[0])[:MAX_TEXT_BYTES].decode("utf-8", "replace"))
    texts = [part for part in leaves if _is_text(part)]
    read = _plain_texts(texts) or _html_texts(texts)
    files = [part for part in leaves if part not in texts and part.get_content_type() not in SIGNATURES]
    return read, files


def _leaves(message) -> Iterable:
    """Yield the parts that contain no other parts. An attached email counts as one file."""
    is_whole = message.get_content_type() in ENCRYPTED or message.get_content_maintype() == "message"
    if is_whole or not message.is_multipart():
        yield message
    else:
        for part in message.get_payload():
            yield from _leaves(part)


def _is_text(part):
    kind = part.get_content_type()
    is_file = part.get_content_disposition() == "attachment" or bool(_name_of(part))
    return kind in ("text/plain", "text/html") and not is_file


def _name_of(part):
    try:
        return part.get_filename() or ""
    except Exception:
        return "file"


def _plain_texts(parts):
    """Return the plain texts. Stop when they have more characters than a message can store."""
    texts: list[str] = []
    for part in parts:
        if part.get_content_type() == "text/plain" and sum(map(len, texts)) < MAX_TEXT:
            text = _decoded(part)
            if str(part.get_param("format") or "").lower() == "flowed":
                text = _unflowed(text, joins=str(part.get_param("delsp") or "").lower() == "yes")
            texts += [text.strip("\n")] if text.strip() else []
    return texts


def _html_texts(parts):
    """Return the texts of the HTML parts. Stop when MAX_HTML characters of HTML have been parsed."""
    texts: list[str] = []
    room = html_text.MAX_HTML
    for part in parts:
        if part.get_content_type() == "text/html" and room > 0:
            source = _decoded(part)[:room]
            room -= len(source)
            text = html_text.text_of(source)
            texts += [text] if text.strip() else []
    return texts


def _decoded(part):
    """Return the decoded content of this part. If its charset is wrong, use UTF-8. Raises Unreadable."""
    content = part.get_payload(decode=True) or b""
    beginning = content[:MAX_TEXT_BYTES]
    for charset in (str(part.get_content_charset() or "")[:MAX_CHARSET_NAME], "utf-8"):
        with suppress(LookupError, ValueError):
            if CHARSETS.fullmatch(codecs.lookup(charset).name):
                # Use an incremental decoder, because it accepts an incomplete last character.
                return codecs.getincrementaldecoder(charset)().decode(beginning, beginning == content)
    raise Unreadable(beginning.decode("utf-8", "replace"))


def _unflowed(text, *, joins):
    """Join the lines of a paragraph that the mail program broke (RFC 3676)."""
    pieces: list[str] = []
    goes_on = False
    for line in text.replace("\r\n", "\n").split("\n"):
        line = line.removeprefix(" ") if not line.startswith(">") else line
        if goes_on and not line.startswith(">") and line != "-- ":
            pieces[-1] = pieces[-1][:-1] if joins else pieces[-1]
        elif pieces:
            pieces.append("\n")
        pieces.append(line)
        goes_on = line.endswith(" ") and line != "-- " and not line.startswith(">")
    return "".join(pieces)


def _files(parts):
    """Return [(name, file, reason)] of these parts. Small pictures in the text are left out."""
    files: list = []
    for number, part in enumerate(parts, 1):
        content = _content_of(part)
        is_inline = part.get("Content-ID") and part.get_content_disposition() != "attachment"
        if is_inline and len(content) < MIN_INLINE_BYTES:
            continue
        name = _name_of(part) or f"{part.get_content_type().replace('/', '-')}-{number}"
        reason = (
            "too_large" if len(content) > MAX_FILE_BYTES else "too_many" if len(files) >= MAX_FILES else ""
        )
        files.append((name, None if reason else ContentFile(content, name="file"), reason))
    return files


def _content_of(part):
    if part.get_content_maintype() == "message":
        return b"an attached email"
    return part.get_payload(decode=True) or b""
