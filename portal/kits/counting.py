"""Count every night how often items and kits helped.

docs/what-helped.md explains the method, with worked examples. If a published number grew by one, it would
reveal what one patron said. So verdicts are added only in groups. A staff member could subtract the visits
that they recorded themselves. Every group is so large that at least five visits of others then remain. A
verdict that was added stays in the number, even if the patron changes the verdict later.
"""

import datetime
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from math import sqrt
from typing import NamedTuple

from django.db import transaction

from accounts.models import Library
from portal.notifications.actions import take_turn
from recommendations.models import Recommendation

from .models import GotCount, ItemCount, Kit, KitCount
from .own_kits import fill_own_kits

Verdict = Recommendation.Verdict

# At least this many visits of a group remain if a staff member subtracts the visits that they recorded
# themselves.
STEP = 5
# The verdicts that say that the person has tried the item.
TRIED = [Verdict.HELPED, Verdict.PARTLY, Verdict.DID_NOT_HELP]
# The hours in which the worker counts what helped, in the library's time zone.
NIGHT = range(1, 6)
# The quantile of the normal distribution for Wilson's interval with a confidence of 95 percent.
Z = 1.96
# An item is hard to get if at least STEP patrons could not get it, and if these patrons are at least this
# share of all patrons who answered.
HARD_TO_GET = 1 / 3
FIELDS = ["recommended_at", "decided_at", "pk", "verdict", "visit_number", "patron", "recommended_by"]
BATCH = 2000


class Row(NamedTuple):
    """One recommendation: the values of FIELDS, and whether it was already added to the published number."""

    recommended_at: datetime.datetime
    decided_at: datetime.datetime
    pk: int
    verdict: str
    visit_number: int | None
    patron: int | None
    staff: int | None
    was_added: bool

    @property
    def visit(self) -> int:
        """Return the number that identifies the visit. If it is unknown, return one that no other row has."""
        return -(10**16) - self.pk if self.visit_number is None else self.visit_number


class Outcome(NamedTuple):
    """The result of one visit for an item or a kit.

    `staff` has the primary keys of the staff members who recorded the visit. None in this set means that a
    recorder is unknown. `rows` has the primary keys of the recommendations of this visit and of the patron's
    other visits. After the outcome was added to a number, these recommendations can't count again.
    """

    is_good: bool
    day: datetime.date
    staff: frozenset
    rows: tuple


def count_what_helped(*, at):
    """Run the count if it is night and no worker has counted tonight. The worker runs this job."""
    hour = at.astimezone(Library.current().zone).hour
    if hour in NIGHT and take_turn("count_tonight", at=at, every=datetime.timedelta(hours=12)):
        count_now(at=at)


def count_now(*, at):
    """Count items, kits and items that are hard to get, and fill each staff member's own kit."""
    count_items()
    count_kits()
    count_what_is_hard_to_get()
    fill_own_kits(at=at)


def wilson_lower_bound(helped: int, visits: int) -> float:
    """Return the lower end of Wilson's 95% confidence interval for the share of `visits` that helped."""
    share, square = helped / visits, Z * Z / visits
    spread = Z * sqrt((share * (1 - share) + square / 4) / visits)
    return (share + square / 2 - spread) / (1 + square)


def may_publish(outcomes: list[Outcome]) -> bool:
    """Return whether these visits may be added to a published number.

    Any one staff member could subtract the visits that they recorded. At least STEP visits with known
    recorders must then remain.
    """
    known = [outcome.staff for outcome in outcomes if None not in outcome.staff]
    recorded = Counter(person for staff in known for person in staff)
    return len(known) - max(recorded.values(), default=0) >= STEP


def outcomes_of(rows: list[Row], good: str = Verdict.HELPED, *, any_good=False) -> list[Outcome]:
    """Return an Outcome for each patron, and for each visit without a patron.

    Leave out a patron or visit if one of their recommendations was already added. If a patron has several
    visits, only the visit with the latest verdict counts. The outcome is good if this verdict equals `good`.
    If `any_good` is true, the outcome is good if any verdict of that visit equals `good`.
    """
    patron_of = {row.visit: row.patron for row in rows if row.patron is not None}
    units: dict[tuple, list[Row]] = {}
    for row in rows:
        patron = patron_of.get(row.visit)
        unit = ("visit", row.visit) if patron is None else ("patron", patron)
        units.setdefault(unit, []).append(row)
    return [
        _outcome(unit, good, any_good) for unit in units.values() if not any(row.was_added for row in unit)
    ]


def _outcome(unit: list[Row], good: str, any_good: bool) -> Outcome:
    latest = max(unit, key=lambda row: (row.decided_at, row.pk))
    of_visit = [row for row in unit if row.visit == latest.visit]
    asked = of_visit if any_good else [latest]
    return Outcome(
        is_good=any(row.verdict == good for row in asked),
        day=min(row.recommended_at for row in of_visit).date(),
        staff=frozenset(row.staff for row in of_visit),
        rows=tuple(row.pk for row in unit),
    )


def count_items():
    """Publish how often each item helped, for each topic and question type."""
    keys = ["topic", "question_type", "item"]
    before = {
        (row.topic_id, row.question_type, row.item_id): row for row in ItemCount.objects.all().iterator(BATCH)
    }
    new, added = [], []
    rows = _counted(TRIED).exclude(topic=None)
    for key, outcomes in _groups_to_add(rows, keys, "in_item_count", outcomes_of):
        old = before.get(key)
        helped, visits = _sums(outcomes, old, "helped")
        latest_on = max(outcome.day for outcome in outcomes)
        new.append(
            ItemCount(
                topic_id=key[0],
                question_type=key[1],
                item_id=key[2],
                helped=helped,
                visits=visits,
                lower_bound=wilson_lower_bound(helped, visits),
                latest_on=max(latest_on, old.latest_on) if old else latest_on,
            )
        )
        added += outcomes
    changed = ["helped", "visits", "lower_bound", "latest_on"]
    _save(ItemCount, new, added, "in_item_count", unique=keys, changed=changed)


def count_kits():
    """Publish in how many visits each kit helped. A kit helped if at least one of its items did."""
    kits = dict(Kit.objects.filter(owner=None).values_list("public_id", "pk"))
    before = KitCount.objects.in_bulk()
    new, added = [], []
    rows = _counted(TRIED).filter(from_kit__in=list(kits))
    for (public_id,), outcomes in _groups_to_add(rows, ["from_kit"], "in_kit_count", _any_helped):
        kit = kits[public_id]
        helped, visits = _sums(outcomes, before.get(kit), "helped")
        new.append(KitCount(kit_id=kit, helped=helped, visits=visits))
        added += outcomes
    _save(KitCount, new, added, "in_kit_count", unique=["kit"], changed=["helped", "visits"])


def count_what_is_hard_to_get():
    """Publish which items patrons often could not get."""
    before = GotCount.objects.in_bulk()
    new, added = [], []
    rows = _counted([*TRIED, Verdict.COULD_NOT_GET_IT])
    for (item,), outcomes in _groups_to_add(rows, ["item"], "in_got_count", _not_gotten):
        missed, visits = _sums(outcomes, before.get(item), "missed")
        is_hard = missed >= STEP and missed >= visits * HARD_TO_GET
        new.append(GotCount(item_id=item, missed=missed, visits=visits, is_hard_to_get=is_hard))
        added += outcomes
    changed = ["missed", "visits", "is_hard_to_get"]
    _save(GotCount, new, added, "in_got_count", unique=["item"], changed=changed)


def _groups_to_add(rows, keys: list[str], flag: str, outcomes_of_group) -> Iterator[tuple[tuple, list]]:
    """Yield (values of `keys`, outcomes) for each published number that grows tonight."""
    found = rows.order_by(*keys).values_list(*keys, *FIELDS, flag).iterator(BATCH)
    for key, group in groupby(found, key=lambda row: row[: len(keys)]):
        outcomes = outcomes_of_group([Row(*row[len(keys) :]) for row in group])
        if may_publish(outcomes):
            yield key, outcomes


def _counted(verdicts):
    return Recommendation.objects.filter(never_counted=False, verdict__in=verdicts)


def _any_helped(rows: list[Row]) -> list[Outcome]:
    return outcomes_of(rows, any_good=True)


def _not_gotten(rows: list[Row]) -> list[Outcome]:
    return outcomes_of(rows, Verdict.COULD_NOT_GET_IT)


def _sums(outcomes: list[Outcome], old, good: str) -> tuple[int, int]:
    """Return (good visits, all visits): the published numbers of `old` plus these outcomes.

    `good` names the column of `old` with the number of good visits.
    """
    count, visits = (getattr(old, good), old.visits) if old else (0, 0)
    return count + sum(outcome.is_good for outcome in outcomes), visits + len(outcomes)


@transaction.atomic
def _save(model, rows, added, flag, *, unique, changed):
    """Save the numbers, and mark the recommendations that were added to them."""
    for first in range(0, len(rows), BATCH):
        model.objects.bulk_create(
            rows[first : first + BATCH], update_conflicts=True, unique_fields=unique, update_fields=changed
        )
    keys = sorted(pk for outcome in added for pk in outcome.rows)
    for first in range(0, len(keys), BATCH):
        found = Recommendation.objects.filter(pk__in=keys[first : first + BATCH])
        # Lock in the order of the primary keys. Matching an item locks its recommendations in this order too,
        # so counting and matching can't deadlock.
        locked = list(found.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        Recommendation.objects.filter(pk__in=locked).update(**{flag: True})
