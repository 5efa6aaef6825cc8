"""Choose how often tests repeat: a few times in `make test`, many times in `make test-long`."""

import os

import pytest

LONG = os.environ.get("TEST_LONG") == "1"


def times(usual, long):
    """Return the number of repetitions: `long` in `make test-long`, and `usual` in other runs.

    `make test-long` runs only tests that are marked `long` or `only_long`.
    """
    return long if LONG else usual


def rarely(*values):
    """Return parameters that a test gets only in `make test-long`, because they rarely find an error."""
    return pytest.param(*values, marks=pytest.mark.only_long)
