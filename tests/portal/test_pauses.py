"""Check that work with many writes pauses, so that other processes can write in between."""

import threading
import time

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Library
from portal.notifications import settling
from portal.pauses import pause_after_writing
from tests.factories import LibraryFactory, NotificationFactory, UserFactory

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="only SQLite has one writer at a time"),
]
HELD_SECONDS = 0.03


@pytest.fixture
def write(transactional_db):
    """Return a function that writes for HELD_SECONDS in one transaction, as settling a notice does."""
    LibraryFactory()

    def write():
        with transaction.atomic():
            Library.objects.update(name="Harbor")
            time.sleep(HELD_SECONDS)

    return write


def seconds_to_write(while_running):
    """Return how long a change takes while another thread calls `while_running` again and again."""
    stop, runs = threading.Event(), threading.Event()

    def repeat():
        while not stop.is_set():
            while_running()
            runs.set()
        connection.close()

    thread = threading.Thread(target=repeat)
    thread.start()
    runs.wait(20)
    began = time.monotonic()
    try:
        Library.objects.update(name="Alder Bay")
    finally:
        stop.set()
        thread.join(20)
    return time.monotonic() - began


@pytest.mark.parametrize("attempt", range(3))
def test_other_process_can_write_between_two_transactions_of_repeated_work(write, attempt):
    def work():
        with pause_after_writing():
            write()

    assert seconds_to_write(work) < 10


def test_other_process_can_write_while_the_worker_decides_about_many_notices(write, monkeypatch):
    row = NotificationFactory(kind="conversations/answer", recipient=UserFactory())
    monkeypatch.setattr(settling, "_settle", lambda *_: write())
    assert seconds_to_write(lambda: settling.settle(row, at=timezone.now(), sources=None)) < 10
