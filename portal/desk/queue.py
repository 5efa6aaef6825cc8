# ruff: noqa: S608 (names of tables and states: nothing from outside)
"""The queue of the desk: which list an address names, and what its rows say."""

from collections import namedtuple
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import UUID

from django.db import connection
from django.db.models.expressions import RawSQL
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.models import Absence, StaffRole, User
from portal.conversations.desk_lists import (
    COUNTED,
    LISTS,
    Desk,
    Filters,
    Place,
    around,
    compiled,
    counted,
    in_list,
)
from portal.conversations.models import Conversation, NoteMention
from portal.conversations.search import look_up
from portal.desk.queue_rows import Rows
from portal.helpsessions.models import HelpSession
from portal.text import clean

SIZE = 25
FIRST = "needs"
TABS = {
    "needs": gettext_lazy("Needs an answer"),
    "mine": gettext_lazy("Mine"),
    "patron": gettext_lazy("Waits for the patron"),
    "snoozed": pgettext_lazy("list", "Put off"),
    "done": gettext_lazy("Done"),
}
COLUMNS = [
    *(
        "id",
        "public_id",
        "subject",
        "status",
        "reason",
        "topic_id",
        "branch__name",
        "patron_id",
        "patron__name",
        "assignee_id",
        "assignee__name",
    ),
    *("waiting_since", "promised_at", "snoozed_until", "closes_at", "queued_at", "desk_version"),
    *("recommendation__item__title", "recommendation__why", "recommendation__comment", "latest"),
]
Row = namedtuple("Row", COLUMNS)
# The words that were said last, one side's letter before them.
LATEST = """SELECT substr(message.side, 1, 1) || substr(message.body, 1, 160) FROM conversations_message AS message
    WHERE message.conversation_id = conversations_conversation.id ORDER BY message.sent_at DESC, message.id DESC LIMIT 1"""
SESSIONS = HelpSession._meta.db_table
MENTIONS = f"SELECT COUNT(*) FROM {NoteMention._meta.db_table} WHERE person_id = %s AND seen_at IS NULL"
UNFINISHED = f"SELECT COUNT(*) FROM {SESSIONS} WHERE staff_id = %s AND status = '{HelpSession.Status.UNFINISHED.value}'"
TALLIED = f"SELECT COUNT(*) FROM {SESSIONS} WHERE staff_id = %s AND status = '{HelpSession.Status.TALLY.value}' AND happened_on = %s"
AWAY = f"""SELECT absence.person_id, absence.cover_id, cover.name FROM {Absence._meta.db_table} AS absence
    LEFT JOIN {User._meta.db_table} AS cover ON cover.id = absence.cover_id WHERE absence.first_day <= %s AND absence.last_day >= %s"""
COLLEAGUES = f"""SELECT DISTINCT person.name, person.id, person.public_id FROM {User._meta.db_table} AS person
    JOIN {StaffRole._meta.db_table} AS role ON role.user_id = person.id
    WHERE role.branch_id IN ({{}}) AND person.is_active AND person.id <> %s ORDER BY person.name, person.id"""


@dataclass(frozen=True)
class QueueQuery:
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
        return Filters(
            branch=branch, topic=int(self.topic) if self.topic else None, reason=self.reason, words=words
        )

    def query(self, **more):
        """As parameters of an address; the first list, unfiltered, has none."""
        said = {
            "tab": self.tab if self.tab != FIRST else "",
            "branch": self.branch,
            "topic": self.topic,
            "reason": self.reason,
            "q": self.text,
            **more,
        }
        return urlencode({name: value for name, value in said.items() if value})

    def url(self, **more):
        query = self.query(**more)
        return reverse("desk") + (f"?{query}" if query else "")


def _branches(user):
    return {role.branch.slug: role.branch for role in user.roles}


def desk_today(request, at):
    """(whose conversations one sees, {who is away: (who covers, their name) or (None, None)}) today."""
    day = connection.ops.adapt_datefield_value(request.library.today(at))
    with connection.cursor() as cursor:
        cursor.execute(AWAY, [day, day])
        away = {person: (cover, name) for person, cover, name in cursor.fetchall()}
    people = [person for person, (cover, _name) in away.items() if cover == request.user.pk]
    return Desk(tuple(request.user.desk_branch_ids), (request.user.pk, *people)), away


@dataclass
class Page:
    rows: list  # drawn
    further: Place | None  # to go on from
    beyond: Place | None  # after which it begins


def page(request, asked, filters, today, *, at, topics):
    """What the address asks for. `filters`: those of `asked`. `today`: what desk_today says. `topics`: {primary key: Topic}."""
    desk, away = today
    beyond = Place.read(request.GET.get("after", ""), asked.list)
    found = map(
        Row._make, in_list(_columns(), desk, asked.list, filters, at=at, size=SIZE + 1, beyond=beyond)
    )
    found = sorted(
        ((Place.of(row, asked.list), row) for row in found), key=lambda pair: pair[0].key(asked.list)
    )
    rows, link = Rows(request.user, away, topics, at), quote(asked.query(tab=asked.tab))
    drawn = [rows.drawn(row, f"queue={link}&amp;place={place}") for place, row in found[:SIZE]]
    return Page(drawn, found[SIZE - 1][0] if len(found) > SIZE else None, beyond)


@cache
def _columns():
    latest = RawSQL(LATEST, [])  # noqa: S611 (nothing from outside)
    return compiled(Conversation.objects.annotate(latest=latest).values_list(*COLUMNS))


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
    numbers, state, others = counted(
        desk, [*lists, (asked.list, since)] if since is not None else lists, filters, at=at, beside=beside
    )
    return Counts(
        dict(zip(LISTS, map(in_words, numbers), strict=False)),
        numbers[len(LISTS)] if since is not None else 0,
        state,
        *others,
    )


def in_words(count):
    return f"{count}" if count < COUNTED else f"{COUNTED - 1}+"


def colleagues(user):
    """{public id: name} of those who work at one of this person's desks, by name."""
    branches = user.desk_branch_ids
    with connection.cursor() as cursor:
        cursor.execute(COLLEAGUES.format(", ".join(["%s"] * len(branches)) or "NULL"), [*branches, user.pk])
        return {UUID(str(public_id)): name or _("a reader") for name, _person, public_id in cursor.fetchall()}


def neighbors(request, conversation):
    """For desk/queue_nav.html on a conversation's page: the ways back into the list from which it was opened, and to its neighbors there.

    The address of the page says which list (`queue`) and which place: the conversation may have left it by now. None where it says neither.
    """
    if "queue" not in request.GET:
        return None
    at = timezone.now()
    asked = QueueQuery.read(dict(parse_qsl(request.GET["queue"])), request.user)
    place = Place.read(request.GET.get("place", ""), asked.list)
    found = {}
    if place is not None:
        desk, _away = desk_today(request, at)
        near = around(desk, asked.list, asked.filters(request.user), at=at, place=place).exclude(
            pk=conversation.pk
        )
        for neighbour in near.only("public_id", "status", "queued_at", "snoozed_until"):
            its_place = Place.of(neighbour, asked.list)
            side = "next" if its_place.key(asked.list) > place.key(asked.list) else "previous"
            query = urlencode({"queue": request.GET["queue"], "place": its_place})
            found[side] = f"{reverse('desk_conversation', args=[neighbour.public_id])}?{query}"
    return {"back": asked.url(), "list": TABS[asked.tab], **found}


def conversation_url(request, conversation):
    """The conversation's page after something was done on it: still in the list from which it was opened."""
    came_from = urlsplit(request.META.get("HTTP_REFERER", ""))
    on_a_conversation = came_from.path.startswith(reverse("desk") + "conversations/")
    known = [
        (name, value)
        for name, value in parse_qsl(came_from.query)
        if on_a_conversation and name in {"queue", "place"}
    ]
    return reverse("desk_conversation", args=[conversation.public_id]) + (
        f"?{urlencode(known)}" if known else ""
    )
