"""The forms for the rules by which contacts count for surveys, and for the weeks that the library samples."""

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.desk.forms.fields import DayField, WholeNumber
from portal.desk.widgets import LongSelect
from portal.helpsessions.models import HelpSession, TallyKind
from portal.surveys.models import CountsAs, RuleSet
from portal.templatetags.portal import whole_day
from recommendations.models import QuestionType

NUMERIC = {"inputmode": "numeric"}
# The first day of a sampled week must be in one of these years.
YEARS = range(1900, 9000)


class RuleSetForm(forms.Form):
    """A set of counting rules for a survey, with the day on which the rules start.

    Each question type has a field, and a field for each mode. There is a field for all tallies, and one for
    each name of a kind of tally. If the rules would change the numbers of years that have ended, the page
    first shows a warning and saves nothing. If the page is posted again with the same day, the rules are
    saved.
    """

    starts_on = DayField(
        label=gettext_lazy("First day"),
        help_text=gettext_lazy(
            "A rule applies from this day on. Contacts of earlier days still count as before."
        ),
    )
    method = forms.ChoiceField(
        label=gettext_lazy("Method"),
        choices=[(value, capfirst(label)) for value, label in RuleSet.Method.choices],
        help_text=gettext_lazy(
            "An estimate multiplies the contacts of an average sampled week. A report never mixes actual "
            "counts and estimates."
        ),
    )
    weeks = WholeNumber(
        label=gettext_lazy("Sampled weeks that an estimate needs"),
        min_value=1,
        max_value=52,
        widget=forms.NumberInput(attrs=NUMERIC),
    )
    multiplier = WholeNumber(
        label=gettext_lazy("Multiply the average week by"),
        min_value=1,
        max_value=53,
        widget=forms.NumberInput(attrs=NUMERIC),
    )
    counts_questions = forms.BooleanField(
        label=gettext_lazy("Count each question of a contact"),
        required=False,
        help_text=gettext_lazy(
            "Choose this only if your state asks for it. Staff then enter a number of questions. Otherwise a "
            "contact counts once."
        ),
    )
    tallies = forms.ChoiceField(label=gettext_lazy("All tallies"), choices=[], widget=LongSelect)
    warned_day = forms.CharField(required=False, max_length=10, widget=forms.HiddenInput)

    def __init__(self, *args, counting, of_kinds, initial, **kwargs):
        """Make the fields, with these rules as initial values.

        `counting` is {(question type, mode or ""): CountsAs}. `of_kinds` is {primary key of a TallyKind:
        CountsAs}.
        """
        super().__init__(*args, initial=initial, **kwargs)
        self.fields["starts_on"].error_messages["required"] = _("Choose the day on which the rules start.")
        choices = [(value, capfirst(label)) for value, label in CountsAs.choices]
        self.fields["tallies"].choices = choices
        for kind in QuestionType:
            self.fields[f"type-{kind}"] = forms.ChoiceField(
                label=capfirst(kind.label),
                choices=choices,
                widget=LongSelect,
                initial=counting.get((kind.value, "")),
            )
            for mode in HelpSession.Mode:
                self.fields[f"mode-{kind}-{mode}"] = forms.ChoiceField(
                    label=capfirst(mode.label),
                    choices=[("", _("As in other modes")), *choices],
                    required=False,
                    widget=LongSelect,
                    initial=counting.get((kind.value, mode.value), ""),
                )
        self.kinds = _kinds_by_name(of_kinds)
        for name, kinds in self.kinds.items():
            self.fields[name] = forms.ChoiceField(
                label=kinds[0].name,
                choices=[("", _("Same as all tallies")), *choices],
                required=False,
                widget=LongSelect,
                initial=next((of_kinds[kind.pk] for kind in kinds if kind.pk in of_kinds), ""),
            )

    @property
    def first_fields(self):
        return [self["starts_on"], self["method"], self["counts_questions"]]

    @property
    def estimate_fields(self):
        """Return the fields that only an estimate uses."""
        return [self["weeks"], self["multiplier"]]

    @property
    def types(self):
        """Return [(field of a question type, fields of its modes, whether any mode has its own rule)]."""
        rows = []
        for kind in QuestionType:
            modes = [self[f"mode-{kind}-{mode}"] for mode in HelpSession.Mode]
            rows.append((self[f"type-{kind}"], modes, any(field.value() or field.errors for field in modes)))
        return rows

    @property
    def kind_fields(self):
        return [self[name] for name in self.kinds]

    @property
    def rules(self):
        """Return the arguments for `save_rule_set`."""
        data = self.cleaned_data
        counting = {(kind.value, ""): data[f"type-{kind}"] for kind in QuestionType}
        for kind in QuestionType:
            for mode in HelpSession.Mode:
                if counts_as := data[f"mode-{kind}-{mode}"]:
                    counting[kind.value, mode.value] = counts_as
        tallies = {kind.pk: data[name] for name, kinds in self.kinds.items() for kind in kinds if data[name]}
        names = ("starts_on", "method", "weeks", "multiplier", "counts_questions")
        return {name: data[name] for name in names} | {
            "tallies_count_as": data["tallies"],
            "counting": counting,
            "tallies": tallies,
            "may_change_past": data["warned_day"] == data["starts_on"].isoformat(),
        }

    def warn(self):
        """Warn that the change alters numbers of years that have ended.

        If the form is posted again with the same day, `rules` allows the change.
        """
        self.data = self.data.copy()
        self.data["warned_day"] = self.cleaned_data["starts_on"].isoformat()
        self.add_error(
            "starts_on",
            _(
                "These rules would change the numbers of years that have ended. Choose a later day. To "
                "change the numbers anyway, press “Save the rules” again."
            ),
        )


def _kinds_by_name(of_kinds):
    """Return {name of a form field: kinds of tallies with the same name}.

    Include the kinds that are offered, and the kinds in `of_kinds`.
    """
    kinds = TallyKind.objects.filter(retired_at=None) | TallyKind.objects.filter(pk__in=list(of_kinds))
    by_name: dict = {}
    for kind in kinds.order_by("name", "pk"):
        by_name.setdefault(kind.name.casefold(), []).append(kind)
    return {f"kind-{kinds[0].pk}": kinds for kinds in by_name.values()}


class SampledWeekForm(forms.Form):
    """The first day of a week that the library samples."""

    starts_on = DayField(
        label=gettext_lazy("First day of the week"),
        help_text=gettext_lazy("The week has seven days from this day on. It can begin on any weekday."),
    )
    warned_day = forms.CharField(widget=forms.HiddenInput, required=False)

    @property
    def was_warned(self):
        """Return whether the page has shown the warning about this week. The form must be valid."""
        return self.cleaned_data["warned_day"] == self.cleaned_data["starts_on"].isoformat()

    def warn(self):
        """Warn that the week can change a past estimate. If the form is posted again, the week is added."""
        day = self.cleaned_data["starts_on"]
        self.data = self.data.copy()
        self.data["warned_day"] = day.isoformat()
        self.add_error(
            "starts_on",
            _(
                "The week from %(day)s can change the estimate of a year that has ended. Choose a later day. "
                "To mark the week anyway, press “Mark the week” again."
            )
            % {"day": whole_day(day)},
        )

    def clean_starts_on(self):
        """Refuse days near the limits of `date`, because the seventh day could not be calculated."""
        day = self.cleaned_data["starts_on"]
        if day.year not in YEARS:
            raise forms.ValidationError(self.fields["starts_on"].error_messages["invalid"])
        return day
