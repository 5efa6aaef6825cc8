"""Gather the facts about the notices of one person, for `deciding.decide`."""

from collections import defaultdict
from dataclasses import dataclass, field

from accounts.hours import Calendar
from accounts.models import Branch, Library

from .choices import Choices
from .deciding import HOUR, Facts, end_of_quiet_hours, next_daily_email, next_opening
from .kinds import DIGESTS, KINDS, kinds_for
from .models import DeskUse, NoticeTimes, Notification


@dataclass(frozen=True)
class Sources:
    """What only the apps above the outbox know about their notices. The worker passes it.

    Both attributes are {kind: function}. A function in `recipients` returns the people who get a StaffNotice.
    It is called with (notice, at).

    A function in `unsettled` returns the rows that still have something to tell, as {primary key: whether the
    person has read everything that came before}. It is called with (rows, person, at). A kind without such a
    function always has something to tell.
    """

    recipients: dict = field(default_factory=dict)
    unsettled: dict = field(default_factory=dict)


def facts_about(rows, person, at, sources):
    """Return {primary key: Facts} of these rows, which are all for staff or all for patrons.

    The number of queries depends on the number of kinds, and not on the number of rows.
    """
    library, choices = Library.current(), Choices(person)
    for_staff = KINDS[rows[0].kind].for_staff
    times = NoticeTimes.objects.filter(person=person).first() or NoticeTimes(person=person)
    zone = times.zone or library.zone
    branch_of = {row.pk: row.branch_id if for_staff else library.default_branch_id for row in rows}
    calendars = _calendars(set(branch_of.values()))
    used = DeskUse.objects.filter(person=person).first() if for_staff else None
    told_at = _emails(person, for_staff, at)
    unsettled = _unsettled(rows, person, at, sources)
    quiet_until = None
    if times.quiet_from is not None:
        quiet_until = end_of_quiet_hours(at, begin=times.quiet_from, end=times.quiet_until, zone=zone)
    facts = {}
    for row in rows:
        calendar = calendars.get(branch_of[row.pk])
        waits_for_opening = for_staff and calendar and not times.when_closed
        facts[row.pk] = Facts(
            choices.of(row.kind, row.branch_id),
            row.created_at,
            is_wanted=person.is_active and bool(person.email) and row.pk in unsettled,
            has_caught_up=unsettled.get(row.pk, True),
            is_retry=row.decided_at is not None,
            told_at=told_at.get((row.kind, row.about)) if row.about else None,
            emailed_at=max(told_at.values(), default=None),
            daily_at=next_daily_email(row.created_at, daily_at=times.daily_at, zone=zone, calendar=calendar),
            quiet_until=quiet_until,
            opens_at=next_opening(at, calendar) if waits_for_opening else None,
            at_desk_at=used.used_at if used else None,
        )
    return facts


def _calendars(branch_ids):
    """Return {primary key of a branch: its Calendar}."""
    branches = Branch.objects.filter(pk__in=branch_ids - {None})
    return {
        branch.pk: Calendar.of(branch) for branch in branches.prefetch_related("opening_hours", "closed_days")
    }


def _emails(person, for_staff, at):
    """Return {(kind, about): the time of the last email} of the last hour.

    A time more than an hour in the future comes from a clock that was fast and has been set back.
    """
    kinds = [*(kind.key for kind in kinds_for(staff=for_staff)), DIGESTS[for_staff]]
    emails = Notification.objects.filter(
        recipient=person, kind__in=kinds, decided_at__gt=at - HOUR, decided_at__lt=at + HOUR
    )
    return {
        (kind, about): decided_at
        for kind, about, decided_at in emails.order_by("decided_at").values_list(
            "kind", "about", "decided_at"
        )
    }


def _unsettled(rows, person, at, sources):
    by_kind = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    unsettled: dict = {}
    for kind, same in by_kind.items():
        find = sources.unsettled.get(kind)
        unsettled |= find(same, person, at) if find else {row.pk: True for row in same}
    return unsettled
