"""Let actions compare a deadline with the current time instead of the time of the request.

The time of the request can be seconds old, because an action may have waited for a lock.
"""

from functools import wraps

from django.utils import timezone


def compares_deadlines(action):
    """Decorate an action so that it gets the argument `now`, a function that returns the current time.

    `at` is the time of the request. An action can then wait for seconds: on PostgreSQL for a locked row, on
    SQLite for its transaction to begin. So rows can be newer than `at`. now() returns `at` plus the time that
    has passed since the action was called. The action must call now() after it has locked rows. Callers don't
    pass `now`.

    Put this decorator first, because the decorators below it begin the transaction.
    """

    @wraps(action)
    def run(*args, at, **kwargs):
        called_at = timezone.now()
        return action(*args, at=at, now=lambda: at + (timezone.now() - called_at), **kwargs)

    return run
