"""Keep an ILS that doesn't answer from holding the web server's threads, so that other pages stay quick."""

import threading
import time

from .base import Unavailable, ignore

MAX_WAITING = 2  # sign-ins of one process that may wait for the ILS at the same time
SLOW_SECONDS = 1.0
PAUSE_SECONDS = 10.0


class Gate:
    """Lets a few sign-ins at a time ask the ILS, and none for some seconds after it failed to answer."""

    def __init__(self):
        self.places = threading.BoundedSemaphore(MAX_WAITING)
        self.closed_until = 0.0

    def check(self, ils, card, pin, *, today, count=ignore):
        """Return what `ils.check` returns.

        Raises Unavailable at once, without asking the ILS, if too many sign-ins wait for it already, or if it
        has just failed. A failure that takes less than SLOW_SECONDS holds nobody up, so it closes nothing.
        """
        if time.monotonic() < self.closed_until:
            raise Unavailable("The ILS has just failed to answer, so it is not asked for some seconds.")
        if not self.places.acquire(blocking=False):
            raise Unavailable(f"{MAX_WAITING} sign-ins are waiting for the ILS, so it is not asked again.")
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
