"""Write and parse SIP2 messages (3M Standard Interchange Protocol 2.00, document revision 2.12).

A message starts with two digits. Fixed-length fields follow, and then named fields. Each named field has two
letters, a value and "|". A carriage return ends the message. With error detection, the last two fields are AY
and AZ. AY is the message's number, a digit that the response repeats. AZ is the checksum.
"""

import re
from dataclasses import dataclass

# We send 97 to ask the ILS to repeat its response. The ILS sends 96 to ask us to repeat our message.
RESEND = b"97"
RESEND_WANTED = b"96"
TRAILER = re.compile(rb"(?:AY(?P<number>\d))?AZ(?P<checksum>[0-9A-Fa-f]{4})\|?\Z")
# The total length of the fixed fields, for each kind of response that the portal reads.
FIXED_LENGTHS = {"94": 1, "98": 34, "64": 14 + 3 + 18 + 6 * 4}


class Damaged(Exception):
    """The checksum or the sequence number of a message is wrong or missing."""


@dataclass(frozen=True)
class Answer:
    """A parsed response of the ILS.

    If several fields have the same name, `fields` has only the first. An ILS repeats only the fields with
    screen messages and print lines, and the portal doesn't need those.
    """

    code: str
    fixed: str
    fields: dict[str, str]
    raw: bytes

    @property
    def statuses(self):
        """Return {number: flag} for the 14 flags of the patron's status.

        The numbers start at 1, as in the standard. "Y" means that something is denied or that a limit is
        exceeded. Return {} for a response that is not about a patron.
        """
        return dict(enumerate(self.fixed[:14], 1)) if self.code == "64" else {}


def checksum(message):
    """Return the two's complement of the sum of the bytes, as four hexadecimal digits.

    `message` ends with the letters AZ, which are part of the sum.
    """
    return b"%04X" % (-sum(message) & 0xFFFF)


def field(name, value, charset):
    return name.encode() + value.encode(charset) + b"|"


def framed(message, number=None):
    """Return the bytes to send for a message. If `number` is not None, add the fields for error detection."""
    if number is not None:
        message += b"AY%dAZ" % number
        message += checksum(message)
    return message + b"\r"


def resend_request():
    """Return the request to repeat the last response. The request has a checksum, but no sequence number."""
    return RESEND + b"AZ" + checksum(RESEND + b"AZ") + b"\r"


def unframed(line, number):
    """Return the message in a line, without the fields for error detection.

    Raises Damaged if `number` is not None and the line has another number or a wrong checksum.
    """
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
    """Parse a message and return the Answer.

    Raises ValueError if the message is too short, or isn't a kind of response that the portal reads. Bytes
    that the charset can't decode become U+FFFD.
    """
    text = message.decode(charset, errors="replace")
    code = text[:2]
    if code not in FIXED_LENGTHS or len(text) < 2 + FIXED_LENGTHS[code]:
        raise ValueError
    begin = 2 + FIXED_LENGTHS[code]
    fields: dict[str, str] = {}
    for part in text[begin:].split("|"):
        if len(part) >= 2:
            fields.setdefault(part[:2], part[2:])
    return Answer(code, text[2:begin], fields, message)
