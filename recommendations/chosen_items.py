"""Recommend the items that staff chose in a form at the desk."""

from dataclasses import dataclass
from datetime import date

from .actions import add_item
from .models import Holding, Item, Recommendation


@dataclass(frozen=True)
class ChosenItem:
    """An item that staff chose in the form, either from the search or by describing a new item.

    If `item` is None, the other fields after `starred` describe the new item.
    """

    item: Item | None = None
    reason: str = ""
    starred: bool = True
    kind: str = Item.Kind.OTHER
    title: str = ""
    creators: str = ""
    url: str = ""
    call_number: str = ""
    is_fiction: bool = False
    doi: str = ""
    isbn: str = ""
    year: str = ""
    publisher: str = ""
    series: str = ""
    starts_on: date | None = None
    ends_on: date | None = None
    phone: str = ""


# The fields of a ChosenItem that become fields of the new item.
DESCRIBED = (
    *("kind", "title", "creators", "url", "is_fiction", "doi", "isbn", "year", "publisher", "series"),
    *("starts_on", "ends_on", "phone"),
)


def recommend_chosen(chosen, *, by, at, branch, topic, question_type, patron=None):
    """Recommend each ChosenItem, and return the recommendations in the same order.

    Call this function in the transaction that saves the visit or the answer with these recommendations.
    """
    return Recommendation.objects.bulk_create(
        Recommendation(
            item=row.item or _add(row, at=at, branch=branch),
            reason=row.reason,
            starred=row.starred,
            recommended_by=by,
            recommended_at=at,
            branch=branch,
            topic=topic,
            question_type=question_type,
            patron=patron,
        )
        for row in chosen
    )


def _add(row, *, at, branch):
    """Add the new item that staff described in the form, and return the item."""
    item = add_item(at=at, **{name: getattr(row, name) for name in DESCRIBED})
    if row.call_number:
        Holding.objects.create(item=item, branch=branch, call_number=row.call_number)
    return item
