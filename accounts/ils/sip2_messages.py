"""SIP2 messages as bytes: 3M Standard Interchange Protocol 2.00, document revision 2.12.

A message is two digits, fields of fixed length, then fields of two letters and a value, each ended by "|", and a carriage
return. With error detection it ends in AY, a digit that the answer repeats, and AZ, the checksum.
"""

import re
from dataclasses import dataclass

RESEND = b"97"  # from us to the ILS: say that again
RESEND_WANTED = b"96"  # from the ILS to us
TRAILER = re.compile(rb"(?:AY(?P<number>\d))?AZ(?P<checksum>[0-9A-Fa-f]{4})\|?\Z")
FIXED = {"94": 1, "98": 34, "64": 14 + 3 + 18 + 6 * 4}  # bytes between the two digits and the first field


class Damaged(Exception):
    """What came is not what was sent: the checksum is another, or it is missing."""


@dataclass(frozen=True)
class Answer:
    code: str
    fixed: str
    fields: dict[str, str]  # the first value of each; what else repeats is text for a screen or a printer
    raw: bytes

    @property
    def statuses(self):
        """The fourteen marks of a patron's status, from 1 as in the standard: "Y" where something is denied or exceeded."""
        return dict(enumerate(self.fixed[:14], 1)) if self.code == "64" else {}


def checksum(message):
    """Of everything up to and with the letters AZ: the two's complement of the sum of the bytes, in four hexadecimal digits."""
    return b"%04X" % (-sum(message) & 0xFFFF)


def field(name, value, charset):
    return name.encode() + value.encode(charset) + b"|"


def framed(message, number=None):
    """The message as it is sent; with a `number` under error detection."""
    if number is not None:
        message += b"AY%dAZ" % number
        message += checksum(message)
    return message + b"\r"


def resend_request():
    """A 97 carries a checksum but never a number, and is the same at all times."""
    return RESEND + b"AZ" + checksum(RESEND + b"AZ") + b"\r"


def unframed(line, number):
    """The message inside a line, without its trailer. With a `number` both it and the checksum must be right. Raises Damaged."""
    line = line.strip(b"\r\n\0 ")
    trailer = TRAILER.search(line)
    if number is None:
        return line[: trailer.start()] if trailer else line
    if not trailer or checksum(line[: trailer.start("checksum")]) != trailer["checksum"].upper():
        raise Damaged
    if trailer["number"] != b"%d" % number and not line.startswith(RESEND_WANTED):
        raise Damaged
    return line[: trailer.start()]


def parsed(message, charset):
    """The answer in a message; what the charset can't read is marked U+FFFD. Raises ValueError where it is none that we know."""
    text = message.decode(charset, errors="replace")
    code = text[:2]
    if code not in FIXED or len(text) < 2 + FIXED[code]:
        raise ValueError
    begin = 2 + FIXED[code]
    fields: dict[str, str] = {}
    for part in text[begin:].split("|"):
        if len(part) >= 2:
            fields.setdefault(part[:2], part[2:])
    return Answer(code, text[2:begin], fields, message)
