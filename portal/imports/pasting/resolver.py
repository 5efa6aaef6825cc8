"""Look up the title and other details of a DOI, if the library has set DOI_RESOLVER.

The resolver answers in CSL JSON. The portal asks only this one host, follows no redirect, and sends nothing
but the DOI.
"""

import hashlib
import http.client
import re
import socket
import ssl
import time
from dataclasses import replace
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from accounts.slow_servers import end_at
from portal.imports.records import PARAGRAPH_TAG, TAG, unescaped
from portal.text import parse_json
from recommendations.models import Item

from .entries import first_isbn, shortened

Kind = Item.Kind
# In seconds, for all DOIs of a preview together.
MAX_SECONDS = 6
# Some answers have the whole list of references.
MAX_ANSWER_BYTES = 1024 * 1024
# How long an answer is kept, so that adding the items doesn't ask again.
KEPT_SECONDS = 600
# {type of a work in CSL JSON or at Crossref: kind}. Other works are articles.
KINDS = {
    **dict.fromkeys(["book", "monograph", "edited-book", "chapter", "book-chapter", "thesis"], Kind.BOOK),
    **dict.fromkeys(["webpage", "post", "post-weblog"], Kind.WEB_PAGE),
    **dict.fromkeys(["dataset", "software", "graphic", "report"], Kind.OTHER),
    "motion_picture": Kind.VIDEO,
    "song": Kind.SOUND,
    "map": Kind.MAP,
}


class Unanswered(Exception):
    """The resolver could not be reached, or its answer can't be used."""


def with_details(entries, *, known):
    """Return the entries. Those that have a DOI and no title of their own get the details of the resolver.

    `known` are the numbers of the entries that need no details, because the catalog has their items. If the
    resolver doesn't answer, the other entries are not looked up.
    """
    if not settings.DOI_RESOLVER:
        return entries
    found, deadline = [], time.monotonic() + MAX_SECONDS
    is_away = False
    for entry in entries:
        doi = entry.values.get("doi")
        if doi and entry.values.get("title") == doi and entry.number not in known:
            try:
                entry = _completed(entry, doi, deadline, is_away=is_away)
            except Unanswered:
                is_away = True
                words = _("The details could not be looked up just now. You can write a title.")
                entry = replace(entry, remark=words)
        found.append(entry)
    return found


def _completed(entry, doi, deadline, *, is_away):
    key = f"doi:{hashlib.sha256(doi.lower().encode()).hexdigest()}"
    values = cache.get(key)
    if values is None:
        if is_away:
            raise Unanswered
        values = look_up(doi, deadline)
        cache.set(key, values, KEPT_SECONDS)
    if not values.get("title"):
        return replace(entry, remark=_("The resolver doesn't know this DOI. Check it, or write a title."))
    words = _("Looked up at %(host)s.") % {"host": urlsplit(settings.DOI_RESOLVER).hostname}
    return replace(entry, values=entry.values | values, remark=words)


def look_up(doi, deadline):
    """Return what the resolver knows about the DOI, as fields of an Item. Return {} if it knows nothing.

    `deadline` is a time of time.monotonic(). Raises Unanswered.
    """
    status, text = _ask(settings.DOI_RESOLVER.replace("{doi}", quote(doi, safe="")), deadline)
    if status == 404:
        return {}
    try:
        answer = parse_json(text) if status == 200 else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unanswered
    return _values(answer)


def _ask(url, deadline):
    """Return (status, text) of the resolver's answer."""
    parts, timer = urlsplit(url), None
    left = max(deadline - time.monotonic(), 0.001)
    # checks.py allows http for tests only.
    connection = http.client.HTTPConnection(parts.netloc, timeout=left)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.netloc, timeout=left, context=context)
    try:
        connection.connect()
        timer = end_at(deadline, connection.sock)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {"Accept": "application/vnd.citationstyles.csl+json", "User-Agent": "Afterword"}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        text = b""
        while chunk := response.read1(65536):
            text += chunk
            if len(text) > MAX_ANSWER_BYTES:
                raise Unanswered
        if time.monotonic() > deadline:
            raise Unanswered
        return response.status, text.decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError, socket.gaierror):
        raise Unanswered from None
    finally:
        if timer:
            timer.cancel()
        connection.close()


def _values(answer):
    year = re.search(r"\d{4}", str(answer.get("issued", "")), re.ASCII)
    names = answer.get("author")
    values = {
        "title": _text(answer.get("title")),
        "creators": "; ".join(filter(None, map(_name, names if isinstance(names, list) else []))),
        "series": _text(answer.get("container-title")),
        "publisher": _text(answer.get("publisher")),
        "year": year[0] if year else "",
        "isbn": first_isbn([_text(answer.get("ISBN"))]),
    }
    return shortened(values) | {"kind": str(KINDS.get(str(answer.get("type")), Kind.ARTICLE))}


def _text(value):
    """Return a text of the answer, or the first one of a list, without tags."""
    if isinstance(value, list):
        value = value[0] if value else ""
    text = unescaped(value) if isinstance(value, str) else ""
    return TAG.sub("", PARAGRAPH_TAG.sub(" ", text))


def _name(author):
    if not isinstance(author, dict):
        return ""
    family, given = _text(author.get("family")), _text(author.get("given"))
    return ", ".join(filter(None, [family, given])) or _text(author.get("literal") or author.get("name"))
