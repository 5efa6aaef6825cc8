"""Gather the facts about the notices of one person, for `deciding.decide`."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

from accounts.hours import Calendar
from accounts.models import Branch, Library, User

from .choices import Choices
from .deciding import HOUR, Facts, end_of_quiet_hours, next_daily_email, next_opening
from .kinds import CHOICES, DIGESTS, KINDS, NONE, Channel, kinds_for
from .models import DeskUse, NoticeTimes, Notification
from .push.subscriptions import devices_of


@dataclass(frozen=True)
class Sources:
    """Functions from apps in higher layers, which provide facts about the notices of these apps.

    `recipients` and `unsettled` are {kind: function}. A function in `recipients` is called with (notice, at)
    and returns the people who get a StaffNotice.

    A function in `unsettled` is called with (rows, person, at). It returns {primary key of a row: whether the
    person has read everything before this row}, and leaves out rows that no longer apply. If a kind has no
    such function, its rows always apply. If the rows are for browsers that opened a visit by code, the person
    is None.

    `count_unread` is called with (person, about), and returns the number for the badge of the app. For a
    browser that opened the visit `about` by code, the person is None.
    """

    recipients: dict = field(default_factory=dict)
    unsettled: dict = field(default_factory=dict)
    count_unread: Callable = lambda person, about: 0


def facts_about(rows, person, at, sources):
    """Return {primary key of a row: Facts}. Either all rows are for staff, or all rows are for patrons.

    The number of queries depends on the number of kinds, and not on the number of rows.
    """
    library, choices, devices = Library.current(), Choices(person), Devices(person, at)
    for_staff = KINDS[rows[0].kind].for_staff
    times = NoticeTimes.objects.filter(person=person).first() or NoticeTimes(person=person)
    zone = times.zone or library.zone
    when_open = {row.pk: KINDS[row.kind].when_open for row in rows}
    branch_of = {
        row.pk: row.branch_id if for_staff or when_open[row.pk] else library.default_branch_id for row in rows
    }
    calendars = _calendars(set(branch_of.values()))
    used = DeskUse.objects.filter(person=person).first() if for_staff else None
    told_at = _emails(person, for_staff, at)
    unsettled = _unsettled(rows, person, at, sources)
    quiet_until = None
    if times.quiet_from is not None:
        quiet_until = end_of_quiet_hours(at, begin=times.quiet_from, end=times.quiet_until, zone=zone)
    facts = {}
    for row in rows:
        choice = _choice_of(row, person, choices, devices)
        calendar = calendars.get(branch_of[row.pk])
        waits_for_opening = calendar and (when_open[row.pk] or for_staff and not times.when_closed)
        facts[row.pk] = Facts(
            choice,
            row.created_at,
            is_wanted=may_be_written_to(person, choice) and row.pk in unsettled,
            has_caught_up=unsettled.get(row.pk, True),
            is_retry=row.decided_at is not None,
            told_at=told_at.get((row.kind, row.about)) if row.about else None,
            emailed_at=max(told_at.values(), default=None),
            daily_at=next_daily_email(row.created_at, daily_at=times.daily_at, zone=zone, calendar=calendar),
            quiet_until=quiet_until,
            opens_at=next_opening(at, calendar) if waits_for_opening else None,
            at_desk_at=used.used_at if used and not KINDS[row.kind].is_report else None,
        )
    return facts


def facts_for_browsers(rows, at, sources):
    """Return {primary key of a row: Facts} for notices to the browsers that opened one visit by code.

    All rows have the same kind and are about the same thing.
    """
    earlier = Notification.objects.filter(
        recipient=None,
        browsers_about=rows[0].browsers_about,
        kind=rows[0].kind,
        about=rows[0].about,
        decided_at__gt=at - HOUR,
        decided_at__lt=at + HOUR,
    )
    told_at = earlier.order_by("-decided_at").values_list("decided_at", flat=True).first()
    unsettled = _unsettled(rows, None, at, sources)
    return {
        row.pk: Facts(
            CHOICES["push"],
            row.created_at,
            is_wanted=row.pk in unsettled,
            has_caught_up=unsettled.get(row.pk, True),
            told_at=told_at,
        )
        for row in rows
    }


class Devices:
    """The devices on which one person gets push messages. The query runs only when `all` is read."""

    def __init__(self, person, at):
        self.person, self.at = person, at

    @cached_property
    def all(self):
        return list(devices_of(self.person, at=self.at))


def _choice_of(row, person, choices, devices):
    """Return the Choice that says how to send this notice.

    A check-in is sent only in the way that the person agreed to.
    """
    if KINDS[row.kind].is_report:
        return choices.of(row.kind)
    if not KINDS[row.kind].is_chosen_apart:
        return _by_a_way_that_works(choices.of(row.kind, row.branch_id), row, person, devices)
    if person.check_ins == User.CheckIns.PUSH:
        return CHOICES["push"] if devices.all else NONE
    return choices.of(row.kind, row.branch_id)


def _by_a_way_that_works(choice, row, person, devices):
    """Return the choice. If its channel can't reach the person, replace push by email, or email by push."""
    failed_before = row.way == Notification.Way.EMAIL_INSTEAD
    if choice.channel == Channel.PUSH and (failed_before or not devices.all):
        return replace(choice, channel=Channel.EMAIL)
    has_address = bool(person.email) and not getattr(row, "address_off", False)
    if choice.channel == Channel.EMAIL and not (has_address or failed_before) and devices.all:
        return replace(choice, channel=Channel.PUSH)
    return choice


def _calendars(branch_ids):
    """Return {primary key of a branch: its Calendar}."""
    branches = Branch.objects.filter(pk__in=branch_ids - {None})
    return {
        branch.pk: Calendar.of(branch) for branch in branches.prefetch_related("opening_hours", "closed_days")
    }


def _emails(person, for_staff, at):
    """Return {(kind, about): the time of the last email} for the person's notices of the last hour.

    Ignore times more than an hour in the future, which were stored while a clock was fast.
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


def may_be_written_to(person, choice=None):
    """Return whether notices can be sent to the person.

    The person must be active and alive. They need an email address unless they chose push.
    """
    is_pushed = choice is not None and choice.channel == Channel.PUSH
    return person.is_active and person.died_at is None and bool(is_pushed or person.email)
