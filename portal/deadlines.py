"""Compare a deadline with the time after a wait, not with the time when the request came."""

from functools import wraps

from django.utils import timezone


def compares_deadlines(action):
    """Decorate an action to get the argument `now`, a function that returns the time.

    An action can wait for seconds: on PostgreSQL for a locked row, on SQLite for its transaction to begin. So
    `at` may be older than the rows that it is compared with. now() is `at` plus the time since the call. Call
    now() after the lock. Callers don't pass it.

    This decorator comes first, because the decorators below it begin the transaction.
    """

    @wraps(action)
    def run(*args, at, **kwargs):
        called_at = timezone.now()
        return action(*args, at=at, now=lambda: at + (timezone.now() - called_at), **kwargs)

    return run
