"""The forms for check-ins: whether the library asks how visits turned out, and after how many days."""

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from portal.checkins.models import CheckInRule
from portal.checkins.rules import Rule, Rules
from portal.desk.forms.fields import WholeNumber
from recommendations.models import QuestionType

Since = CheckInRule.Since
# The value of the choice "Same as the question type" in the form of a topic.
AS_TYPE = ""
SINCE = [
    (Since.VISIT.value, _("After the visit")),
    (Since.GOT_IT.value, _("After the patron presses “I've got it”")),
    (Since.NEVER.value, _("Never")),
]


class RuleFields:
    """A mixin with two fields per rule: a number of days, and the event from which the days are counted."""

    def add_rule(self, name, label, rule, *, choices=SINCE):
        """Add the fields of one rule. The error messages refer to the rule by its `label`."""
        self.fields[f"days_{name}"] = WholeNumber(
            label=label,
            min_value=1,
            max_value=180,
            required=False,
            initial=rule and rule.days,
            widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        )
        self.fields[f"since_{name}"] = forms.ChoiceField(
            label=label, choices=choices, required=False, initial=rule.since if rule else AS_TYPE
        )

    def rule_fields(self, name):
        """Return (legend, field for the number of days, field for the event).

        The days of a rule are counted from this event.
        """
        days, since = self[f"days_{name}"], self[f"since_{name}"]
        return days.label, days, since

    def check_rule(self, name):
        """Add an error if the number of days is missing. Call this in `clean`."""
        since = self.cleaned_data.get(f"since_{name}", Since.NEVER)
        has_days = f"days_{name}" in self.errors or self.cleaned_data.get(f"days_{name}")
        if since not in (Since.NEVER, AS_TYPE) and not has_days:
            self.add_error(f"days_{name}", self.fields[f"days_{name}"].error_messages["required"])

    def rule(self, name):
        """Return the chosen Rule, or None for the choice "Same as the question type"."""
        since = self.cleaned_data[f"since_{name}"]
        if since == AS_TYPE:
            return None
        return Rule(since, None if since == Since.NEVER else self.cleaned_data[f"days_{name}"])


class CheckInsForm(RuleFields, forms.Form):
    """The form with the rule of each question type, and with two switches.

    One switch turns check-ins on, and the other one allows emails to children.
    """

    check_ins = forms.BooleanField(
        label=_("Ask patrons how their visits turned out"),
        required=False,
        help_text=_(
            "A few days after a visit, the person who helped asks how it turned out. Patrons choose "
            "whether we may write to them, and how. Until they choose, we ask only on the patron's pages. "
            "We never ask about a quiet visit."
        ),
    )
    check_ins_of_children = forms.BooleanField(
        label=_("Also write to children about their visits"),
        required=False,
        help_text=_(
            "We write only to the child, at an address that the child has confirmed. We never write to an "
            "adult about a visit with a child."
        ),
    )

    def __init__(self, *args, library, **kwargs):
        initial = {name: getattr(library, name) for name in self.base_fields}
        super().__init__(*args, initial=initial, **kwargs)
        rules = Rules.read()
        for kind in QuestionType:
            self.add_rule(kind.value, capfirst(kind.label), rules.of_type(kind))
            # A question type always has a rule.
            self.fields[f"since_{kind.value}"].required = True

    def clean(self):
        for kind in QuestionType:
            self.check_rule(kind.value)

    def switches(self):
        return [self[name] for name in self.base_fields]

    def type_rules(self):
        """Return the fields of the rule of each question type, as `rule_fields` returns them."""
        return [self.rule_fields(kind.value) for kind in QuestionType]

    @property
    def changes(self):
        """Return {field of Library: new value} for the changed fields."""
        return {name: self.cleaned_data[name] for name in self.base_fields if name in self.changed_data}

    @property
    def rules(self):
        return {kind: self.rule(kind.value) for kind in QuestionType}
