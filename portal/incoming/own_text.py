"""Remove the quotes from an email, and keep what its sender wrote.

If the sender wrote between or below the quotes, nothing is removed. Each line of a quote then begins with
">", so that pages can collapse the quote.
"""

import re
from functools import cache

from mailparser_reply.constants import GENERIC_MAIL_SEPARATOR, MAIL_LANGUAGES

from portal.conversations.reply_addresses import first_lines

# Search only this many characters of a line, and this many lines of an email, for the start of a quote. The
# time for a search grows at least quadratically with the length of a line.
PROBED_LINE_LENGTH = 300
PROBED_LINES = 3000
# A line that is only a part of a line from the library's email must have at least this many characters to
# count as copied. A shorter line could be the sender's own words.
KNOWN_LENGTH = 12
RUNS = re.compile(r"([ \t*])[ \t*]+")
LINKS = re.compile(r"<[^<>\s]*>|https?://\S+|\[image:[^\]]*\]")
# Matches characters that are not text. They include the invisible characters that HTML emails have after the
# preview sentence.
DECORATION = re.compile(r"[\s>_*=\-–—\u00ad\u034f\u200b-\u200d\u2060\ufeff]+")
LABEL = re.compile(r"<[^<>\s]*>")
# Matches the line above a quote in a language that mail-parser-reply doesn't know.
WROTE = re.compile(r"(\d{1,2}[:.h]\d{2}|\b20\d\d\b).*([:：]|---)\s*$", re.DOTALL)
ABOVE_QUOTE_LINES = 3
# Matches a line such as "----- Mensaje original -----".
SEPARATOR = re.compile(r"\s*(-{3,}[^-]+-{3,}|_{8,}|-{8,})\s*")
# Matches a warning that an organization's mail server has added at the beginning of our email.
WARNING = re.compile(r"\b(external|externo|externa|outside)\b|LearnAboutSenderIdentification", re.IGNORECASE)


def own_text(text, *, sent=()):
    """Return what the sender of this email wrote, or "" if the email contains only quotes.

    `sent` has the texts of the emails that this email may answer, both their plain text and the text of their
    HTML. These texts help to find quotes without ">".
    """
    lines = [line.lstrip() if line.lstrip().startswith(">") else line for line in text.split("\n")]
    quoted = {number for number, line in enumerate(lines) if line.startswith(">")}
    markers, known = _marked(lines), _known(lines, sent)
    headers = _headers(lines, quoted, markers)
    headers |= _warnings(lines, headers, markers - quoted)
    begin = min(headers | markers | quoted, default=None)
    if begin is None or not (markers or (headers and quoted) or _after(known, begin)):
        # The email has no quotes, or doesn't quote an email from the library.
        return "\n".join(lines).strip()
    theirs = quoted | headers | markers | known
    own = {n for n in range(begin, len(lines)) if n not in theirs and DECORATION.sub("", lines[n])}
    if not sent and not quoted:
        # The lines of the quote have no ">", and the library's email is unknown. So nothing shows which lines
        # after the start of the quote are the sender's own.
        own = set()
    if not own:
        while begin and not DECORATION.sub("", lines[begin - 1]):
            begin -= 1
        return "\n".join(lines[:begin]).strip()
    marked = [
        f"> {line}" if n >= begin and n not in own | quoted and line.strip() else line
        for n, line in enumerate(lines)
    ]
    return "\n".join(marked).strip()


def _after(numbers, begin):
    return any(number >= begin for number in numbers)


def _headers(lines, quoted, markers):
    """Return the numbers of the lines that mail programs write above a quote, such as "On … wrote:"."""
    probe = "\n".join(RUNS.sub(r"\1", line.strip())[:PROBED_LINE_LENGTH] for line in lines[:PROBED_LINES])
    found: set[int] = set()
    for match in _header_pattern().finditer(probe):
        text = match.group()
        first = probe.count("\n", 0, match.start()) + len(text) - len(text.lstrip("\n"))
        found.update(range(first, first + text.strip("\n").count("\n") + 1))
    for number in quoted | markers:
        if number and number - 1 not in quoted:
            found |= _above_quote(lines, number)
    found |= {number - 1 for number in found if number and SEPARATOR.fullmatch(lines[number - 1])}
    return found


def _warnings(lines, headers, markers):
    """Return the numbers of the lines in which a mail server warns about the library's email.

    The library's email begins with "Write your answer above this line." Only the lines between a header such
    as "On … wrote:" and this line are searched. The sender wrote all lines there that are not warnings.
    """
    found: set[int] = set()
    for marker in markers:
        header = max((number for number in headers if number < marker), default=marker)
        found.update(number for number in range(header + 1, marker) if WARNING.search(lines[number]))
    return found


@cache
def _header_pattern():
    """Return a pattern for the beginning of a quote, in all languages that mail-parser-reply knows."""
    patterns = [GENERIC_MAIL_SEPARATOR]
    for language in MAIL_LANGUAGES.values():
        patterns += [language[name] for name in ("wrote_header", "from_header") if name in language]
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.MULTILINE | re.IGNORECASE)


def _above_quote(lines, number):
    """Return the numbers of the lines where a mail program says who wrote the quote.

    `number` is the number of the first line of the quote.
    """
    last = number
    while last and not lines[last - 1].strip():
        last -= 1
    first = last
    while first and lines[first - 1].strip() and last - first < ABOVE_QUOTE_LINES:
        first -= 1
        if WROTE.search("\n".join(lines[first:last])):
            return set(range(first, last))
    return set()


def _marked(lines):
    """Return the numbers of the lines that contain the first line of an email from the library."""
    markers = [_words(line) for line in first_lines()]
    return {number for number, line in enumerate(lines) if any(mark in _words(line) for mark in markers)}


def _known(lines, sent):
    """Return the numbers of the lines that are copied from the library's emails in `sent`.

    A mail program may break a line into two. So a short line also counts as copied if the library's emails
    contain it together with the line before or after it.
    """
    whole = "\n".join(_words(text) for text in sent)
    single = {line.strip() for text in sent for line in text.split("\n") if line.strip()}
    known_words = {_words(line) for line in single}
    words = [_words(line) for line in lines]
    with_words = [number for number, own in enumerate(words) if own]
    found = {number for number, line in enumerate(lines) if LABEL.sub("", line).strip() in single}
    for place, number in enumerate(with_words):
        before = words[with_words[place - 1]] if place else ""
        after = words[with_words[place + 1]] if place + 1 < len(with_words) else ""
        own = words[number]
        copies = (own, before + own, own + after)
        if own in known_words or any(len(copy) >= KNOWN_LENGTH and copy in whole for copy in copies):
            found.add(number)
    return found


def _words(line):
    return re.sub(r"\W+", "", LINKS.sub("", line)).casefold()
