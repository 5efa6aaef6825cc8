"""What changes items, recommendations and verdicts. Every change of an item keeps the text index in step."""

from django.db import transaction

from recommendations import search
from recommendations.models import Holding, Item, Recommendation


class UnknownVerdict(ValueError):
    """Not one of Recommendation.Verdict, or a reason that isn't one of Recommendation.Why."""


@transaction.atomic
def recommend(item, *, reason, by, at, branch, topic, question_type, patron=None, starred=True):
    """Suggest one item on one occasion."""
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
    """Set, change or (with "") take back the patron's word; `recommendation` itself is brought up to date.

    `why` and `comment` left out are not touched, so that a second tap loses nothing written before; a reason falls with the
    verdict it was given for, and taking the verdict back takes both. Raises UnknownVerdict.
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
    """An item that wasn't in the catalogue; with `branch` and `call_number` also where it stands. `rest`: fields of Item."""
    item = Item.objects.create(added_at=at, kind=kind, title=title, creators=creators, url=url, **rest)
    if branch and call_number:
        Holding.objects.create(item=item, branch=branch, call_number=call_number)
    search.index([item.pk])
    return item


@transaction.atomic
def change_item(item, **changes):
    """Change fields of an item; `item` itself is brought up to date. `retired_at=` takes it out of the search."""
    item = _write(item, changes)
    search.index([item.pk])
    return item


@transaction.atomic
def place_item(item, *, branch, call_number, location=""):
    """Say where a branch keeps an item, in place of what was said before."""
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
        Item._meta.get_field(field)  # a misspelt name must not pass as an attribute
        setattr(item, field, value)
    item.save(update_fields=list(changes))
    return item
