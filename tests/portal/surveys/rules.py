"""Make rules and sampled weeks for tests."""

from portal.surveys.models import CountingRule, RuleSet, SampledWeek, Survey, TallyRule
from portal.surveys.presets import PRESETS


def save_preset(survey, starts_on, *, tallies=None, **fields):
    """Save the preset of a survey as its counting rules. `tallies` is {TallyKind: CountsAs}."""
    preset = PRESETS[Survey(survey)]
    given = {"weeks": preset.weeks, "multiplier": preset.multiplier} | fields
    rules = {(kind, ""): counts_as for kind, counts_as in preset.counts_as.items()}
    return save_rules(survey, starts_on, rules, tallies=tallies, **given)


def save_rules(survey, starts_on, rules, *, tallies=None, **fields):
    """Save these rules. `rules` is {(question type, mode): CountsAs}."""
    rule_set = RuleSet.objects.create(survey=survey, starts_on=starts_on, **fields)
    for (kind, mode), counts_as in rules.items():
        CountingRule.objects.create(rule_set=rule_set, question_type=kind, mode=mode, counts_as=counts_as)
    for kind, counts_as in (tallies or {}).items():
        TallyRule.objects.create(rule_set=rule_set, tally_kind=kind, counts_as=counts_as)
    return rule_set


def mark_weeks(*days):
    SampledWeek.objects.bulk_create(SampledWeek(starts_on=day) for day in days)
