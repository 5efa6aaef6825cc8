"""Let other processes write between the transactions of work that writes again and again."""

import time
from contextlib import contextmanager

from django.db import connection

# A waiting process asks SQLite again after 0.1 seconds at most, so during this pause it asks at least twice.
LONGEST_SECONDS = 0.25


@contextmanager
def pause_after_writing():
    """On SQLite, wait after the block for as long as the block took, but at most LONGEST_SECONDS.

    SQLite allows one writer at a time and has no queue. Each waiting process asks again every 100
    milliseconds. If one process writes again at once, the others find the database locked each time, and fail
    after 20 seconds. The block runs a whole transaction.
    """
    began = time.monotonic()
    yield
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(min(time.monotonic() - began, LONGEST_SECONDS))
