"""Render the rows of the queue in Python.

A template for the rows accounted for a third of the time to render the page.
"""

import datetime
from functools import lru_cache
from html import escape

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.conversations.desk_lists import FAILED_REASONS
from portal.conversations.models import Conversation
from portal.icons import ICONS
from portal.templatetags.portal import waited, when
from recommendations.models import NextStep, Recommendation

# A row shows at most this many characters of the last message.
MAX_WORDS = 120
SHAPES = ["alert", "message", "clock", "person", "phone"]
FAILED = set(FAILED_REASONS)
Status = Conversation.Status
# RowRenderer escapes every value before it is inserted.
ROW = (
    '<li data-conversation="{id}" class="{css}"><label class="pick">'
    '<input type="checkbox" name="conversation" value="{value}" aria-label="{subject}"></label>'
    '<p class="grow">{draft}<a class="cover-all" href="{url}" dir="auto">{subject}</a></p>'
    '<div class="line"><p class="wait">{wait}</p> <p class="state">{tag}{whose}</p> '
    '<div class="more"><p class="meta">{meta}</p>{words}</div></div>{step}</li>\n'
)
# The link to the page on which staff record the next step for an item that the patron couldn't get.
TO_STEP = (
    '<a class="to-step" href="{url}"><span class="visually-hidden">{subject}: </span><span>{words}</span></a>'
)
RECORDED = '<span class="recorded">{words}</span>'
NOT_GOTTEN = Conversation.Reason.COULD_NOT_GET_IT


def shapes():
    """Return the SVG symbols that the rows of a page use as icons."""
    symbols = "".join(
        f'<symbol id="shape-{name}" viewBox="0 0 24 24">{ICONS[name]}</symbol>' for name in SHAPES
    )
    return mark_safe(f'<svg hidden aria-hidden="true">{symbols}</svg>')


def _shape(name):
    return f'<svg class="icon" aria-hidden="true"><use href="#shape-{name}"/></svg>'


class RowRenderer:
    """A renderer for the rows of one page. It caches the texts that many rows share.

    `away` is the second value in the result of `desk_today`. `topics` is {primary key: Topic}.
    """

    def __init__(self, user, away, topics, at):
        self.user, self.away, self.topics, self.at = user.pk, away, topics, at
        self.assignees, self.moments = {}, {}
        self.tags = _tags(get_language())
        self.overdue = escape(_("Overdue"))
        self.promised = _("Promised by %(time)s")
        self.waiting = _("Waiting %(time)s")
        self.by_code, self.nameless = escape(_("someone with a code")), escape(_("a patron"))
        self.helped, self.no_answer = _("Helped by %(name)s"), escape(_("No answer wanted"))
        self.clock, self.person = _shape("clock"), _shape("person")
        self.draft = f'<span class="tag draft">{escape(_("Draft"))}</span> '
        self.step, self.arrived = escape(_("Next step")), escape(_("The item has arrived"))
        self.promised_item = escape(_("%(what)s, promised by %(day)s"))
        self.desk = reverse("desk")

    def render(self, row, link):
        """Return the HTML of a `portal.desk.queue.Row`.

        The row contains a link to the conversation. `link` is the query string of this link, escaped for
        HTML.
        """
        is_waiting = row.status == Status.WAITING_FOR_STAFF
        is_promised = row.promised_at is not None and not row.wants_no_answer
        is_overdue = is_waiting and is_promised and row.promised_at <= self.at
        words = self._words(row)
        return ROW.format(
            id=row.public_id,
            css="overdue" if is_overdue else "",
            value=f"{row.public_id}.{row.desk_version}",
            subject=escape(row.subject),
            url=f"{self.desk}conversations/{row.public_id}/?{link}#needs-answer",
            draft=self.draft if row.has_draft else "",
            words=f' <p class="said" dir="auto">{escape(words)}</p>' if words else "",
            meta=self._meta(row),
            tag=self._tags(row, is_waiting),
            whose=self._assignee(row) if row.assignee_id else "",
            wait=self._wait(row, is_overdue),
            step=self._to_step(row, link),
        )

    def _to_step(self, row, link):
        """Return the HTML of the link "Next step".

        Return "" unless the conversation is open and about an item that the patron couldn't get.
        """
        misses_item = NOT_GOTTEN in (row.reason, row.recommendation__verdict)
        if not misses_item or row.status not in Conversation.OPEN:
            return ""
        url = f"{self.desk}conversations/{row.public_id}/next-step/?{link}"
        return TO_STEP.format(url=url, subject=escape(row.subject), words=self.step)

    def _recorded(self, row):
        """Return the HTML of what staff have recorded about the item that the patron couldn't get."""
        what = escape(str(capfirst(NextStep.Kind(row.recommendation__next_step__kind).label)))
        if row.recommendation__next_step__arrived_at:
            return RECORDED.format(words=self.arrived)
        day = self._when(row.recommendation__next_step__promised_on)
        return RECORDED.format(words=self.promised_item % {"what": what, "day": day})

    def _tags(self, row, is_waiting):
        """Return the HTML of two tags: for an open call, and for the reason why the conversation waits."""
        waits_for_call = row.call_since is not None and row.reason != Conversation.Reason.CALL
        call = self.tags[Conversation.Reason.CALL.value] if waits_for_call else ""
        return call + (self.tags[row.reason] if is_waiting else "")

    def _meta(self, row):
        if not row.patron_id:
            parts = [self.by_code]
        elif row.patron__name:
            parts = [f"<bdi>{escape(row.patron__name)}</bdi>"]
        else:
            parts = [self.nameless]
        parts.append(escape(row.branch__name))
        if row.topic_id in self.topics:
            parts.append(escape(str(self.topics[row.topic_id])))
        title = row.recommendation__item__title
        if title and title != row.subject:
            parts.append(f"<bdi>{escape(title)}</bdi>")
        if row.reason in FAILED and row.help_session__staff__name:
            parts.append(escape(self.helped % {"name": row.help_session__staff__name}))
        if row.wants_no_answer:
            parts.append(self.no_answer)
        if row.recommendation__next_step__kind:
            parts.insert(0, self._recorded(row))
        return " · ".join(parts)

    def _words(self, row):
        """Return the text of the last message.

        If there is no message, return the patron's comment on an item that didn't help, or "".
        """
        if row.latest:
            return _last_message(row)
        if row.reason not in FAILED:
            return ""
        why = Recommendation.Why(row.recommendation__why).label if row.recommendation__why else ""
        return _cut(": ".join(filter(None, [str(capfirst(why)), row.recommendation__comment])))

    def _assignee(self, row):
        if row.assignee_id not in self.assignees:
            cover, cover_name = self.away.get(row.assignee_id, (None, None))
            css = "whose yours" if self.user in {row.assignee_id, cover} else "whose"
            words = self._assignee_in_words(row, cover, cover_name)
            self.assignees[row.assignee_id] = (
                f'<span class="{css}">{self.person}<bdi>{escape(words)}</bdi></span>'
            )
        return self.assignees[row.assignee_id]

    def _assignee_in_words(self, row, cover, cover_name):
        name = row.assignee__name or _("a patron")
        if row.assignee_id == self.user:
            return _("Assigned to you")
        if row.assignee_id not in self.away:
            return name
        if cover is None:
            return _("Anyone can take this: %(name)s is away") % {"name": name}
        if cover == self.user:
            return _("You take over for %(name)s") % {"name": name}
        return _("%(cover)s takes over for %(name)s") % {
            "name": name,
            "cover": cover_name or _("a patron"),
        }

    def _wait(self, row, is_overdue):
        if row.status == Status.WAITING_FOR_STAFF:
            words = self.waiting % {"time": _waited(row.waiting_since, self.at)}
            if is_overdue:
                return (
                    f'<strong class="late">{self.clock}{self.overdue}</strong>'
                    f'<span class="waited"> · {words}</span>'
                )
            if row.promised_at and not row.wants_no_answer:
                # The promise comes first, because a narrow row shows only the beginning of this text.
                promised = self.promised % {"time": self._when(row.promised_at)}
                words = f'<span class="promised">{promised} · </span>{words}'
            return words
        if row.status == Status.WAITING_FOR_PATRON:
            words = _("Answered %(time)s") % {"time": when(row.queued_at)}
            if row.closes_at:
                day = self._when(timezone.localdate(row.closes_at))
                words = f"{words} · {_('Closes automatically %(day)s') % {'day': day}}"
            return words
        if row.status == Status.SNOOZED:
            return _("Snoozed until %(day)s") % {"day": self._when(row.snoozed_until)}
        return _("Closed %(time)s") % {"time": when(row.queued_at)}

    def _when(self, moment):
        """Return a time or a day in words. Cache the words for other rows of this page."""
        if moment not in self.moments:
            self.moments[moment] = when(moment)
        return self.moments[moment]


@lru_cache(maxsize=20)
def _tags(_language):
    """Return {value of Conversation.Reason: HTML of its tag}. ASKED has no tag, so its HTML is ""."""
    tags = {Conversation.Reason.ASKED.value: ""}
    for reason in set(Conversation.Reason) - {Conversation.Reason.ASKED}:
        css, shape = ("tag warn", "alert") if reason in FAILED else ("tag", "message")
        shape = "phone" if reason == Conversation.Reason.CALL else shape
        tags[reason.value] = (
            f'<span class="{css}">{_shape(shape)}{escape(str(capfirst(reason.label)))}</span> '
        )
    return tags


def _last_message(row):
    """Return the beginning of the last message. Leave out the subject if the message begins with it."""
    side, words = row.latest[0], " ".join(row.latest[1:].split())
    start = row.subject.removesuffix("…")
    if start and words.startswith(start):
        words = _after(start, words)
    words = _cut(words)
    return words if not words or side == "p" else _("The library: %(words)s") % {"words": words}


def _after(start, words):
    """Return the part of `words` that comes after `start`. `words` must begin with `start`.

    If `start` ends in the middle of a word, the returned part begins with that whole word.
    """
    end = len(start)
    if start[-1].isalnum() and words[end : end + 1].isalnum():
        end = start.rfind(" ") + 1
        return f"…{words[end:]}" if end else words
    return words[end:].lstrip(" .,;:!?-–—")


def _cut(words):
    return words if len(words) <= MAX_WORDS else f"{words[: MAX_WORDS - 1].rstrip()}…"


def _waited(since, at):
    """Return the same text as the template filter `waited`. The filter is slow, so the texts are cached.

    Rows that have waited for the same number of minutes share a cached text. After four weeks, the text
    changes only once a day, so it is cached for an hour.
    """
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
