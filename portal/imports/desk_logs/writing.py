"""Import the rows of a desk log as help sessions that already count as forgotten.

See docs/decisions/0049. Each batch is one transaction. A row that was imported before is not added again.
"""

import datetime
import json
import uuid
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import models, transaction

from accounts import audit
from accounts.models import Library
from portal import keys
from portal.counts.importing import Counted, add_counts
from portal.counts.models import LogImport
from portal.helpsessions.models import HelpSession
from portal.imports.models import ImportedRow
from portal.prepared import insert_all

from .rows import LEFT_OUT, TOTALS, Failed, read_row

BATCH = 500
# How many failed rows a Result lists, and how many different reasons it counts.
FAILED_SHOWN, REASONS_MAX = 50, 200
# In the audit trail, this is the name for an import of a desk log.
IMPORTED = "imported_desk_log"
PURPOSE = "row of a desk log"
SEAL = "sealed row of a desk log"
# Each row is encrypted with a different key, which is made of its ticket number and content. So all rows can
# have the same nonce.
NONCE = bytes(12)
DAYS_MAX = 5_000


@dataclass
class Result:
    """What an import has done so far, or what a dry run found out.

    `failed` has (row number, reason, column) for the first failed rows. `reasons` counts the failed rows for
    each reason. `days` counts the added contacts for each day.
    """

    read: int = 0
    added: int = 0
    replaced: int = 0
    known: int = 0
    totals: int = 0
    left_out: int = 0
    failures: int = 0
    without_time: int = 0
    estimated: int = 0
    with_number: int = 0
    # `equal` counts the added contacts without a ticket or chat number that equal an earlier row of the file.
    # `same_number` counts the added contacts with the same number as an earlier row of the file.
    equal: int = 0
    same_number: int = 0
    # {band of minutes of an added contact: the minutes that it counts as}
    bands: dict = field(default_factory=dict)
    # {field: number of added contacts that leave it empty}, for the fields that each contact needs.
    empty: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    failed: list = field(default_factory=list)
    days: Counter = field(default_factory=Counter)

    @property
    def first_day(self):
        return min(self.days, default=None)

    @property
    def last_day(self):
        return max(self.days, default=None)


def begin_import(file_key, *, file_name="", person=None, at):
    """Return the unfinished LogImport of an earlier run with the same file, or else a new one.

    `person` is the coordinator who imports the log at the desk, for the audit trail.
    """
    unfinished = LogImport.objects.filter(file_key=file_key, ended_at=None).order_by("pk").first()
    if unfinished:
        return unfinished
    with transaction.atomic():
        begun = LogImport.objects.create(file_key=file_key, file_name=file_name, started_at=at)
        if person:
            audit.record(IMPORTED, begun, by=person, at=at)
    return begun


def import_rows(log, plan, *, log_import=None, at, on_failed=None, lock=None):
    """Import the rows of the log, and yield the Result after each batch.

    If `log_import` is None, this is a dry run and writes nothing. `on_failed(row, failed)` is called for each
    failed row. `lock` is the HeldLock of this process.
    """
    library = Library.current()
    writer = _Writer(log_import, library, at)
    result = Result()
    rows = (row for row in log.rows() if row.number > plan.header_row)
    while batch := list(islice(rows, BATCH)):
        contacts = []
        for row in batch:
            result.read += 1
            try:
                contact = read_row(row, plan, today=writer.today, zone=library.zone)
            except Failed as failed:
                _note_failure(result, row, failed)
                if on_failed:
                    on_failed(row, failed)
                continue
            if contact is TOTALS:
                result.totals += 1
            elif contact is LEFT_OUT:
                result.left_out += 1
            else:
                contacts.append(contact)
        writer.write(contacts, result, lock)
        yield result


def _note_failure(result, row, failed):
    result.failures += 1
    reason = str(failed)
    if reason in result.reasons or len(result.reasons) < REASONS_MAX:
        result.reasons[reason] += 1
    if len(result.failed) < FAILED_SHOWN:
        result.failed.append((row.number, reason, failed.column))


class _Made(NamedTuple):
    """The fingerprints of a row: one identity, and one content, for each SECRET_KEY of the library.

    `numbered` is a text: the row's ticket number, or else its content, followed by how many earlier rows have
    the same ticket number or content. `is_repeated` is true if one of these earlier rows is in this file.
    """

    identities: list
    contents: list
    numbered: str
    is_repeated: bool


class _Writer:
    """A writer of batches of contacts. If its `log_import` is None, it only counts what it would write."""

    def __init__(self, log_import, library, at):
        self.log_import, self.library, self.at = log_import, library, at
        self.today = library.today(at)
        # The values that all imported sessions share. Each session already counts as forgotten.
        self._common = HelpSession(
            status=HelpSession.Status.RECORDED, language="", forgotten_on=self.today, is_counted=True
        )
        self.rounded: dict[datetime.date, datetime.datetime] = {}
        # {hash of a row's number or content: how many equal rows have come so far}. Hashes need less memory
        # than texts.
        self.seen: dict[int, int] = {}

    def write(self, contacts, result, lock):
        made = [self._fingerprints(contact) for contact in contacts]
        if self.log_import is None:
            self._sort(contacts, made, result)
            return
        with transaction.atomic():
            if lock:
                lock.renew()
            new, edited = self._sort(contacts, made, result)
            self._save(new, edited)

    def _fingerprints(self, contact):
        """Return the fingerprints of this row of the file, as a _Made.

        The base is the row's ticket number, or else its content. The count is the number of earlier rows with
        the same base.
        """
        base = f"number\n{contact.number}" if contact.number else f"content\n{contact.content}"
        short = hash(base)
        count = self.seen.get(short)
        is_repeated = count is not None
        if count is None:
            count = self._count_before(base, contact.failed_in) if contact.failed_in else 0
        self.seen[short] = count + 1
        numbered = f"{base}\n{count}"
        identities = _short(f"identity\n{numbered}")
        # The identity leaves out the values of the library's own fields. Otherwise, all rows would be new
        # after a column was mapped to an own field.
        own = f"\nown={contact.own_values}" if contact.own_values else ""
        contents = _short(f"row\n{numbered}\n{contact.content}{own}") if contact.number else identities
        return _Made(identities, contents, numbered, is_repeated)

    def _count_before(self, base, failed_in):
        """Return how many rows with this base were imported, up to the import in which this row failed.

        `base` is made of the row's ticket number, or else of its content. Because the corrected row is
        counted after these rows, it is one more contact, even if it equals one of them.
        """
        count = 0
        while ImportedRow.objects.filter(
            identity__in=_short(f"identity\n{base}\n{count}"), log_import__lte=failed_in
        ).exists():
            count += 1
        return count

    def _sort(self, contacts, made, result):
        """Return (new, edited).

        `new` is [(contact, fingerprints)] for the rows to add. `edited` is {position in `new`: the
        ImportedRow that this row replaces}.
        """
        wanted = [identity for fingerprints in made for identity in fingerprints.identities]
        rows = ImportedRow.objects.filter(identity__in=wanted, replaced_in=None)
        known = {row.identity: row for row in rows.select_related("help_session")}
        new: list[tuple] = []
        edited: dict[int, ImportedRow] = {}
        for contact, fingerprints in zip(contacts, made, strict=True):
            row = next((known[identity] for identity in fingerprints.identities if identity in known), None)
            is_mine = (
                row is not None and self.log_import is not None and row.log_import_id == self.log_import.pk
            )
            if row is None or (row.content not in fingerprints.contents and not is_mine):
                if row is not None:
                    edited[len(new)] = row
                    result.replaced += 1
                new.append((contact, fingerprints))
            elif not is_mine:
                result.known += 1
                continue
            # If an earlier run of this import has added the row, count it as added too.
            _count_added(result, contact, fingerprints)
        return new, edited

    def _save(self, new, edited):
        sessions = [self._session(contact) for contact, _made in new]
        insert_all(self._common, sessions)
        public_ids = [session["public_id"] for session in sessions]
        inserted = HelpSession.objects.filter(public_id__in=public_ids).order_by()
        keys_of_sessions = dict(inserted.values_list("public_id", "pk"))
        counted = Counted()
        for contact, _made in new:
            counted.add(contact)
        if edited:
            self._replace(edited, new, counted)
        insert_all(
            ImportedRow(log_import=self.log_import),
            [
                self._row(contact, made, keys_of_sessions[session["public_id"]])
                for (contact, made), session in zip(new, sessions, strict=True)
            ],
        )
        add_counts(counted, self.log_import)
        self._note(new, len(edited))

    def _session(self, contact):
        day = contact.day
        if day not in self.rounded:
            self.rounded[day] = datetime.datetime.combine(day, datetime.time(), self.library.zone)
        return {
            "public_id": uuid.uuid4(),
            "branch_id": contact.branch,
            "happened_on": day,
            "mode": contact.mode,
            "question_type": contact.question_type,
            "topic_id": contact.topic,
            "read_level": contact.read_level,
            "minutes": contact.minutes,
            "people": contact.people,
            "created_at": self.rounded[day],
        }

    def _row(self, contact, made, session_pk):
        low, high = contact.band or (None, None)
        return {
            "help_session_id": session_pk,
            "identity": made.identities[0],
            "content": made.contents[0],
            "minutes_from": low,
            "minutes_to": high,
            "sealed": _sealed(contact, made.numbered, made.contents[0]) if contact.number else None,
        }

    def _replace(self, edited, new, counted):
        """Mark the replaced rows, and take them out of the counts."""
        for place, row in edited.items():
            _contact, fingerprints = new[place]
            session = row.help_session
            sealed = _opened(row, fingerprints.numbered)
            counted.take_out(session, sealed, is_band=row.minutes_from is not None)
            session.status = HelpSession.Status.REPLACED
            row.replaced_in = self.log_import
        HelpSession.objects.bulk_update([row.help_session for row in edited.values()], ["status"])
        ImportedRow.objects.bulk_update(edited.values(), ["replaced_in"])

    def _note(self, new, replaced):
        mine, days = self.log_import, [contact.day for contact, _made in new]
        mine.added += len(new)
        mine.replaced += replaced
        if days:
            mine.first_day = min(filter(None, (mine.first_day, min(days))))
            mine.last_day = max(filter(None, (mine.last_day, max(days))))
        mine.save(update_fields=["added", "replaced", "first_day", "last_day"])


def _count_added(result, contact, made):
    result.added += 1
    result.days[contact.day] += 1
    result.without_time += contact.hour is None
    result.with_number += bool(contact.number)
    result.equal += made.is_repeated and not contact.number
    result.same_number += made.is_repeated and bool(contact.number)
    result.empty.update(contact.empty)
    if contact.band:
        result.estimated += 1
        result.bands[contact.band] = contact.minutes


def _short(text):
    """Return the HMACs of the text, one for each key of the library, shortened to 128 bits."""
    return [found[:32] for found in keys.fingerprints(PURPOSE, text)]


def end_import(log_import, *, answers, at):
    """Mark the import as complete. If the import has added nothing, delete it.

    `answers` is a result of `saved.answers_of`, and is stored for the file of the failed rows.
    """
    if log_import.added:
        LogImport.objects.filter(pk=log_import.pk).update(ended_at=at, answers=answers)
    else:
        log_import.delete()


def _sealed(contact, numbered, content):
    """Encrypt the counted values that the session doesn't store.

    They are needed to take an edited row out of the counts. The encryption key is made of the library's key
    and the ticket or chat number in the log. So nobody can decrypt the text with only the database and the
    library's key.
    """
    text = json.dumps([contact.hour, contact.service_point, contact.patron_group, *contact.own_values])
    return AESGCM(_seal_keys(numbered, content)[0]).encrypt(NONCE, text.encode(), None)


def _opened(row, numbered):
    for key in _seal_keys(numbered, row.content):
        try:
            return json.loads(AESGCM(key).decrypt(NONCE, bytes(row.sealed), None))
        except InvalidTag:
            continue
    raise InvalidTag


def _seal_keys(numbered, content):
    return [bytes.fromhex(key) for key in keys.fingerprints(SEAL, f"{numbered}\n{content}")]


def days_with_contacts(result, branches):
    """Return [(day, contacts recorded here, imported contacts)] for the days in `result.days`."""
    if not result.days:
        return []
    counted = (HelpSession.Status.RECORDED, HelpSession.Status.TALLY)
    sessions = HelpSession.objects.filter(
        happened_on__range=(result.first_day, result.last_day), status__in=counted, branch__in=branches
    ).order_by()
    is_imported = models.Count("imported_row")
    rows = sessions.values_list("happened_on").annotate(models.Count("pk"), is_imported)
    found = [(day, number - imported, imported) for day, number, imported in rows if day in result.days]
    return sorted(found)[:DAYS_MAX]
