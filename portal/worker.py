"""Deliver the outbox and run the repeated jobs. Several workers can run at once, on several machines."""

import logging
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import Error as DatabaseError
from django.db import connection, connections
from django.utils import timezone

import accounts.patron.people
import accounts.patron.refused_posts
import accounts.sign_in.authenticator_apps
import accounts.sign_in.email_addresses
import accounts.staff.invitations
import accounts.staff.shared_desks
import portal.conversations.answer_emails
import portal.conversations.attachments
import portal.conversations.drafts
import portal.conversations.jobs
import portal.conversations.pending_questions
import portal.conversations.search
import portal.helpsessions.account_codes
import portal.helpsessions.handover
import portal.limits
import portal.lists.actions
import portal.privacy.erased_list
import portal.privacy.exports
import portal.privacy.retention
import portal.privacy.unfinished_corrections
import portal.privacy.unmerging
from accounts.models import Library
from portal.conversations import staff_notices
from portal.notifications import actions as outbox
from portal.notifications import bounces, delivery, settling
from portal.notifications.facts import Sources
from portal.notifications.models import Notification

log = logging.getLogger("portal.worker")

EVERY_HOUR = timedelta(hours=1)
EVERY_DAY = timedelta(days=1)
HEARTBEAT_SECONDS = 8
ROUND_SECONDS = 1
EMAIL_RETRY_SECONDS = 15  # how long to wait if the email server could not be reached


def clear_expired_sign_ins(*, at):
    """Delete expired sessions, as `manage.py clearsessions` does."""
    SessionStore.clear_expired()


def clear_expired_cache(*, at):
    """Delete the expired rows of the cache table. Django deletes them only when the table is full."""
    table = connection.ops.quote_name(settings.CACHES["default"]["LOCATION"])
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE expires < %s",  # noqa: S608  it contains only a table name
            [connection.ops.adapt_datetimefield_value(at)],
        )


def refresh_statistics(*, at):
    """Renew the statistics with which SQLite chooses its indexes. PostgreSQL renews its statistics itself.

    With 100,000 rows, the desk's lists took 20 ms without these statistics and 1 ms with them.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # 0x02 runs ANALYZE where it helps. 0x10000 includes tables that this connection has not read.
            cursor.execute("PRAGMA optimize = 0x10002")


def vacuum(*, at):
    """Free the space of deleted and changed rows in PostgreSQL, so that new rows overwrite what was erased.

    PostgreSQL's own autovacuum waits until a fifth of a table has changed. SQLite overwrites deleted rows
    itself, because portal/settings.py turns on secure_delete.
    """
    # PostgreSQL refuses VACUUM inside a transaction. Only tests run this job in one.
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")


def write_staff_notices(*, at):
    """Write the emails to staff about what has happened."""
    settling.write_staff_notices(at=at, sources=SOURCES)


# The repeated jobs as (function, interval). The database stores the time of each job's next run under the
# name of the function, so each name must be unique. A renamed function runs once too early.
JOBS = [
    (portal.conversations.jobs.wake_snoozed, timedelta(minutes=1)),
    (portal.conversations.jobs.close_after_silence, timedelta(minutes=10)),
    (portal.conversations.jobs.release_untouched, timedelta(minutes=10)),
    (staff_notices.announce_due_promises, timedelta(minutes=5)),
    (write_staff_notices, timedelta(seconds=5)),
    (accounts.sign_in.authenticator_apps.seal_anew, EVERY_DAY),
    (portal.conversations.drafts.forget_old_drafts, EVERY_HOUR),
    (portal.conversations.pending_questions.forget_pending_questions, EVERY_DAY),
    (portal.conversations.search.renew_names, EVERY_HOUR),
    (portal.conversations.search.forget_removed_words, EVERY_DAY),
    (portal.conversations.attachments.forget_unsent_attachments, EVERY_HOUR),
    (portal.conversations.attachments.forget_stray_files, EVERY_DAY),
    (portal.helpsessions.handover.end_expired_codes, EVERY_HOUR),
    (portal.lists.actions.forget_removed_items, EVERY_HOUR),
    (portal.privacy.retention.forget_what_is_due, timedelta(minutes=5)),
    (portal.helpsessions.account_codes.forget_account_codes, EVERY_HOUR),
    (accounts.sign_in.email_addresses.change_due_addresses, timedelta(minutes=10)),
    (accounts.staff.invitations.forget_old_invitations, EVERY_HOUR),
    (accounts.staff.shared_desks.forget_shared_desks, EVERY_HOUR),
    (accounts.patron.refused_posts.forget_refused_posts, timedelta(minutes=1)),
    (portal.privacy.erased_list.forget_erased, EVERY_DAY),
    (portal.privacy.unmerging.forget_merged_records, EVERY_HOUR),
    (portal.privacy.unfinished_corrections.forget_unfinished_corrections, EVERY_HOUR),
    (accounts.patron.people.forget_unconfirmed_people, EVERY_HOUR),
    (portal.privacy.exports.build_exports, timedelta(seconds=2)),
    (portal.privacy.exports.forget_old_exports, EVERY_HOUR),
    (portal.privacy.exports.forget_stray_exports, EVERY_HOUR),
    (outbox.forget_old_notifications, EVERY_HOUR),
    (bounces.forget_failing_addresses, EVERY_HOUR),
    (portal.limits.forget_counts, EVERY_HOUR),
    (clear_expired_sign_ins, EVERY_HOUR),
    (clear_expired_cache, EVERY_HOUR),
    (refresh_statistics, EVERY_DAY),
    (vacuum, EVERY_DAY),
]

# What the outbox needs to know about notices, see Sources.
SOURCES = Sources(
    unsettled={
        "conversations/answer": portal.conversations.answer_emails.unread,
        "conversations/new": staff_notices.waiting,
        "conversations/reply": staff_notices.waiting,
        "conversations/promise_due": staff_notices.due,
        "conversations/mention": staff_notices.unseen,
    },
    recipients={
        "conversations/new": staff_notices.staff_or_assignee,
        "conversations/reply": staff_notices.assignee,
        "conversations/promise_due": staff_notices.staff_or_assignee,
    },
)


class Worker:
    """One worker process, with a heartbeat that /readyz reads.

    Work that waits for other servers has a thread of its own, so a slow server delays nothing else.
    """

    def __init__(self):
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}"
        self.stopping = False
        self.outgoing = delivery.Outgoing()
        # No email is sent before this monotonic time, because the email server could not be reached.
        self.next_email_at = 0.0
        # The monotonic time of the last step of each kind of work, by the name of its function.
        self.progress: dict[str, float] = {}

    def run(self):
        """Run until SIGTERM or SIGINT. If an email is being sent at that moment, finish it first."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        threading.Thread(target=self._send_heartbeats, daemon=True).start()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="email") as pool:
            email = pool.submit(self._repeat, self.deliver_due)
            self._repeat(self.run_jobs)
        # If a bug has ended the thread, end the process too. It is then started again.
        email.result()
        self._ignoring_database_errors(outbox.remove_heartbeat, self.name)

    def round(self):
        """Send all emails and run all jobs that are due now."""
        self._beat()
        self.deliver_due()
        self.outgoing.close()
        self.run_jobs()

    def deliver_due(self):
        """Send all emails that are due now, and close the connection if there were none for some seconds."""
        ahead: list[Notification] = []
        library = None
        while not self.stopping and time.monotonic() >= self.next_email_at:
            self._note_progress(self.deliver_due)
            notification = outbox.take_next(at=timezone.now(), ahead=ahead)
            if notification is None:
                break
            library = library or Library.current()
            self._deliver(notification, library)
        self.outgoing.close_if_idle()

    def _deliver(self, notification, library):
        try:
            email = settling.settle(notification, at=timezone.now(), sources=SOURCES)
            if email is None:
                return
            notification = email
            self.outgoing.deliver(notification, library)
        except delivery.ServerAway as error:
            log.warning("the email server can't be reached, waiting: %s", error)
            outbox.give_back(notification, error=error)
            self.next_email_at = time.monotonic() + EMAIL_RETRY_SECONDS
        except delivery.Refused as error:
            again = "no more tries" if error.permanent else "trying again later"
            log.warning("email %s was refused (%s): %s: %s", notification.pk, notification.kind, again, error)
            outbox.mark_failed(notification, at=timezone.now(), error=error, permanent=error.permanent)
            if error.of_address:
                bounces.note_hard_failure(
                    notification.recipient_id, notification.to_address, at=timezone.now()
                )
        except Exception as error:
            # A bug in one email must not stop the emails after it.
            log.exception("email %s could not be delivered", notification.pk)
            outbox.mark_failed(notification, at=timezone.now(), error=type(error).__name__)
        else:
            outbox.mark_delivered(notification, at=timezone.now())

    def run_jobs(self):
        """Run all jobs that are due now."""
        portal.conversations.jobs.show_pending_answers(at=timezone.now())
        for job, every in JOBS:
            self._run_job(job, every)

    def _run_job(self, job, every):
        if self.stopping:
            return
        self._note_progress(self.run_jobs)
        at = timezone.now()
        if not outbox.take_turn(job.__name__, at=at, every=every):
            return
        try:
            job(at=at)
        except DatabaseError:
            raise
        except Exception:
            log.exception("the job %s failed and will run again at its next turn", job.__name__)

    def _repeat(self, work):
        """Call `work` again and again until the worker stops. If `work` fails, stop the worker."""
        try:
            while not self.stopping:
                self._note_progress(work)
                try:
                    work()
                except DatabaseError as error:
                    log.error("the database can't be reached, waiting: %s", type(error).__name__)
                    # A restarted database needs a new connection.
                    connections.close_all()
                time.sleep(ROUND_SECONDS)
        finally:
            self._stop()
            connections.close_all()

    def _stop(self, *_):
        self.stopping = True

    def _note_progress(self, work):
        self.progress[work.__name__] = time.monotonic()

    def _send_heartbeats(self):
        """Send heartbeats until the worker stops. Send none while one kind of work makes no progress.

        This runs in its own thread, so that heartbeats go on while the worker waits for a slow email server.
        """
        while not self.stopping:
            oldest = time.monotonic() - outbox.LEASE.total_seconds()
            if all(at > oldest for at in list(self.progress.values())):
                self._ignoring_database_errors(self._beat)
            time.sleep(HEARTBEAT_SECONDS)

    def _beat(self):
        outbox.beat(self.name, at=timezone.now())

    def _ignoring_database_errors(self, action, *args):
        try:
            action(*args)
        except DatabaseError:
            log.warning("the database can't be reached: no heartbeat")
            connections.close_all()
