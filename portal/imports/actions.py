"""Import the records of a file as items, in batches. Importing the same file twice changes nothing."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from django.db import IntegrityError, OperationalError, transaction

from accounts.branch_codes import BranchFinder, record_unknown
from portal.imports.records import FIELDS, Fault
from portal.pauses import pause_after_writing
from recommendations.models import Holding, Item
from recommendations.search import entries

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
    although something is wrong with them. `unknown_codes` counts the copies for each unknown branch code.
    """

    faults: Faults
    remarks: Faults
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    isbns: Counter = field(default_factory=Counter)
    unknown_codes: Counter = field(default_factory=Counter)

    @property
    def read(self):
        return self.added + self.changed + self.unchanged

    @property
    def seen(self):
        return self.read + len(self.faults)


def import_records(records, *, source, branch, at, dry_run=False, faults_kept=None):
    """Add or change an item for each record. Yield the Tally after each batch.

    Each batch is one transaction. A record belongs to the item that has the same key and the same `source`.
    If two records of a file have the same key, the second record is a fault.

    If a record names the branches of its copies, its holdings replace all holdings of the item. If it
    names none, its call numbers replace only the item's holdings at `branch`. Without a `branch`, the item
    keeps its holdings.

    `faults_kept` is the maximum number of faults that the Tally stores, or None for all faults. At the end,
    the unknown codes of branches are stored.
    """
    branches = BranchFinder()
    tally = Tally(Faults(faults_kept), Faults(faults_kept), unknown_codes=branches.unknown)
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
        places = {record.key: where for record in good if (where := _places(record, branches, branch))}
        with pause_after_writing():
            _import_or_try_again(good, places, source, at, dry_run, tally)
        yield tally
    if branches.unknown and not dry_run:
        record_unknown(branches.unknown, at=at)


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
def _import_batch(records, places, source, at, dry_run, tally):
    same = Item.objects.of_records(source, [record.key for record in records])
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
    moved = _place(places, items, dry_run) if places else set()
    changed = (different.keys() | moved) - {item.pk for item in new}
    if not dry_run:
        entries.index([*(item.pk for item in new), *changed])
    tally.added += len(new)
    tally.changed += len(changed)
    tally.unchanged += len(records) - len(new) - len(changed)


class Places(NamedTuple):
    """The holdings that an item has after the import.

    `wanted` is {(branch id, call number, location): not_for_loan}. If `only_at` is the id of a branch, only
    the item's holdings at this branch are replaced. If it is None, all holdings of the item are replaced.
    """

    wanted: dict
    only_at: int | None


def _places(record, branches, branch):
    """Return the Places of the record, or None if the item's holdings don't change.

    Also count the unknown codes of branches. If the library has assigned no codes yet, all copies belong to
    `branch`, so a file of one branch needs no codes. If there is no `branch` either, the holdings don't
    change.
    """
    found = [(branches.find(copy.code) if copy.code else None, copy) for copy in record.holdings]
    for place, copy in found:
        if copy.code and place is None:
            branches.count_unknown(copy.code)
    has_known_codes = branches.has_codes or any(place for place, _copy in found)
    is_of_one_branch = branch and not has_known_codes
    if not branch and not (record.says_where and has_known_codes):
        return None
    wanted: dict[tuple, bool] = {}
    for place, copy in found:
        if place is None and branch and (is_of_one_branch or not copy.code):
            place = branch.pk
        if place is not None:
            key = (place, copy.call_number, copy.location)
            wanted[key] = wanted.get(key, True) and copy.not_for_loan
    return Places(wanted, branch.pk if branch and (is_of_one_branch or not record.says_where) else None)


def _place(places, items, dry_run):
    """Replace the holdings of the items. `places` is {key of a record: Places of its item}.

    Return the primary keys of the items whose holdings change. A dry run saves nothing.
    """
    # In a dry run, new items are not saved, so they can't have holdings.
    wanted = {item.pk: places[key] for key, item in items.items() if key in places}
    before: dict[int, dict] = {pk: {} for pk in wanted}
    for holding in Holding.objects.filter(item__in=list(wanted)):
        if wanted[holding.item_id].only_at in (None, holding.branch_id):
            key = (holding.branch_id, holding.call_number, holding.location)
            before[holding.item_id][key] = holding
    new, gone, changed, moved = [], [], [], set()
    for pk, place in wanted.items():
        present = before[pk]
        if {key: holding.not_for_loan for key, holding in present.items()} == place.wanted:
            continue
        moved.add(pk)
        gone += [holding.pk for key, holding in present.items() if key not in place.wanted]
        for key, not_for_loan in place.wanted.items():
            if key not in present:
                branch, number, location = key
                new.append(
                    Holding(
                        item_id=pk,
                        branch_id=branch,
                        call_number=number,
                        location=location,
                        not_for_loan=not_for_loan,
                    )
                )
            elif present[key].not_for_loan != not_for_loan:
                present[key].not_for_loan = not_for_loan
                changed.append(present[key])
    if not dry_run:
        Holding.objects.filter(pk__in=gone).delete()
        Holding.objects.bulk_update(changed, ["not_for_loan"])
        Holding.objects.bulk_create(new)
    return moved
