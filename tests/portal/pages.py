"""Read the HTML of responses, to compare a fragment for htmx with the reloaded page."""

import re
from html.parser import HTMLParser

from django.urls import reverse

VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "path", "circle", "rect", "ellipse"}
NEW_EACH_TIME = re.compile(r'(name="(?:csrfmiddlewaretoken|client_token)" value=)"[^"]*"')
SWAP_ONLY = re.compile(r'\s(?:hx-swap-oob|data-announce)="[^"]*"')


def asks_to_sign_in(response):
    """Return whether the response redirects to the sign-in page."""
    return response.status_code == 302 and response["Location"].startswith(reverse("sign_in"))


class _Finder(HTMLParser):
    def __init__(self, wanted):
        super().__init__(convert_charrefs=False)
        self.wanted, self.depth, self.parts, self.found = wanted, 0, [], False

    def handle_starttag(self, tag, attrs):
        if not self.found and dict(attrs).get("id") == self.wanted:
            self.found, self.depth = True, 0
            self.parts.append(self.get_starttag_text())
            self.depth = 1
        elif self.depth:
            self.parts.append(self.get_starttag_text())
            if tag not in VOID and not self.get_starttag_text().endswith("/>"):
                self.depth += 1

    def handle_startendtag(self, tag, attrs):
        if self.depth:
            self.parts.append(self.get_starttag_text())

    def handle_endtag(self, tag):
        if self.depth:
            self.parts.append(f"</{tag}>")
            if tag not in VOID:
                self.depth -= 1

    def handle_data(self, data):
        if self.depth:
            self.parts.append(data)

    def handle_entityref(self, name):
        self.handle_data(f"&{name};")

    def handle_charref(self, name):
        self.handle_data(f"&#{name};")


def shown_to_visitors(page):
    """Return the HTML of a shared list, without the parts that differ between its page and its preview.

    The preview has no links to the items, and its covers have other addresses.
    """
    return re.sub(r"</?a\b[^>]*>|<noscript>.*?</noscript>", "", part(page, "shown"))


def part(response, element_id):
    """Return the HTML of the element with this id.

    Values that differ on every request are emptied. Attributes that only htmx fragments have are removed.
    """
    finder = _Finder(element_id)
    finder.feed(response.content.decode())
    assert finder.found, f"no #{element_id} in the page"
    html = SWAP_ONLY.sub("", NEW_EACH_TIME.sub(r'\1""', "".join(finder.parts)))
    return re.sub(r" >", ">", re.sub(r"\s+", " ", html))


def heading(response):
    """Return the page's main heading."""
    return re.search(r"<h1[^>]*>(.*?)</h1>", response.content.decode(), re.DOTALL)[1].strip()


def text(response):
    """Return the text of the page without tags, in one line."""
    html = re.sub(r"(?s)<style.*?</style>|<script.*?</script>", "", response.content.decode())
    # A word can continue after a <wbr>.
    html = re.sub(r"<[^>]+>", " ", html.replace("<wbr>", ""))
    return re.sub(r"\s+", " ", html)


HTMX = {"HTTP_HX_REQUEST": "true"}
