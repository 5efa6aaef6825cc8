"""Functions that bring the pages of figures, and of sampled weeks, into one of their states."""

from contextlib import contextmanager

from django.utils import timezone

from accounts.models import Branch
from portal.counts.models import DayCount, LevelTotal, LogImport, ModeTotal, MonthEmail, PointTotal, TypeTotal
from portal.surveys.models import RuleSet


def with_later_entries(page):
    """Show the page as it is if its numbers have changed since the email about this month was written."""
    this_month = timezone.localdate().replace(day=1)
    numbers = {str(branch.pk): [123_456, 1_234_567, 0, 0] for branch in Branch.objects.all()}
    email = MonthEmail.objects.create(month=this_month, written_at=timezone.now(), numbers=numbers)
    page.reload()
    page.locator("#entered-later").wait_for()
    email.delete()


def with_estimates(locator):
    """Return a function that shows the page with estimated minutes from an imported desk log."""

    def do(page):
        with imported_estimates(timezone.localdate()):
            page.reload()
            page.locator(locator).wait_for()

    return do


@contextmanager
def imported_estimates(day):
    """Add three imported contacts with partly estimated minutes. Delete them when the block ends."""
    log = LogImport.objects.create(
        started_at=timezone.now(),
        file_key="estimates",
        file_name=f"LibAnswers_export_of_{'all_' * 20}years.csv",
    )
    common = {
        "branch": Branch.objects.order_by("pk").first(),
        "log_import": log,
        "is_final": True,
        "contacts": 3,
        "minutes": 123_456,
        "estimated_minutes": 12_345,
        "handed_over": 0,
        "check_ins": 0,
    }
    DayCount.objects.create(**common, happened_on=day, mode="phone", question_type="reference")
    of_month = common | {"month": day.replace(day=1)}
    PointTotal.objects.create(**of_month)
    ModeTotal.objects.create(**of_month, mode="phone")
    TypeTotal.objects.create(**of_month, question_type="reference")
    LevelTotal.objects.create(**of_month)
    yield
    log.delete()


def mark_past_week(page):
    """Mark a week of a past year, so that the page warns that this can change the year's estimate."""
    changed = RuleSet.objects.filter(method=RuleSet.Method.COUNT)
    keys = list(changed.values_list("pk", flat=True))
    changed.update(method=RuleSet.Method.ESTIMATE)
    past = timezone.localdate().replace(month=6, day=1)
    first = RuleSet.objects.order_by("starts_on").first()
    day = first.starts_on.replace(year=first.starts_on.year - 1)
    RuleSet.objects.filter(pk=first.pk).update(starts_on=day)
    page.locator("#id_starts_on").fill(past.replace(year=past.year - 1).isoformat())
    page.locator("#mark-week").click()
    page.locator("#error-summary").wait_for()
    RuleSet.objects.filter(pk=first.pk).update(starts_on=first.starts_on)
    RuleSet.objects.filter(pk__in=keys).update(method=RuleSet.Method.COUNT)
