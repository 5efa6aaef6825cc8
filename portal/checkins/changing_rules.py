"""Let coordinators change the rules that decide when the library asks."""

from accounts import audit
from accounts.models import Library
from accounts.staff_actions import staff_action

from .models import CheckInRule
from .planning import replan_by_rules
from .rules import USUAL, Rules


@staff_action
def set_type_rules(rules, *, by, at):
    """Save the rules of question types, and move the planned check-ins. `rules` is {question type: Rule}.

    Add an entry to the audit trail even if no rule has changed. The list of steps for a library's first week
    shows this step as done if the entry exists.
    """
    before = Rules.read()
    changed = {kind: rule for kind, rule in rules.items() if rule != before.of_type(kind)}
    for kind, rule in changed.items():
        _save(None if rule == USUAL[kind] else rule, question_type=kind)
    if changed:
        replan_by_rules(question_type__in=list(changed))
    audit.record("changed_check_ins", Library.current(), by=by, at=at)


@staff_action
def set_topic_rule(topic, rule, *, by, at):
    """Save the rule of a topic, or remove it if `rule` is None, and move the planned check-ins."""
    if rule == Rules.read().of_topic(topic.pk):
        return
    _save(rule, topic=topic)
    replan_by_rules(topic=topic)
    audit.record("changed_library", Library.current(), by=by, at=at)


def _save(rule, **whose):
    if rule is None:
        CheckInRule.objects.filter(**whose).delete()
    else:
        CheckInRule.objects.update_or_create(**whose, defaults={"since": rule.since, "days": rule.days})
