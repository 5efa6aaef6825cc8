# ruff: noqa: S608, S611 (the SQL contains no user input: every value from a request is a parameter)
"""Read parts of the desk's lists of conversations, and count the conversations in each list.

A list is the UNION of several SELECT statements, which the code calls arms. For each status, there is one arm
for each branch of a Desk and one for each person. An arm reads the first few entries of one index (desk_lists
or desk_lists_of_assignee) and stops.

`Conversation.objects.at_desk_of` selects the same conversations with one condition that uses OR. With that
condition, a database would read and sort every conversation of the branch. A test checks that both return the
same conversations.
"""

import datetime
import json
from dataclasses import dataclass, replace

from django.db import connection
from django.db.models.expressions import RawSQL

from .draft_answers import CONVERSATIONS_WITH_DRAFT, SUM_OF_DRAFTS
from .models import BranchQueue, Conversation, ConversationWords

# Stop counting a list at this number. The tabs of the queue show every number above 99 as "99+".
COUNTED = 100
TABLE, QUEUES = Conversation._meta.db_table, BranchQueue._meta.db_table
Status = Conversation.Status
# The filter for conversations about an item or a visit that didn't help, or that helped only in part. The
# index failed_rows has the same condition.
FAILED = "failed"
FAILED_REASONS = ("did_not_help", "could_not_get_it", "found_nothing", "found_part")
HAS_FAILED = "reason IN ({})".format(", ".join(f"'{reason}'" for reason in FAILED_REASONS))


@dataclass(frozen=True)
class Desk:
    """The branches and people whose conversations a staff member sees, as primary keys.

    `people` are the staff member and the colleagues that they cover for.
    """

    branches: tuple
    people: tuple


@dataclass(frozen=True)
class Filters:
    """The filters of a list.

    `reason` is a Conversation.Reason or FAILED. `words` is a result of search.look_up. `drafts_of` is the
    primary key of a person. If it is set, the list has only conversations with a draft answer by this person.
    If `only_answerable` is true, the list leaves out conversations whose patrons want no answer.
    If `listed_after` is set, the list has only conversations that entered the list after that time.
    """

    branch: int | None = None
    topic: int | None = None
    reason: str = ""
    words: tuple | None = None
    drafts_of: int | None = None
    only_answerable: bool = False
    listed_after: datetime.datetime | None = None


@dataclass(frozen=True)
class DeskList:
    """A list of conversations at the desk.

    The conversations are sorted by status, in the order of `statuses`, and within a status by `column`.
    """

    statuses: tuple
    column: str = "queued_at"
    latest_first: bool = False
    only_own: bool = False


LISTS = {
    "needs": DeskList((Status.WAITING_FOR_STAFF,)),
    "mine": DeskList((Status.WAITING_FOR_STAFF, Status.WAITING_FOR_PATRON, Status.SNOOZED), only_own=True),
    "patron": DeskList((Status.WAITING_FOR_PATRON,)),
    "snoozed": DeskList((Status.SNOOZED,), column="snoozed_until"),
    "done": DeskList((Status.CLOSED,), latest_first=True),
}
OPEN = ", ".join(f"'{status.value}'" for status in Conversation.OPEN)
# All conversations that a staff member can see at the desk.
EVERYTHING = DeskList((*Conversation.OPEN, Status.CLOSED))
# The condition for conversations that contain one word of the search. It is used for words that search.py
# calls common.
HAS_WORD = (
    f"EXISTS (SELECT 1 FROM {ConversationWords._meta.db_table} AS w "
    f"WHERE w.conversation_id = {TABLE}.id AND (w.words LIKE %s OR w.words LIKE %s))"
)
NO_KEYS = "SELECT 0 AS id WHERE 1 = 0"
# A parameter inside a subquery. While PostgreSQL plans a statement, it doesn't know the value of a subquery.
# So it uses the same plan for each page, and doesn't plan the long statement again.
VALUE = "(SELECT %s)"
# The WITH clause that lists the conversations that search.look_up found. One parameter contains all their
# primary keys, so the SQL is the same for each search.
FOUND = {
    "postgresql": "WITH found (id) AS (SELECT unnest(%s::bigint[])) ",
    "sqlite": "WITH found (id) AS (SELECT value FROM json_each(%s)) ",
}


def in_list(rows, desk, desk_list, filters, *, at, size, beyond=None, values=()):
    """Return at most `size` rows of the list after the position `beyond`, in no particular order.

    `rows` is the result of compiled(). `values` are the SQL parameters of the columns in `rows`. `beyond` is
    a Place. If it is None, return the first rows of the list.
    """
    compiler, sql = rows
    keys, params = _page(desk, desk_list, filters, at=at, size=size, beyond=beyond, backwards=False)
    with connection.cursor() as cursor:
        cursor.execute(sql.replace(NO_KEYS, keys), [*values, *params])
        return list(compiler.results_iter(results=[cursor.fetchall()], tuple_expected=True))


def compiled(rows):
    """Return (compiler, SQL) for a queryset that was made with values() or values_list().

    Compiling takes longer than running the query, so callers store the result.
    """
    compiler = rows.filter(pk__in=RawSQL(NO_KEYS, [])).query.get_compiler(connection=connection)
    sql, _params = compiler.as_sql()
    if connection.vendor == "postgresql":
        # PostgreSQL finds a good join order for at most eight tables, and a page of the queue joins nine.
        # With a list of primary keys after IN, it would join all conversations first and then choose the 26
        # conversations of the page. With an array of primary keys, it reads these 26 rows first, which takes
        # less than half the time.
        sql = sql.replace(f"IN ({NO_KEYS})", f"= ANY(ARRAY({NO_KEYS}))")
    return compiler, sql


def following(desk, desk_list, filters, *, at, place, size):
    """Return an unordered queryset of the next conversations after `place`, at most `size`.

    If `place` is None, return the first conversations of the list.
    """
    sql, params = _page(desk, desk_list, filters, at=at, size=size, beyond=place, backwards=False)
    return Conversation.objects.filter(pk__in=RawSQL(sql, params))


def around(desk, desk_list, filters, *, at, place):
    """Return an unordered queryset of at most one conversation before `place` and at most one after it."""
    sides = [
        _page(desk, desk_list, filters, at=at, size=1, beyond=place, backwards=backwards)
        for backwards in (True, False)
    ]
    sql = " UNION ALL ".join(
        f"SELECT id FROM ({side}) AS side{number}" for number, (side, _params) in enumerate(sides)
    )
    return Conversation.objects.filter(
        pk__in=RawSQL(sql, [param for _sql, params in sides for param in params])
    )


def counted(desk, lists, filters, *, at, person, exact=(), beside=()):
    """Count the conversations in several lists, with one query.

    Returns ([count of each list], the state of the queues, [exact counts], [results of further queries]). The
    state is the result of `state_of_queues`.

    `lists` is [(DeskList, time)]. If the time is not None, only conversations that entered the list after
    this time are counted. Each of these counts stops at COUNTED.

    `exact` is [(DeskList, Filters without `words`)]. The counts of these lists don't stop at COUNTED.
    `beside` is [(SQL, parameters)] for the further queries. Each of them returns one number.
    """
    parts, values = [], []
    for desk_list, listed_after in lists:
        # Because of this ORDER BY, PostgreSQL reads the index from its end and stops after COUNTED entries.
        stops = f" ORDER BY queued_at DESC, id DESC LIMIT {COUNTED}"
        narrowed = replace(filters, listed_after=listed_after)
        arms = [(where, params) for _turn, where, params in _arms(desk, desk_list, narrowed, at)]
        joined = " UNION ".join(
            f"SELECT id FROM (SELECT id FROM {TABLE} WHERE {where}{stops}) AS arm{n}"
            for n, (where, _params) in enumerate(arms)
        )
        parts.append(f"(SELECT COUNT(*) FROM ({joined}) AS listed)" if arms else "0")
        values += [value for _where, params in arms for value in params]
    exactly = [_exactly(desk, desk_list, narrowed, at) for desk_list, narrowed in exact]
    for sql, more in (_state(desk.branches, person, at), *exactly, *beside):
        parts.append(f"({sql})")
        values += more
    with connection.cursor() as cursor:
        found, keys = _found(filters)
        cursor.execute(f"{found}SELECT {', '.join(parts)}", [*keys, *values])
        numbers = cursor.fetchone()
    end_of_exact = len(lists) + 1 + len(exact)
    return (
        [min(count, COUNTED) for count in numbers[: len(lists)]],
        numbers[len(lists)],
        numbers[len(lists) + 1 : end_of_exact],
        numbers[end_of_exact:],
    )


def _exactly(desk, desk_list, filters, at):
    """Return (SQL that counts all conversations of the list, its parameters).

    The SQL adds up the counts of SELECT statements that don't overlap. Counting a UNION of them would take
    four times as long.
    """
    arms = [(where, params) for _turn, where, params in _arms(desk, desk_list, filters, at, disjoint=True)]
    sql = " + ".join(f"(SELECT COUNT(*) FROM {TABLE} WHERE {where})" for where, _params in arms)
    return f"SELECT {sql or 0}", [value for _where, params in arms for value in params]


def state_of_queues(branches, *, person, at):
    """Return a text that changes whenever the person's open queue page is out of date.

    The text changes when something changes in a conversation of these branches, or of another branch where
    the person has an open conversation. It also changes when the person begins, sends or discards a draft
    answer. The text changes again one minute after a verdict, when the desk sees the verdict.
    """
    sql, values = _state(branches, person, at)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


def _state(branches, person, at):
    over = "CASE WHEN next_at <= %s THEN 1 ELSE 0 END"
    places = ", ".join(["%s"] * len(branches)) or "NULL"
    # The person's queue also lists the conversations that are assigned to them at branches not in `branches`.
    own = f"SELECT branch_id FROM {TABLE} WHERE assignee_id = %s AND status IN ({OPEN})"
    where = f"branch_id IN ({places}) OR branch_id IN ({own})"
    versions = f"SELECT COALESCE(SUM(2 * version + {over}), 0) FROM {QUEUES} WHERE {where}"
    return (
        f"SELECT CAST(({versions}) AS text) || '.' || CAST(({SUM_OF_DRAFTS}) AS text)",
        [_moment(at), *branches, person, person],
    )


def _page(desk, desk_list, filters, *, at, size, beyond, backwards):
    descending = desk_list.latest_first != backwards
    order = "DESC" if descending else "ASC"
    arms, params = [], []
    for number, (turn, where, values) in enumerate(_arms(desk, desk_list, filters, at)):
        if beyond is not None:
            if turn != beyond.turn:
                if (turn < beyond.turn) != backwards:
                    continue
            else:
                value = Conversation._meta.get_field(desk_list.column).get_db_prep_value(
                    beyond.value, connection
                )
                where += f" AND ({desk_list.column}, id) {'<' if descending else '>'} (%s, %s)"
                values = [*values, value, beyond.pk]
        arms.append(
            f"SELECT * FROM (SELECT id, {turn} AS turn, {desk_list.column} AS place FROM {TABLE} "
            f"WHERE {where} "
            f"ORDER BY {desk_list.column} {order}, id {order} LIMIT {size}) AS arm{number}"
        )
        params += values
    if not arms:
        return NO_KEYS, []
    turns = "DESC" if backwards else "ASC"
    found, keys = _found(filters)
    return (
        f"{found}SELECT id FROM ({' UNION '.join(arms)}) AS listed "
        f"ORDER BY turn {turns}, place {order}, id {order} LIMIT {size}",
        [*keys, *params],
    )


def _arms(desk, desk_list, filters, at, *, disjoint=False):
    """Yield (index of the status, condition, parameters of the condition) for each SELECT of the UNION.

    If `disjoint` is true, the conditions exclude each other, so no conversation is counted twice.
    """
    narrower, values = _narrower(filters)
    for turn, status in enumerate(desk_list.statuses):
        condition, params = f"status = '{status.value}'", []
        if status == Status.WAITING_FOR_STAFF:
            condition, params = f"{condition} AND at_desk_from <= {VALUE}", [_moment(at)]
        elif status == Status.CLOSED:
            # Leave out conversations that were merged into another one. Every merged conversation has the
            # status CLOSED, so the other statuses don't need this condition.
            condition = f"{condition} AND merged_into_id IS NULL"
        if filters.listed_after is not None:
            came = [
                "at_desk_from" if status == Status.WAITING_FOR_STAFF else "queued_at",
                *(["assigned_at"] if desk_list.only_own else []),
            ]
            condition = f"{condition} AND ({' OR '.join(f'{column} > %s' for column in came)})"
            params = [*params, *[_moment(filters.listed_after)] * len(came)]
        if filters.drafts_of is not None or _has_rare_words(filters):
            yield turn, *_among_found(desk, desk_list, filters, condition + narrower, [*params, *values])
            continue
        for branch in () if desk_list.only_own else desk.branches:
            if filters.branch in {None, branch}:
                yield turn, f"branch_id = {VALUE} AND {condition}{narrower}", [branch, *params, *values]
        for person in desk.people:
            elsewhere, where = (
                ("", []) if filters.branch is None else (" AND branch_id = %s", [filters.branch])
            )
            if disjoint and desk.branches and not desk_list.only_own:
                elsewhere += f" AND +branch_id NOT IN ({', '.join(['%s'] * len(desk.branches))})"
                where = [*where, *desk.branches]
            yield (
                turn,
                f"assignee_id = {VALUE} AND {condition}{elsewhere}{narrower}",
                [person, *params, *where, *values],
            )


def _among_found(desk, desk_list, filters, condition, params):
    """Return (condition, parameters) for a list that is filtered by rare words or by drafts.

    The search for rare words finds few conversations, and a person has few drafts. So the database begins
    with these conversations. The unary plus in the SQL stops SQLite from using an index on the branch or the
    assignee.
    """
    named, values = [], []
    if _has_rare_words(filters):
        named.append("id IN (SELECT id FROM found)")
    if filters.drafts_of is not None:
        named.append(f"id IN ({CONVERSATIONS_WITH_DRAFT})")
        values.append(filters.drafts_of)
    branches = () if desk_list.only_own else desk.branches
    places = [
        f"+{column} IN ({', '.join(['%s'] * len(keys))})"
        for column, keys in (("branch_id", branches), ("assignee_id", desk.people))
        if keys
    ]
    where, keys = (
        f"{' AND '.join(named)} AND ({' OR '.join(places)}) AND {condition}",
        [*values, *branches, *desk.people, *params],
    )
    return (
        (where, keys) if filters.branch is None else (f"{where} AND +branch_id = %s", [*keys, filters.branch])
    )


def _narrower(filters):
    """Return (condition, its parameters) for the topic, the reason, `only_answerable` and common words."""
    sql, values = "", []
    if filters.topic is not None:
        sql, values = f"{sql} AND topic_id = %s", [*values, filters.topic]
    if filters.reason == FAILED:
        sql = f"{sql} AND {HAS_FAILED}"
    elif filters.reason == Conversation.Reason.CALL:
        sql = f"{sql} AND (reason = '{Conversation.Reason.CALL.value}' OR call_since IS NOT NULL)"
    elif filters.reason:
        sql, values = f"{sql} AND reason = %s", [*values, filters.reason]
    if filters.only_answerable:
        sql = f"{sql} AND NOT wants_no_answer"
    for word in filters.words[1] if filters.words is not None else ():
        sql, values = f"{sql} AND {HAS_WORD}", [*values, f"{word}%", f"% {word}%"]
    return sql, values


def _has_rare_words(filters):
    return filters.words is not None and filters.words[0] is not None


def _found(filters):
    """Return (WITH clause, parameters) for the conversations that search.look_up found."""
    if not _has_rare_words(filters):
        return "", []
    keys = list(filters.words[0])
    return FOUND[connection.vendor], [json.dumps(keys) if connection.vendor == "sqlite" else keys]


def _moment(at):
    return connection.ops.adapt_datetimefield_value(at)
