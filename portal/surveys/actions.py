"""Change the rules by which contacts count for surveys, and the weeks that the library samples."""

import datetime

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import Library
from accounts.reporting_year import ReportingYear
from accounts.staff_actions import staff_action

from .models import CountingRule, RuleSet, SampledWeek, TallyRule

SIX_DAYS = datetime.timedelta(days=6)


class DayTaken(Exception):
    """Another rule set of the survey starts on this day."""


class ChangesPastYears(Exception):
    """The change would alter numbers of reporting years that have ended."""


class WeekOverlaps(Exception):
    """The week has days of a week that is already marked. The argument is the first day of that week."""


@staff_action
def save_rule_set(rule_set, *, starts_on, counting, tallies, may_change_past=False, by, at, **fields):
    """Change the rule set, or add one if `rule_set` is None, and return it.

    `counting` is {(question type, mode or ""): CountsAs}. `tallies` is {primary key of a TallyKind:
    CountsAs}. `fields` are the other fields of RuleSet. Raises DayTaken. Raises ChangesPastYears unless
    `may_change_past` is true.
    """
    rule_set = rule_set or RuleSet(survey=fields["survey"])
    days = {starts_on, rule_set.starts_on or starts_on}
    if not may_change_past and _changes_past_years(rule_set, min(days), at):
        raise ChangesPastYears
    rule_set.starts_on = starts_on
    for name, value in fields.items():
        setattr(rule_set, name, value)
    try:
        with transaction.atomic():
            rule_set.save()
    except IntegrityError:
        raise DayTaken from None
    rule_set.counting_rules.all().delete()
    CountingRule.objects.bulk_create(
        CountingRule(rule_set=rule_set, question_type=kind, mode=mode, counts_as=counts_as)
        for (kind, mode), counts_as in counting.items()
    )
    rule_set.tally_rules.all().delete()
    TallyRule.objects.bulk_create(
        TallyRule(rule_set=rule_set, tally_kind_id=kind, counts_as=counts_as)
        for kind, counts_as in tallies.items()
    )
    audit.record("changed_library", Library.current(), by=by, at=at)
    return rule_set


@staff_action
def remove_rule_set(rule_set, *, may_change_past=False, by, at):
    """Delete the rule set, so that the rule set before it stays in force.

    Raises ChangesPastYears unless `may_change_past` is true.
    """
    if not may_change_past and _changes_past_years(rule_set, rule_set.starts_on, at):
        raise ChangesPastYears
    RuleSet.objects.filter(pk=rule_set.pk).delete()
    audit.record("changed_library", Library.current(), by=by, at=at)


def _changes_past_years(rule_set, day, at):
    """Return whether changing this rule set from `day` on alters numbers of years that have ended.

    It alters no numbers if no rule set was in force on these days before the change.
    """
    library = Library.current()
    year = ReportingYear.of(library.today(at), library.year_starts_in)
    if day >= year.first_day:
        return False
    return bool(rule_set.pk) or RuleSet.objects.filter(survey=rule_set.survey, starts_on__lte=day).exists()


def _estimates_past_year(week, at):
    library = Library.current()
    year = ReportingYear.of(week.starts_on, library.year_starts_in)
    estimates = RuleSet.objects.filter(method=RuleSet.Method.ESTIMATE, starts_on__lte=year.last_day)
    return year.last_day < library.today(at) and estimates.exists()


@staff_action
def mark_week(starts_on, *, may_change_past=False, by, at):
    """Mark the seven days from this day on as a sampled week. Raises WeekOverlaps.

    Raises ChangesPastYears if an estimate of a year that has ended may use the week, unless `may_change_past`
    is true.
    """
    # Lock the library's row, so that two simultaneous requests can't mark overlapping weeks.
    Library.objects.select_for_update(no_key=True).get()
    near = (starts_on - SIX_DAYS, starts_on + SIX_DAYS)
    other = SampledWeek.objects.filter(starts_on__range=near).first()
    if other:
        raise WeekOverlaps(other.starts_on)
    week = SampledWeek(starts_on=starts_on)
    if not may_change_past and _estimates_past_year(week, at):
        raise ChangesPastYears
    week.save()
    audit.record("changed_library", Library.current(), by=by, at=at)
    return week


@staff_action
def unmark_week(week, *, may_change_past=False, by, at):
    """Delete the mark of the sampled week. The contacts of the week stay.

    Raises ChangesPastYears if an estimate of a year that has ended may use the week, unless `may_change_past`
    is true.
    """
    if not may_change_past and _estimates_past_year(week, at):
        raise ChangesPastYears
    SampledWeek.objects.filter(pk=week.pk).delete()
    audit.record("changed_library", Library.current(), by=by, at=at)
