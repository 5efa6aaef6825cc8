"""The items that the patron of a conversation could not get, with what staff have recorded about them."""

from dataclasses import dataclass

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from portal.conversations import step_history
from portal.conversations.models import Event
from portal.templatetags.portal import day_in_a_sentence
from recommendations.models import NextStep, Recommendation


@dataclass(frozen=True)
class ItemToGet:
    """An item that the patron couldn't get. `step` is its NextStep or None.

    `words` is a text that says what staff have recorded about the item, or "".

    `seen` is the primary key of the last event about the item, or 0. Forms send it, so that the portal knows
    what the staff member saw.
    """

    recommendation: Recommendation
    step: NextStep | None
    words: str
    seen: int


def items_to_get(conversation):
    """Return an ItemToGet for each item of the conversation that the patron says they couldn't get.

    Items that staff have removed from their visit are left out.
    """
    last = Event.objects.filter(recommendation=OuterRef("pk"), kind__in=Event.STEPS).order_by("-at", "-pk")
    rows = conversation.verdicts().not_removed().filter(verdict=Recommendation.Verdict.COULD_NOT_GET_IT)
    rows = rows.select_related("item", "branch").with_next_step()
    rows = rows.annotate(seen=Subquery(last.values("pk")[:1]), last=step_history.last_kind())
    rows = rows.order_by("decided_at", "pk")
    return [_item_to_get(row) for row in rows]


def _item_to_get(recommendation):
    step = getattr(recommendation, "next_step", None)
    was_given = recommendation.last == Event.Kind.STEP_GIVEN
    given = _("Staff have given the item to the patron.") if was_given else ""
    words = recorded_words(step) if step else given
    return ItemToGet(recommendation, step, words, recommendation.seen or 0)


def recorded_words(step):
    """Return what staff recorded about an item, such as "Ordered. Promised by Thursday, December 3."."""
    day = {"day": day_in_a_sentence(step.promised_on)}
    if step.arrived_at:
        return _("The item has arrived for the patron.")
    what = {
        NextStep.Kind.RESERVED: _("Reserved for the patron."),
        NextStep.Kind.ORDERED: _("Ordered."),
        NextStep.Kind.ON_ITS_WAY: _("On its way from another branch."),
        NextStep.Kind.ON_LOAN: _("On loan."),
        NextStep.Kind.OTHER_ITEM: _("Another item instead."),
    }[step.kind]
    if step.is_late:
        return f"{what} {_('The item was promised by %(day)s, and the day has passed.') % day}"
    return f"{what} {_('Promised by %(day)s.') % day}"
