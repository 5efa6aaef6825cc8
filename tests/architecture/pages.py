"""Find the words on a page that gettext has not translated."""

import re
import unicodedata
from html.parser import HTMLParser

from django.utils.translation import _trans

from portal import times
from portal.desk import items_part, queue_page, queue_rows
from portal.templatetags import fixed
from portal.templatetags import portal as tags
from recommendations.models import item_details

SHOWN_ATTRIBUTES = {"alt", "aria-label", "placeholder", "title"}
# The tags whose content is never translated. <code> contains a command or the response of a server.
UNREAD = {"script", "style", "code"}
# The tags that a translated text may contain. Every other tag ends the text before it.
INLINE = {"b", "bdi", "strong", "time"}
MARKED = re.compile("⟦[^⟦⟧]*⟧")
WORD = re.compile(r"[^\W\d_]{2,}")
# Functions that return translated texts from a cache. Other tests fill these caches with texts that are not
# marked, so `mark_translations` calls the functions without their caches.
CACHED_FUNCTIONS = [
    (tags, "_day_in_words"),
    (times, "_in_words"),
    (item_details, "_kind_name"),
    (items_part, "_untouched"),
    (queue_page, "_reasons"),
    (queue_rows, "_tags"),
    (queue_rows, "_minutes_in_words"),
    (queue_rows, "_long_in_words"),
]


def mark_translations(monkeypatch):
    """Make gettext return each text as ⟦text⟧ until the end of the test."""

    def marked(original):
        return lambda *args: f"⟦{original(*args)}⟧"

    for name in ("gettext", "ngettext", "pgettext", "npgettext"):
        monkeypatch.setattr(_trans, name, marked(getattr(_trans, name)), raising=False)
    for module, name in CACHED_FUNCTIONS:
        monkeypatch.setattr(module, name, getattr(module, name).__wrapped__)
    # The tags in portal/templatetags/fixed.py reuse rendered texts. Texts that earlier tests rendered may
    # lack the marks ⟦ and ⟧.
    monkeypatch.setattr(fixed.FixedNode, "text", lambda node, context: node.nodelist.render(context))


def plain_literals(html, data_texts=()):
    """Return the texts of a page, except texts from gettext and texts in `data_texts`.

    Call mark_translations before rendering the page.
    """
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
        self.texts, self.unread, self.as_it_is = [""], 0, ""

    def handle_starttag(self, tag, attrs):
        self.unread += tag in UNREAD
        attrs = dict(attrs)
        # The text of an element with translate="no" must stay in its language. It can be a citation. The
        # element contains no other element with the same tag.
        if attrs.get("translate") == "no":
            self.unread, self.as_it_is = self.unread + 1, tag
        shown = SHOWN_ATTRIBUTES | ({"value"} if tag == "input" and attrs.get("type") == "submit" else set())
        self.texts[-1:-1] = [value for name, value in attrs.items() if name in shown and value]
        self._end_text(tag)

    def handle_endtag(self, tag):
        self.unread -= tag in UNREAD
        if tag == self.as_it_is:
            self.unread, self.as_it_is = self.unread - 1, ""
        self._end_text(tag)

    def handle_data(self, data):
        if not self.unread:
            self.texts[-1] += data

    def _end_text(self, tag):
        # A word can continue after a <wbr>.
        if tag == "wbr":
            return
        self.texts[-1] += " "
        if tag not in INLINE:
            self.texts.append("")
