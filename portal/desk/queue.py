# ruff: noqa: S608 (the SQL contains only names of tables and states, and no user input)
"""Count the conversations in the lists of the queue, and return one page of the list that a URL requests."""

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
    EVERYTHING,
    FAILED,
    LISTS,
    Desk,
    Filters,
    compiled,
    counted,
    in_list,
)
from portal.conversations.desk_places import Place
from portal.conversations.draft_answers import HAS_DRAFT, count_out_of_reach
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
    "done": pgettext_lazy("list", "Done"),
}
KEY = BigAutoField()
COLUMNS = [
    *("id", "public_id", "subject", "status", "reason", "topic_id", "branch__name"),
    *("patron_id", "patron__name", "assignee_id", "assignee__name"),
    *("waiting_since", "promised_at", "snoozed_until", "closes_at", "queued_at", "desk_version"),
    *("wants_no_answer", "call_since", "help_session__staff__name"),
    *("recommendation__item__title", "recommendation__why", "recommendation__comment", "latest", "has_draft"),
    *("recommendation__verdict", "recommendation__next_step__kind"),
    *("recommendation__next_step__promised_on", "recommendation__next_step__arrived_at"),
]
Row = namedtuple("Row", COLUMNS)
# Select the last message as one text: "p" or "s" for its side (patron or staff), then the beginning of the
# message. This is raw SQL, because `compiled` can't pass the parameters of a Django expression.
LATEST = """SELECT substr(message.side, 1, 1) || substr(message.body, 1, 160)
    FROM conversations_message AS message
    WHERE message.conversation_id = conversations_conversation.id
    ORDER BY message.sent_at DESC, message.id DESC LIMIT 1"""
# The valid values of the URL parameter `reason`.
REASONS = {FAILED, *Conversation.Reason.values}
# These queries count a staff member's unfinished sessions, tallies and unseen mentions. The function
# `counted` runs them and the counts of the lists as one query.
SESSIONS = f"SELECT COUNT(*) FROM {HelpSession._meta.db_table} WHERE staff_id = %s AND status ="
COUNT_UNFINISHED = f"{SESSIONS} '{HelpSession.Status.UNFINISHED.value}'"
COUNT_TALLIED = f"{SESSIONS} '{HelpSession.Status.TALLY.value}' AND happened_on = %s"
COUNT_MENTIONS = f"SELECT COUNT(*) FROM {NoteMention._meta.db_table} WHERE person_id = %s AND seen_at IS NULL"


@dataclass(frozen=True)
class QueueQuery:
    """The list and the filters that a URL of the queue requests.

    Each field has the name of a URL parameter. Parameters with unknown values are ignored.
    """

    tab: str = FIRST
    # The slug of the branch to show, or "" for all.
    branch: str = ""
    # The primary key of the topic to show, or "" for all.
    topic: str = ""
    # A Conversation.Reason, or FAILED for all conversations where a patron said that the help failed.
    reason: str = ""
    # The text that staff search for, or "".
    q: str = ""
    # "1" to show only conversations with a draft answer by this staff member.
    drafts: str = ""

    @classmethod
    def read(cls, params, user):
        """Read the parameters of a URL and return a QueueQuery."""
        topic = params.get("topic", "")
        return cls(
            tab=params.get("tab") if params.get("tab") in TABS else FIRST,
            branch=next((slug for slug in branches_of(user) if slug == params.get("branch")), ""),
            topic=topic if topic.isascii() and topic.isdigit() and len(topic) < 18 else "",
            reason=params.get("reason") if params.get("reason") in REASONS else "",
            q=clean(params.get("q", ""), max_length=200),
            drafts="1" if params.get("drafts") == "1" else "",
        )

    @property
    def list(self):
        return LISTS[self.tab]

    @property
    def is_narrowed(self):
        """Return whether a search text or a filter is set."""
        return self != QueueQuery(tab=self.tab)

    @property
    def is_filtered(self):
        """Return whether a filter is set. A search text is not a filter."""
        return self != QueueQuery(tab=self.tab, q=self.q)

    def filters(self, user):
        """Return the filters for `portal.conversations.desk_lists`."""
        branch = branches_of(user)[self.branch].pk if self.branch else None
        topic = int(self.topic) if self.topic else None
        words = look_up(self.q) if self.q else None
        drafts_of = user.pk if self.drafts else None
        return Filters(branch=branch, topic=topic, reason=self.reason, words=words, drafts_of=drafts_of)

    def query(self, **extra):
        """Return the query string of a URL for this list, with its filters and the `extra` parameters.

        Parameters with their default value are left out.
        """
        params = {**vars(self), "tab": "" if self.tab == FIRST else self.tab, **extra}
        return urlencode({name: value for name, value in params.items() if value})

    def url(self, **extra):
        """Return the URL of the queue with this query."""
        query = self.query(**extra)
        return reverse("desk") + (f"?{query}" if query else "")


def branches_of(user):
    """Return {slug: branch} for the user's branches, and for the branches that the user covers now."""
    return {branch.slug: branch for branch in [*(role.branch for role in user.roles), *user.covered_branches]}


def desk_today(request, at):
    """Return (today's Desk of the staff member, {primary key of a person who is away today: cover}).

    A cover is (primary key, name) of the colleague who takes over while the person is away, or (None, None).
    """
    absences = _absences(day=request.library.today(at))
    away = {person: (cover, name) for person, cover, name in absences}
    covered = [person for person, (cover, _name) in away.items() if cover == request.user.pk]
    return Desk(tuple(request.user.queue_branch_ids), (request.user.pk, *covered)), away


@prepared(day=DateField())
def _absences(day):
    return Absence.objects.on(day).values_list("person", "cover", "cover__name")


@dataclass
class Page:
    """One page of a list of conversations."""

    # The HTML of each row.
    rows: list
    # Where the next page begins, or None if this is the last page.
    next: Place | None
    # Where this page begins, or None if this is the first page.
    after: Place | None


def page(request, asked, filters, today, *, at, topics):
    """Return the Page of the list that the URL requests.

    `asked` is the QueueQuery of the URL. `filters` is the result of `asked.filters`. `today` is the result of
    `desk_today`. `topics` is {primary key: Topic}.
    """
    desk, away = today
    after = Place.read(request.GET.get("after", ""), asked.list)
    listed = in_list(
        _columns(),
        desk,
        asked.list,
        filters,
        at=at,
        size=PAGE_SIZE + 1,
        beyond=after,
        values=[request.user.pk],
    )
    rows = map(Row._make, listed)
    placed = sorted(
        ((Place.of(row, asked.list), row) for row in rows), key=lambda pair: pair[0].key(asked.list)
    )
    renderer, link = RowRenderer(request.user, away, topics, at), quote(asked.query(tab=asked.tab))
    rendered = [renderer.render(row, f"queue={link}&amp;place={place}") for place, row in placed[:PAGE_SIZE]]
    return Page(rendered, placed[PAGE_SIZE - 1][0] if len(placed) > PAGE_SIZE else None, after)


@cache
def _columns():
    latest, has_draft = RawSQL(LATEST, []), RawSQL(HAS_DRAFT, [])  # noqa: S611 (they contain no user input)
    rows = Conversation.objects.annotate(latest=latest, has_draft=has_draft)
    return compiled(rows.values_list(*COLUMNS))


@dataclass
class Counts:
    """The numbers that the queue's page shows."""

    # {tab: the number of conversations in its list, as text}
    lists: dict
    # How many conversations entered the shown list after the page was opened.
    new: int
    # The result of `state_of_queues`, computed before the rows are read.
    state: str
    # How many conversations need an answer. This number ignores the filters and the search text.
    waiting: int
    # How many conversations have a draft answer by this staff member.
    drafts: int
    # The number of notes that mention this staff member and that they have not seen.
    mentions: int
    # The number of this staff member's unfinished help sessions.
    unfinished: int
    # The number of contacts that this staff member tallied today.
    tallied: int
    # The number of this staff member's drafts in conversations that they can no longer open.
    out_of_reach: int


def counts(request, asked, filters, today, *, at, since=None):
    """Return the Counts of the page with one query.

    If the request is a poll, `since` is the time when the open page was shown.
    """
    desk, _away = today
    user, day = request.user.pk, connection.ops.adapt_datefield_value(request.library.today(at))
    lists = [(desk_list, None) for desk_list in LISTS.values()]
    if since is not None:
        lists.append((asked.list, since))
    others = [
        (COUNT_MENTIONS, [user]),
        (COUNT_UNFINISHED, [user]),
        (COUNT_TALLIED, [user, day]),
        count_out_of_reach(desk.branches, desk.people, user),
    ]
    exact = [(LISTS[FIRST], Filters()), (EVERYTHING, Filters(drafts_of=user))]
    numbers, state, exact, others = counted(
        desk, lists, filters, at=at, person=user, exact=exact, beside=others
    )
    return Counts(
        dict(zip(LISTS, map(count_in_words, numbers), strict=False)),
        numbers[len(LISTS)] if since is not None else 0,
        state,
        *exact,
        *others,
    )


def count_waiting(desk, user, *, at):
    """Return how many conversations need an answer, like `Counts.waiting`, with one query."""
    exact = [(LISTS[FIRST], Filters())]
    _numbers, _state, [waiting], _others = counted(desk, [], Filters(), at=at, person=user.pk, exact=exact)
    return waiting


def count_in_words(count):
    """Return the number as text, or a text such as "99+" if the number is too high to show."""
    return f"{count}" if count < COUNTED else f"{COUNTED - 1}+"


def colleagues(user):
    """Return {public id: name} of the other people at this person's branches, sorted by name."""
    rows = _colleagues(branches=user.desk_branch_ids, user=user.pk)
    return {public_id: name or _("a patron") for public_id, name in rows}


@prepared(branches=KEY, user=KEY)
def _colleagues(branches, user):
    people = User.objects.filter(staff_roles__branch__in=branches, is_active=True).exclude(pk=user)
    return people.distinct().order_by("name", "pk").values_list("public_id", "name")
