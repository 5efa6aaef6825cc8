# ruff: noqa: S608 (names of tables and states: nothing from outside)
"""The queue of the desk: which list an address names, and what its rows say."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from django.db import connection
from django.db.models.expressions import RawSQL
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from accounts.models import Absence, User
from portal.conversations.desk_lists import COUNTED, LISTS, Desk, Filters, Place, around, counted, in_list
from portal.conversations.models import Conversation, NoteMention
from portal.conversations.search import look_up
from portal.helpsessions.models import HelpSession
from portal.icons import ICONS
from portal.templatetags.portal import waited, when
from portal.text import clean
from recommendations.models import Recommendation

SIZE = 25
SAID = 120  # letters of the last words
FIRST = "needs"
TABS = {
    "needs": gettext_lazy("Needs an answer"),
    "mine": gettext_lazy("Mine"),
    "patron": gettext_lazy("Waits for the patron"),
    "snoozed": gettext_lazy("Snoozed"),
    "done": gettext_lazy("Done"),
}
FAILED = {Conversation.Reason.DID_NOT_HELP, Conversation.Reason.COULD_NOT_GET_IT}
SHAPES = ["alert", "message", "clock", "person"]
Status = Conversation.Status
COLUMNS = [
    *("id", "public_id", "subject", "status", "reason", "topic_id", "branch__name", "patron_id", "patron__name", "assignee_id", "assignee__name"),
    *("waiting_since", "promised_at", "snoozed_until", "closes_at", "queued_at", "desk_version"),
    *("recommendation__item__title", "recommendation__why", "recommendation__comment", "latest"),
]
# The words that were said last, one side's letter before them.
LATEST = """SELECT substr(message.side, 1, 1) || substr(message.body, 1, 160) FROM conversations_message AS message
    WHERE message.conversation_id = conversations_conversation.id ORDER BY message.sent_at DESC, message.id DESC LIMIT 1"""
SESSIONS = HelpSession._meta.db_table
MENTIONS = f"SELECT COUNT(*) FROM {NoteMention._meta.db_table} WHERE person_id = %s AND seen_at IS NULL"
UNFINISHED = f"SELECT COUNT(*) FROM {SESSIONS} WHERE staff_id = %s AND status = '{HelpSession.Status.UNFINISHED.value}'"
TALLIED = f"SELECT COUNT(*) FROM {SESSIONS} WHERE staff_id = %s AND status = '{HelpSession.Status.TALLY.value}' AND happened_on = %s"


@dataclass(frozen=True)
class Asked:
    """What an address asks for. What it says wrongly it doesn't say."""

    tab: str = FIRST
    branch: str = ""  # its slug
    topic: str = ""  # its primary key
    reason: str = ""
    text: str = ""

    @classmethod
    def read(cls, params, user):
        """`params`: the parameters of the address."""
        topic = params.get("topic", "")
        return cls(
            tab=params.get("tab") if params.get("tab") in TABS else FIRST,
            branch=next((slug for slug in _branches(user) if slug == params.get("branch")), ""),
            topic=topic if topic.isascii() and topic.isdigit() and len(topic) < 18 else "",
            reason=params.get("reason") if params.get("reason") in Conversation.Reason.values else "",
            text=clean(params.get("q", ""), max_length=200),
        )

    @property
    def list(self):
        return LISTS[self.tab]

    @property
    def is_narrowed(self):
        return bool(self.branch or self.topic or self.reason or self.text)

    def filters(self, user):
        branch = _branches(user)[self.branch].pk if self.branch else None
        words = look_up(self.text) if self.text else None
        return Filters(branch=branch, topic=int(self.topic) if self.topic else None, reason=self.reason, words=words)

    def query(self, **more):
        """As parameters of an address; the first list, unfiltered, has none."""
        said = {"tab": self.tab if self.tab != FIRST else "", "branch": self.branch, "topic": self.topic, "reason": self.reason, "q": self.text, **more}
        return urlencode({name: value for name, value in said.items() if value})

    def url(self, **more):
        query = self.query(**more)
        return reverse("desk") + (f"?{query}" if query else "")


def _branches(user):
    return {role.branch.slug: role.branch for role in user.roles}


def desk_today(request, at):
    """(whose threads one sees, {who is away: (who covers, their name) or (None, None)}) today."""
    absences = Absence.objects.on(request.library.today(at)).values_list("person", "cover", "cover__name")
    away = {person: (cover, name) for person, cover, name in absences}
    people = [person for person, (cover, _name) in away.items() if cover == request.user.pk]
    return Desk(tuple(request.user.desk_branch_ids), (request.user.pk, *people)), away


def page(request, asked, filters, today, *, at, topics):
    """(rows, the place to go on from or None, the place that the page begins after or None), as the address asks.

    `filters`: those of `asked`. `today`: what desk_today says. `topics`: {primary key: Topic}.
    """
    desk, away = today
    beyond = Place.read(request.GET.get("after", ""), asked.list)
    found = in_list(desk, asked.list, filters, at=at, size=SIZE + 1, beyond=beyond)
    found = list(found.annotate(latest=RawSQL(LATEST, [])).values_list(*COLUMNS, named=True))  # noqa: S611 (nothing from outside is in it)
    found = sorted(((Place.of(row, asked.list), row) for row in found), key=lambda pair: pair[0].key(asked.list))
    wording = Wording(request.user, away, topics, at)
    link = quote(asked.query(tab=asked.tab))
    rows = [wording.row(row, f"{link}&amp;place={place}") for place, row in found[:SIZE]]
    return rows, found[SIZE - 1][0] if len(found) > SIZE else None, beyond


@dataclass
class Counts:
    lists: dict  # {tab: how many are in its list, as words}
    came: int  # how many came into the shown list since
    state: int  # of the branches' queues, as it was before
    mentions: int  # of oneself, in notes not yet looked at
    unfinished: int  # on one's tray
    tallied: int  # by oneself today


def counts(request, asked, filters, today, *, at, since=None):
    """Every number of the page, in one query."""
    desk, _away = today
    me, day = request.user.pk, connection.ops.adapt_datefield_value(request.library.today(at))
    lists = [(desk_list, None) for desk_list in LISTS.values()]
    beside = [(MENTIONS, [me]), (UNFINISHED, [me]), (TALLIED, [me, day])]
    numbers, state, others = counted(desk, [*lists, (asked.list, since)] if since is not None else lists, filters, at=at, beside=beside)
    return Counts(dict(zip(LISTS, map(in_words, numbers), strict=False)), numbers[len(LISTS)] if since is not None else 0, state, *others)


def in_words(count):
    return f"{count}" if count < COUNTED else f"{COUNTED - 1}+"


def colleagues(user):
    """Those who work at one of this person's desks, by name."""
    at_desks = User.objects.filter(staff_roles__branch__in=user.desk_branch_ids, is_active=True).exclude(pk=user.pk)
    return at_desks.only("public_id", "name").distinct().order_by("name", "pk")


def neighbours(request, conversation):
    """For desk/queue_nav.html on a thread's page: the ways back into the list from which it was opened, and to its neighbours there.

    The address of the page says which list (`queue`) and which place: the thread may have left it by now. None where it says neither.
    """
    if "queue" not in request.GET:
        return None
    at = timezone.now()
    asked = Asked.read(dict(parse_qsl(request.GET["queue"])), request.user)
    place = Place.read(request.GET.get("place", ""), asked.list)
    found = {}
    if place is not None:
        desk, _away = desk_today(request, at)
        near = around(desk, asked.list, asked.filters(request.user), at=at, place=place).exclude(pk=conversation.pk)
        for thread in near.only("public_id", "status", "queued_at", "snoozed_until"):
            its_place = Place.of(thread, asked.list)
            side = "next" if its_place.key(asked.list) > place.key(asked.list) else "previous"
            query = urlencode({"queue": request.GET["queue"], "place": its_place})
            found[side] = f"{reverse('desk_conversation', args=[thread.public_id])}?{query}"
    return {"back": asked.url(), "list": TABS[asked.tab], **found}


def thread_url(request, conversation):
    """The thread's page after something was done on it: still in the list from which it was opened."""
    came_from = urlsplit(request.META.get("HTTP_REFERER", ""))
    on_a_thread = came_from.path.startswith(reverse("desk") + "threads/")
    known = [(name, value) for name, value in parse_qsl(came_from.query) if on_a_thread and name in {"queue", "place"}]
    return reverse("desk_conversation", args=[conversation.public_id]) + (f"?{urlencode(known)}" if known else "")


def shapes():
    """The icons of the rows, drawn once a page; each row only points to them."""
    drawn = "".join(f'<symbol id="shape-{name}" viewBox="0 0 24 24">{ICONS[name]}</symbol>' for name in SHAPES)
    return mark_safe(f'<svg hidden aria-hidden="true">{drawn}</svg>')


def _shape(name):
    return f'<svg class="icon" aria-hidden="true"><use href="#shape-{name}"/></svg>'


class Wording:
    """Says rows in words. What many rows share is said once."""

    def __init__(self, user, away, topics, at):
        self.me, self.away, self.topics, self.at = user.pk, away, topics, at
        self.holders = {}
        self.reasons = {reason: self._tag(reason) for reason in Conversation.Reason}
        self.late, self.promised, self.waiting = escape(_("Overdue")), _("Promised by %(time)s"), _("Waiting %(time)s")
        self.by_code, self.nameless = escape(_("by code, no name")), escape(_("a reader"))
        self.clock, self.person = _shape("clock"), _shape("person")
        self.desk = reverse("desk")

    def row(self, row, link):
        overdue = row.status == Status.WAITING_FOR_STAFF and row.promised_at is not None and row.promised_at <= self.at
        return {
            "id": row.public_id,
            "url": mark_safe(f"{self.desk}threads/{row.public_id}/?queue={link}"),
            "value": f"{row.public_id}.{row.desk_version}",
            "subject": row.subject,
            "css": "overdue" if overdue else "",
            "meta": self._meta(row),
            "said": self._said(row),
            "tag": self.reasons[row.reason] if row.status == Status.WAITING_FOR_STAFF else "",
            "whose": self._whose(row) if row.assignee_id else "",
            "wait": self._wait(row, overdue),
        }

    def _meta(self, row):
        who = (f"<bdi>{escape(row.patron__name)}</bdi>" if row.patron__name else self.nameless) if row.patron_id else self.by_code
        parts = [who, escape(row.branch__name)]
        if row.topic_id in self.topics:
            parts.append(escape(str(self.topics[row.topic_id])))
        title = row.recommendation__item__title
        if title and title != row.subject:
            parts.append(f"<bdi>{escape(title)}</bdi>")
        return mark_safe(" · ".join(parts))

    def _said(self, row):
        """The last words; of an item that failed what the patron said of it, if they wrote nothing else."""
        if row.latest:
            words = " ".join(row.latest[1:].split())
            if row.subject and words.startswith(row.subject.removesuffix("…")):  # the subject is the beginning of the first message
                words = words[len(row.subject.removesuffix("…")) :].lstrip(" .,;:!?-–—")
            words = _cut(words)
            return words if not words or row.latest[0] == "p" else _("The library: %(words)s") % {"words": words}
        if row.reason in FAILED:
            why = Recommendation.Why(row.recommendation__why).label if row.recommendation__why else ""
            return _cut(": ".join(filter(None, [str(capfirst(why)), row.recommendation__comment])))
        return ""

    def _tag(self, reason):
        failed = reason in FAILED
        css, shape = ("tag warn", "alert") if failed else ("tag", "message")
        return mark_safe(f'<span class="{css}">{_shape(shape)}{escape(capfirst(reason.label))}</span>')

    def _whose(self, row):
        if row.assignee_id not in self.holders:
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
                words = _("%(name)s is away: %(cover)s covers") % {"name": name, "cover": cover_name or _("a reader")}
            css = "whose yours" if self.me in {row.assignee_id, cover} else "whose"
            self.holders[row.assignee_id] = mark_safe(f'<span class="{css}">{self.person}<bdi>{escape(words)}</bdi></span>')
        return self.holders[row.assignee_id]

    def _wait(self, row, overdue):
        if row.status == Status.WAITING_FOR_STAFF:
            words = self.waiting % {"time": _waited(row.waiting_since, self.at)}
            if overdue:
                words = f'<strong class="late">{self.clock}{self.late}</strong> · {words}'
            return mark_safe(f"{words}<br>{self.promised % {'time': when(row.promised_at)}}" if row.promised_at else words)
        if row.status == Status.WAITING_FOR_PATRON:
            words = _("Answered %(time)s") % {"time": when(row.queued_at)}
            if row.closes_at:
                closes = timezone.localtime(row.closes_at).date()
                return mark_safe("{}<br>{}".format(words, _("Closes by itself %(day)s") % {"day": when(closes)}))
            return mark_safe(words)
        if row.status == Status.SNOOZED:
            return mark_safe(_("Snoozed until %(day)s") % {"day": when(row.snoozed_until)})
        return mark_safe(_("Closed %(time)s") % {"time": when(row.queued_at)})


def _cut(words):
    return words if len(words) <= SAID else f"{words[: SAID - 1].rstrip()}…"


def _waited(since, at):
    """As the filter `waited`, which is slow; of waits shorter than a month many are alike."""
    minutes = int((at - since).total_seconds()) // 60
    return _minutes_in_words(minutes, get_language()) if 1 <= minutes < 28 * 24 * 60 else waited(since, at)


@lru_cache(maxsize=4000)
def _minutes_in_words(minutes, _language):
    at = timezone.now()
    return waited(at - timezone.timedelta(minutes=minutes), at)
