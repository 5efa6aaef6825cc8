"""Find the words on a page that gettext has not translated."""

import re
import unicodedata
from html.parser import HTMLParser

from django.utils.translation import _trans

from portal.desk import items_part, queue_page, queue_rows
from portal.desk.templatetags import desk
from portal.templatetags import portal as tags

SHOWN_ATTRIBUTES = {"alt", "aria-label", "placeholder", "title"}
UNREAD = {"script", "style"}
MARKED = re.compile("⟦[^⟦⟧]*⟧")
WORD = re.compile(r"[^\W\d_]{2,}")


def mark_translations(monkeypatch):
    """Make gettext return each text as ⟦text⟧ until the end of the test."""

    def marked(original):
        return lambda *args: f"⟦{original(*args)}⟧"

    for name in ("gettext", "ngettext", "pgettext", "npgettext"):
        monkeypatch.setattr(_trans, name, marked(getattr(_trans, name)), raising=False)
    # These functions have caches that other tests share. The functions without caches replace them here.
    for name in (
        "_day_in_words",
        "_time_in_words",
    ):
        monkeypatch.setattr(tags, name, getattr(tags, name).__wrapped__)
    monkeypatch.setattr(desk, "_kind", desk._kind.__wrapped__)
    monkeypatch.setattr(tags.FixedNode, "render", lambda node, context: node.nodelist.render(context))
    monkeypatch.setattr(items_part, "_untouched", items_part._untouched.__wrapped__)
    monkeypatch.setattr(queue_page, "_reasons", queue_page._reasons.__wrapped__)
    for name in ("_minutes_in_words", "_long_in_words"):
        monkeypatch.setattr(queue_rows, name, getattr(queue_rows, name).__wrapped__)


def plain_literals(html, data_texts=()):
    """Return the words of a page that are not data and that mark_translations has not marked."""
    page_texts = _PageTexts()
    page_texts.feed(html)
    found = []
    longest_first = sorted(
        {unicodedata.normalize("NFC", data) for data in data_texts} - {""}, key=len, reverse=True
    )
    for text in page_texts.texts:
        left = unicodedata.normalize("NFC", text)
        while MARKED.search(left):
            left = MARKED.sub(" ", left)
        if not WORD.search(left):
            continue
        for data in longest_first:
            left = left.replace(data, " ")
        if WORD.search(left):
            found.append(" ".join(left.split()))
    return found


class _PageTexts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.texts, self.unread = [""], 0

    def handle_starttag(self, tag, attrs):
        self.unread += tag in UNREAD
        attrs = dict(attrs)
        shown = SHOWN_ATTRIBUTES | ({"value"} if tag == "input" and attrs.get("type") == "submit" else set())
        self.texts += [value for name, value in attrs.items() if name in shown and value]

    def handle_endtag(self, tag):
        self.unread -= tag in UNREAD

    def handle_data(self, data):
        if not self.unread:
            self.texts.append(data)
