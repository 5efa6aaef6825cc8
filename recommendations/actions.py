"""Add and change items, recommendations and verdicts.

Each change of an item also updates the search index.
"""

from django.db import transaction

from recommendations import search
from recommendations.models import Holding, Item, Recommendation


class UnknownVerdict(ValueError):
    """The verdict is not in Recommendation.Verdict, or the reason is not in Recommendation.Why."""


@transaction.atomic
def record_verdict(recommendation, *, verdict, why=None, comment=None, at, locked=None):
    """Save the patron's verdict, and return the updated `recommendation`. Raises UnknownVerdict.

    `locked` is the locked row of `recommendation`, if the caller has locked the row already.

    An empty `verdict` withdraws the verdict, and also deletes the reason and the comment.

    If `why` is None, the saved reason stays. But a different verdict deletes the saved reason, because the
    reason explained the old verdict. If `comment` is None, the saved comment stays. So a second tap on the
    same verdict loses nothing.
    """
    if verdict not in ("", *Recommendation.Verdict.values):
        raise UnknownVerdict(verdict)
    if why and why not in Recommendation.Why.values:
        raise UnknownVerdict(why)
    locked = locked or Recommendation.objects.select_for_update().get(pk=recommendation.pk)
    if not verdict:
        why = comment = ""
    elif why is None:
        why = locked.why if verdict == locked.verdict else ""
    recommendation.verdict = verdict
    recommendation.why = why
    recommendation.comment = locked.comment if comment is None else comment
    recommendation.decided_at = at if verdict else None
    recommendation.save(update_fields=["verdict", "why", "comment", "decided_at"])
    return recommendation


@transaction.atomic
def mark_as_helped(recommendations, *, at):
    """Save the verdict "helped" on those of the recommendations that the patron is still asked about.

    All verdicts get the same time, by which `unmark_as_helped` finds them.
    """
    for row in _locked(recommendations).undecided():
        record_verdict(row, verdict=Recommendation.Verdict.HELPED, at=at, locked=row)


@transaction.atomic
def unmark_as_helped(recommendations, *, marked_at):
    """Withdraw the verdicts that `mark_as_helped` saved at this time, and return their number.

    A verdict that the patron has changed since then has another time, so it stays.
    """
    rows = _locked(recommendations).filter(verdict=Recommendation.Verdict.HELPED, decided_at=marked_at)
    for row in rows:
        record_verdict(row, verdict="", at=marked_at, locked=row)
    return len(rows)


def _locked(recommendations):
    keys = list(recommendations.values_list("pk", flat=True))
    return Recommendation.objects.select_for_update().filter(pk__in=keys).order_by("pk")


@transaction.atomic
def add_item(*, at, kind, title, creators="", url="", branch=None, call_number="", **rest):
    """Add an item that is not in the catalog, and return the item. `rest` has other fields of Item.

    `branch` is a branch that has the item, and `call_number` is the item's call number there.
    """
    item = Item.objects.create(added_at=at, kind=kind, title=title, creators=creators, url=url, **rest)
    if branch and call_number:
        Holding.objects.create(item=item, branch=branch, call_number=call_number)
    search.index([item.pk])
    return item


@transaction.atomic
def change_item(item, **changes):
    """Change fields of an item, and return the updated item.

    If `changes` sets `retired_at`, searches no longer find the item.
    """
    item = _write(item, changes)
    search.index([item.pk])
    return item


@transaction.atomic
def place_item(item, *, branch, call_number, location=""):
    """Set the call number and location of an item at a branch, and return the holding.

    Holdings of the item at this branch with other call numbers are deleted.
    """
    Item.objects.select_for_update().get(pk=item.pk)
    Holding.objects.filter(item=item, branch=branch).exclude(call_number=call_number).delete()
    holding, _new = Holding.objects.update_or_create(
        item=item, branch=branch, call_number=call_number, defaults={"location": location}
    )
    search.index([item.pk])
    return holding


def _write(item, changes):
    Item.objects.select_for_update().get(pk=item.pk)
    for field, value in changes.items():
        # get_field raises FieldDoesNotExist for a misspelled name. setattr alone would accept the name.
        Item._meta.get_field(field)
        setattr(item, field, value)
    item.save(update_fields=list(changes))
    return item
