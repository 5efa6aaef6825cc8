"""Record the help sessions that other systems send."""

import datetime
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from stdnum import isbn

from portal.desk.forms.sessions import MAX_AGE
from portal.desk.languages import language_choices
from portal.helpsessions import choices
from portal.helpsessions.actions import record_from_system
from portal.helpsessions.unfinished import day_and_hour
from portal.text import clean
from recommendations.chosen_items import ChosenItem
from recommendations.models import Item, Topic

from .models import CreatedSession
from .refused_text import why_refused
from .tokens import hash_of

# How long the answer to a request is kept, in case the system sends the request again.
KEPT_FOR = datetime.timedelta(days=1)
# The time of a session may be this far in the future, because the other system's clock may be fast.
CLOCK_TOLERANCE = datetime.timedelta(minutes=5)
WORDS_OFF = (
    "This token doesn't allow words. Leave the field out, or ask a coordinator for a token that allows them."
)
REFUSED = {
    "transcript": "This looks like the transcript of a conversation. Send a short question or summary.",
    "email_address": "This contains an email address. Leave it out.",
    "card_number": "This contains a number that looks like the number of a card. Leave it out.",
}


class NotRecorded(Exception):
    """The session wasn't recorded. `errors` is [{"field": path, "detail": what is wrong}]."""

    def __init__(self, errors):
        super().__init__(str(errors))
        self.errors = errors


class KeyUsed(Exception):
    """The system has already used this key for a request with another body."""


@dataclass(frozen=True)
class Key:
    """The Idempotency-Key of a request, and the body that was sent with it."""

    key: str
    body: bytes

    @property
    def hashes(self):
        return {"key": hash_of(self.key), "body": hash_of(self.body.decode("utf-8", "replace"))}


def record_sent(sent, *, token, key, at):
    """Record a SentSession, and return (public id of the help session, whether this call recorded it).

    If the system sent the same request with the same key within the last day, record nothing, and return the
    help session that was recorded then. Raises NotRecorded and KeyUsed.
    """
    if answered := _answered(token, key, at):
        return answered, False
    fields = _fields(sent, token=token, at=at)
    try:
        with transaction.atomic():
            help_session = record_from_system(at=at, **fields)
            CreatedSession.objects.filter(token=token, created_at__lte=at - KEPT_FOR).delete()
            CreatedSession.objects.create(
                token=token, help_session=help_session.public_id, created_at=at, **key.hashes
            )
    except IntegrityError:
        # Another process has just recorded a session with the same key, so our transaction was rolled back.
        if answered := _answered(token, key, at):
            return answered, False
        raise
    return help_session.public_id, True


def forget_answers(*, at):
    """Delete the answers that are older than a day. The worker runs this job."""
    CreatedSession.objects.filter(created_at__lte=at - KEPT_FOR).delete()


def _answered(token, key, at):
    """Return the public id of the session that was recorded with this key within the last day, or None.

    Raises KeyUsed.
    """
    rows = CreatedSession.objects.filter(token=token, key=key.hashes["key"], created_at__gt=at - KEPT_FOR)
    row = rows.first()
    if row and row.body != key.hashes["body"]:
        raise KeyUsed
    return row and row.help_session


def _fields(sent, *, token, at):
    """Return the arguments for `record_from_system`. Raises NotRecorded with all errors."""
    errors: list[dict] = []

    def refuse(field, detail):
        errors.append({"field": field, "detail": detail})

    branch = token.branches.filter(slug=sent.branch, closed_at=None).first()
    if branch is None:
        refuse("branch", "This token has no open branch with this short name.")
    fields = {
        "branch": branch,
        "mode": sent.mode,
        "question_type": sent.question_type,
        "read_level": sent.read_level,
        "minutes": sent.minutes,
        "people": sent.people,
        "language": sent.language,
        **_time(sent, at, refuse),
        **_choices(sent, branch, refuse),
        **_words(sent, token, refuse),
        "items": _items(sent, token, refuse),
    }
    if sent.language not in dict(language_choices()):
        refuse("language", "This is not the code of a language that the record form offers, such as en.")
    if errors:
        raise NotRecorded(errors)
    return fields


def _time(sent, at, refuse):
    happened_at = sent.happened_at or at
    if timezone.is_naive(happened_at):
        refuse("happened_at", "Add the offset from UTC, such as 2026-05-01T10:30:00-05:00.")
        return {}
    if happened_at < at - MAX_AGE:
        refuse("happened_at", "This is more than ten years ago.")
        return {}
    if happened_at > at + CLOCK_TOLERANCE:
        refuse("happened_at", "This is in the future.")
    return day_and_hour(min(happened_at, at))


def _choices(sent, branch, refuse):
    """Return {"topic": …, "service_point": …, "patron_group": …} with the rows whose names the system sent.

    A value is None if the system sent no name for it, or a name that the library doesn't offer.
    """
    topics = {topic.name: topic for topic in Topic.objects.filter(retired_at=None)} if sent.topic else {}
    points = choices.offered_points(branches=[branch.pk]) if sent.service_point and branch else []
    groups = choices.offered_groups() if sent.patron_group else []
    found = {
        "topic": topics.get(sent.topic),
        "service_point": _named(points, sent.service_point),
        "patron_group": _named(groups, sent.patron_group),
    }
    for name, row in found.items():
        if row is None and getattr(sent, name):
            refuse(name, "The library offers nothing with this name.")
    return found


def _named(rows, name):
    return next((row for row in rows if row.name.casefold() == name.strip().casefold()), None)


def _words(sent, token, refuse):
    words = {}
    for name in ("question", "summary"):
        words[name] = clean(getattr(sent, name), multiline=True)
        _check_words(name, words[name], token, refuse)
    return words


def _check_words(field, words, token, refuse):
    if words and not token.may_send_words:
        refuse(field, WORDS_OFF)
    elif why := why_refused(words):
        refuse(field, REFUSED[why])


def _items(sent, token, refuse):
    """Return a ChosenItem for each item that the system sent."""
    ids = {item.id for item in sent.items if item.id}
    isbns = {digits for item in sent.items if (digits := _isbn_13(item.isbn))}
    rows = Item.objects.filter(Q(public_id__in=ids) | Q(isbn__in=isbns), retired_at=None).order_by("-pk")
    known = list(rows) if sent.items else []
    by_id, by_isbn = {row.public_id: row for row in known}, {row.isbn: row for row in known}
    chosen = []
    for place, item in enumerate(sent.items):
        # Check the text with its line ends, because a transcript is recognized by its lines.
        _check_words(f"items.{place}.reason", clean(item.reason, multiline=True), token, refuse)
        if (item.id is None) == (not item.isbn):
            refuse(f"items.{place}", "Name the item by its id or by its ISBN.")
        elif row := by_id.get(item.id) or by_isbn.get(_isbn_13(item.isbn)):
            chosen.append(ChosenItem(item=row, reason=clean(item.reason), starred=item.asked_about))
        else:
            refuse(f"items.{place}", "The catalog has no such item.")
    return chosen


def _isbn_13(text):
    """Return the digits of the ISBN with 13 digits, or "" if the text is not an ISBN."""
    return isbn.to_isbn13(isbn.compact(text)) if isbn.is_valid(text) else ""
