"""The counting rules of a library that change during a year, and the weeks that it samples."""

import datetime

from portal.surveys.actions import mark_week, remove_rule_set, save_rule_set, unmark_week
from portal.surveys.models import CountsAs, RuleSet, SampledWeek, Survey
from portal.surveys.presets import PRESETS
from recommendations.models import QuestionType

DAY = datetime.timedelta(days=1)
# The method of each survey. An estimate needs at least WEEKS sampled weeks. It is the average of these weeks,
# multiplied by MULTIPLIER.
METHODS = {"pls": "count", "arl": "estimate", "acrl": "count"}
WEEKS, MULTIPLIER = 2, 47


class Rules:
    def __init__(self, year):
        self.year = year
        for survey, preset in PRESETS.items():
            rules = {(kind, ""): counts_as for kind, counts_as in preset.counts_as.items()}
            self._save(None, survey, datetime.date(2025, 1, 1), rules, {}, "neither", False)

    def change(self):
        """Add a survey rule set that starts on a day near today.

        If there are many rule sets, remove one instead.
        """
        year, survey = self.year, self.year.pick(Survey.values)
        later = RuleSet.objects.filter(survey=survey, starts_on__year=2026).order_by("starts_on")
        if len(later) > 2:
            rule_set = year.pick(list(later))
            remove_rule_set(rule_set, may_change_past=True, by=year.staff[0], at=year.at)
            for table in ("year_rules", "year_rule", "year_tally_rule"):
                sql = f"DELETE FROM {table} WHERE survey = %s AND starts = %s"
                year.ledger.run(sql, survey, rule_set.starts_on.isoformat())
            return
        starts_on = year.today + year.random.randint(-20, 20) * DAY
        if RuleSet.objects.filter(survey=survey, starts_on=starts_on).exists():
            return
        rules = {(kind, ""): year.pick(CountsAs.values) for kind in QuestionType}
        rules |= {(year.pick(QuestionType.values), mode): "consultation" for mode in ("chat", "phone")}
        tallies = {kind.pk: year.pick(CountsAs.values) for kind in year.random.sample(year.kinds, 3)}
        self._save(
            None, survey, starts_on, rules, tallies, year.pick(CountsAs.values), year.pick([False, True])
        )

    def _save(self, rule_set, survey, starts_on, rules, tallies, tallies_count_as, counts_questions):
        ledger, starts = self.year.ledger, starts_on.isoformat()
        save_rule_set(
            rule_set,
            survey=survey,
            starts_on=starts_on,
            counting=rules,
            tallies=tallies,
            tallies_count_as=tallies_count_as,
            counts_questions=counts_questions,
            method=METHODS[survey],
            weeks=WEEKS,
            multiplier=MULTIPLIER,
            may_change_past=True,
            by=self.year.staff[0],
            at=self.year.at,
        )
        ledger.insert("year_rules", survey=survey, starts=starts, counts_questions=int(counts_questions))
        for (kind, mode), counts_as in rules.items():
            row = {"question_type": kind, "mode": mode, "counts_as": counts_as}
            ledger.insert("year_rule", survey=survey, starts=starts, **row)
        for kind, counts_as in [*tallies.items(), (0, tallies_count_as)]:
            ledger.insert("year_tally_rule", survey=survey, starts=starts, kind=kind, counts_as=counts_as)

    def mark_a_week(self):
        """Add a sampled week, unless it overlaps with another sampled week.

        If there are many sampled weeks, remove one instead.
        """
        year = self.year
        marked = list(SampledWeek.objects.order_by("starts_on"))
        if len(marked) > 6:
            unmark_week(year.pick(marked), may_change_past=True, by=year.staff[0], at=year.at)
            return
        starts_on = year.today + year.random.randint(-10, 10) * DAY
        if all(abs((week.starts_on - starts_on).days) > 6 for week in marked):
            mark_week(starts_on, may_change_past=True, by=year.staff[0], at=year.at)
