"""Find text that the API must not save: a chat transcript, an email address or a card number."""

import re
from collections import Counter

from stdnum import isbn

from portal.text import looks_like_secret_number

EMAIL_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+")
# Nine or more digits in a row look like the number of a library card. If there are spaces, dashes or periods
# between the digits, only eleven or more look like such a number. Fewer digits are probably a phone number.
LONG_NUMBER = re.compile(r"\d{9,}|\d(?:[ .-]?\d){10,}")
# A line ends with a line break or with one of these tags, because some chat systems send HTML.
LINE_ENDS = re.compile(r"\n|<br\s*/?>|</(?:p|div|li|tr)>", re.IGNORECASE)
TAG = re.compile(r"<[^<>]{0,200}>")
TIME = r"[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]\.?m\.?)?[\])]?"
# Matches a date before a time, such as "2026-05-01" or "12/31/25,".
DATE = r"[\[(]?\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4},?[ T]"
# Matches the start of a line such as "10:42 Hello", "[10:42:07 p.m.] Hello" or "2026-05-01 10:42 Hello".
TIMED_LINE = re.compile(rf"(?:{DATE})?{TIME}\s", re.IGNORECASE)
SPEAKER = r"[^\W\d][\w .'-]{0,30}?"
# Matches the start of a line such as "Patron: Hello" or "Patron (10:42): Hello" or "Patron 10:42 AM: Hello".
SPOKEN_LINE = re.compile(rf"({SPEAKER})(?: {TIME})?:\s", re.IGNORECASE)
# Matches a time and a speaker, such as "10:42 Patron: ", even in the middle of a line.
TIMED_SPEAKER = re.compile(rf"(?<!\d){TIME}\s(?:- )?{SPEAKER}:\s", re.IGNORECASE)


def why_refused(text):
    """Return what this text seems to contain: "transcript", "email_address", "card_number", or ""."""
    if _looks_like_transcript(text):
        return "transcript"
    if EMAIL_ADDRESS.search(text):
        return "email_address"
    if looks_like_secret_number(text) or any(map(_is_card_number, LONG_NUMBER.findall(text))):
        return "card_number"
    return ""


def _looks_like_transcript(text):
    """Return whether three lines begin with a time, or four lines begin with the name of a speaker.

    There must be two or more speakers, and one of them must have two or more lines. So a list with lines such
    as "Title: …" and "Author: …" is no transcript. A text without line breaks is a transcript if it has
    a time and then a speaker in three places.
    """
    lines = [TAG.sub("", line).strip() for line in LINE_ENDS.split(text)]
    if sum(bool(TIMED_LINE.match(line)) for line in lines) >= 3 or len(TIMED_SPEAKER.findall(text)) >= 3:
        return True
    spoken = [match[1].casefold() for line in lines if (match := SPOKEN_LINE.match(line))]
    speakers = Counter(spoken)
    return len(spoken) >= 4 and len(speakers) >= 2 and max(speakers.values()) >= 2


def _is_card_number(text):
    """Return whether this long number could be the number of a card, because it is no ISBN."""
    digits = re.sub(r"[ .-]", "", text)
    return not (len(digits) in {10, 13} and isbn.is_valid(digits))
