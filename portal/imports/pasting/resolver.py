"""Look up the title and other details of a DOI, if the library has set DOI_RESOLVER.

The resolver answers in CSL JSON. The portal asks only this one host, follows no redirect, and sends nothing
but the DOI.
"""

import hashlib
import http.client
import queue
import re
import ssl
import threading
import time
from dataclasses import replace
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from accounts.slow_servers import end_at
from portal import limits
from portal.imports.records import PARAGRAPH_TAG, TAG, unescaped
from portal.text import parse_json
from recommendations.models import Item

from .entries import first_isbn, shortened

Kind = Item.Kind
# The time limit in seconds for looking up all DOIs of one preview.
MAX_SECONDS = 6
# The maximum size of the resolver's answer. Some answers contain an article's whole list of references.
MAX_ANSWER_BYTES = 1024 * 1024
# How long a looked-up title is cached, so that adding the items doesn't ask the resolver again.
KEPT_SECONDS = 600
# {type of a work in CSL JSON or at Crossref: kind}. Works of all other types are articles.
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


def with_details(entries, *, known, by):
    """Return the entries. Add details from the resolver to each entry with a DOI and no typed title.

    Skip the entries whose numbers are in `known`, because the portal already has their items. If the resolver
    fails once, the remaining entries get only cached details. If the resolver is asked, the preview counts
    once toward the limit of the staff member `by`. If `by` is None, the resolver isn't asked.
    """
    if not settings.DOI_RESOLVER:
        return entries
    found, deadline = [], time.monotonic() + MAX_SECONDS
    is_counted, why_not = False, "" if by else _not_now()
    for entry in entries:
        doi = entry.values.get("doi")
        if doi and entry.values.get("title") == doi and entry.number not in known:
            key = f"doi:{hashlib.sha256(doi.lower().encode()).hexdigest()}"
            values = cache.get(key)
            if values is None and not why_not:
                try:
                    if not is_counted:
                        limits.count_by_person("doi_look_up", by)
                        is_counted = True
                    values = look_up(doi, deadline)
                    cache.set(key, values, KEPT_SECONDS)
                except Unanswered:
                    why_not = _not_now()
                except limits.TooOften as error:
                    why_not = error.words
            entry = replace(entry, remark=why_not) if values is None else _completed(entry, values)
        found.append(entry)
    return found


def _not_now():
    return _("The details could not be looked up just now. You can write a title.")


def _completed(entry, values):
    if not values.get("title"):
        return replace(entry, remark=_("The resolver doesn't know this DOI. Check it, or write a title."))
    words = _("Looked up at %(host)s.") % {"host": urlsplit(settings.DOI_RESOLVER).hostname}
    return replace(entry, values=entry.values | values, remark=words)


def look_up(doi, deadline):
    """Return {field of an Item: value} from the resolver, or {} if the resolver doesn't know the DOI.

    `deadline` is a value of time.monotonic(). Raises Unanswered.
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
    """Return (HTTP status, body) of the resolver's response. Raises Unanswered at the deadline.

    The request runs in a thread, because no timeout covers the DNS lookup and the TLS handshake. After the
    deadline, nothing waits for the thread.
    """
    answers: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_answer(url, deadline)), daemon=True).start()
    try:
        answer = answers.get(timeout=max(deadline - time.monotonic(), 0.001))
    except queue.Empty:
        answer = None
    if answer is None:
        raise Unanswered
    return answer


def _answer(url, deadline):
    """Return (HTTP status, body) of the resolver's response, or None if there is no usable response."""
    parts, timer = urlsplit(url), None
    left = max(deadline - time.monotonic(), 0.001)
    # doi_rules() in portal/service_rules.py refuses http, except in development and tests.
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
                return None
        if time.monotonic() > deadline:
            return None
        return response.status, text.decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError):
        return None
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
    """Return a value of the answer as text without tags. If the value is a list, use its first text."""
    if isinstance(value, list):
        value = value[0] if value else ""
    text = unescaped(value) if isinstance(value, str) else ""
    return TAG.sub("", PARAGRAPH_TAG.sub(" ", text))


def _name(author):
    if not isinstance(author, dict):
        return ""
    family, given = _text(author.get("family")), _text(author.get("given"))
    return ", ".join(filter(None, [family, given])) or _text(author.get("literal") or author.get("name"))
