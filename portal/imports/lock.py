"""Let only one import or harvest run at a time.

The lock is a row that its holder renews. If the holder was killed, the row is no longer renewed, and the next
process takes it over. On the same machine, the next process also sees that the holder no longer runs.
"""

import os
import socket
import uuid
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.imports.models import CatalogLock

# After this time without a renewal, the holder counts as dead. No step between two renewals takes this long.
LEASE = timedelta(minutes=6)
# The nice value of an import. 0 is the usual priority of a process, and 19 is the lowest one.
NICENESS = 10
# The tokens of the locks that this process holds.
HELD: set[uuid.UUID] = set()


class AlreadyRunning(Exception):
    """Another process imports or harvests. `row` is its CatalogLock."""

    def __init__(self, row):
        super().__init__(row)
        self.row = row

    def __str__(self):
        since = timezone.localtime(self.row.since)
        return (
            f"Only one import or harvest can run at a time. “{self.row.work}” has been running since "
            f"{since:%Y-%m-%d %H:%M} ({since.tzname()}), in process {self.row.holder}. "
            "Wait until it has ended."
        )


class LockLost(Exception):
    """Another process took the lock over, because this one did not renew it for a long time."""

    def __str__(self):
        return "Another process has taken over, because this one was paused for a long time."


class HeldLock:
    """The lock that this process holds."""

    def __init__(self, token):
        self.token = token

    def renew(self):
        """Record that this process is still running. Raises LockLost.

        If this is called inside a transaction, nobody can take the lock over until the transaction ends.
        """
        if not CatalogLock.objects.filter(token=self.token).update(alive_at=timezone.now()):
            raise LockLost


@contextmanager
def catalog_lock(work):
    """Hold the lock for the duration of the `with` block. Raises AlreadyRunning.

    `work` says what the process does.
    """
    token = _take(work[:200])
    HELD.add(token)
    try:
        yield HeldLock(token)
    finally:
        HELD.discard(token)
        CatalogLock.objects.filter(token=token).delete()


def running_import(*, at):
    """Return the CatalogLock of the process that imports or harvests now, or None."""
    row = CatalogLock.objects.first()
    return row if row and not _is_dead(row, at) else None


def let_others_go_first():
    """Give this process a lower priority, so that the worker and the web server don't wait for it."""
    # A service manager may forbid a change of the priority.
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), NICENESS))


def _take(work):
    at, token = timezone.now(), uuid.uuid4()
    mine = {"token": token, "work": work, "holder": _this_process(), "since": at, "alive_at": at}
    while True:
        row = CatalogLock.objects.first()
        if row is None:
            try:
                with transaction.atomic():
                    CatalogLock.objects.create(pk=1, **mine)
                return token
            except IntegrityError:
                continue
        if not _is_dead(row, at):
            raise AlreadyRunning(row)
        if CatalogLock.objects.filter(token=row.token, alive_at=row.alive_at).update(**mine):
            return token


def _this_process():
    return f"{socket.gethostname()[:60]}:{os.getpid()}"


def _is_dead(row, at):
    """Return whether the process that holds the lock has ended."""
    # `alive_at` is in the future if a clock was fast when the row was renewed.
    if not at - LEASE < row.alive_at < at + LEASE:
        return True
    if row.holder == _this_process():
        # After a restart of the machine, this process may have the same process id as the killed one.
        return row.token not in HELD
    machine, _colon, process = row.holder.rpartition(":")
    if machine != socket.gethostname()[:60]:
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # The process exists, but belongs to a different user of this machine.
        return False
    return False
