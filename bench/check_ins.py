"""Measure how long the worker takes to write the emails of due check-ins, and how long inserting them takes.

Each line on stdin is "inserting COUNT" or "check-ins COUNT". For each line, write COUNT emails, and print the
milliseconds per email.

For "inserting", the rows are inserted into the outbox in bulk. For "check-ins", all the work of the worker is
done: find the check-ins that are due and may be sent, lock rows, make links, and mark the check-ins as asked.
"""

import datetime
import json
import sys
import time

from django.utils import timezone

from accounts.models import Branch, Library, OpeningHours, User
from bench import pages
from portal.checkins.models import CheckIn
from portal.checkins.sending import send_due_check_ins
from portal.helpsessions.models import HelpSession
from portal.jobs import refresh_statistics
from portal.notifications.models import Notification
from portal.notifications.writing import new_message_id, save_all

WEEK_AGO = datetime.timedelta(days=7)


def main():
    for line in sys.stdin:
        name, count = line.split()
        seconds = {"inserting": _insert, "check-ins": _send}[name](int(count))
        print(json.dumps(seconds * 1000 / int(count)), flush=True)


def _send(count):
    """Send check-ins to `count` patrons, and return how many seconds this took."""
    _plan(count)
    started = time.perf_counter()
    send_due_check_ins(at=timezone.now())
    seconds = time.perf_counter() - started
    if Notification.objects.filter(kind="checkins/check_in").count() != count:
        raise SystemExit("The worker did not write an email about every check-in.")
    return seconds


def _insert(count):
    """Insert the emails of `count` check-ins in bulk, and return how many seconds this took."""
    _send(count)
    rows = list(Notification.objects.filter(kind="checkins/check_in"))
    Notification.objects.all().delete()
    for row in rows:
        row.pk, row.message_id = None, new_message_id()
    started = time.perf_counter()
    save_all(rows)
    return time.perf_counter() - started


def _plan(count):
    """Plan one check-in, due today, for each of `count` patrons. Create the patrons that are missing."""
    at, library = timezone.now(), Library.current()
    Library.objects.update(check_ins=True)
    # Keep the branch open all day. Without opening hours, check-ins would be sent only from 9 to 5.
    OpeningHours.objects.all().delete()
    branch, staff = Branch.objects.first(), User.objects.get(email=pages.STAFF)
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=day, opens=datetime.time(0), closes=datetime.time(23, 59, 59))
        for day in range(7)
    )
    branch.closed_days.all().delete()
    Notification.objects.all().delete()
    CheckIn.objects.all().delete()
    User.objects.update(check_in_sent_at=None)
    known = User.objects.filter(email__startswith="check-in").count()
    User.objects.bulk_create(
        User(name=f"Patron {number}", email=f"check-in{number}@example.org", check_ins="email", language="en")
        for number in range(known, count)
    )
    patrons = User.objects.filter(email__startswith="check-in").order_by("pk")[:count]
    HelpSession.objects.filter(patron__email__startswith="check-in").delete()
    visits = HelpSession.objects.bulk_create(
        HelpSession(
            status="recorded",
            branch=branch,
            staff=staff,
            patron=patron,
            question="How do I start a balcony compost bin?",
            happened_on=library.today(at - WEEK_AGO),
            hour=14,
            created_at=at - WEEK_AGO,
            kept_at=at - WEEK_AGO,
        )
        for patron in patrons
    )
    CheckIn.objects.bulk_create(
        CheckIn(help_session=visit, due_on=library.today(at), created_at=at - WEEK_AGO, reviewed_at=at)
        for visit in visits
    )
    refresh_statistics(at=at)
