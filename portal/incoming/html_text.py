"""Turn an HTML email into plain text, with ">" before each line of a quote."""

import html
import re

from justhtml import JustHTML

# Only this many characters of HTML are parsed, because longer HTML takes seconds.
MAX_HTML = 100_000
INLINE = "a, b, strong, i, em, u, s, del, code, font, img"
BLOCKS = "table, tbody, thead, tfoot, tr, td, th, h1, h2, h3, h4, h5, h6, hr"
EMPTY_LINES = re.compile(r"\n{3,}")
ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def text_of(source):
    """Return the text of this HTML, without links and pictures."""
    document = JustHTML(source[:MAX_HTML])
    # Convert to Markdown, which has the right line breaks, lists and quotes. First rename elements such as
    # links and headings, because Markdown would add other marks for them.
    for node in document.query(INLINE):
        node.name = "span"
    for node in document.query(BLOCKS):
        node.name = "div"
    lines = html.unescape(ESCAPED.sub(r"\1", document.to_markdown())).split("\n")
    text = "\n".join(line.replace("\xa0", " ").rstrip() for line in lines)
    return EMPTY_LINES.sub("\n\n", text).strip("\n")
