"""What the desk did and how it turned out, in numbers, for coordinators."""

from django.shortcuts import render
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.sign_in.access import coordinator_only
from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType, Topic, topic_names

from . import counts
from .pooling import LEAST, pooled
from .quarters import Quarter


@coordinator_only
@require_safe
def figures(request):
    """Of the quarter that the address names; otherwise of the last one that is over, or the first there is. How it turned out is told of
    whole quarters alone: two tellings of one that goes on would differ by what a single person said. Whoever answers later than that still
    changes a sum by one, which is the price of counting them."""
    now = Quarter.of(request.library.today())
    first = min(counts.begins() or now, now)
    asked = Quarter.read(request.GET.get("quarter", ""))
    quarter = asked if asked and first <= asked <= now else max(now.before, first)
    context = {
        "quarter": quarter,
        "earlier": quarter.before if quarter > first else None,
        "later": quarter.after if quarter < now else None,
        "contacts": _contacts(quarter),
        "is_over": quarter < now,
        "outcomes": _outcomes(quarter) if quarter < now else [],
        "least": LEAST,
    }
    return render(request, "desk/figures/figures.html", context)


def _contacts(quarter):
    """[(what is counted, [how many in each month, and in all])]"""
    words = dict(QuestionType.choices) | {counts.TALLIES: _("tallied, without a record")}
    rows = [(capfirst(str(words[kind])), numbers) for kind, numbers in counts.contacts(quarter).items()]
    if not rows:
        return []
    rows.append(
        (_("All"), [sum(column) for column in zip(*(numbers for _kind, numbers in rows), strict=True)])
    )
    became = zip(
        [_("Handed over to the patron"), _("Kept in an account"), _("Answered: how it turned out")],
        counts.became_of(quarter),
        strict=True,
    )
    return [(label, [*numbers, sum(numbers)]) for label, numbers in [*rows, *became]]


def _outcomes(quarter):
    """[what was asked, in tables]: of each {question, answers, rows: [(topic, [how many])], or none}"""
    topics = {topic.pk: str(topic) for topic in Topic.objects.prefetch_related(*topic_names())}
    asked = [
        (_("Did they find what they needed?"), HelpSession.Found),
        (_("How was the help?"), HelpSession.Satisfaction),
    ]
    drawn = []
    for (question, choices), said in zip(asked, counts.outcomes(quarter), strict=True):
        shown = pooled(said) if said else None
        rows = []
        if shown:
            rows = sorted(
                (topics.get(topic, _("Without a topic")), numbers) for topic, numbers in shown.rows.items()
            )
            rows += [(_("Other topics together"), shown.rest)] if shown.rest and rows else []
            rows += [(_("All"), shown.total)]
        drawn.append(
            {
                "question": question,
                "answers": [capfirst(label) for label in choices.labels],
                "rows": rows,
                "is_small": bool(said) and not rows,
            }
        )
    return drawn
