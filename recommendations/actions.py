"""Add and change items, recommendations and verdicts.

Each change of an item also updates the search index.
"""

from django.db import transaction

from portal.sent_forms import MARGIN, ChangedMeanwhile
from recommendations import search
from recommendations.models import Holding, Item, Recommendation


class UnknownVerdict(ValueError):
    """The verdict is not in Recommendation.Verdict, or the reason is not in Recommendation.Why."""


def record_verdict(
    recommendation, *, verdict, why=None, comment=None, at, locked=None, by_link=False, tapped_at=None
):
    """Save the patron's verdict, and return the updated `recommendation`. Raises UnknownVerdict.

    `tapped_at` is the time of the tap, if the verdict waited on a phone until `at`. Raises ChangedMeanwhile
    if the patron has changed the verdict, the reason or the comment after the tap.

    `locked` is the locked row of `recommendation`, if the caller has already locked it. `by_link` is true if
    the verdict came through the link in an email, from a signed-out person.

    An empty `verdict` withdraws the verdict, and also deletes the reason and the comment.

    If `comment` is None, the saved comment is kept. If `why` is None, the saved reason is kept too, so a
    second tap on the same verdict loses nothing. If the verdict changes, the saved reason is deleted, because
    it explained the old verdict.
    """
    if verdict not in ("", *Recommendation.Verdict.values):
        raise UnknownVerdict(verdict)
    if why and why not in Recommendation.Why.values:
        raise UnknownVerdict(why)
    # If this block fails, the caller's transaction fails too, so the block needs no savepoint.
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
    """Return whether a verdict that waited on a phone only repeats the saved verdict.

    `answer` has the keys `verdict`, `why` and `comment`. A value that is None isn't compared. If the patron
    tapped after the saved verdict, return False. `tapped_at` is None if the verdict has not waited.
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
    `tapped_at` are the same as in `record_verdict`. If a recommendation was made after the tap, or its
    verdict was withdrawn after the tap, it stays without a verdict.
    """
    for row in _locked(recommendations).undecided():
        is_newer = tapped_at and (row.recommended_at > tapped_at + MARGIN or _is_later(row, tapped_at))
        if not is_newer:
            verdict = {"verdict": Recommendation.Verdict.HELPED, "by_link": by_link, "tapped_at": tapped_at}
            record_verdict(row, at=at, locked=row, **verdict)


@transaction.atomic
def unmark_as_helped(recommendations, *, marked_at):
    """Withdraw the verdicts that `mark_as_helped` saved at this time, and return their number.

    If the patron has changed a verdict since then, the verdict has another time and is not withdrawn.
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
