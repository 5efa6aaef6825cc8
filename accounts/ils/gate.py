"""Stop asking an ILS that doesn't respond, so that sign-ins don't occupy all threads of the web server."""

import threading
import time

from .base import Unavailable, ignore

MAX_WAITING = 2  # At most this many sign-ins of one process wait for the ILS at the same time.
SLOW_SECONDS = 1.0
PAUSE_SECONDS = 10.0


class Gate:
    """A limit on how many sign-ins ask the ILS at the same time.

    After the ILS has failed to respond, it gets no requests for a few seconds.
    """

    def __init__(self):
        self.places = threading.BoundedSemaphore(MAX_WAITING)
        self.closed_until = 0.0

    def check(self, ils, card, pin, *, today, count=ignore):
        """Return what `ils.check` returns.

        In two cases, raises Unavailable without asking the ILS: too many sign-ins already wait for the ILS,
        or the ILS has just failed to respond. A failure that takes less than SLOW_SECONDS doesn't count,
        because it blocks no thread for long.
        """
        if time.monotonic() < self.closed_until:
            raise Unavailable("The ILS has just failed to respond, so it gets no requests for a few seconds.")
        if not self.places.acquire(blocking=False):
            raise Unavailable(f"{MAX_WAITING} sign-ins are waiting for the ILS, so it gets no more requests.")
        began = time.monotonic()
        try:
            return ils.check(card, pin, today=today, count=count)
        except Unavailable:
            if time.monotonic() - began >= SLOW_SECONDS:
                self.closed_until = time.monotonic() + PAUSE_SECONDS
            raise
        finally:
            self.places.release()


GATE = Gate()
