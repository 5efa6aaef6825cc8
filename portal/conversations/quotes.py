"""Find the quotes in a message that came by email, so that pages can collapse them."""

from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Part:
    """Some lines of a message. `is_quote` says whether these lines quote an earlier email."""

    text: str
    is_quote: bool


def parts_of(body):
    """Return the text as a list of Parts. A line that begins with ">" belongs to a quote.

    The ">" is removed from the text of the quote. Two quotes with only empty lines between them become one
    Part, because some mail programs leave a line empty after each paragraph of a quote.
    """
    parts: list[Part] = []
    for is_quote, lines in groupby(body.split("\n"), lambda line: line.startswith(">")):
        text = "\n".join(_unquoted(line) if is_quote else line for line in lines).strip("\n")
        if not text.strip():
            continue
        if is_quote and parts and parts[-1].is_quote:
            text = f"{parts.pop().text}\n\n{text}"
        parts.append(Part(text, is_quote))
    return parts


def _unquoted(line):
    return line[1:].removeprefix(" ")
