"""Choose how often tests repeat: a few times in `make test`, many times in `make test-long`."""

import os

LONG = os.environ.get("TEST_LONG") == "1"


def times(usual, long):
    """Return how often to repeat something. Mark the test `long`, or `make test-long` does not run it."""
    return long if LONG else usual
