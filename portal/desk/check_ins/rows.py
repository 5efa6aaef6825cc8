"""The rows of the desk's lists of check-ins. A row says who asks the patron, what will happen, and why."""

import datetime
from dataclasses import dataclass
from itertools import groupby

from django.db.models import BigAutoField, Count, DateField, DateTimeField
from django.utils import timezone

from accounts.models import User
from portal.checkins import drafting, reviewing
from portal.checkins.eligibility import Why, times_of_too_late, without_reasons
from portal.checkins.models import CheckIn, is_reviewed_by
from portal.prepared import prepared
from recommendations.models import topic_names

from .outlook import Outlook, outlook_of, with_outlook

KEY = BigAutoField()


@dataclass(frozen=True)
class Row:
    """One planned check-in in a list at the desk.

    `by` is the person in whose name the check-in is sent, or None for the branch. If `is_open` is false, the
    row shows neither the patron nor the question.
    """

    check_in: CheckIn
    day: datetime.date
    by: User | None
    outlook: Outlook
    is_open: bool
    is_mine: bool
    language: str

    @property
    def visit(self):
        return self.check_in.help_session

    @property
    def shows_topic(self):
        return self.visit.topic and not self.visit.with_child

    @property
    def may_be_approved(self):
        return self.is_open and self.check_in.reviewed_at is None and self.outlook.is_asked

    @property
    def version(self):
        """Return the value of the row's checkbox: the id of the check-in and the version of its text."""
        return f"{self.check_in.public_id}.{reviewing.version_of(self.check_in, language=self.language)}"

    @property
    def greeting(self):
        return drafting.greeting(self.check_in, language=self.language)

    @property
    def words(self):
        return self.check_in.words or drafting.draft(self.check_in, by=self.by, language=self.language)

    @property
    def signature(self):
        return drafting.signature(self.check_in, by=self.by)


def reviewed_by(request):
    """Return the check-ins that this staff member reviews, with everything that a row needs."""
    today = request.library.today()
    mine = CheckIn.objects.at_desk_of(request.user).reviewed_by_person(request.user, today=today)
    return with_row(mine, at=timezone.now())


def with_row(check_ins, *, at):
    """Return the check-ins with everything that `rows_of` needs."""
    related = "help_session__topic", "reviewed_by", "asked_by"
    rows = drafting.with_drafts(with_outlook(check_ins, at=at)).select_related(*related)
    return rows.prefetch_related(*topic_names("help_session__topic__names"))


def planned_of(request):
    """Return the planned check-ins that this staff member reviews."""
    return reviewed_by(request).filter(status=CheckIn.Status.PLANNED)


def to_approve(request):
    """Count the check-ins due by tomorrow that this staff member still has to approve."""
    library, user = request.library, request.user
    counts = _count_to_approve(
        person=user.pk,
        branches=user.coordinated_branch_ids or None,
        today=library.today(),
        last=_tomorrow(request),
        **times_of_too_late(library, timezone.now()),
    )
    return sum(counts)


@prepared(
    person=KEY,
    branches=KEY,
    today=DateField(),
    last=DateField(),
    late_before=DateField(),
    closed_after=DateTimeField(),
)
def _count_to_approve(person, branches, today, last, late_before, closed_after):
    """Return one row with the number of check-ins to approve, or no row if there are none.

    Check-ins that wait until a conversation is closed are included, because staff can already approve them.
    """
    check_ins = CheckIn.objects.filter(is_reviewed_by(person, branches, today), due_on__lte=last)
    left = check_ins.filter(status=CheckIn.Status.PLANNED, reviewed_at=None)
    left = without_reasons(left, late_before=late_before, closed_after=closed_after, but={Why.CONVERSATION})
    return left.values("status").annotate(number=Count("pk")).values_list("number", flat=True)


def until_tomorrow(request, check_ins):
    """Return the check-ins that are due tomorrow or earlier."""
    return check_ins.filter(due_on__lte=_tomorrow(request))


def _tomorrow(request):
    return request.library.today() + datetime.timedelta(days=1)


def rows_of(request, check_ins, *, at, opened=()):
    """Return a Row for each check-in.

    `opened` contains the public ids of the check-ins that were opened on this page.
    """
    check_ins, today = list(check_ins), request.library.today(at)
    days = {check_in.pk: drafting.day_of(check_in, today=today) for check_in in check_ins}
    askers = drafting.askers((check_in.help_session, days[check_in.pk]) for check_in in check_ins)
    return [
        Row(
            check_in=check_in,
            day=days[check_in.pk],
            by=askers[check_in.help_session_id],
            outlook=outlook_of(check_in, asker=askers[check_in.help_session_id], user=request.user),
            language=drafting.language_of(check_in.help_session, library=request.library),
            is_mine=check_in.help_session.staff_id == request.user.pk,
            is_open=check_in.public_id in opened
            or (check_in.help_session.staff_id == request.user.pk and not request.shared_desk),
        )
        for check_in in check_ins
    ]


def by_day(rows):
    """Group the rows by day, and return [(day, rows)]. The rows must be sorted by day."""
    return [(day, list(group)) for day, group in groupby(rows, key=lambda row: row.day)]
