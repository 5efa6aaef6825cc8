"""Count help sessions: compute the rows of the tables from the sessions of one month."""

import datetime
from collections import defaultdict

from django.db.models import Count as CountOf
from django.db.models import Sum
from django.db.models.functions import Coalesce

from portal.checkins.models import CheckIn
from portal.helpsessions.models import HelpSession, OwnValue

from .models import (
    TOTALS,
    DayCount,
    GroupCount,
    HourTotal,
    LanguageCount,
    LevelTotal,
    ModeTotal,
    OwnCount,
    PointTotal,
    TopicCount,
    TypeTotal,
)

Status = HelpSession.Status
# Only sessions with a status in COUNTED count. A replaced session doesn't count, because the new session
# does.
COUNTED = (Status.RECORDED, Status.TALLY)
# The tables in OF_ALL count all sessions. The other tables leave out tallies, quiet sessions and visits with
# a child.
OF_ALL = (DayCount, *TOTALS)
# {table: the columns of a session that make the key of a row}. In the tables by month, the key also has the
# month. OwnCount is missing, because `_own_values` counts its rows.
COLUMNS = {
    DayCount: (
        *("happened_on", "hour", "branch", "service_point", "mode", "question_type", "read_level"),
        *("status", "tally_kind"),
    ),
    PointTotal: ("branch", "service_point", "status", "tally_kind"),
    ModeTotal: ("branch", "mode"),
    TypeTotal: ("branch", "status", "question_type"),
    LevelTotal: ("branch", "status", "read_level"),
    HourTotal: ("branch", "hour", "happened_on"),
    TopicCount: ("branch", "topic"),
    GroupCount: ("branch", "patron_group"),
    LanguageCount: ("branch", "language"),
}


def month_of(day):
    """Return the first day of the month that this day is in."""
    return day.replace(day=1)


def days_of(month):
    """Return the first and the last day of the month."""
    next_month = (month + datetime.timedelta(days=31)).replace(day=1)
    return month, next_month - datetime.timedelta(days=1)


def count(sessions, month, days=None):
    """Count the sessions that were in this month, and return {table: {key: numbers}}.

    `key` has the values of the fields `table.KEY`. `numbers` is a list with the values of the fields
    `table.NUMBERS`. If `days` is not None, count only these days for DayCount, because that table has the
    most rows.
    """
    sessions = sessions.filter(happened_on__range=days_of(month), status__in=COUNTED).order_by()
    # Tallies, quiet sessions and visits with a child are only in the tables OF_ALL.
    described = sessions.filter(quiet=False, with_child="", status=Status.RECORDED)
    of_days = sessions if days is None else sessions.filter(happened_on__in=days)
    counted: dict = {}
    for table, columns in COLUMNS.items():
        counts = of_days if table is DayCount else sessions if table in OF_ALL else described
        counted[table] = {}
        for values, numbers in _numbers(counts, columns, table.NUMBERS).items():
            key = _key(table, values, month)
            before = counted[table].get(key)
            counted[table][key] = [*map(sum, zip(before, numbers, strict=True))] if before else numbers
    counted[OwnCount] = _own_values(described, month)
    return counted


def _key(table, values, month):
    if table is HourTotal:
        branch, hour, day = values
        return month, branch, hour, day.weekday()
    # The key of a row has no status. Instead, it has True if the sessions are tallies, or else False.
    pairs = zip(COLUMNS[table], values, strict=True)
    values = tuple(value == Status.TALLY if column == "status" else value for column, value in pairs)
    return values if table is DayCount else (month, *values)


def _numbers(sessions, columns, names):
    """Return {values of `columns`: numbers of the sessions with these values}. `names` is table.NUMBERS."""
    sums = {
        "contacts": CountOf("pk"),
        "sum_of_minutes": Coalesce(Sum("minutes"), 0),
        "number_handed_over": CountOf("handed_over_at"),
    }
    size, numbers = len(columns), {}
    if "questions" in names:
        sums["sum_of_questions"] = Sum("questions")
    for row in sessions.values_list(*columns).annotate(**sums):
        contacts, minutes, handed_over, *questions = row[size:]
        numbers[row[:size]] = [contacts, minutes, handed_over, 0, *questions]
    of_session = [f"help_session__{name}" for name in columns]
    sent = CheckIn.objects.filter(asked_at__isnull=False, help_session__in=sessions.values("pk"))
    for *values, check_ins in sent.order_by().values_list(*of_session).annotate(CountOf("pk")):
        numbers[tuple(values)][3] = check_ins
    return numbers


def _own_values(sessions, month):
    """Return {(month, branch, own value): numbers}. A session can have a value in each own field."""
    known = set(OwnValue.objects.values_list("pk", flat=True))
    counted: dict = defaultdict(lambda: [0, 0, 0, 0])
    if not known:
        return counted
    sessions = sessions.exclude(own_values={})
    sent = CheckIn.objects.filter(asked_at__isnull=False, help_session__in=sessions.values("pk"))
    check_ins = dict(sent.order_by().values_list("help_session").annotate(CountOf("pk")))
    rows = sessions.values_list("pk", "branch", "own_values", "minutes", "handed_over_at")
    for pk, branch, own_values, minutes, handed_over_at in rows.iterator():
        added = 1, minutes or 0, int(handed_over_at is not None), check_ins.get(pk, 0)
        for value in known.intersection(own_values.values()):
            numbers = counted[month, branch, value]
            for place, number in enumerate(added):
                numbers[place] += number
    return dict(counted)
