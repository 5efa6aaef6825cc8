"""Recommend the items that staff chose in a form at the desk."""

from dataclasses import dataclass

from .actions import add_item, recommend
from .models import Holding, Item


@dataclass(frozen=True)
class ChosenItem:
    """One row of the form, in which staff choose an item from the search or describe a new item.

    If `item` is None, the fields from `kind` to `call_number` describe the new item.
    """

    item: Item | None = None
    reason: str = ""
    starred: bool = True
    kind: str = Item.Kind.OTHER
    title: str = ""
    creators: str = ""
    url: str = ""
    call_number: str = ""


def recommend_chosen(chosen, *, by, at, branch, topic, question_type, patron=None):
    """Recommend each ChosenItem, and return the recommendations in the same order.

    Call this function in the transaction that saves the visit or the answer with these recommendations.
    """
    recommendations = []
    for row in chosen:
        item = row.item
        if item is None:
            item = add_item(at=at, kind=row.kind, title=row.title, creators=row.creators, url=row.url)
            if row.call_number:
                Holding.objects.create(item=item, branch=branch, call_number=row.call_number)
        recommendations.append(
            recommend(
                item,
                reason=row.reason,
                starred=row.starred,
                by=by,
                at=at,
                branch=branch,
                topic=topic,
                question_type=question_type,
                patron=patron,
            )
        )
    return recommendations
