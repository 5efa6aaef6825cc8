"""Recommend the items that staff chose in a form at the desk."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from .actions import add_items
from .models import Item, Recommendation


@dataclass(frozen=True)
class ChosenItem:
    """An item that staff chose in the form, either from the search or by describing a new item.

    If `item` is None, the fields from `kind` to `phone` describe the new item.
    """

    item: Item | None = None
    reason: str = ""
    starred: bool = True
    kind: str = Item.Kind.OTHER
    form: str = ""
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
    # The public id of the kit from which the item was taken, or None.
    kit: UUID | None = None


# The fields of a ChosenItem that are copied to the new Item.
DESCRIBED = (
    *("kind", "form", "title", "creators", "url", "is_fiction", "doi", "isbn", "year", "publisher", "series"),
    *("starts_on", "ends_on", "phone"),
)


def recommend_chosen(
    chosen, *, by, at, branch, topic, question_type, visit_number, never_counted, patron=None
):
    """Recommend each ChosenItem, and return the recommendations in the same order.

    Call this function in the transaction that saves the visit or the answer with these recommendations.
    `visit_number` is from visit_numbers.py. `never_counted` is true if the visit is quiet.
    """
    chosen = list(chosen)
    return Recommendation.objects.bulk_create(
        Recommendation(
            item=item,
            reason=row.reason,
            starred=row.starred,
            recommended_by=by,
            recommended_at=at,
            branch=branch,
            topic=topic,
            question_type=question_type,
            patron=patron,
            visit_number=visit_number,
            never_counted=never_counted,
            from_kit=row.kit,
        )
        for row, item in zip(chosen, saved_items(chosen, at=at, branch=branch), strict=True)
    )


def saved_items(chosen, *, at, branch):
    """Return the item of each ChosenItem, in the same order. Add the items that staff described.

    `branch` is the branch that has the new items, or None if no branch has them.
    """
    described = [_described(row, at=at, branch=branch) for row in chosen if row.item is None]
    # If staff described no new items, don't call `add_items`, because it would make a savepoint for nothing.
    new = iter(add_items(described) if described else ())
    return [row.item or next(new) for row in chosen]


def _described(row, *, at, branch):
    """Return the arguments of `add_items` for the new item that staff described in the form."""
    described = {name: getattr(row, name) for name in DESCRIBED}
    return {"at": at, "branch": branch, "call_number": row.call_number, **described}
