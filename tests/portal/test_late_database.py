"""Check that the portal waits for a database that starts after the portal."""

from types import SimpleNamespace

import pytest
from django.core.management.base import CommandError
from django.db import OperationalError

from portal.management import late_database
from portal.management.late_database import wait_for_database


@pytest.fixture
def clock(monkeypatch):
    """Replace the clock. Sleeping moves the clock ahead."""
    now = [0.0]
    monkeypatch.setattr(late_database.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(late_database.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def answer_after(monkeypatch, clock, seconds, vendor="postgresql"):
    def ensure_connection():
        if clock[0] < seconds:
            raise OperationalError('connection to server at "db" failed:\n\tConnection refused')

    database = SimpleNamespace(ensure_connection=ensure_connection, close=lambda: None, vendor=vendor)
    monkeypatch.setattr(late_database, "connection", database)


@pytest.mark.parametrize(("seconds", "tries"), [(0, 0), (1, 1), (12, 3), (60, 12)])
def test_portal_waits_for_the_database_and_prints_one_line_per_attempt(monkeypatch, clock, seconds, tries):
    answer_after(monkeypatch, clock, seconds)
    lines = []
    wait_for_database(lines.append)
    assert (
        lines
        == [
            'The database does not answer yet: connection to server at "db" failed: Connection refused. '
            "Trying again in 5 seconds."
        ]
        * tries
    )


def test_portal_stops_with_an_error_after_waiting_one_minute_for_the_database(monkeypatch, clock):
    answer_after(monkeypatch, clock, 61)
    with pytest.raises(CommandError, match=r"for 60 seconds: .*Start it, or correct DATABASE_URL"):
        wait_for_database([].append)
    assert clock == [60]


def test_portal_does_not_wait_for_a_missing_sqlite_file(monkeypatch, clock):
    answer_after(monkeypatch, clock, 1, vendor="sqlite")
    with pytest.raises(CommandError, match="Start it|Free up space on its disk"):
        wait_for_database([].append)
    assert clock == [0]
