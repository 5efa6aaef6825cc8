"""Measure how long the worker takes to deliver an email, and how long smtplib alone takes for the same email.

smtplib sends finished messages over one connection. The worker also reads each email from the database,
builds the message, and saves that it was delivered.

Each line on stdin is "smtplib COUNT" or "worker COUNT". For each line, send COUNT emails to the mail server
in the settings, and print the milliseconds that an email took.
"""

import json
import smtplib
import sys
import time

from django.utils import timezone

from accounts.models import Library
from portal.notifications import writing
from portal.notifications.delivery import build, connect
from portal.notifications.models import Notification
from portal.worker import Worker


def main():
    for line in sys.stdin:
        name, count = line.split()
        rows = [_email(number) for number in range(int(count))]
        seconds = {"smtplib": _by_smtplib, "worker": _by_worker}[name](rows)
        print(json.dumps(seconds * 1000 / len(rows)), flush=True)


def _email(number):
    context = {"helper": None, "url": "https://localhost/messages/", "closes_at": None, "closed": False}
    return writing.notify(
        "conversations/answer",
        to=f"patron{number}@example.org",
        at=timezone.now(),
        language="en",
        context=context,
        save=False,
    )


def _by_smtplib(rows):
    library, server = Library.current(), connect()
    messages = [build(row, library).message() for row in rows]
    ready = [(message["To"], message.as_bytes(linesep="\r\n")) for message in messages]
    started = time.perf_counter()
    with smtplib.SMTP(server.host, server.port) as connection:
        for to, message in ready:
            connection.sendmail("library@example.org", [to], message)
    return time.perf_counter() - started


def _by_worker(rows):
    Notification.objects.all().delete()
    writing.save_all(rows)
    worker, started = Worker(), time.perf_counter()
    worker.deliver_due()
    worker.outgoing.close()
    seconds = time.perf_counter() - started
    if Notification.objects.filter(state=Notification.State.DELIVERED).count() != len(rows):
        raise SystemExit("The worker did not deliver every email.")
    return seconds
