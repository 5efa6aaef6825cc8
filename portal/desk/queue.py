# ruff: noqa: S608 (the SQL holds names of tables and states, nothing from outside)
"""The queue of the desk: its lists, their counts, and one page of the list that a URL asks for."""

from collections import namedtuple
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urlencode

from django.db import connection
from django.db.models import BigAutoField, DateField
from django.db.models.expressions import RawSQL
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.models import Absence, User
from portal.conversations.desk_lists import (
    COUNTED,
    LISTS,
    Desk,
    Filters,
    Place,
    compiled,
    counted,
    in_list,
)
from portal.conversations.models import Conversation, NoteMention
from portal.conversations.search import look_up
from portal.helpsessions.models import HelpSession
from portal.prepared import prepared
from portal.text import clean

from .queue_rows import RowRenderer

PAGE_SIZE = 25
FIRST = "needs"
TABS = {
    "needs": gettext_lazy("Needs an answer"),
    "mine": gettext_lazy("Mine"),
    "patron": gettext_lazy("Waiting for the patron"),
    "snoozed": pgettext_lazy("list", "Snoozed"),
    "done": gettext_lazy("Done"),
}
KEY = BigAutoField()
COLUMNS = [
    *("id", "public_id", "subject", "status", "reason", "topic_id", "branch__name"),
    *("patron_id", "patron__name", "assignee_id", "assignee__name"),
    *("waiting_since", "promised_at", "snoozed_until", "closes_at", "queued_at", "desk_version"),
    *("recommendation__item__title", "recommendation__why", "recommendation__comment", "latest"),
]
Row = namedtuple("Row", COLUMNS)
# The last message: "p" or "s" for its side, and the beginning of its text. It is SQL because `compiled`
# can't pass the parameters that an expression would have.
LATEST = """SELECT substr(message.side, 1, 1) || substr(message.body, 1, 160)
    FROM conversations_message AS message
    WHERE message.conversation_id = conversations_conversation.id
    ORDER BY message.sent_at DESC, message.id DESC LIMIT 1"""
# `counted` reads these numbers in the same query as the lengths of the lists.
SESSIONS = f"SELECT COUNT(*) FROM {HelpSession._meta.db_table} WHERE staff_id = %s AND status ="
COUNT_UNFINISHED = f"{SESSIONS} '{HelpSession.Status.UNFINISHED.value}'"
COUNT_TALLIED = f"{SESSIONS} '{HelpSession.Status.TALLY.value}' AND happened_on = %s"
COUNT_MENTIONS = f"SELECT COUNT(*) FROM {NoteMention._meta.db_table} WHERE person_id = %s AND seen_at IS NULL"


@dataclass(frozen=True)
class QueueQuery:
    """What a URL asks of the queue. Parameters with unknown values are ignored."""

    tab: str = FIRST
    # The slug of a branch.
    branch: str = ""
    # The primary key of a topic.
    topic: str = ""
    reason: str = ""
    text: str = ""

    @classmethod
    def read(cls, params, user):
        """Return the QueueQuery for these parameters of a URL."""
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
        """Return the filters for `portal.conversations.desk_lists`."""
        branch = _branches(user)[self.branch].pk if self.branch else None
        topic = int(self.topic) if self.topic else None
        words = look_up(self.text) if self.text else None
        return Filters(branch=branch, topic=topic, reason=self.reason, words=words)

    def query(self, **extra):
        """Return this as the query string of a URL, without defaults and with these extra parameters."""
        params = {
            "tab": self.tab if self.tab != FIRST else "",
            "branch": self.branch,
            "topic": self.topic,
            "reason": self.reason,
            "q": self.text,
            **extra,
        }
        return urlencode({name: value for name, value in params.items() if value})

    def url(self, **extra):
        """Return the URL of the queue with this query."""
        query = self.query(**extra)
        return reverse("desk") + (f"?{query}" if query else "")


def _branches(user):
    return {role.branch.slug: role.branch for role in user.roles}


def desk_today(request, at):
    """Return (the staff member's Desk today, {person who is away: (their cover, its name)}).

    People are primary keys. The pair is (None, None) if nobody covers.
    """
    absences = _absences(day=request.library.today(at))
    away = {person: (cover, name) for person, cover, name in absences}
    covered = [person for person, (cover, _name) in away.items() if cover == request.user.pk]
    return Desk(tuple(request.user.desk_branch_ids), (request.user.pk, *covered)), away


@prepared(day=DateField())
def _absences(day):
    return Absence.objects.on(day).values_list("person", "cover", "cover__name")


@dataclass
class Page:
    """One page of a list."""

    # The HTML of each row.
    rows: list
    # Where the next page begins, or None if there is none.
    next: Place | None
    # Where this page begins, or None if it is the first.
    after: Place | None


def page(request, asked, filters, today, *, at, topics):
    """Return the page that the URL asks for.

    `filters` are those of `asked`. `today` is what `desk_today` returned. `topics` is {primary key: Topic}.
    """
    desk, away = today
    after = Place.read(request.GET.get("after", ""), asked.list)
    listed = in_list(_columns(), desk, asked.list, filters, at=at, size=PAGE_SIZE + 1, beyond=after)
    rows = map(Row._make, listed)
    placed = sorted(
        ((Place.of(row, asked.list), row) for row in rows), key=lambda pair: pair[0].key(asked.list)
    )
    renderer, link = RowRenderer(request.user, away, topics, at), quote(asked.query(tab=asked.tab))
    rendered = [renderer.render(row, f"queue={link}&amp;place={place}") for place, row in placed[:PAGE_SIZE]]
    return Page(rendered, placed[PAGE_SIZE - 1][0] if len(placed) > PAGE_SIZE else None, after)


@cache
def _columns():
    latest = RawSQL(LATEST, [])  # noqa: S611 (it holds nothing from outside)
    return compiled(Conversation.objects.annotate(latest=latest).values_list(*COLUMNS))


@dataclass
class Counts:
    """The numbers that the queue's page shows."""

    # {tab: how many conversations its list holds, as text}
    lists: dict
    # How many came into the shown list since the page was opened.
    new: int
    # What `state_of_queues` returned before the rows were read.
    state: int
    # Unseen mentions of this staff member in notes.
    mentions: int
    # Unfinished sessions on their tray.
    unfinished: int
    # Contacts they tallied today.
    tallied: int


def counts(request, asked, filters, today, *, at, since=None):
    """Return the Counts of the page with one query. `since` is when an open page was shown."""
    desk, _away = today
    user, day = request.user.pk, connection.ops.adapt_datefield_value(request.library.today(at))
    lists = [(desk_list, None) for desk_list in LISTS.values()]
    if since is not None:
        lists.append((asked.list, since))
    others = [
        (COUNT_MENTIONS, [user]),
        (COUNT_UNFINISHED, [user]),
        (COUNT_TALLIED, [user, day]),
    ]
    numbers, state, others = counted(desk, lists, filters, at=at, beside=others)
    return Counts(
        dict(zip(LISTS, map(count_in_words, numbers), strict=False)),
        numbers[len(LISTS)] if since is not None else 0,
        state,
        *others,
    )


def count_in_words(count):
    """Return the number as text, or "99+" if there are more."""
    return f"{count}" if count < COUNTED else f"{COUNTED - 1}+"


def colleagues(user):
    """Return {public id: name} of the other people who work at one of this person's branches, by name."""
    rows = _colleagues(branches=user.desk_branch_ids, user=user.pk)
    return {public_id: name or _("a patron") for public_id, name in rows}


@prepared(branches=KEY, user=KEY)
def _colleagues(branches, user):
    people = User.objects.filter(staff_roles__branch__in=branches, is_active=True).exclude(pk=user)
    return people.distinct().order_by("name", "pk").values_list("public_id", "name")
