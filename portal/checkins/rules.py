"""Calculate the day when the library asks how a visit turned out.

A rule for the visit's topic overrides the rule for its question type. Days are in the library's time zone.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from portal.prepared import prepared
from recommendations.models import QuestionType

from .models import CheckInRule

Since = CheckInRule.Since


@dataclass(frozen=True)
class Rule:
    """A rule that says when to ask: `days` days after the event `since`.

    If `since` is NEVER, the library never asks, and `days` is None.
    """

    since: str
    days: int | None = None


# The rules of a library that has not changed any rule. Patrons know within days whether help with a phone or
# a computer worked. They need more time to read a book, or to get an appointment.
USUAL = {
    QuestionType.DIRECTIONAL: Rule(Since.NEVER),
    QuestionType.TECHNOLOGY: Rule(Since.VISIT, 3),
    QuestionType.REFERENCE: Rule(Since.VISIT, 7),
    QuestionType.KNOWN_ITEM: Rule(Since.VISIT, 7),
    QuestionType.READERS_ADVISORY: Rule(Since.GOT_IT, 14),
    QuestionType.REFERRAL: Rule(Since.VISIT, 14),
    QuestionType.CONSULTATION: Rule(Since.VISIT, 14),
}


class Rules:
    """The rules of this library. A question type without a CheckInRule has the rule in USUAL."""

    def __init__(self, of_topics, of_types):
        """`of_topics` is {primary key of a topic: Rule}. `of_types` is {question type: Rule}."""
        self._of_topics, self._of_types = of_topics, USUAL | of_types

    @classmethod
    def read(cls):
        rows = _rows()
        return cls(
            {row.topic_id: Rule(row.since, row.days) for row in rows if row.topic_id},
            {row.question_type: Rule(row.since, row.days) for row in rows if row.question_type},
        )

    def of_topic(self, topic_id):
        """Return the rule of this topic, or None if the topic has no rule."""
        return self._of_topics.get(topic_id)

    def of_type(self, question_type):
        return self._of_types.get(question_type, Rule(Since.NEVER))

    def of(self, topic_id, question_type):
        """Return the rule for a visit with this topic, which can be None, and this question type."""
        return self.of_topic(topic_id) or self.of_type(question_type)

    def due_on(self, help_session, *, recorded_on, got_on=None) -> date | None:
        """Return the day to ask about this visit, or None if the library never asks about it.

        `got_on` is the day of the last "I've got it". If `got_on` is None, count the days from the visit. The
        result is always later than `recorded_on`, because staff may record a visit days after it happened.
        """
        return due_on(
            self.of(help_session.topic_id, help_session.question_type),
            happened_on=help_session.happened_on,
            recorded_on=recorded_on,
            got_on=got_on,
        )


@prepared()
def _rows():
    return CheckInRule.objects.all()


def due_on(rule, *, happened_on, recorded_on, got_on=None):
    """Return the day when the library asks by this Rule, or None if the rule says that it never asks.

    The arguments are explained in `Rules.due_on`.
    """
    if rule.since == Since.NEVER:
        return None
    start = got_on if rule.since == Since.GOT_IT and got_on else happened_on
    return max(start + timedelta(days=rule.days), recorded_on + timedelta(days=1))
