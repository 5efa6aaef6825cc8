"""Pause a long job after each of its transactions, so that other processes can write to SQLite."""

import time
from contextlib import contextmanager

from django.db import connection

# A waiting process asks SQLite again after 0.1 seconds at most, so during this pause it asks at least twice.
LONGEST_SECONDS = 0.25


@contextmanager
def pause_after_writing():
    """On SQLite, wait after the block for as long as the block took, but at most LONGEST_SECONDS.

    The block must run a whole transaction. SQLite allows one writer at a time and has no queue. A process
    that waits asks again every 100 milliseconds. If another process always starts its next transaction
    immediately, the waiting process always finds the database locked, and fails after 20 seconds.
    """
    began = time.monotonic()
    yield
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(min(time.monotonic() - began, LONGEST_SECONDS))
