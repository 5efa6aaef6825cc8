"""Check `manage.py run` with a real PostgreSQL server that starts late, is restarted or is killed.

The portal runs in production mode, with its web servers, its worker and a local mail server. Patrons send
messages during each outage. Each test has its own PostgreSQL server.
"""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from urllib.parse import urlencode

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tests import databases
from tests.own_postgres import own_postgres
from tests.portal.notifications.mail_server import mail_server

from .test_run import (
    MAX_WAIT_SECONDS,
    ask,
    free_port,
    named,
    output_until,
    start,
    started,
    stopped_at_the_end,
    wait_until,
)
from .test_settings import SAFE, manage

pytestmark = [
    pytest.mark.only_long,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="it starts its own PostgreSQL: once is enough"),
]

HOST, CSRF = "help.library.example", "c" * 32
PATRONS, EMAILS = 8, 60
# How many emails can be on their way during two outages.
MAX_RESENT = 4

# Make emails, and patrons who are signed in. Each patron has a conversation. Print the patrons.
PREPARE = """
import json, sys, uuid
import django
django.setup()
from django.conf import settings
from django.test import Client
from django.utils import timezone
from accounts.library import set_up
from accounts.models import Library
from accounts.sign_in.sign_ins import LAST_USED_ON
from portal.conversations import actions
from portal.notifications.models import Notification
from tests.factories import UserFactory

at, name = timezone.now(), sys.argv[1]
if not Library.objects.exists():
    set_up(
        at=at, name="Example", time_zone="UTC", language="en", branch="Main",
        coordinator_email="ines@example.org", coordinator_name="Ines",
    )
patrons = []
for number in range(int(sys.argv[2])):
    patron = UserFactory(email=f"patron{number}@{name}.example.org")
    browser = Client()
    browser.force_login(patron)
    session = browser.session
    session[LAST_USED_ON] = Library.current().today().isoformat()
    session.save()
    asked = actions.ask(by=patron, at=at, body="Hello", language="en", client_token=uuid.uuid4())
    patrons.append([session.session_key, asked.get_absolute_url()])
Notification.objects.bulk_create(
    Notification(
        kind="x", to_address=f"reader{number}@{name}.example.org", language="en", subject="s", text="t",
        message_id=f"<{number}@{name}.library.example>", due_at=at, created_at=at,
    )
    for number in range(int(sys.argv[3]))
)
print(json.dumps(patrons))
"""


class Server:
    """A portal's settings, its PostgreSQL server, and the mail server for its emails."""

    def __init__(self, database, folder, smtp, smtp_port):
        self.database, self.smtp = database, smtp
        self.environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "AFTERWORD_MODE": "production",
            "DATA_DIR": str(folder),
            "DATABASE_URL": database.url,
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(smtp_port),
            "TRUSTED_PROXY_COUNT": "1",
            **SAFE,
        }
        databases.migrate(**self.environment)

    def prepare(self, name):
        """Make patrons and emails for the test with this name.

        Return a list with [key of the browser's session, path of the conversation] for each patron.
        """
        done = subprocess.run(
            [sys.executable, "-c", PREPARE, name, str(PATRONS), str(EMAILS)],
            cwd=settings.BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def emails(self, name):
        """Return how often the mail server received each of the emails that `prepare` made."""
        addresses = [email["To"] for email in self.smtp.received]
        return Counter(to for to in addresses if to.startswith("reader") and f"@{name}." in to)

    def messages(self, name):
        """Return how often the database has each of the messages that the patrons of the test sent."""
        texts = self.database.rows("SELECT body FROM conversations_message")
        return Counter(text for (text,) in texts if text.endswith(f" {name}"))


@pytest.fixture(scope="module")
def database():
    with own_postgres() as database:
        yield database


@pytest.fixture(scope="module")
def server(database, collected, tmp_path_factory):
    folder = tmp_path_factory.mktemp("outages") / "data"
    shutil.copytree(collected, folder)
    (folder / "afterword.sqlite3").unlink()
    smtp_port = free_port()
    with mail_server(smtp_port) as smtp:
        yield Server(database, folder, smtp, smtp_port)


class Sender(threading.Thread):
    """A patron who sends one message after another. After an error, the patron sends the same message again.

    `confirmed` are the texts of the messages that the portal has confirmed.
    """

    def __init__(self, name, number, port, session, page, over):
        super().__init__()
        self.name_of_test, self.number, self.port, self.page, self.over = name, number, port, page, over
        self.cookie = f"__Host-sessionid={session}; __Host-csrftoken={CSRF}"
        self.confirmed, self.answers = [], []

    def run(self):
        while not self.over.is_set():
            text, token = f"message {len(self.confirmed)} of {self.number} {self.name_of_test}", uuid.uuid4()
            while not self._send(text, token) and not self.over.is_set():
                time.sleep(0.1)

    def _send(self, text, token):
        form = {"body": text, "client_token": token, "csrfmiddlewaretoken": CSRF}
        headers = {
            "Host": HOST,
            "X-Forwarded-For": f"203.0.113.{self.number}",
            "X-Forwarded-Proto": "https",
            "Referer": f"https://{HOST}{self.page}",
            "Cookie": self.cookie,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=MAX_WAIT_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", f"{self.page}reply/", urlencode(form), headers)
            response = connection.getresponse()
            page = response.read().decode()
        self.answers.append((response.status, response.headers.get("Retry-After"), page))
        if response.status != 302:
            return False
        self.confirmed.append(text)
        return True


@contextlib.contextmanager
def patrons_sending(name, patrons, port):
    over = threading.Event()
    senders = [
        Sender(name, number, port, session, page, over) for number, (session, page) in enumerate(patrons)
    ]
    for sender in senders:
        sender.start()
    try:
        wait_for_more(senders)
        yield senders
    finally:
        over.set()
        for sender in senders:
            sender.join()


def wait_for_more(senders, count=3):
    """Wait until the portal has confirmed `count` more messages of each patron."""
    goals = [len(sender.confirmed) + count for sender in senders]
    wait_until(
        lambda: all(len(sender.confirmed) >= goal for sender, goal in zip(senders, goals, strict=True))
    )


def log_of(process):
    """Read what the portal logs, as systemd does, and return the list of lines.

    Without a reader, the portal would wait as soon as the pipe is full.
    """
    lines = []
    threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True).start()
    return lines


def wait_for_refusals(senders):
    """Wait until each patron has sent a message that the portal could not store."""
    counts = [len(sender.answers) for sender in senders]
    # The first answer may belong to a message that the portal stored before the database stopped.
    wait_until(
        lambda: all(len(sender.answers) > count + 1 for sender, count in zip(senders, counts, strict=True))
    )


def readiness(port):
    status, _headers, text = ask(port, "/readyz")
    return status, json.loads(text)


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_portal_neither_loses_nor_doubles_messages_if_the_database_stops_under_load(server, ending):
    patrons, port = server.prepare(ending), free_port()
    with stopped_at_the_end(start(server.environment, port, "--workers=2")) as process:
        started(process)
        log_of(process)
        before = [*named(process, "web"), *named(process, "worker")]
        with patrons_sending(ending, patrons, port) as senders:
            for _ in range(2):
                getattr(server.database, ending)()
                wait_for_refusals(senders)
                assert ask(port)[0] == 200
                assert readiness(port) == (503, {"status": "not ready", "database": "unreachable"})
                server.database.start()
                wait_for_more(senders)
        wait_until(lambda: readiness(port)[0] == 200)
        wait_until(lambda: len(server.emails(ending)) == EMAILS)
        # The portal has recovered by itself: none of its processes was replaced.
        assert [*named(process, "web"), *named(process, "worker")] == before

    answers = [answer for sender in senders for answer in sender.answers]
    assert {(status, again) for status, again, _page in answers} == {(302, None), (503, "30")}
    assert all("The portal can't be used right now" in page for status, _, page in answers if status == 503)
    messages = server.messages(ending)
    assert set(messages.values()) == {1}
    assert {text for sender in senders for text in sender.confirmed} <= set(messages)
    # The email that was on its way when the database stopped may be sent again, so that no email is lost.
    assert sum(server.emails(ending).values()) <= EMAILS + MAX_RESENT


def test_commands_change_nothing_in_the_database_of_another_application(database, tmp_path):
    database.make_database("payroll")
    url = database.url_of("payroll")
    with psycopg.connect(url) as other:
        other.execute("CREATE TABLE payroll (id integer)")
    for command in (["run", "--port=0"], ["worker"], ["migrate"]):
        done = manage(*command, DATA_DIR=str(tmp_path / "data"), DATABASE_URL=url, **SAFE)
        assert done.returncode == 1
        assert done.stderr.count("belongs to another application: it has the table payroll. Give the ") == 1
        assert "Traceback" not in done.stderr
    with psycopg.connect(url) as other:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        assert other.execute(tables).fetchall() == [("payroll",)]


def test_portal_starts_by_itself_once_a_late_database_answers(server):
    server.prepare("late")
    server.database.stop()
    port = free_port()
    with stopped_at_the_end(start(server.environment, port)) as process:
        said = output_until(process, "The database does not answer yet")
        assert "Connection refused" in said
        server.database.start()
        started(process)
        log_of(process)
        wait_until(lambda: readiness(port)[0] == 200)
        wait_until(lambda: len(server.emails("late")) == EMAILS)
