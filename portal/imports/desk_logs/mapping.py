"""Map the columns and values of a desk log to what they mean here. A mapping can be saved as JSON."""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.branch_codes import BranchFinder
from accounts.models import Branch
from portal.folding import fold
from portal.helpsessions.models import OwnField, OwnValue, PatronGroup, ServicePoint
from recommendations.models import QuestionType, Topic

from .dates import EPOCHS, ORDERS, Evidence
from .overview import ORIGIN
from .similar import by_plain_name, plain_name
from .values import (
    CHOICES,
    GUESSES,
    LEFT_OUT,
    MAX_VALUES,
    NEEDED,
    NOTHING,
    OWN,
    Mode,
    is_choice,
    is_own,
    recognized,
)

# {field: the question to ask if some values in this field are unknown}
UNKNOWN = {
    "question_type": gettext_lazy("Which question type is meant by %(values)s in the column “%(column)s”?"),
    "mode": gettext_lazy("Which mode is meant by %(values)s in the column “%(column)s”?"),
    "place": gettext_lazy("Which branch or service point is meant by %(values)s in the column “%(column)s”?"),
}


class Question(Exception):
    """Something that a person has to decide before the import. The text of the exception asks the question.

    `field` is the field of the mapping, and `values` are the values of the log that are not mapped.
    """

    def __init__(self, text, *, field="", values=()):
        super().__init__(text)
        self.field, self.values = field, list(values)


@dataclass
class Mapping:
    """What a person has decided about a log. The portal guesses what is missing, or asks the person.

    `columns` is {field: [names of columns]}. A field with an empty list has no column. `values` is {field:
    {value as `fold` returns it: our value}}. `order` is one of ORDERS or "". `usual_order` is the order in
    the earlier file for which the mapping was saved. It is used if the dates of this file don't show their
    order. In a file of failed rows, `other_order` is the order in the column of "other_day". `branch` is the
    slug of the branch for rows that name no branch.
    """

    columns: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    order: str = ""
    usual_order: str = ""
    other_order: str = ""
    epoch: int = 0
    branch: str = ""
    question_type: str = QuestionType.REFERENCE.value
    mode: str = Mode.IN_PERSON.value

    def as_json(self):
        """Return the mapping as JSON. It can contain private words, so don't store it in the database."""
        return {
            "columns": self.columns,
            "values": self.values,
            "order": self.order,
            "usual_order": self.usual_order,
            "other_order": self.other_order,
            "epoch": self.epoch,
            "branch": self.branch,
            "question_type": self.question_type,
            "mode": self.mode,
        }

    def fitted(self, overview):
        """Return a copy of this mapping without the columns that the log of `overview` doesn't have."""
        fitted = Mapping.from_json(self.as_json())
        fitted.columns = {
            name: [column for column in columns if overview.named(column)]
            for name, columns in self.columns.items()
        }
        fitted.columns = {
            name: columns for name, columns in fitted.columns.items() if columns or not self.columns[name]
        }
        for name in filter(is_choice, fitted.columns):
            if any(overview.named(column).has_many_values for column in fitted.columns[name]):
                fitted.columns[name] = []
        return fitted

    @classmethod
    def from_json(cls, stored):
        """Return the Mapping for a result of `as_json`. Invalid parts are left out."""
        stored = stored if isinstance(stored, dict) else {}
        columns = {
            name: [str(column) for column in names]
            for name, names in stored.get("columns", {}).items()
            if (name in GUESSES or is_own(name)) and isinstance(names, list)
        }
        values = {
            name: {fold(value): str(ours) for value, ours in mapped.items()}
            for name, mapped in stored.get("values", {}).items()
            if is_choice(name)
        }
        mapping = cls(columns, values)
        mapping.order = stored.get("order") if stored.get("order") in ORDERS else ""
        for name in ("usual_order", "other_order"):
            setattr(mapping, name, stored.get(name) if stored.get(name) in ORDERS else "")
        mapping.epoch = stored.get("epoch") if stored.get("epoch") in EPOCHS else 0
        mapping.branch = str(stored.get("branch") or "")
        if stored.get("question_type") in QuestionType.values:
            mapping.question_type = stored["question_type"]
        if stored.get("mode") in Mode.values:
            mapping.mode = stored["mode"]
        return mapping


def own_fields_in_use():
    """Return {field: name} of the library's own fields that a column can be mapped to."""
    fields = OwnField.objects.filter(retired_at=None).order_by(*OwnField.ORDER)
    return {f"{OWN}{field.pk}": field.name for field in fields}


class Places:
    """The branches, service points, patron groups, topics and own fields of this library, by their names."""

    def __init__(self):
        self._branches = BranchFinder()
        self.branch_of_point = {}
        points: dict[str, list] = {}
        for point in ServicePoint.objects.order_by("pk"):
            self.branch_of_point[point.pk] = point.branch_id
            points.setdefault(fold(point.name), []).append(point)
        self._points = {name: found[0].pk for name, found in points.items() if len(found) == 1}
        self._groups = {fold(group.name): group for group in PatronGroup.objects.all()}
        for group in list(self._groups.values()):
            for name in group.card_groups:
                self._groups.setdefault(fold(name), group)
        topics = list(Topic.objects.all())
        self._topics = {fold(topic.name): topic.pk for topic in topics}
        self.other_group = next((group.pk for group in self._groups.values() if group.is_other), None)
        self.own_fields = {
            f"{OWN}{field.pk}": field.name for field in OwnField.objects.order_by(*OwnField.ORDER)
        }
        self._own_values: dict[str, dict] = {name: {} for name in self.own_fields}
        for value in OwnValue.objects.order_by("pk"):
            self._own_values[f"{OWN}{value.field_id}"][fold(value.name)] = str(value.pk)
        self._similar = {
            "patron_group": by_plain_name(
                {name: str(group.pk) for name, group in self._groups.items() if not group.retired_at}
            ),
            "topic": by_plain_name({topic.name: str(topic.pk) for topic in topics if not topic.retired_at}),
            **{name: by_plain_name(values) for name, values in self._own_values.items()},
        }
        self.slugs = dict(Branch.objects.values_list("slug", "pk"))
        self.words = frozenset(
            word
            for name in (
                *Branch.objects.values_list("name", flat=True),
                *points,
                *self._groups,
                *self._topics,
                *(value for values in self._own_values.values() for value in values),
            )
            for word in fold(name).split()
        )

    def find(self, name_of_field, value):
        """Return our value for a value of the log, or "" if it is unclear which of our values is meant.

        A place is "branch:1" or "point:2". A group, topic or value of an own field can differ a little from
        its name here, as "job" does from "Jobs".
        """
        equal = self._find_equal(name_of_field, value)
        return equal or self._similar.get(name_of_field, {}).get(plain_name(value), "")

    def _find_equal(self, name_of_field, value):
        if name_of_field == "place":
            if branch := self._branches.find(value):
                return f"branch:{branch}"
            point = self._points.get(fold(value))
            return f"point:{point}" if point else ""
        if name_of_field == "patron_group":
            group = self._groups.get(fold(value))
            return str(group.pk) if group else ""
        if name_of_field == "topic":
            return str(self._topics.get(fold(value), ""))
        if name_of_field in self._own_values:
            return self._own_values[name_of_field].get(fold(value), "")
        return recognized(name_of_field, value)

    def is_right(self, name_of_field, ours):
        """Return whether values in this field can still be mapped to `ours`."""
        if ours == LEFT_OUT:
            return True
        if ours == NOTHING:
            return name_of_field not in NEEDED
        if name_of_field == "place":
            kind, _colon, pk = ours.partition(":")
            known = (
                self.slugs.values() if kind == "branch" else self.branch_of_point if kind == "point" else ()
            )
            return pk.isdecimal() and int(pk) in known
        if name_of_field == "patron_group":
            return any(str(group.pk) == ours for group in self._groups.values())
        if name_of_field == "topic":
            return any(str(pk) == ours for pk in self._topics.values())
        if name_of_field in self._own_values:
            return ours in self._own_values[name_of_field].values()
        return ours in (Mode.values if name_of_field == "mode" else QuestionType.values)


@dataclass
class Plan:
    """How to read each row of one log: a mapping with the positions of the columns in this log."""

    positions: dict
    values: dict
    order: str
    epoch: int
    branch: int | None
    question_type: str
    mode: str
    branch_of_point: dict
    width: int
    header_row: int
    names: list
    origin: int | None
    # {field: name} for each own field of the library that a column of this log is mapped to.
    own_fields: dict = field(default_factory=dict)
    left_out: list = field(default_factory=list)
    # The date fields whose columns have no times of day, see Evidence.has_only_days.
    only_days: frozenset = frozenset()
    # The order of day and month in the column of the field "other_day".
    other_order: str = ""

    @property
    def branches(self):
        """Return the primary keys of all branches to which rows of the log can belong."""
        found = {self.branch} if self.branch else set()
        for ours in self.values.get("place", {}).values():
            kind, _colon, pk = ours.partition(":")
            if kind in ("branch", "point"):
                found.add(int(pk) if kind == "branch" else self.branch_of_point[int(pk)])
        return found

    def cell(self, cells, name_of_field):
        """Return the first cell in the field's columns that isn't empty, or ""."""
        for position in self.positions.get(name_of_field, ()):
            if position < len(cells) and cells[position]:
                return cells[position]
        return ""


def make_plan(overview, mapping, places=None):
    """Return (Plan, [Question]). The log can be imported only if there is no Question.

    Raises Question if the mapping names a column that the log doesn't have.
    """
    places = places or Places()
    columns = _columns(overview, mapping, places)
    questions = []
    if not columns.get("day"):
        questions.append(
            Question(_("We found no column with the date. Say which column has the date."), field="day")
        )
    names = [name for name in ("day", "other_day") if columns.get(name)]
    dates = {name: overview.named(columns[name][0]).dates for name in names}
    order, other_order = _orders(dates, mapping)
    if not order and any(found.needs_answer for found in dates.values()):
        found = (found for found in dates.values() if found.needs_answer and found.examples)
        example = next(found).examples[0]
        questions.append(
            Question(
                _("Does “%(example)s” begin with the day or with the month? The log doesn't show which.")
                % {"example": example},
                field="order",
            )
        )
    values = {}
    own_fields = {name: label for name, label in places.own_fields.items() if columns.get(name)}
    for name in (*CHOICES, *own_fields):
        if columns.get(name):
            values[name], unknown = _values(overview.named(columns[name][0]), name, mapping, places)
            if unknown and name in NEEDED:
                questions.append(
                    Question(_unknown(name, columns[name][0], unknown), field=name, values=unknown)
                )
    branch = places.slugs.get(mapping.branch)
    if mapping.branch and branch is None:
        text = _("There is no branch “%(slug)s”.") % {"slug": mapping.branch}
        questions.append(Question(text, field="branch"))
    elif branch is None:
        place = overview.named(columns["place"][0]) if columns.get("place") else None
        if place is None or place.filled < overview.contacts:
            if len(places.slugs) == 1:
                branch = next(iter(places.slugs.values()))
            else:
                questions.append(
                    Question(
                        _("Some rows name no branch. Choose the branch to which they belong."), field="branch"
                    )
                )
    used = {name for names in columns.values() for name in names}
    plan = Plan(
        positions={
            name: [overview.named(column).position for column in names] for name, names in columns.items()
        },
        values=values,
        order=order,
        other_order=other_order,
        epoch=mapping.epoch or overview.epoch,
        branch=branch,
        question_type=mapping.question_type,
        mode=mapping.mode,
        branch_of_point=places.branch_of_point,
        width=len(overview.columns),
        header_row=overview.header_row,
        names=[column.name for column in overview.columns],
        origin=(found := overview.named(ORIGIN)) and found.position,
        own_fields=own_fields,
        left_out=overview.left_out(used),
        only_days=frozenset(name for name, found in dates.items() if found.has_only_days),
    )
    return plan, questions


def _orders(dates, mapping):
    """Return the orders of day and month in the columns of "day" and of "other_day".

    If the dates of a column show no order, a person's answer decides, or else the other column. The person is
    asked about the first column that shows no order.
    """
    day, other = (dates.get(name, Evidence()) for name in ("day", "other_day"))
    is_answer_about_other = other.needs_answer and not day.needs_answer
    shown = day.order if is_answer_about_other else ""
    order = shown or mapping.order or day.order or other.order or mapping.usual_order
    return order, mapping.other_order or other.order or mapping.order or order


def _columns(overview, mapping, places):
    guesses = overview.guesses(own_fields_in_use())
    columns = {name: names for name, names in guesses.items() if name not in mapping.columns}
    taken = {fold(name) for names in mapping.columns.values() for name in names}
    columns = {name: [each for each in names if fold(each) not in taken] for name, names in columns.items()}
    for name, names in mapping.columns.items():
        if is_own(name) and name not in places.own_fields:
            # A saved mapping can have a field that the library has removed.
            continue
        for column in names:
            found = overview.named(column)
            if found is None:
                known = ", ".join(each.name for each in overview.columns)
                text = _("There is no column “%(column)s”. The columns are: %(known)s.")
                raise Question(text % {"column": column, "known": known}, field=name)
            if is_choice(name) and found.has_many_values:
                text = _(
                    "The column “%(column)s” has more than %(count)d different values, so it can't be a "
                    "choice list. Choose another column, or none."
                )
                raise Question(text % {"column": column, "count": MAX_VALUES}, field=name)
        columns[name] = [overview.named(column).name for column in names]
    return {name: names for name, names in columns.items() if names}


def _values(column, name, mapping, places):
    """Return ({value of the log: our value}, [values of the log that are unknown])."""
    chosen, found, unknown = mapping.values.get(name, {}), {}, []
    for value in column.values:
        ours = chosen.get(fold(value), "")
        if not ours or not places.is_right(name, ours):
            ours = places.find(name, value)
        if ours:
            found[value] = "" if ours == NOTHING else ours
        else:
            unknown.append(value)
    if name == "patron_group" and places.other_group:
        found |= dict.fromkeys(unknown, str(places.other_group))
    return found, unknown


def _unknown(name, column, unknown):
    # Values that differ only in case or punctuation are asked about once.
    unknown = list({fold(value): value for value in reversed(unknown)}.values())[::-1]
    shown = ", ".join(_("“%(title)s”") % {"title": value[:60]} for value in unknown[:10])
    if more := len(unknown[10:]):
        text = ngettext("%(values)s and %(count)d more", "%(values)s and %(count)d more", more)
        shown = text % {"values": shown, "count": more}
    return UNKNOWN[name] % {"values": shown, "column": column}
