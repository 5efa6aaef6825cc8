"""Change items, recommendations and verdicts. Each change of an item also updates the search index."""

from django.db import transaction

from recommendations import search
from recommendations.models import Holding, Item, Recommendation


class UnknownVerdict(ValueError):
    """The verdict is not in Recommendation.Verdict, or the reason is not in Recommendation.Why."""


@transaction.atomic
def recommend(item, *, reason, by, at, branch, topic, question_type, patron=None, starred=True):
    """Recommend one item on one occasion, and return the recommendation."""
    return Recommendation.objects.create(
        item=item,
        reason=reason,
        recommended_by=by,
        recommended_at=at,
        branch=branch,
        topic=topic,
        question_type=question_type,
        patron=patron,
        starred=starred,
    )


@transaction.atomic
def record_verdict(recommendation, *, verdict, why=None, comment=None, at):
    """Set or change the patron's verdict, or withdraw it with "", and return `recommendation`, updated.

    Without `why` and `comment` the present ones stay, so that a second tap loses nothing. Another verdict
    removes the reason, and withdrawing the verdict removes both. Raises UnknownVerdict.
    """
    if verdict not in ("", *Recommendation.Verdict.values):
        raise UnknownVerdict(verdict)
    if why and why not in Recommendation.Why.values:
        raise UnknownVerdict(why)
    locked = Recommendation.objects.select_for_update().get(pk=recommendation.pk)
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
def add_item(*, at, kind, title, creators="", url="", branch=None, call_number="", **rest):
    """Add an item that is not in the catalog, and return it. `rest` are fields of Item.

    `branch` and `call_number` say which branch has it, and where.
    """
    item = Item.objects.create(added_at=at, kind=kind, title=title, creators=creators, url=url, **rest)
    if branch and call_number:
        Holding.objects.create(item=item, branch=branch, call_number=call_number)
    search.index([item.pk])
    return item


@transaction.atomic
def change_item(item, **changes):
    """Change fields of an item and return it, updated. With `retired_at`, the search no longer finds it."""
    item = _write(item, changes)
    search.index([item.pk])
    return item


@transaction.atomic
def place_item(item, *, branch, call_number, location=""):
    """Set where a branch keeps an item, and return the holding. Earlier call numbers are removed."""
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
        # Raises FieldDoesNotExist, because setattr would accept a misspelled name.
        Item._meta.get_field(field)
        setattr(item, field, value)
    item.save(update_fields=list(changes))
    return item
