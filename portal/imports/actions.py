"""Import the records of a file as items, in batches. Importing the same file twice changes nothing."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from django.db import IntegrityError, OperationalError, transaction

from portal.imports.records import FIELDS, Fault
from recommendations import search
from recommendations.models import Holding, Item

BATCH = 500
# The maximum number of tries for a batch. A try fails if another import has just added some of the items.
ATTEMPTS_MAX = 20
# PostgreSQL's error code for a deadlock.
DEADLOCK = "40P01"


@dataclass
class Faults:
    """The number of faults, and the first faults.

    `most` is the maximum number of faults to store. With None, all are stored, which needs much memory if a
    wrong file has millions of faults.
    """

    most: int | None = None
    count: int = 0
    first: list = field(default_factory=list)

    def add(self, number, reason):
        self.count += 1
        if self.most is None or len(self.first) < self.most:
            self.first.append(Fault(number, reason))

    def __len__(self):
        return self.count


@dataclass
class Tally:
    """The result of an import so far.

    `isbns` counts the records for each value of isbns.Repair. `remarks` are about records that were imported
    although something is wrong with them.
    """

    faults: Faults
    remarks: Faults
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    isbns: Counter = field(default_factory=Counter)

    @property
    def read(self):
        return self.added + self.changed + self.unchanged

    @property
    def seen(self):
        return self.read + len(self.faults)


def import_records(records, *, source, branch, at, dry_run=False, faults_kept=None):
    """Add or change an item for each record. Yield the Tally after each batch.

    Each batch is one transaction. A record belongs to the item that has the same key and the same `source`.
    If two records of a file have the same key, the second record is a fault. If `branch` is set, the call
    numbers of the records replace the call numbers that the items have at this branch. `faults_kept` is the
    maximum number of faults that the Tally stores, or None for all faults.
    """
    tally = Tally(Faults(faults_kept), Faults(faults_kept))
    # {hash of a record's key: number of the record}. Hashes need less memory than keys if the file is long.
    seen: dict[int, int] = {}
    records = iter(records)
    while batch := list(islice(records, BATCH)):
        good = []
        for record in batch:
            if isinstance(record, Fault):
                tally.faults.add(record.number, record.reason)
            elif (first := seen.setdefault(hash(record.key), record.number)) != record.number:
                tally.faults.add(record.number, f"it has the same identifier as record {first}")
            else:
                good.append(record)
                tally.isbns[record.isbn_repair] += 1
                if record.remark:
                    tally.remarks.add(record.number, record.remark)
        _import_or_try_again(good, source, branch, at, dry_run, tally)
        yield tally


def _import_or_try_again(*batch):
    """Import the batch.

    If another import has just added some of these items, try again. The second try finds and compares these
    items, instead of adding them twice.
    """
    for attempts_left in reversed(range(ATTEMPTS_MAX)):
        try:
            return _import_batch(*batch)
        except (IntegrityError, OperationalError) as error:
            is_deadlock = getattr(error.__cause__, "sqlstate", "") == DEADLOCK
            if not attempts_left or not (isinstance(error, IntegrityError) or is_deadlock):
                raise
    raise AssertionError


@transaction.atomic
def _import_batch(records, source, branch, at, dry_run, tally):
    same = Item.objects.filter(source=source, source_key__in=[record.key for record in records])
    items = {item.source_key: item for item in same.select_for_update().order_by("pk")}
    new = [
        Item(source=source, source_key=record.key, added_at=at, **record.values)
        for record in records
        if record.key not in items
    ]
    different = {
        item.pk: item
        for record in records
        if (item := items.get(record.key))
        and any(getattr(item, name) != value for name, value in record.values.items())
    }
    for record in records:
        if (item := items.get(record.key)) and item.pk in different:
            for name, value in record.values.items():
                setattr(item, name, value)
    if not dry_run:
        Item.objects.bulk_create(new)
        Item.objects.bulk_update(different.values(), FIELDS, batch_size=50)
        items |= {item.source_key: item for item in new}
    moved = _place(records, items, branch, dry_run) if branch else set()
    changed = (different.keys() | moved) - {item.pk for item in new}
    if not dry_run:
        search.index([*(item.pk for item in new), *changed])
    tally.added += len(new)
    tally.changed += len(changed)
    tally.unchanged += len(records) - len(new) - len(changed)


def _place(records, items, branch, dry_run):
    """Replace the items' call numbers at the branch with the call numbers in `records`.

    Return the primary keys of the items whose call numbers differ. A dry run saves nothing.
    """
    before: dict[int, dict] = {}
    for holding in Holding.objects.filter(branch=branch, item__in=[item.pk for item in items.values()]):
        before.setdefault(holding.item_id, {})[holding.call_number] = holding.pk
    new, gone, moved = [], [], set()
    for record in records:
        if not (item := items.get(record.key)):
            # In a dry run, new items are not saved, so they can't have call numbers.
            continue
        present = before.get(item.pk, {})
        if set(present) != set(record.call_numbers):
            moved.add(item.pk)
            new += [
                Holding(item=item, branch=branch, call_number=number)
                for number in record.call_numbers
                if number not in present
            ]
            gone += [pk for number, pk in present.items() if number not in record.call_numbers]
    if not dry_run:
        Holding.objects.filter(pk__in=gone).delete()
        Holding.objects.bulk_create(new)
    return moved
