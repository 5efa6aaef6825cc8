"""Import one page of the server's list into the catalog."""

import hashlib
from dataclasses import replace

from django.db import transaction

from portal.imports.actions import import_records
from portal.imports.models import IDENTIFIER_MAX, HarvestedRecord
from portal.imports.records import KEY_MAX, Fault
from portal.imports.withdrawing import withdraw_and_return
from recommendations.models import Item

# A harvest stores the reasons of at most this many faults.
FAULTS_KEPT = 100
# The key of a record without a number of its own begins with this text.
NO_NUMBER = "sha256:"


def save_page(page, harvest, *, lock, at):
    """Import a page of the server's list. Save in `harvest` where the next run continues."""
    harvest.read += len(page.records)
    harvest.listed += len(page.records)
    harvest.list_size = page.list_size or harvest.list_size
    harvest.server_time = harvest.server_time or page.server_time
    harvest.token, harvest.problem = page.token, ""
    if not page.token:
        harvest.set_number += 1
        harvest.listed, harvest.list_size = 0, None
    save_records(page.records, harvest, lock=lock, at=at)


def save_records(all_listed, harvest, *, lock, at):
    """Import these Listed records, withdraw the deleted ones, and save the counts of both in `harvest`.

    The records are imported first, each batch in a transaction. If the process ends after that, `harvest` is
    not saved. The next run then gets the same page again, and finds these records unchanged.
    """
    listed = {each.identifier: each for each in all_listed if 0 < len(each.identifier) <= IDENTIFIER_MAX}
    rows = HarvestedRecord.objects.filter(source=harvest.source, identifier__in=listed).select_related("item")
    known = {row.identifier: row for row in rows}
    faults = [
        (each.identifier[:IDENTIFIER_MAX], each.record.reason)
        for each in all_listed
        if isinstance(each.record, Fault)
    ]
    faults += [
        (each.identifier[:IDENTIFIER_MAX], f"its identifier has more than {IDENTIFIER_MAX} characters")
        for each in all_listed
        if len(each.identifier) > IDENTIFIER_MAX
    ]
    records = _with_own_keys(listed, known, harvest, faults)
    added, changed = _import(records, faults, harvest, lock)
    with transaction.atomic():
        lock.renew()
        withdrawn, returned = _save_rows(listed, known, records, harvest, at)
        harvest.added += added
        harvest.changed += changed
        harvest.withdrawn += withdrawn
        harvest.returned += returned
        harvest.faults += len(faults)
        harvest.first_faults = [*harvest.first_faults, *map(list, faults)][:FAULTS_KEPT]
        harvest.run_at = at
        harvest.save()


def _with_own_keys(listed, known, harvest, faults):
    """Return {identifier: Record} for the records that can be imported.

    If the key of a record has changed, its item gets the new key. If two records have the same key, the later
    one is a fault.
    """
    records = {
        identifier: replace(each.record, number=number, key=_key(each.record, identifier))
        for number, (identifier, each) in enumerate(listed.items(), 1)
        if each.record and not isinstance(each.record, Fault)
    }
    items = Item.objects.of_records(harvest.source, [record.key for record in records.values()])
    owners = {item.source_key: item for item in items}
    users = {
        row.item_id: row for row in HarvestedRecord.objects.filter(item__in=owners.values(), is_deleted=False)
    }
    taken: dict[str, str] = {}
    for identifier, record in list(records.items()):
        item, row = owners.get(record.key), known.get(identifier)
        user = users.get(item.pk) if item else None
        other = taken.get(record.key) or (user and user.identifier != identifier and _in_use(user, harvest))
        if other:
            faults.append((identifier, f"it has the same number as the record {other}"))
            del records[identifier]
            continue
        taken[record.key] = identifier
        if item is None and row and not row.item.harvested_records.exclude(pk=row.pk).exists():
            Item.objects.filter(pk=row.item_id).update(source_key=record.key)
    return records


def _in_use(row, harvest):
    """Return the identifier of the record if the server certainly still has it, or else None.

    During a full harvest, this is certain only if the record was already listed. If it isn't certain, another
    record with the same key takes over the item. So items stay the same even if a server gives all its
    records new identifiers.
    """
    is_known_to_be_there = not harvest.is_full or row.seen_in == harvest.pk
    return row.identifier if is_known_to_be_there else None


def _key(record, identifier):
    """Return the key of the record. A record without a number gets a key made from its OAI identifier."""
    if not record.key.startswith(NO_NUMBER):
        return record.key
    key = f"oai:{identifier}"
    return key if len(key) <= KEY_MAX else NO_NUMBER + hashlib.sha256(key.encode()).hexdigest()


def _import(records, faults, harvest, lock):
    """Import the records. Return (number of items added, number of items changed).

    Add problems to `faults`.
    """
    numbers = {record.number: identifier for identifier, record in records.items()}
    # Unknown branch codes are counted separately for each value of `at`. All pages of a harvest pass the same
    # value, so their numbers add up.
    imported = import_records(records.values(), source=harvest.source, branch=None, at=harvest.started_at)
    tally = None
    for so_far in imported:
        tally = so_far
        lock.renew()
    if tally is None:
        return 0, 0
    wrong = [*tally.faults.first, *tally.remarks.first]
    faults += [(numbers.get(fault.number, ""), fault.reason) for fault in wrong]
    return tally.added, tally.changed


def _save_rows(listed, known, records, harvest, at):
    """Save which item belongs to each record of the server.

    Withdraw items that have lost their record, and bring back withdrawn items that have one again.

    Return (number of withdrawn items, number of items brought back).
    """
    keys = [record.key for record in records.values()]
    items = {item.source_key: item for item in Item.objects.of_records(harvest.source, keys)}
    rows, gone, back = [], [], []
    for identifier, each in listed.items():
        row = known.get(identifier)
        record = records.get(identifier)
        item = items.get(record.key) if record else None
        if item:
            gone += [row.item_id] if row and row.item_id != item.pk else []
            back += [item.pk] if item.retired_at else []
            rows.append(_row(harvest, identifier, item.pk))
        elif row:
            gone += [row.item_id] if each.is_deleted else []
            rows.append(_row(harvest, identifier, row.item_id, each.is_deleted or row.is_deleted))
    HarvestedRecord.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["source", "identifier"],
        update_fields=["item", "is_deleted", "seen_in"],
    )
    return withdraw_and_return(gone, back, at=at)


def _row(harvest, identifier, item, is_deleted=False):
    return HarvestedRecord(
        source=harvest.source, identifier=identifier, item_id=item, is_deleted=is_deleted, seen_in=harvest.pk
    )
