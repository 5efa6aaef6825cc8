"""What the rows of the queue say. They are drawn here: Django's way of drawing 25 of them was a third of what the page cost."""

import datetime
from functools import lru_cache
from html import escape

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.conversations.models import Conversation
from portal.icons import ICONS
from portal.templatetags.portal import waited, when
from recommendations.models import Recommendation

SAID = 120  # letters of the last words
SHAPES = ["alert", "message", "clock", "person"]
FAILED = {Conversation.Reason.DID_NOT_HELP, Conversation.Reason.COULD_NOT_GET_IT}
Status = Conversation.Status
# Everything in it is escaped before.
ROW = (
    '<li data-conversation="{id}" class="{css}"><label class="pick"><input type="checkbox" name="conversation" value="{value}" aria-label="{subject}"></label>'
    '<div class="grow"><p><a class="cover-all" href="{url}" dir="auto">{subject}</a></p>{said}<p class="meta">{meta}</p></div>'
    '<p class="state">{tag}{whose}</p><p class="wait">{wait}</p></li>\n'
)


def shapes():
    """The icons of the rows, drawn once a page; each row only points to them."""
    drawn = "".join(
        f'<symbol id="shape-{name}" viewBox="0 0 24 24">{ICONS[name]}</symbol>' for name in SHAPES
    )
    return mark_safe(f'<svg hidden aria-hidden="true">{drawn}</svg>')


def _shape(name):
    return f'<svg class="icon" aria-hidden="true"><use href="#shape-{name}"/></svg>'


class Rows:
    """Draws rows. What many of them share is drawn once."""

    def __init__(self, user, away, topics, at):
        self.me, self.away, self.topics, self.at = user.pk, away, topics, at
        self.assignees, self.moments = {}, {}
        self.reasons = _tags(get_language())
        self.late, self.promised, self.waiting = (
            escape(_("Overdue")),
            _("Promised by %(time)s"),
            _("Waiting %(time)s"),
        )
        self.by_code, self.nameless = escape(_("by code, no name")), escape(_("a reader"))
        self.clock, self.person = _shape("clock"), _shape("person")
        self.desk = reverse("desk")

    def drawn(self, row, link):
        """`row`: its columns (portal.desk.queue.COLUMNS). `link`: the parameters with which its conversation is opened, escaped."""
        overdue = (
            row.status == Status.WAITING_FOR_STAFF
            and row.promised_at is not None
            and row.promised_at <= self.at
        )
        said = self._said(row)
        return ROW.format(
            id=row.public_id,
            css="overdue" if overdue else "",
            value=f"{row.public_id}.{row.desk_version}",
            subject=escape(row.subject),
            url=f"{self.desk}conversations/{row.public_id}/?{link}",
            said=f'<p class="said" dir="auto">{escape(said)}</p>' if said else "",
            meta=self._meta(row),
            tag=self.reasons[row.reason] if row.status == Status.WAITING_FOR_STAFF else "",
            whose=self._whose(row) if row.assignee_id else "",
            wait=self._wait(row, overdue),
        )

    def _meta(self, row):
        who = (
            (f"<bdi>{escape(row.patron__name)}</bdi>" if row.patron__name else self.nameless)
            if row.patron_id
            else self.by_code
        )
        parts = [who, escape(row.branch__name)]
        if row.topic_id in self.topics:
            parts.append(escape(str(self.topics[row.topic_id])))
        title = row.recommendation__item__title
        if title and title != row.subject:
            parts.append(f"<bdi>{escape(title)}</bdi>")
        return " · ".join(parts)

    def _said(self, row):
        """The last words; of an item that failed what the patron said of it, if they wrote nothing else."""
        if row.latest:
            words = " ".join(row.latest[1:].split())
            begun = row.subject.removesuffix("…")
            if begun and words.startswith(begun):  # the subject is the beginning of the first message
                words = _after(begun, words)
            words = _cut(words)
            return (
                words if not words or row.latest[0] == "p" else _("The library: %(words)s") % {"words": words}
            )
        if row.reason in FAILED:
            why = Recommendation.Why(row.recommendation__why).label if row.recommendation__why else ""
            return _cut(": ".join(filter(None, [str(capfirst(why)), row.recommendation__comment])))
        return ""

    def _whose(self, row):
        if row.assignee_id not in self.assignees:
            name = row.assignee__name or _("a reader")
            cover, cover_name = self.away.get(row.assignee_id, (None, None))
            if row.assignee_id == self.me:
                words = _("Yours")
            elif row.assignee_id not in self.away:
                words = name
            elif cover is None:
                words = _("Free: %(name)s is away") % {"name": name}
            elif cover == self.me:
                words = _("%(name)s is away: you cover") % {"name": name}
            else:
                words = _("%(name)s is away: %(cover)s covers") % {
                    "name": name,
                    "cover": cover_name or _("a reader"),
                }
            css = "whose yours" if self.me in {row.assignee_id, cover} else "whose"
            self.assignees[row.assignee_id] = (
                f'<span class="{css}">{self.person}<bdi>{escape(words)}</bdi></span>'
            )
        return self.assignees[row.assignee_id]

    def _wait(self, row, overdue):
        if row.status == Status.WAITING_FOR_STAFF:
            words = self.waiting % {"time": _waited(row.waiting_since, self.at)}
            if overdue:
                words = f'<strong class="late">{self.clock}{self.late}</strong> · {words}'
            promised = self.promised % {"time": self._when(row.promised_at)} if row.promised_at else ""
            return f'{words}<span class="promised"><br>{promised}</span>' if promised else words
        if row.status == Status.WAITING_FOR_PATRON:
            words = _("Answered %(time)s") % {"time": when(row.queued_at)}
            closes = row.closes_at and _("Closes by itself %(day)s") % {
                "day": self._when(timezone.localdate(row.closes_at))
            }
            return f"{words}<br>{closes}" if closes else words
        if row.status == Status.SNOOZED:
            return _("Put off until %(day)s") % {"day": self._when(row.snoozed_until)}
        return _("Closed %(time)s") % {"time": when(row.queued_at)}

    def _when(self, moment):
        """Promises and days are alike in many rows."""
        if moment not in self.moments:
            self.moments[moment] = when(moment)
        return self.moments[moment]


@lru_cache(maxsize=20)
def _tags(_language):
    """{reason: drawn}. That somebody asked is what is usual, and said by their words."""
    tags = {Conversation.Reason.ASKED.value: ""}
    for reason in set(Conversation.Reason) - {Conversation.Reason.ASKED}:
        css, shape = ("tag warn", "alert") if reason in FAILED else ("tag", "message")
        tags[reason.value] = (
            f'<span class="{css}">{_shape(shape)}{escape(str(capfirst(reason.label)))}</span>'
        )
    return tags


def _after(begun, words):
    """What follows; from the beginning of a word that was cut."""
    at = len(begun)
    if begun[-1].isalnum() and words[at : at + 1].isalnum():
        at = begun.rfind(" ") + 1
        return f"…{words[at:]}" if at else words
    return words[at:].lstrip(" .,;:!?-–—")


def _cut(words):
    return words if len(words) <= SAID else f"{words[: SAID - 1].rstrip()}…"


def _waited(since, at):
    """As the filter `waited`, which is slow: of waits shorter than a month many are alike, and longer ones are told in days."""
    minutes, language = int((at - since).total_seconds()) // 60, get_language()
    if minutes < 1:
        return waited(since, at)
    if minutes < 28 * 24 * 60:
        return _minutes_in_words(minutes, language)
    return _long_in_words(since, at.replace(minute=0, second=0, microsecond=0), language)


@lru_cache(maxsize=4000)
def _minutes_in_words(minutes, _language):
    at = timezone.now()
    return waited(at - datetime.timedelta(minutes=minutes), at)


@lru_cache(maxsize=4000)
def _long_in_words(since, hour, _language):
    return waited(since, hour)
