"""Find the items that a viewer could not get and that the library is getting for them."""

from django.db.models import DateTimeField

from accounts.viewer import for_viewers
from recommendations.models import Recommendation
from recommendations.step_texts import shown_step

# Home shows at most this many items. If there are more, Home links to the page of all recommendations.
ITEMS_SHOWN = 3


def items_to_come(viewer, *, at):
    """Return the context for the next steps on Home, with one query."""
    rows = _items_to_come(viewer, at=at)
    for recommendation in rows:
        recommendation.step = shown_step(recommendation)
    return {"items_to_come": rows[:ITEMS_SHOWN], "more_to_come": len(rows) > ITEMS_SHOWN}


@for_viewers(at=DateTimeField())
def _items_to_come(viewer, at):
    """Return the recommendations with a next step, sorted by the promised day, without quiet visits."""
    rows = Recommendation.objects.belonging_to(viewer, at).not_removed().filter(next_step__isnull=False)
    rows = rows.exclude(sessionrecommendation__help_session__quiet=True)
    rows = rows.exclude(messagerecommendation__message__conversation__help_session__quiet=True)
    rows = rows.select_related("item", "branch").with_next_step()
    return rows.order_by("next_step__promised_on", "pk")[: ITEMS_SHOWN + 1]
