"""The tables about how help turned out. Each shows counts for one quarter, with a label for each row."""

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from recommendations.models import Topic, topic_names

from . import counts
from .pooling import is_small, pooled


def follow_ups(quarter):
    """Return what patrons did with the visits of the quarter, as [(label, number)].

    The number is None if it is too small to be shown.
    """
    labels = [_("Kept in a patron's account"), _("Patron gave feedback on the visit")]
    numbers = counts.follow_ups(quarter)
    return [
        (label, None if is_small([number]) else number) for label, number in zip(labels, numbers, strict=True)
    ]


def outcome_tables(quarter):
    """Return a table for each question that patrons were asked.

    Each table is a dict with the keys `question`, `answers`, `rows`, `is_small` and `has_other`. `rows` is
    [(topic, counts)]. `is_small` is true if so few patrons replied that no row may be shown. `has_other` is
    true if a row combines topics.
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
        shown = pooled(outcomes) if outcomes else None
        rows = _rows(shown, topics)
        tables.append(
            {
                "question": question,
                "answers": [capfirst(label) for label in choices.labels],
                "rows": rows,
                "is_small": bool(outcomes) and not rows,
                "has_other": len(rows) > 1 and bool(shown.rest),
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
