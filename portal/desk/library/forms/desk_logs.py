"""The forms that ask what the columns and values of an uploaded desk log mean."""

from collections import Counter

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from accounts.models import Branch
from portal.desk.widgets import LongSelect
from portal.folding import fold
from portal.helpsessions.models import HelpSession, OwnValue, PatronGroup, ServicePoint
from portal.imports.desk_logs.dates import DAY_FIRST, MONTH_FIRST
from portal.imports.desk_logs.describing import bands_of, how_bands_count
from portal.imports.desk_logs.mapping import Mapping, Places, make_plan, own_fields_in_use
from portal.imports.desk_logs.overview import ORIGIN, REASON, plain
from portal.imports.desk_logs.samples import samples_of
from portal.imports.desk_logs.suggesting import suggested_columns
from portal.imports.desk_logs.values import (
    LEFT_OUT,
    MAX_VALUES,
    NEEDED,
    NEVER_NAMES,
    NOTHING,
    OWN,
    is_choice,
    is_own,
)
from portal.text import TextField, grouped
from recommendations.models import QuestionType, Topic

FIELDS = {
    "day": gettext_lazy("Date, with or without a time"),
    "time": pgettext_lazy("time of day", "Time"),
    "question_type": gettext_lazy("Question type"),
    "mode": gettext_lazy("Mode"),
    "place": gettext_lazy("Branch or service point"),
    "duration": gettext_lazy("Minutes"),
    "read_level": gettext_lazy("READ level"),
    "people": gettext_lazy("Number of people"),
    "patron_group": gettext_lazy("Patron group"),
    "topic": gettext_lazy("Topic"),
    "number": gettext_lazy("Ticket or chat number"),
    "other_day": gettext_lazy("Date, if the cell isn't empty"),
}


def fields_of_library():
    """Return {field: label} for each field that a column can mean, including the library's own fields."""
    own_fields = own_fields_in_use().items()
    return FIELDS | {name: _("Own field: %(name)s") % {"name": label} for name, label in own_fields}


class ColumnsForm(forms.Form):
    """A form with a select for each column that has values. The label is the column's name in the log."""

    def __init__(self, *args, overview, mapping, **kwargs):
        super().__init__(*args, **kwargs)
        self.overview = overview
        chosen = _fields_by_column(overview, mapping)
        self.offered = fields_of_library()
        choices = [("", _("Leave out")), *self.offered.items()]
        self.columns = [
            column for column in overview.columns if column.filled and column.name not in (REASON, ORIGIN)
        ]
        for column in self.columns:
            self.fields[f"column-{column.position}"] = forms.ChoiceField(
                label=column.name,
                choices=choices,
                required=False,
                widget=LongSelect,
                initial=chosen.get(fold(column.name), ""),
                help_text=", ".join(samples_of(column, plain(column.name))),
            )

    @property
    def asked(self):
        """Return the fields of the columns that the page asks about first."""
        return [self[f"column-{column.position}"] for column in self.columns if not _is_private(column)]

    @property
    def private(self):
        """Return the fields of the columns that usually contain free text or people's names."""
        return [self[f"column-{column.position}"] for column in self.columns if _is_private(column)]

    @property
    def empty_columns(self):
        return [column.name for column in self.overview.columns if not column.filled]

    def clean(self):
        columns: dict[str, list[str]] = {name: [] for name in self.offered}
        for column in self.columns:
            key = f"column-{column.position}"
            name = self.cleaned_data.get(key)
            if not name:
                continue
            if is_choice(name) and column.has_many_values:
                self.add_error(
                    key,
                    _(
                        "This column has more than %(count)d different values, so it can't be a choice list. "
                        "Leave it out."
                    )
                    % {"count": MAX_VALUES},
                )
            elif columns[name] and name != "number":
                self.add_error(
                    key,
                    _("The column “%(name)s” already has this meaning. Leave out one of the two columns.")
                    % {"name": columns[name][0]},
                )
            else:
                columns[name].append(column.name)
        if not columns["day"] and not self.errors:
            raise forms.ValidationError(_("Say which column has the date."))
        self.chosen = columns
        return self.cleaned_data

    def changed_mapping(self, mapping):
        """Return a copy of the mapping with the chosen columns. The decisions about values stay the same."""
        changed = Mapping.from_json(mapping.as_json())
        changed.columns = self.chosen
        return changed


def _is_private(column):
    return plain(column.name) in NEVER_NAMES


def _fields_by_column(overview, mapping):
    """Return {folded name of a column: field}. Guess the fields that the mapping doesn't have.

    Most columns are guessed by their names, and the others by their values.
    """
    taken = {fold(column) for columns in mapping.columns.values() for column in columns}
    found = {}
    for name, columns in overview.guesses(own_fields_in_use()).items():
        if name not in mapping.columns:
            found |= {fold(column): name for column in columns if fold(column) not in taken}
    for name, columns in mapping.columns.items():
        found |= {fold(column): name for column in columns}
    decided = {*mapping.columns, *found.values()}
    suggested = suggested_columns(overview, Places(), fields=decided, columns=found)
    return found | {fold(column): name for name, column in suggested.items()}


def _spellings(values):
    """Return [(most frequent spelling, number of rows, [all spellings])] for a Counter of values.

    If values differ only in case, spaces or punctuation, they are spellings of one value. The form asks about
    this value once.
    """
    spellings: dict[str, Counter] = {}
    for value, rows in values.items():
        spellings.setdefault(fold(value), Counter())[value] = rows
    return [(each.most_common(1)[0][0], each.total(), list(each)) for each in spellings.values()]


class ValuesForm(forms.Form):
    """A form that asks what each value of the log means here, such as which mode is meant by "walk-in".

    It also asks what the log doesn't say, such as whether its dates begin with the day or the month.
    """

    def __init__(self, *args, overview, mapping, save_as="", **kwargs):
        super().__init__(*args, **kwargs)
        self.overview, self.mapping, self.places = overview, mapping, Places()
        self.lists: list[tuple] = []
        self.plan, _questions = make_plan(overview, mapping, self.places)
        self._add_order()
        self.labels = fields_of_library()
        for name in ("question_type", "mode", "place", "patron_group", "topic", *filter(is_own, self.labels)):
            self._add_list(name)
        self._add_defaults()
        self.fields["save_as"] = TextField(
            label=_("Save these answers as"),
            required=False,
            max_length=60,
            initial=save_as,
            help_text=_(
                "Optional. If you enter a name, such as “Old log”, you can use these answers for the next "
                "file too. Names of people are not saved."
            ),
        )

    def _add_order(self):
        columns = [self.overview.columns[place] for place in self._positions("day", "other_day")]
        asked = next((column for column in columns if column.dates.needs_answer), None)
        if asked is None:
            return
        examples = ", ".join(asked.dates.examples)
        self.fields["order"] = forms.ChoiceField(
            label=_("Do the dates in “%(column)s” begin with the day or with the month?")
            % {"column": asked.name},
            help_text=_(
                "The log doesn't show whether the day or the month comes first. It contains, for example: "
                "%(examples)s"
            )
            % {"examples": examples},
            choices=[
                (DAY_FIRST, _("The day, as in 31/12/2025")),
                (MONTH_FIRST, _("The month, as in 12/31/2025")),
            ],
            widget=forms.RadioSelect,
            initial=self.mapping.order or self.mapping.usual_order,
            error_messages={
                "required": _(
                    "Choose the day or the month. Otherwise, contacts would be counted on the wrong days."
                )
            },
        )

    def _positions(self, *names):
        return [place for name in names for place in self.plan.positions.get(name, ())]

    def _add_list(self, name):
        positions = self.plan.positions.get(name)
        if not positions:
            return
        column, known = self.overview.columns[positions[0]], self.plan.values.get(name, {})
        is_needed = name in NEEDED
        # If the library has a group "Other", unknown groups of the log count as this group. So there is no
        # choice "None".
        has_other = name == "patron_group" and self.places.other_group
        first = [] if has_other else [("", _("Choose") if is_needed else _("None"))]
        ours = _choices_of(name)
        choices = [*first, *ours, (LEFT_OUT, _("Leave out these rows"))]
        # If the library has one branch and no service points, this branch is preselected.
        only = ours[0][0] if name == "place" and len(ours) == 1 else ""
        names: dict[str, str] = {}
        for number, (value, rows, spellings) in enumerate(_spellings(column.values)):
            # The name contains the position of the column. Otherwise, if the columns were changed after the
            # form was opened, the answers about one column would be used for another column.
            key = f"{name}-{column.position}-{number}"
            names[key] = value
            self.fields[key] = forms.ChoiceField(
                label=value[:60],
                choices=choices,
                required=is_needed,
                widget=LongSelect,
                initial=next((known[each] for each in spellings if each in known), only),
                help_text=ngettext("%(count)s row", "%(count)s rows", rows) % {"count": grouped(rows)},
                error_messages={"required": _("Say what this value means here.")},
            )
        if names:
            self.lists.append((name, column, names))

    def _add_defaults(self):
        """Add the fields for the branch, question type and mode of rows that name none."""
        if self._may_be_empty("place"):
            branches = self.branches
            self.fields["branch"] = forms.ModelChoiceField(
                label=_("Branch for rows without a branch"),
                queryset=branches,
                to_field_name="slug",
                empty_label=_("Choose a branch"),
                initial=self.mapping.branch or (branches[0].slug if len(branches) == 1 else ""),
                error_messages={"required": _("Choose a branch")},
            )
        for name, label, choices in (
            ("question_type", _("Question type for rows without one"), QuestionType.choices),
            ("mode", _("Mode for rows without a mode"), HelpSession.Mode.choices),
        ):
            if self._may_be_empty(name):
                self.fields[name] = forms.ChoiceField(
                    label=label,
                    choices=[(value, capfirst(text)) for value, text in choices],
                    widget=LongSelect,
                    initial=getattr(self.mapping, name),
                )

    def _may_be_empty(self, name):
        positions = self.plan.positions.get(name)
        return not positions or self.overview.columns[positions[0]].filled < self.overview.contacts

    @property
    def groups(self):
        """Return [(name, title, name of the log's column, form fields)], a tuple for each choice list."""
        return [
            (name, self.labels[name], column.name, [self[key] for key in names])
            for name, column, names in self.lists
        ]

    @property
    def has_groups(self):
        return bool(_choices_of("patron_group"))

    @property
    def has_points(self):
        return bool(self.places.branch_of_point)

    @property
    def bands(self):
        """Return sentences that say how bands of minutes count, if the log has bands."""
        positions = self._positions("duration")
        return how_bands_count(bands_of(self.overview.columns[positions[0]])) if positions else []

    @property
    def branches(self):
        """Return the branches to which service points can be added."""
        return Branch.objects.filter(closed_at=None).order_by("name")

    @property
    def others(self):
        """Return the form fields for the branch, question type and mode of rows that name none."""
        return [self[name] for name in ("branch", "question_type", "mode") if name in self.fields]

    def clean(self):
        if self.errors:
            return self.cleaned_data
        changed = Mapping.from_json(self.mapping.as_json())
        changed.order = self.cleaned_data.get("order", "")
        for name, _column, names in self.lists:
            # Save NOTHING if the coordinator chose "None". Otherwise, the portal would guess the meaning of
            # this value again.
            changed.values[name] = {
                fold(value): self.cleaned_data[key] or NOTHING for key, value in names.items()
            }
        self._set_defaults(changed)
        self.changed, self.order = changed, self.plan.order
        self.plan, questions = make_plan(self.overview, changed, self.places)
        self.order = self.plan.order
        for question in questions:
            self.add_error(None, str(question))
        return self.cleaned_data

    def answers_so_far(self):
        """Return the mapping with the answers so far, even if the form is not valid.

        A suggestion of the form is not an answer. The coordinator may now add a group or service point that
        is a better suggestion.
        """
        self.full_clean()
        answered = Mapping.from_json(self.mapping.as_json())
        answered.order = self.cleaned_data.get("order", "")
        for name, _column, names in self.lists:
            values = answered.values.setdefault(name, {})
            for key, value in names.items():
                ours = self.cleaned_data.get(key)
                if ours is not None and ours != self.fields[key].initial:
                    values[fold(value)] = ours or NOTHING
        self._set_defaults(answered)
        return answered

    def _set_defaults(self, mapping):
        if branch := self.cleaned_data.get("branch"):
            mapping.branch = branch.slug
        mapping.question_type = self.cleaned_data.get("question_type") or mapping.question_type
        mapping.mode = self.cleaned_data.get("mode") or mapping.mode


def _choices_of(name):
    """Return the library's choices for a field."""
    if name == "question_type":
        return [(value, capfirst(label)) for value, label in QuestionType.choices]
    if name == "mode":
        return [(value, capfirst(label)) for value, label in HelpSession.Mode.choices]
    if name == "place":
        points: dict = {}
        for point in ServicePoint.objects.filter(retired_at=None).order_by(*ServicePoint.ORDER):
            points.setdefault(point.branch_id, []).append(point)
        found = []
        for branch in Branch.objects.filter(closed_at=None).order_by("name"):
            found.append((f"branch:{branch.pk}", branch.name))
            found += [
                (f"point:{point.pk}", f"{branch.name}, {point.name}") for point in points.get(branch.pk, ())
            ]
        return found
    if name == "patron_group":
        groups = PatronGroup.objects.filter(retired_at=None).order_by(*PatronGroup.ORDER)
        return [(str(group.pk), group.name) for group in groups]
    if is_own(name):
        values = OwnValue.objects.filter(field=name.removeprefix(OWN), retired_at=None)
        return [(str(value.pk), value.name) for value in values.order_by("name", "pk")]
    return [
        (str(topic.pk), topic.name) for topic in Topic.objects.filter(retired_at=None).order_by("name", "pk")
    ]
