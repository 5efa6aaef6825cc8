"""Add and change items, recommendations and verdicts.

Each change of an item also updates the search index.
"""

from django.db import transaction

from portal.sent_forms import MARGIN, ChangedMeanwhile
from recommendations.models import Holding, Item, Recommendation
from recommendations.search import entries


class UnknownVerdict(ValueError):
    """The verdict is not in Recommendation.Verdict, or the reason is not in Recommendation.Why."""


def record_verdict(
    recommendation, *, verdict, why=None, comment=None, at, locked=None, by_link=False, tapped_at=None
):
    """Save the patron's verdict, and return the updated `recommendation`. Raises UnknownVerdict.

    `tapped_at` is the time of the tap, if the verdict waited offline on a phone until `at`. Raises
    ChangedMeanwhile if the patron has changed the verdict, the reason or the comment after the tap.

    `locked` is the locked row of `recommendation`, if the caller has already locked it. `by_link` is true if
    a signed-out person gave the verdict by the link in an email.

    An empty `verdict` withdraws the verdict, and also deletes the reason and the comment.

    If `comment` is None, the saved comment stays. If `why` is None and the verdict is the same as before, the
    saved reason stays too, so a second tap loses nothing. If the verdict changes, the saved reason is
    deleted, because it explained the old verdict.
    """
    if verdict not in ("", *Recommendation.Verdict.values):
        raise UnknownVerdict(verdict)
    if why and why not in Recommendation.Why.values:
        raise UnknownVerdict(why)
    # If this block fails inside a caller's transaction, the whole transaction fails. So the block needs no
    # savepoint.
    with transaction.atomic(savepoint=False):
        locked = locked or Recommendation.objects.select_for_update().get(pk=recommendation.pk)
        answer = {"verdict": verdict, "why": why, "comment": comment}
        if repeats(locked, tapped_at=tapped_at, **answer):
            return recommendation
        if tapped_at and _is_later(locked, tapped_at):
            raise ChangedMeanwhile
        if not verdict:
            why = comment = ""
        elif why is None:
            why = locked.why if verdict == locked.verdict else ""
        recommendation.verdict = verdict
        recommendation.why = why
        recommendation.comment = locked.comment if comment is None else comment
        recommendation.decided_at = at if verdict else None
        recommendation.answered_at = max(tapped_at, locked.answered_at or tapped_at) if tapped_at else at
        recommendation.by_link = by_link and bool(verdict)
        recommendation.save(
            update_fields=["verdict", "why", "comment", "decided_at", "answered_at", "by_link"]
        )
    return recommendation


def repeats(locked, *, tapped_at, **answer):
    """Return whether a verdict that waited offline on a phone only repeats the saved verdict.

    `answer` has the keys `verdict`, `why` and `comment`. Values that are None are not compared. Return False
    if the tap was after the saved verdict, or if `tapped_at` is None because the verdict has not waited.
    """
    answered_at = locked.answered_at or locked.decided_at
    if tapped_at is None or answered_at is None or tapped_at > answered_at + MARGIN:
        return False
    return all(value is None or value == getattr(locked, name) for name, value in answer.items())


def _is_later(locked, tapped_at):
    """Return whether the saved verdict is newer than the tap."""
    answered_at = locked.answered_at or locked.decided_at
    return bool(answered_at) and answered_at > tapped_at + MARGIN


@transaction.atomic
def mark_as_helped(recommendations, *, at, by_link=False, tapped_at=None):
    """Save the verdict "helped" on each of these recommendations that is starred and has no verdict.

    All these verdicts get the same time, so that `unmark_as_helped` can find them. `by_link` and
    `tapped_at` mean the same as in `record_verdict`. Skip a recommendation that was made after the tap, or
    whose verdict was withdrawn after the tap.
    """
    for row in _locked(recommendations).undecided():
        is_newer = tapped_at and (row.recommended_at > tapped_at + MARGIN or _is_later(row, tapped_at))
        if not is_newer:
            verdict = {"verdict": Recommendation.Verdict.HELPED, "by_link": by_link, "tapped_at": tapped_at}
            record_verdict(row, at=at, locked=row, **verdict)


@transaction.atomic
def unmark_as_helped(recommendations, *, marked_at):
    """Withdraw the verdicts that `mark_as_helped` saved at this time, and return their number.

    A verdict that the patron has changed since then has a later time, so it is not withdrawn.
    """
    rows = _locked(recommendations).filter(verdict=Recommendation.Verdict.HELPED, decided_at=marked_at)
    for row in rows:
        record_verdict(row, verdict="", at=marked_at, locked=row)
    return len(rows)


def _locked(recommendations):
    keys = list(recommendations.values_list("pk", flat=True))
    return Recommendation.objects.select_for_update().filter(pk__in=keys).order_by("pk")


def add_item(**described):
    """Add an item that is not in the catalog, and return the item. For the arguments, see `add_items`."""
    return add_items([described])[0]


@transaction.atomic
def add_items(described):
    """Add items that are not in the catalog, and return them in the same order.

    `described` has a dict for each item, with the keys `at`, `kind` and `title`, and perhaps other fields of
    Item. The dict may also have `branch` and `call_number`: a branch that has the item, and the item's call
    number there.

    All items are indexed together, because `entries.index` must be called only once in a transaction.
    """
    items = [_create(**fields) for fields in described]
    entries.index([item.pk for item in items])
    return items


def _create(*, at, branch=None, call_number="", **fields):
    item = Item.objects.create(added_at=at, **fields)
    if branch and call_number:
        Holding.objects.create(item=item, branch=branch, call_number=call_number)
    return item


@transaction.atomic
def change_item(item, **changes):
    """Change fields of an item, and return the updated item.

    If `changes` sets `retired_at`, searches no longer find the item.
    """
    item = _write(item, changes)
    entries.index([item.pk])
    return item


@transaction.atomic
def place_item(item, *, branch, call_number, location="", not_for_loan=False):
    """Set the call number and location of an item at a branch, and return the holding.

    Other holdings of the item at this branch are deleted.
    """
    Item.objects.select_for_update().get(pk=item.pk)
    same = {"item": item, "branch": branch, "call_number": call_number, "location": location}
    Holding.objects.filter(item=item, branch=branch).exclude(**same).delete()
    holding, _new = Holding.objects.update_or_create(**same, defaults={"not_for_loan": not_for_loan})
    entries.index([item.pk])
    return holding


def _write(item, changes):
    Item.objects.select_for_update().get(pk=item.pk)
    for field, value in changes.items():
        # get_field raises FieldDoesNotExist for a misspelled name. setattr alone would accept the name.
        Item._meta.get_field(field)
        setattr(item, field, value)
    item.save(update_fields=list(changes))
    return item
