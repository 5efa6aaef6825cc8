"""Run a harvest: begin or continue it, read its pages, and withdraw records that the server no longer has."""

from dataclasses import replace
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from portal.imports.lock import catalog_lock
from portal.imports.models import Harvest, HarvestedRecord, settings_of_harvests
from portal.text import clean, printable

from .answers import Listed, OaiError
from .client import Client
from .listing import Lists, Stopped, since
from .pages import save_page, save_records
from .requests import Unreachable

# The time between two full harvests. The first value is for servers that promise to report every deleted
# record, and the second value is for all other servers.
FULL_EVERY, FULL_EVERY_IF_FORGETFUL = timedelta(days=28), timedelta(days=7)
# A full list may lack at most this share of the known records, or this number of records if the number is
# larger. If more records are missing, nothing is withdrawn until a person confirms that the library has
# withdrawn them.
MISSING_SHARE, MISSING_MIN = 0.1, 20
BATCH = 50
# While the harvest waits for a busy server, it renews the lock after this many seconds.
RENEW_SECONDS = 60
KEPT = timedelta(days=90)


def run_harvest(*, full=False, withdraw_missing=False, client=None, report=lambda harvest: None):
    """Run a harvest until it is complete, and return it. Raises AlreadyRunning.

    If there is an unfinished harvest, continue it. If `full` is true, list all records instead of only the
    changes. `withdraw_missing` confirms that all records which the list lacks may be withdrawn, however many
    there are. `client` is for tests. `report` is called after each page.

    If the list can't be read to its end, the returned Harvest is unfinished, and its `problem` says why.
    """
    client = client or Client()
    with catalog_lock("harvest") as lock:
        _renew_between(client, lock)
        harvest = Harvest.objects.of_settings().filter(state=Harvest.State.UNFINISHED).last()
        if harvest and full and not harvest.is_full:
            harvest = None
        try:
            identity = client.identify()
            harvest = harvest or _begin(identity, full=full, at=timezone.now())
            for page in Lists(harvest, client).pages():
                save_page(page, harvest, lock=lock, at=timezone.now())
                report(harvest)
            _finish(harvest, client, lock, is_confirmed=withdraw_missing)
        except (Unreachable, Stopped, OaiError) as error:
            harvest = harvest or _not_begun(full=full, at=timezone.now())
            harvest.problem, harvest.run_at = clean(printable(error)), timezone.now()
            harvest.save()
        return harvest


def _renew_between(client, lock):
    """Make the client renew the lock before each request, and while it waits for a busy server."""
    before, wait = client.before, client.wait

    def renew():
        lock.renew()
        before()

    def wait_and_renew(seconds):
        while seconds > 0:
            wait(min(seconds, RENEW_SECONDS))
            lock.renew()
            seconds -= RENEW_SECONDS

    client.before, client.wait = renew, wait_and_renew


def _begin(identity, *, full, at):
    """Create a new Harvest and return it. It lists all records if `full` is true or a full harvest is due."""
    complete = Harvest.objects.of_settings().complete().order_by("started_at", "pk")
    last, last_full = complete.last(), complete.filter(is_full=True, found_missing=True).last()
    every = FULL_EVERY if identity.deleted_records == "persistent" else FULL_EVERY_IF_FORGETFUL
    is_full = full or last is None or last_full is None or last_full.started_at <= at - every
    Harvest.objects.filter(state=Harvest.State.UNFINISHED).update(state=Harvest.State.ABANDONED, ended_at=at)
    return Harvest.objects.create(
        **settings_of_harvests(),
        is_full=is_full,
        since="" if is_full else since(last.server_time, last.started_at, identity),
        started_at=at,
        run_at=at,
    )


def _not_begun(*, full, at):
    """Return an unsaved Harvest that records that the server could not be reached."""
    return Harvest(
        **settings_of_harvests(),
        is_full=full,
        state=Harvest.State.ABANDONED,
        started_at=at,
        run_at=at,
        ended_at=at,
    )


def _finish(harvest, client, lock, *, is_confirmed):
    """Mark the harvest as complete. After a full harvest, first withdraw the records that its lists lack."""
    harvest.problem = ""
    if harvest.is_full:
        harvest.problem = _withdraw_missing(harvest, client, lock, is_confirmed=is_confirmed)
        harvest.found_missing = not harvest.problem
    at = timezone.now()
    harvest.state, harvest.run_at, harvest.ended_at = Harvest.State.COMPLETE, at, at
    with transaction.atomic():
        lock.renew()
        harvest.save()


def _withdraw_missing(harvest, client, lock, *, is_confirmed):
    """Withdraw the records that the lists lack, and return "".

    If too many records are missing, withdraw none, and return a text that says so. Ask the server about each
    missing record first, because a list can lack a record that the server still has. For example, another
    record moved to the end of the list while the list was read.
    """
    current = HarvestedRecord.objects.filter(source=harvest.source, is_deleted=False)
    missing = current.exclude(seen_in=harvest.pk).order_by("pk")
    count = missing.count()
    if count > max(current.count() * MISSING_SHARE, MISSING_MIN) and not is_confirmed:
        return (
            f"The list lacks {count} records that it had before, so they were not withdrawn. If the library "
            "has withdrawn them, run: manage.py harvest --full --withdraw-missing"
        )
    while identifiers := list(missing.values_list("identifier", flat=True)[:BATCH]):
        found = [_found(client.record(identifier), identifier, harvest) for identifier in identifiers]
        save_records(found, harvest, lock=lock, at=timezone.now())
    return ""


def _found(listed, identifier, harvest):
    """Return a Listed for a record that the lists lack.

    The Listed is marked as deleted if the server no longer has the record, or if none of the harvest's sets
    contains it.
    """
    is_there = listed and not listed.is_deleted and (not harvest.sets or _is_in_sets(listed, harvest.sets))
    if not is_there:
        return Listed(identifier, "", True, None)
    return replace(listed, identifier=identifier)


def _is_in_sets(listed, sets):
    """Return whether the record is in one of the sets. A set "a" contains the set "a:b"."""
    return any(own == name or own.startswith(f"{name}:") for own in listed.sets for name in sets)


def forget_old_harvests(*, at):
    """Delete old harvests, except the ones that the next harvest needs. The worker runs this once a day."""
    needed = [
        harvest.pk
        for harvests in (Harvest.objects.complete(), Harvest.objects.complete().filter(found_missing=True))
        if (harvest := harvests.order_by("started_at", "pk").last())
    ]
    Harvest.objects.filter(started_at__lt=at - KEPT).exclude(pk__in=needed).delete()
