"""Make the tables of outcomes. The page, the file and the report get all their numbers from this module.

The worker has decided which rows may be shown, and has stored them (portal/counts/outcomes.py).
"""

from collections import defaultdict
from dataclasses import dataclass

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.counts.models import Outcome
from portal.counts.outcome_counting import (
    BREAKDOWNS,
    FOLLOW_UPS,
    ITEM,
    NONE,
    OF_VISITS,
    QUESTION_TYPE,
    TOPIC,
    UNNAMED,
    VERDICTS,
)
from portal.counts.outcomes import key_of
from portal.counts.pooling import sum_rows
from portal.text import grouped
from recommendations.models import Item, QuestionType, Recommendation, Topic, topic_names

from .charts import bars_of

# The key of the row with the sum of all rows that are not shown.
OTHER = "other"


@dataclass(frozen=True)
class Table:
    """The answers to one question.

    `rows` is [(label, numbers)], without the sum. `keys` has one key per row: a result of `key_of`, or OTHER.
    `total` is None if the answers may not be shown.
    """

    question: str
    title: str
    answers: list
    rows: list
    keys: list
    total: tuple | None
    has_breakdown: bool

    @property
    def is_empty(self):
        return self.total is not None and not any(self.total)

    @property
    def is_only_total(self):
        """Return whether the table has a breakdown, but no row of it may be shown."""
        return self.has_breakdown and not self.rows and bool(self.total and any(self.total))

    @property
    def sum(self):
        return sum(self.total or ())

    def table(self):
        """Return the rows with the sum at the end, as lists of cells: the label, and a number per answer."""
        return [[label, *numbers] for label, numbers in [*self.rows, (_("Total"), self.total)]]

    @property
    def chart(self):
        return bars_of(list(zip(self.answers, self.total, strict=True)))

    @property
    def sentence(self):
        """Say how many answers there are, and which answer is the most frequent."""
        total = self.sum
        values = {"number": grouped(total)}
        first = ngettext("%(number)s answer.", "%(number)s answers.", total) % values
        most = max(self.total)
        if self.total.count(most) > 1:
            return first
        values = {"answer": self.answers[self.total.index(most)], "number": grouped(most)}
        return f"{first} {_('Most often: “%(answer)s” (%(number)s).') % values}"


def tables_of(period, branch, breakdown):
    """Return one Table of an OutcomePeriod for each question that the library asks patrons.

    The questions are whether patrons found what they needed, how the help was, whether they would come back,
    and whether the items worked out.

    `branch` is None for the whole library. If a question doesn't have this breakdown, its Table has only the
    sum.
    """
    rows = _rows(period, branch, [*OF_VISITS, VERDICTS], [NONE, breakdown])
    names = _names(breakdown, {key for (_question, of), found in rows.items() if of for key in found})
    return [
        _table(question, breakdown if breakdown in BREAKDOWNS[question] else NONE, rows, names)
        for question in (*OF_VISITS, VERDICTS)
    ]


def follow_ups_of(period, branch):
    """Return what patrons did after their visits, as [(name, label, number)].

    The number is None if it may not be shown.
    """
    rows = _rows(period, branch, FOLLOW_UPS, [NONE])
    labels = {
        "kept": _("Visits kept in a library account"),
        "answered": _("Visits after which the patron said how it went"),
        "check_ins": _("Check-ins answered"),
    }
    found = {name: rows[name, NONE].get(UNNAMED) for name in FOLLOW_UPS}
    return [(name, labels[name], numbers and numbers[0]) for name, numbers in found.items()]


def cells_of(tables, follow_ups):
    """Return the rows of the CSV file: [question, row, answer, number] for each number that may be shown."""
    cells = [[label, "", "", number] for _name, label, number in follow_ups if number is not None]
    for table in tables:
        if table.total is not None:
            for label, *numbers in table.table():
                for answer, number in zip(table.answers, numbers, strict=True):
                    cells.append([table.title, label, answer, number])
    return cells


def breakdowns():
    """Return the breakdowns of outcomes, as [(breakdown, label)]."""
    return [
        (NONE, _("Nothing")),
        (TOPIC, _("Topic")),
        (QUESTION_TYPE, _("Question type")),
        (ITEM, _("Item")),
    ]


def _rows(period, branch, questions, of_breakdowns):
    """Return {(question, breakdown): {key: numbers}} for the rows that may be shown."""
    found = Outcome.objects.filter(
        period=period, branch=branch, question__in=questions, breakdown__in=of_breakdowns, is_shown=True
    )
    rows: dict = defaultdict(dict)
    for row in found:
        rows[row.question, row.breakdown][key_of(row)] = tuple(row.numbers)
    return rows


def _table(question, breakdown, rows, names):
    total = rows[question, NONE].get(UNNAMED)
    shown = {key: numbers for key, numbers in rows[question, breakdown].items() if breakdown and any(numbers)}
    keys = sorted(shown, key=lambda key: names.get(key, "").casefold())
    labelled = [(names.get(key, ""), shown[key]) for key in keys]
    if labelled and total:
        rest = tuple(a - b for a, b in zip(total, sum_rows(shown.values()), strict=True))
        if any(rest):
            keys, labelled = [*keys, OTHER], [*labelled, (_("Other"), rest)]
    return Table(question, _titles()[question], _answers(question), labelled, keys, total, bool(breakdown))


def _titles():
    return {
        "found": _("Did patrons find what they needed?"),
        "satisfaction": _("How was the help?"),
        "would_return": _("Would patrons come back with another question?"),
        VERDICTS: _("Did the items work out?"),
    }


def _answers(question):
    choices = OF_VISITS.get(question, Recommendation.Verdict)
    return [capfirst(str(label)) for label in choices.labels]


def _names(breakdown, keys):
    if breakdown == TOPIC:
        topics = Topic.objects.filter(pk__in=keys).prefetch_related(*topic_names())
        return {topic.pk: str(topic) for topic in topics}
    if breakdown == ITEM:
        return {item.pk: item.title for item in Item.objects.filter(pk__in=keys).only("pk", "title")}
    return {value: capfirst(str(label)) for value, label in QuestionType.choices}
