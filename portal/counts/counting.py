"""Count help sessions: compute the rows of the tables from the sessions of one month."""

import datetime
from collections import defaultdict

from django.db.models import Count as CountOf
from django.db.models import Sum
from django.db.models.functions import Coalesce

from portal.checkins.models import CheckIn
from portal.helpsessions.models import HelpSession, OwnValue

from .models import DayCount, GroupCount, LanguageCount, OwnCount, TopicCount

Status = HelpSession.Status
# Only sessions with these statuses count. A replaced session doesn't, because its new session counts.
COUNTED = (Status.RECORDED, Status.TALLY)
# {table: the columns of a session that make the key of a row}. In the tables by month, the key also has the
# month. OwnCount is missing, because `_own_values` counts its rows.
COLUMNS = {
    DayCount: (
        *("happened_on", "hour", "branch", "service_point", "mode", "question_type", "read_level"),
        *("status", "tally_kind"),
    ),
    TopicCount: ("branch", "topic"),
    GroupCount: ("branch", "patron_group"),
    LanguageCount: ("branch", "language"),
}


def month_of(day):
    """Return the first day of the day's month."""
    return day.replace(day=1)


def days_of(month):
    """Return the first and the last day of the month."""
    next_month = (month + datetime.timedelta(days=31)).replace(day=1)
    return month, next_month - datetime.timedelta(days=1)


def count(sessions, month, days=None):
    """Count the sessions that were in this month, and return {table: {key: numbers}}.

    `key` has the values of the fields `table.KEY`. `numbers` is [contacts, minutes, sessions handed over,
    check-ins sent]. If `days` is not None, DayCount has only these days, because it has the most rows.
    """
    sessions = sessions.filter(happened_on__range=days_of(month), status__in=COUNTED).order_by()
    # Quiet sessions and visits with a child count in totals only.
    described = sessions.filter(quiet=False, with_child="", status=Status.RECORDED)
    of_days = sessions if days is None else sessions.filter(happened_on__in=days)
    counted = {}
    for table, columns in COLUMNS.items():
        rows = _numbers(of_days if table is DayCount else described, columns)
        counted[table] = {_key(table, values, month): numbers for values, numbers in rows.items()}
    counted[OwnCount] = _own_values(described, month)
    return counted


def _key(table, values, month):
    if table is DayCount:
        *others, status, kind = values
        return (*others, status == Status.TALLY, kind)
    return (month, *values)


def _numbers(sessions, columns):
    """Return {values of these columns: numbers}."""
    sums = {
        "contacts": CountOf("pk"),
        "sum_of_minutes": Coalesce(Sum("minutes"), 0),
        "number_handed_over": CountOf("handed_over_at"),
    }
    numbers = {}
    for *values, contacts, minutes, handed_over in sessions.values_list(*columns).annotate(**sums):
        numbers[tuple(values)] = [contacts, minutes, handed_over, 0]
    of_session = [f"help_session__{name}" for name in columns]
    sent = CheckIn.objects.filter(asked_at__isnull=False, help_session__in=sessions.values("pk"))
    for *values, check_ins in sent.order_by().values_list(*of_session).annotate(CountOf("pk")):
        numbers[tuple(values)][3] = check_ins
    return numbers


def _own_values(sessions, month):
    """Count the values of the library's own fields. A session can have a value of each field."""
    known = set(OwnValue.objects.values_list("pk", flat=True))
    counted: dict = defaultdict(lambda: [0, 0, 0, 0])
    if not known:
        return counted
    columns = "pk", "branch", "own_values", "minutes", "handed_over_at"
    sent = CountOf("check_ins_made__asked_at")
    rows = sessions.exclude(own_values={}).values_list(*columns).annotate(sent=sent)
    for _pk, branch, own_values, minutes, handed_over_at, check_ins in rows.iterator():
        for value in known.intersection(own_values.values()):
            numbers = counted[month, branch, value]
            for place, added in enumerate((1, minutes or 0, int(handed_over_at is not None), check_ins)):
                numbers[place] += added
    return dict(counted)
