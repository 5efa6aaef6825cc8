"""Write the tables of counts, and keep the numbers of help sessions that are forgotten."""

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import F

from accounts.models import Library
from portal.helpsessions import forgetting
from portal.helpsessions.models import HelpSession
from portal.notifications.actions import take_turn
from portal.pauses import pause_after_writing
from portal.prepared import update_all

from .counting import COUNTED, count, days_of, month_of
from .models import TABLES, CheckInAnswers, CountsLock, DayCount, MonthEmail
from .outcome_counting import with_answered_check_in

RELATED = frozenset(("branch", "service_point", "tally_kind", "topic", "patron_group", "own_value"))
# During the day, the job counts only the days of contacts that were recorded within this time. At night, it
# counts all days.
RECENT = timedelta(days=2)
# The hours in which the job counts all days, in the library's time zone.
NIGHT = range(0, 6)
BATCH = 500


def count_contacts(*, at):
    """Recount the days and months of recently recorded contacts.

    Once a night, recount all days and months. The worker runs this job. Only rows whose numbers have
    changed are written.
    """
    count_sessions_forgotten_before()
    local = at.astimezone(Library.current().zone)
    if local.hour in NIGHT and take_turn("count_all_months", at=at, every=timedelta(hours=12)):
        rebuild()
        return
    recent = HelpSession.objects.filter(forgotten_on=None, created_at__gte=at - RECENT)
    # Drop duplicate days in Python. With DISTINCT, SQLite would read all sessions in the order of their days.
    days = {local.date(), *recent.order_by().values_list("happened_on", flat=True)}
    for month, of_month in _by_month(days):
        with pause_after_writing():
            count_month(month, of_month)


def rebuild():
    """Recount all help sessions that are not forgotten, and return how many rows changed.

    The counts of forgotten sessions stay as they are.
    """
    sessions = HelpSession.objects.filter(forgotten_on=None, status__in=COUNTED).order_by("happened_on")
    days = {*sessions.values_list("happened_on", flat=True).distinct()}
    for table in TABLES:
        column = "happened_on" if table is DayCount else "month"
        days |= {*table.objects.filter(is_final=False).values_list(column, flat=True).distinct()}
    changed = 0
    for month, _days in _by_month(days):
        # Most months have not changed, so check this first. While `count_month` reads a month, nobody else
        # can write to SQLite, and reading takes longer than writing.
        if _differs(month):
            with pause_after_writing():
                changed += count_month(month)
    return changed


def _differs(month):
    """Return whether stored counts of the month differ from a new count of its sessions. Lock nothing."""
    return any(
        {key: numbers for key, (_pk, numbers) in _stored(table, month, None, is_final=False).items()} != rows
        for table, rows in _counted(month).items()
    )


@transaction.atomic
def count_month(month, days=None):
    """Count the sessions of the month that are not forgotten. Return how many rows changed.

    If `days` is not None, write only these days to DayCount.
    """
    lock_counts()
    return _write(month, days)


def claim_month_email(month, numbers, *, at):
    """Save the numbers of the email about this month. Return False if they were saved before.

    `numbers` is {primary key of a branch as text: its numbers}. The caller writes the emails in the same
    transaction.
    """
    defaults = {"written_at": at, "numbers": numbers}
    return MonthEmail.objects.get_or_create(month=month, defaults=defaults)[1]


@contextmanager
def keeping_counts(sessions):
    """Add the sessions to the final counts, before the `with` block forgets the sessions.

    The caller has locked the sessions and has begun a transaction. The block must forget all of them.
    """
    lock_counts()
    sessions = [session for session in sessions if session.forgotten_on is None]
    months = _add_to_final(sessions)
    _keep_check_in_answers(sessions)
    yield
    for month, days in months:
        _write(month, days)


def count_sessions_forgotten_before():
    """Count the sessions that were forgotten before the portal had tables of counts.

    Then delete the counted details of these sessions. The function works in batches, until all these sessions
    are counted.
    """
    before = HelpSession.objects.filter(forgotten_on__isnull=False, is_counted=False).order_by("pk")
    while _count_some_forgotten_before(before):
        pass


@transaction.atomic
def _count_some_forgotten_before(before):
    lock_counts()
    sessions = list(before.select_for_update()[:BATCH])
    _add_to_final(sessions)
    forgetting.strip(sessions, zone=Library.current().zone)
    return len(sessions)


def lock_counts():
    """Let no other process write counts until the transaction ends."""
    CountsLock.objects.get_or_create(pk=1)
    CountsLock.objects.select_for_update().get(pk=1)


def _by_month(days):
    """Group the days by month, and return [(first day of the month, [days])], sorted."""
    days = sorted(days)
    return [(month, [*of_month]) for month, of_month in groupby(days, key=month_of)]


def _add_to_final(sessions):
    """Add the sessions to the final rows. Return the days of the sessions, grouped by `_by_month`."""
    months = _by_month({session.happened_on for session in sessions})
    rows_of_sessions = HelpSession.objects.filter(pk__in=[session.pk for session in sessions])
    for month, days in months:
        for table, rows in count(rows_of_sessions, month).items():
            _add_rows(table, month, days, rows)
    return months


def _keep_check_in_answers(sessions):
    """Count the sessions that have an answered check-in, and add their number to CheckInAnswers."""
    recorded = [session.pk for session in sessions if session.status == HelpSession.Status.RECORDED]
    counted = Counter((month_of(day), branch) for _visit, day, branch in with_answered_check_in(recorded))
    for (month, branch), number in counted.items():
        CheckInAnswers.objects.get_or_create(month=month, branch_id=branch, defaults={"answered": 0})
        CheckInAnswers.objects.filter(month=month, branch=branch).update(answered=F("answered") + number)


def _add_rows(table, month, days, rows):
    """Add the numbers to the final rows with these keys. Insert the rows that are missing."""
    known = {}
    for key, (pk, numbers) in _stored(table, month, days, is_final=True).items():
        if key in rows:
            sums = [a + b for a, b in zip(numbers, rows[key], strict=True)]
            known[key] = table(pk=pk, **dict(zip(table.NUMBERS, sums, strict=True)))
    update_all(list(known.values()), table.NUMBERS)
    _insert(table, {key: numbers for key, numbers in rows.items() if key not in known}, is_final=True)


def _write(month, days=None):
    """Write the rows that count sessions which are not forgotten. Return how many rows changed."""
    return sum(_write_table(table, month, days, rows) for table, rows in _counted(month, days).items())


def _counted(month, days=None):
    return count(HelpSession.objects.filter(forgotten_on=None), month, days)


def _write_table(table, month, days, rows):
    stored = _stored(table, month, days, is_final=False)
    same = {key for key, (_pk, numbers) in stored.items() if rows.get(key) == numbers}
    stale = [pk for key, (pk, _numbers) in stored.items() if key not in same]
    new = {key: numbers for key, numbers in rows.items() if key not in same}
    for first in range(0, len(stale), BATCH):
        table.objects.filter(pk__in=stale[first : first + BATCH]).delete()
    _insert(table, new, is_final=False)
    return len(stale) + len(new)


def _stored(table, month, days, *, is_final):
    """Return {key: (primary key, numbers)} for the rows of the month in this table.

    If `days` is not None, return only the rows of these days from DayCount.
    """
    rows = table.objects.filter(is_final=is_final, log_import=None)
    if table is not DayCount:
        rows = rows.filter(month=month)
    elif days is None:
        rows = rows.filter(happened_on__range=days_of(month))
    else:
        rows = rows.filter(happened_on__in=days)
    size = len(table.KEY)
    values = rows.values_list(*table.KEY, *table.NUMBERS, "pk")
    return {tuple(row[:size]): (row[-1], list(row[size:-1])) for row in values}


def _insert(table, rows, *, is_final):
    columns = [*map(_column, table.KEY), *table.NUMBERS]
    new = [
        table(is_final=is_final, **dict(zip(columns, [*key, *numbers], strict=True)))
        for key, numbers in rows.items()
    ]
    table.objects.bulk_create(new, batch_size=BATCH)


def _column(name):
    """Return the attribute with the value of this field, such as "topic_id" for "topic"."""
    return f"{name}_id" if name in RELATED else name
