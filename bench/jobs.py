"""Measure two jobs of the worker.

For each job name on stdin, run the job once and print its CPU milliseconds as [Python, database].
"""

import datetime
import json
import sys
import time

from django.db import connection
from django.utils import timezone

from accounts.models import User
from bench import pages
from bench.databases import backend_cpu_seconds
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from portal.privacy import exports, retention
from portal.privacy.models import Export


def main():
    jobs = {
        "export of a person": (_ask_for_export, _build_export),
        "retention of a batch": (_create_ended_visits, _forget),
    }
    serve(jobs)


def serve(jobs):
    """Print the names of the jobs. Then run the job that each line on stdin names, and print its CPU time.

    `jobs` is {name: (function that prepares the job, function that is measured)}.
    """
    print(json.dumps(list(jobs)), flush=True)
    for line in sys.stdin:
        prepare, run = jobs[line.strip()]
        prepare()
        python, database = time.process_time(), _database()
        run()
        used = time.process_time() - python, _database() - database
        print(json.dumps([seconds * 1000 for seconds in used]), flush=True)


def _database():
    """Return the CPU seconds of the database process that serves this connection, or 0 for SQLite."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return backend_cpu_seconds(cursor.fetchone()[0])


def _ask_for_export():
    person = User.objects.get(email=pages.PATRON)
    Export.objects.filter(person=person).delete()
    exports.ask_for(person, language="en", at=timezone.now())


def _build_export():
    exports.build_exports(at=timezone.now())


def _create_ended_visits():
    """Create one batch of visits for `_forget`. They have no patron, and their conversations are closed."""
    conversations = pages.new_conversations(retention.BATCH, Conversation.Status.CLOSED)
    HelpSession.objects.filter(conversations__in=conversations).update(
        patron=None, kept_at=None, created_at=timezone.now() - datetime.timedelta(days=60)
    )


def _forget():
    """Run retention for one batch. Retention stops after the first batch, because `seconds` is 0."""
    retention.forget(at=timezone.now(), seconds=0)
