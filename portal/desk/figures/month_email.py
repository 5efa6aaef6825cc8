"""The monthly email for coordinators, and the marks on pages for numbers that changed after the email.

The same function counts the numbers of the email and of the page of figures. The email has no names, no
outcomes and nothing about single staff members.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.db.models import DateField
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Branch, Library, StaffRole
from portal.counts.actions import claim_month_email, count_month
from portal.counts.models import MonthEmail, PointTotal
from portal.notifications.writing import notify, save_all
from portal.pauses import pause_after_writing
from portal.prepared import prepared

from . import labels, workload
from .charts import sentence_of
from .main_numbers import MainNumber, main_numbers
from .periods import Period

KIND = "desk/month"
# The email about a month is written on the third day after it, so that staff have two days for tick sheets.
# The day and the hour are in the library's time zone.
DAY, HOUR = 3, 9


def write_month_emails(*, at):
    """Write the emails about the previous month, once, on day DAY or later. The worker runs this job."""
    library = Library.current()
    local = at.astimezone(library.zone)
    month = Period.of_month(local.date()).before
    if local.day < DAY or local.hour < HOUR or MonthEmail.objects.filter(month=month.first).exists():
        return
    with pause_after_writing(), transaction.atomic():
        # This locks the counts. So a second worker waits here, and then finds that the emails are written.
        count_month(month.first)
        if claim_month_email(month.first, _numbers_of_branches(month), at=at):
            save_all(_emails(month, library, at))


def still_wanted(rows, person, at):
    """Return {primary key of an email: True} for the emails that may still be sent to this person.

    `rows` are the emails that wait. An email may be sent if it is about exactly the branches that the person
    coordinates now.
    """
    key = _key_of(person.coordinated_branch_ids)
    return {row.pk: True for row in rows if row.about.endswith(key)}


@dataclass(frozen=True)
class EnteredLater:
    """The numbers of a month that changed after its email was written.

    In each MainNumber, `before` is the number that the email had.
    """

    written_at: datetime
    numbers: list[MainNumber]


def entered_later(figure, branches):
    """Return an EnteredLater for the month of a Figure, or None if no number changed after the email.

    `branches` are the primary keys of the branches that the figure counts.
    """
    period = figure.period
    emails = _email_about(month=period.first) if period.is_month else []
    if not emails:
        return None
    [email] = emails
    has_all = figure.names == workload.NUMBERS
    now = (figure if has_all else workload.figure(period, branches, "branch")).total.numbers
    of_branches = [email.numbers[str(pk)] for pk in branches if str(pk) in email.numbers]
    then = [sum(column) for column in zip(*of_branches, strict=True)] or [0] * len(now)
    changed = [
        MainNumber(labels.of_number(name), "", number, before)
        for name, number, before in zip(workload.NUMBERS, now, then, strict=True)
        if number != before
    ]
    return EnteredLater(email.written_at, changed) if changed else None


@prepared(month=DateField())
def _email_about(month):
    return MonthEmail.objects.filter(month=month)


def _numbers_of_branches(month):
    branches = list(Branch.objects.values_list("pk", flat=True))
    return {str(row.key): row.numbers for row in workload.figure(month, branches, "branch").rows}


def _emails(month, library, at):
    """Yield the unsaved monthly emails. Coordinators of the same branches get the same numbers."""
    coordinated, people = defaultdict(set), {}
    roles = StaffRole.objects.filter(role=StaffRole.Role.COORDINATOR, user__is_active=True)
    for role in roles.filter(user__died_at=None, user__email__isnull=False).select_related("user"):
        coordinated[role.user_id].add(role.branch_id)
        people[role.user_id] = role.user
    all_open = set(Branch.objects.filter(closed_at=None).values_list("pk", flat=True))
    every = sorted(Branch.objects.values_list("pk", flat=True))
    contexts: dict = {}
    for pk, own in coordinated.items():
        person, is_whole = people[pk], own >= all_open
        counted = every if is_whole else sorted(own)
        language = person.language or library.language
        group = (*sorted(own), language)
        if group not in contexts:
            with translation.override(language), timezone.override(library.zone):
                contexts[group] = _context(month, counted, sorted(own), is_whole)
        if contexts[group] is None:
            continue
        yield notify(
            KIND,
            to=person.email,
            at=at,
            recipient=person,
            language=language,
            library=library,
            context=contexts[group],
            about=f"{month.first:%Y-%m}-{_key_of(own)}",
            url=contexts[group]["url"],
            save=False,
        )


def _context(month, counted, own, is_whole):
    """Return the context of the email's templates, or None if no contact was ever counted at these branches.

    If only earlier months have contacts, people still get an email. Otherwise, they could think that the
    portal has stopped. `own` are the branches that the person coordinates. The answer times are only about
    these branches, because the page shows the answer times of a small branch only to its own staff.
    """
    if not PointTotal.objects.filter(branch__in=counted, month__lte=month.first).exists():
        return None
    figure, before = (workload.figure(each, counted, "branch") for each in (month, month.year_before))
    names = [] if is_whole else list(Branch.objects.filter(pk__in=own).order_by("name"))
    asked = {"dates": f"{month.first:%Y-%m}"}
    asked |= {"branch": names[0].slug} if len(names) == 1 else {"by": "branch"}
    return {
        "period": labels.of_period(month),
        "year_before": labels.of_period(month.year_before),
        "branches": names,
        "is_empty": figure.is_empty,
        "numbers": main_numbers(figure, before),
        "has_before": any(before.total.numbers),
        "by_branch": figure.rows if len(figure.rows) > 1 else [],
        "answers": sentence_of(workload.figure(month, own, workload.ANSWERS)),
        "url": f"{settings.BASE_URL}{reverse('figures')}?{urlencode(asked)}",
    }


def _key_of(branches):
    """Return a key that identifies this set of branches.

    `still_wanted` compares the key of an email with the key of the branches that the person coordinates now.
    """
    return hashlib.sha256(",".join(map(str, sorted(branches))).encode()).hexdigest()[:16]
