"""Check that killed processes, full disks and failing databases cause no loss of data and give no access."""

import contextlib
import multiprocessing
import os
import signal
import time
import uuid
from unittest.mock import Mock

import psycopg
import pytest
from django.conf import settings as configured
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from accounts.ils import fake
from accounts.sign_in.sign_ins import LAST_USED_ON
from portal.conversations.models import Conversation, Message
from portal.helpsessions import handover
from portal.wsgi import application
from tests.accounts.test_sign_in import ask_for_code, enter, mailed_code
from tests.extent import times
from tests.factories import HelpSessionFactory, LibraryFactory, UserFactory
from tests.mailers import use_outbox

ASK = reverse("ask")


@pytest.fixture
def outbox(settings):
    use_outbox(settings)


def question(token=None):
    return {"body": "Where do worms come from?", "client_token": str(token or uuid.uuid4())}


# Tests that kill a web process.


def ask_until_killed(session_key, pipe):
    """Send one question after another. After each response, send the question's token through the pipe."""
    connections.close_all()
    browser = Client()
    browser.cookies[configured.SESSION_COOKIE_NAME] = session_key
    while True:
        token = uuid.uuid4()
        if browser.post(ASK, question(token)).status_code == 302:
            pipe.send_bytes(token.bytes)


@pytest.mark.core
@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_confirmed_question_is_stored_even_if_the_web_process_is_killed(sign_in, monkeypatch):
    monkeypatch.setattr("portal.limits.count_written", lambda *_args, **_how: None)
    LibraryFactory()
    sign_in(browser := Client(), UserFactory(email="sam@example.org"))
    key, context, answered = browser.session.session_key, multiprocessing.get_context("fork"), []
    connections.close_all()
    for wait in (0.15, 0.19, 0.23, 0.27, 0.31, 0.35)[: times(2, 6)]:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=ask_until_killed, args=(key, theirs), daemon=True)
        process.start()
        theirs.close()
        # Wait for the first responses, then kill the process at any point of the work on a question.
        answered.extend(ours.recv_bytes() for _response in range(3))
        time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with contextlib.suppress(EOFError):
            while True:
                answered.append(ours.recv_bytes())
    kept = {token.bytes for token in Message.objects.values_list("client_token", flat=True)}
    assert len(answered) > times(4, 12)
    assert set(answered) <= kept
    assert Conversation.objects.count() == Message.objects.count()
    assert not Conversation.objects.filter(messages=None).exists()
    assert set(Conversation.objects.values_list("version", "status")) == {(1, "waiting_for_staff")}


# Tests in which the database fails.


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no connections to lose")
def test_database_restart_causes_no_failed_request():
    LibraryFactory()

    def get():
        """Send a request as the web server does, so that Django replaces a broken database connection.

        Django's test client doesn't replace broken connections.
        """
        said = []
        answer = application(RequestFactory().get("/").environ, lambda status, headers: said.append(status))
        b"".join(answer)
        answer.close()
        return said

    def restart():
        """End all other database connections, as a restart of PostgreSQL does."""
        with psycopg.connect(
            **connection.get_connection_params() | {"cursor_factory": None, "context": None}
        ) as other:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            return other.execute(others).fetchall()

    assert get() == ["200 OK"]
    assert (True,) in restart()
    assert get() == ["200 OK"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite's size can be limited")
def test_question_is_not_stored_and_an_error_is_shown_if_the_disk_is_full(sign_in):
    LibraryFactory()
    browser = sign_in(Client(raise_request_exception=False), UserFactory(email="sam@example.org"))
    words = {"body": "worm " * 700, "client_token": str(uuid.uuid4())}

    def pages(pragma):
        with connection.cursor() as cursor:
            return cursor.execute(f"PRAGMA {pragma}").fetchone()[0]

    most = pages("max_page_count")
    with connection.cursor() as cursor:
        # Remove the free pages that earlier tests left in the database file, so that new rows need more disk.
        cursor.execute("VACUUM")
    try:
        pages(f"max_page_count={pages('page_count')}")
        answers = []
        # The last pages of the database file have room for some questions, so the first requests succeed.
        while 503 not in answers and len(answers) < 20:
            answers.append((answer := browser.post(ASK, words)).status_code)
            before = (Conversation.objects.count(), Message.objects.count())
            words = (
                {"body": "worm " * 700, "client_token": str(uuid.uuid4())} if 503 not in answers else words
            )
        assert answers[-1] == 503
        assert "<h1>The portal can't be used right now</h1>" in answer.content.decode()
        assert before[0] == before[1] == len(answers) - 1
    finally:
        pages(f"max_page_count={most}")
    # The disk has room again, so the question can be sent.
    assert browser.post(ASK, words).status_code == 302
    assert Message.objects.count() == before[1] + 1


# In the tests below, attempts can't be counted, because the table of the rate limits is missing.


@pytest.fixture
def counts_away(monkeypatch):
    def away(*args, **kwargs):
        raise DatabaseError("no such table")

    def take_away():
        for name in ("get", "get_many", "set", "add", "delete", "delete_many"):
            monkeypatch.setattr(type(cache._connections["default"]), name, away)
        monkeypatch.setattr("portal.limits._lock", away)

    return take_away


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["code", "card", "visit"])
def test_signing_in_and_opening_a_visit_fail_if_attempts_cannot_be_counted(
    way, branch, staff, patron, outbox, counts_away
):
    browser = Client(raise_request_exception=False)
    if way == "code":
        ask_for_code(browser, patron.email)
    visit = HelpSessionFactory(branch=branch, staff=staff)
    code = handover.hand_over(visit, by=staff, at=timezone.now(), base_url="")
    counts_away()
    answer = {
        "code": lambda: enter(browser, mailed_code(patron.email)),
        "card": lambda: browser.post(
            reverse("card_sign_in"), {"card": fake.CARDS[0].card, "pin": fake.CARDS[0].pin}
        ),
        "visit": lambda: browser.post(reverse("open_code"), {"code": code}),
    }[way]()
    assert answer.status_code == 500
    assert "<h1>Something went wrong</h1>" in answer.content.decode()
    assert not browser.get(reverse("signed_out")).wsgi_request.user.is_authenticated
    assert browser.get(visit.get_absolute_url()).status_code in {302, 404}


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_error_page_says_to_try_again_soon_if_the_session_cannot_be_saved(
    client, patron, sign_in, monkeypatch, error
):
    sign_in(client, patron)
    session = client.session
    # If the session has no day of its last use, the next request stores this day and saves the session.
    del session[LAST_USED_ON]
    session.save()
    client.raise_request_exception = False
    monkeypatch.setattr(Session, "save", Mock(side_effect=error("the connection was lost")))
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


@pytest.mark.django_db
def test_cache_keeps_a_key_after_four_hundred_other_keys_are_stored():
    """With Django's default for MAX_ENTRIES, which is 300, the cache would delete some of the 400 keys."""
    cache.set("used", True)
    for number in range(400):
        cache.set(f"other:{number}", number)
    assert cache.get("used")
