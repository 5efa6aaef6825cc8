"""Count contacts by the rules that were in force on their days."""

import datetime
from collections import Counter
from dataclasses import dataclass

from django.db.models import Case, DateField, IntegerField, Sum, Value, When

from portal.counts.models import DayCount
from portal.prepared import prepared

from .models import RuleSet

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Part:
    """A part of a period in which the same rule set is in force. `rules` is None if there is no rule set."""

    rules: RuleSet | None
    first_day: datetime.date
    last_day: datetime.date


def asks_for_questions(day):
    """Return whether a survey counts questions by the rules that are in force on this day."""
    newest = dict(_started(day=day))
    return any(newest.values())


@prepared(day=DateField())
def _started(day):
    """Return (survey, counts_questions) of the rule sets that start on this day or before, oldest first."""
    started = RuleSet.objects.filter(starts_on__lte=day).order_by("starts_on")
    return started.values_list("survey", "counts_questions")


def rule_sets(survey):
    """Return the rule sets of the survey with their rules, oldest first."""
    found = RuleSet.objects.filter(survey=survey).order_by("starts_on")
    return list(found.prefetch_related("counting_rules", "tally_rules"))


def parts(sets, first_day, last_day):
    """Split the period into Parts at the first day of each rule set.

    `sets` are the rule sets, oldest first.
    """
    found, first, rules = [], first_day, None
    for rule_set in sets:
        if rule_set.starts_on > last_day:
            break
        if rule_set.starts_on > first:
            found.append(Part(rules, first, rule_set.starts_on - DAY))
            first = rule_set.starts_on
        rules = rule_set
    return [*found, Part(rules, first, last_day)]


def count(sets, first_day, last_day, days=None):
    """Count the contacts of the period, and return Counter({(CountsAs, question type): number of contacts}).

    If the rules of a day count questions, count the questions of its contacts instead. If `days` is not None,
    count only the contacts of these days. Contacts without a rule count as None. Tallies have the question
    type None.
    """
    of_parts = parts(sets, first_day, last_day)
    rows = DayCount.objects.filter(happened_on__range=(first_day, last_day)).order_by()
    if days is not None:
        rows = rows.filter(happened_on__in=days)
    until = [When(happened_on__lte=part.last_day, then=Value(n)) for n, part in enumerate(of_parts)]
    columns = rows.annotate(part=Case(*until, output_field=IntegerField())).values_list(
        "part", "question_type", "mode", "is_tally", "tally_kind"
    )
    functions = [counts_as_by(part.rules) for part in of_parts]
    counted: Counter = Counter()
    for part, *contact, contacts, questions in columns.annotate(Sum("contacts"), Sum("questions")):
        question_type, _mode, is_tally, _kind = contact
        rules = of_parts[part].rules
        counts_questions = rules is not None and rules.counts_questions
        key = functions[part](*contact), None if is_tally else question_type
        counted[key] += questions if counts_questions else contacts
    return counted


def counts_as_by(rules):
    """Return a function that says how a contact counts by this rule set.

    Its arguments are the question type, the mode, whether the contact is a tally, and the primary key of the
    kind of tally, or None. It returns None if there is no rule for the contact.
    """
    if rules is None:
        return lambda *_contact: None
    by_type = {(rule.question_type, rule.mode): rule.counts_as for rule in rules.counting_rules.all()}
    by_kind = {rule.tally_kind_id: rule.counts_as for rule in rules.tally_rules.all()}

    def counts_as(question_type, mode, is_tally, kind):
        if is_tally:
            return by_kind.get(kind, rules.tallies_count_as)
        return by_type.get((question_type, mode), by_type.get((question_type, "")))

    return counts_as
