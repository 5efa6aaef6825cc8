"""The tables of the statistics page. Each table shows counts for one quarter, with a label for each row."""

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from recommendations.models import QuestionType, Topic, topic_names

from . import counts
from .pooling import pooled


def contacts_table(quarter):
    """Return the rows of the table of contacts as [(label, [count in each month, …, total])]."""
    labels = dict(QuestionType.choices) | {counts.TALLIES: _("counted without details")}
    rows = [(capfirst(str(labels[kind])), numbers) for kind, numbers in counts.contacts(quarter).items()]
    if not rows:
        return []
    by_month = zip(*(numbers for _label, numbers in rows), strict=True)
    rows.append((_("Total"), [sum(month) for month in by_month]))
    labels = [
        _("Visits given to the patron"),
        _("Kept in a patron's account"),
        _("Patron gave feedback on the visit"),
    ]
    rows += zip(labels, counts.follow_ups(quarter), strict=True)
    return [(label, [*numbers, sum(numbers)]) for label, numbers in rows]


def outcome_tables(quarter):
    """Return a table for each question that patrons were asked.

    Each table is a dict with the keys `question`, `answers`, `rows` and `is_small`. `rows` is
    [(topic, counts)]. `is_small` is true if so few patrons replied that no row may be shown.
    """
    topics = {topic.pk: str(topic) for topic in Topic.objects.prefetch_related(*topic_names())}
    questions = [
        _("Did patrons find what they needed?"),
        _("How was the help?"),
        _("Would patrons come back with another question?"),
    ]
    tables = []
    asked = zip(questions, counts.QUESTIONS.values(), counts.outcomes(quarter), strict=True)
    for question, choices, outcomes in asked:
        rows = _rows(pooled(outcomes), topics) if outcomes else []
        tables.append(
            {
                "question": question,
                "answers": [capfirst(label) for label in choices.labels],
                "rows": rows,
                "is_small": bool(outcomes) and not rows,
            }
        )
    return tables


def _rows(shown, topics):
    if shown is None:
        return []
    rows = sorted((topics.get(topic, _("Without a topic")), numbers) for topic, numbers in shown.rows.items())
    if shown.rest and rows:
        rows.append((_("Other topics together"), shown.rest))
    return [*rows, (_("All topics"), shown.total)]
