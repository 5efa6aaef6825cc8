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
import portal.checkins.ending
import portal.checkins.sending
import portal.conversations.answer_emails
import portal.conversations.attachments
import portal.conversations.call_backs
import portal.conversations.drafts
import portal.conversations.jobs
import portal.conversations.pending_questions
import portal.conversations.search
import portal.helpsessions.account_codes
import portal.helpsessions.handover
import portal.incoming.forgetting
import portal.incoming.originals
import portal.incoming.readers
import portal.limits
import portal.lists.links
import portal.lists.staff_links
import portal.privacy.call_numbers
import portal.privacy.erased_list
import portal.privacy.exports
import portal.privacy.retention
import portal.privacy.unfinished_corrections
import portal.privacy.unmerging
import portal.sent_forms
import recommendations.covers.stored
from accounts.models import Library
from portal.conversations import staff_notices
from portal.incoming import mailbox
from portal.notifications import actions as outbox
from portal.notifications import bounces, delivery, settling
from portal.notifications.facts import Sources
from portal.notifications.models import Notification
from portal.notifications.push import delivery as push
from portal.notifications.push import subscriptions as push_subscriptions
from portal.notifications.push.keys import is_set_up as push_is_set_up
from recommendations.covers import nightly as covers

log = logging.getLogger("portal.worker")

EVERY_HOUR = timedelta(hours=1)
EVERY_DAY = timedelta(days=1)
HEARTBEAT_SECONDS = 8
ROUND_SECONDS = 1
PUSH_HOST_PAUSE_SECONDS = 60  # how long to send nothing to an unreachable push service
EMAIL_RETRY_SECONDS = 15  # how long to wait if the email server could not be reached
COVERS_CHECK_SECONDS = 60  # how often to look whether it is night
FETCH_EVERY = timedelta(seconds=20)  # how often one of the workers reads the mailbox


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
    """Renew the statistics that SQLite uses to choose its indexes. PostgreSQL renews its statistics itself.

    With 100,000 rows, the desk's lists took 20 ms without these statistics and 1 ms with them.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # 0x02 runs ANALYZE where it helps. 0x10000 includes tables that this connection has not read.
            cursor.execute("PRAGMA optimize = 0x10002")


def vacuum(*, at):
    """Free the space of deleted and changed rows in PostgreSQL, so that new rows overwrite erased data.

    PostgreSQL's own autovacuum waits until a fifth of a table has changed. SQLite itself overwrites deleted
    rows, because portal/settings.py turns on secure_delete.
    """
    # PostgreSQL refuses VACUUM inside a transaction. Only tests call this function inside a transaction.
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")


def write_staff_notices(*, at):
    """Write the emails that tell staff about new questions, replies, mentions and other events."""
    settling.write_staff_notices(at=at, sources=SOURCES)


# The repeated jobs as (function, interval). The database stores the time of each job's next run under the
# name of the function, so each name must be unique. If a function is renamed, its job runs once too early.
JOBS = [
    (portal.conversations.jobs.wake_snoozed, timedelta(minutes=1)),
    (portal.conversations.jobs.close_after_silence, timedelta(minutes=10)),
    (portal.conversations.jobs.release_untouched, timedelta(minutes=10)),
    (portal.conversations.call_backs.expire_calls, timedelta(minutes=1)),
    (portal.privacy.call_numbers.forget_call_numbers, timedelta(minutes=1)),
    (staff_notices.announce_due_promises, timedelta(minutes=5)),
    (write_staff_notices, timedelta(seconds=5)),
    (portal.checkins.sending.send_due_check_ins, timedelta(minutes=5)),
    (portal.checkins.ending.end_check_ins, EVERY_HOUR),
    (accounts.sign_in.authenticator_apps.seal_anew, EVERY_DAY),
    (portal.lists.links.seal_links_anew, EVERY_DAY),
    (portal.lists.staff_links.forget_staff_links, EVERY_HOUR),
    (portal.conversations.drafts.forget_old_drafts, EVERY_HOUR),
    (portal.conversations.pending_questions.forget_pending_questions, EVERY_DAY),
    (portal.conversations.search.renew_names, EVERY_HOUR),
    (portal.conversations.search.forget_removed_words, EVERY_DAY),
    (portal.conversations.attachments.forget_unsent_attachments, EVERY_HOUR),
    (portal.conversations.attachments.forget_stray_files, EVERY_DAY),
    (portal.helpsessions.handover.end_expired_codes, EVERY_HOUR),
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
    (outbox.correct_times_of_a_fast_clock, timedelta(minutes=10)),
    (outbox.forget_old_notifications, EVERY_HOUR),
    (bounces.forget_failing_addresses, EVERY_HOUR),
    (push.email_instead, timedelta(seconds=10)),
    (push.correct_times_of_messages, timedelta(minutes=10)),
    (push_subscriptions.forget_subscriptions, EVERY_HOUR),
    (portal.incoming.forgetting.forget_dropped_emails, EVERY_DAY),
    (portal.incoming.readers.forget_former_readers, EVERY_HOUR),
    (portal.incoming.originals.forget_stray_originals, EVERY_DAY),
    (recommendations.covers.stored.tidy_covers, EVERY_DAY),
    (portal.sent_forms.forget_sent_forms, EVERY_HOUR),
    (portal.sent_forms.forget_removals, EVERY_HOUR),
    (portal.limits.forget_counts, EVERY_HOUR),
    (clear_expired_sign_ins, EVERY_HOUR),
    (clear_expired_cache, EVERY_HOUR),
    (refresh_statistics, EVERY_DAY),
    (vacuum, EVERY_DAY),
]

# The functions that say which notices are still needed, and who gets them. See Sources.
SOURCES = Sources(
    unsettled={
        "checkins/check_in": portal.checkins.sending.still_wanted,
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
    count_unread=portal.conversations.answer_emails.count_unread,
)


class Worker:
    """One worker process, with a heartbeat that /readyz reads.

    Each kind of work that waits for another server has a thread of its own, so a slow server delays only that
    work.
    """

    def __init__(self):
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}"
        self.stopping = False
        self.outgoing = delivery.Outgoing()
        # No email is sent before this monotonic time, because the email server could not be reached.
        self.next_email_at = 0.0
        # {host of a push service that was unreachable: monotonic time before which it gets no messages}
        self.push_pauses: dict[str, float] = {}
        # What this worker still has to ask the cover source tonight, and the monotonic time of its next look.
        self.covers = covers.Batch()
        self.next_cover_at = 0.0
        # {name of a function: monotonic time at which the function last made progress}
        self.progress: dict[str, float] = {}

    def run(self):
        """Run until SIGTERM or SIGINT. If an email is being sent at that moment, finish it first."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        threading.Thread(target=self._send_heartbeats, daemon=True).start()
        work = [
            self.deliver_due,
            *([self.fetch_emails] if settings.IMAP else []),
            *([self.push_due] if push_is_set_up() else []),
            *([self.ask_for_covers] if settings.COVER_URL else []),
        ]
        with ThreadPoolExecutor(max_workers=len(work), thread_name_prefix="network") as pool:
            threads = [pool.submit(self._repeat, function) for function in work]
            self._repeat(self.run_jobs)
        # If a bug has ended a thread, end the process too. The process is then started again.
        for thread in threads:
            thread.result()
        self._ignoring_database_errors(outbox.remove_heartbeat, self.name)

    def round(self):
        """Send all emails and run all jobs that are due now."""
        self._beat()
        self.deliver_due()
        self.outgoing.close()
        self.push_due()
        self.run_jobs()

    def deliver_due(self):
        """Send all emails that are due now. If there were none for a few seconds, close the connection."""
        ahead: list[Notification] = []
        library = None
        with outbox.without_waiting_for_the_disk():
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
        except delivery.ServerUnavailable as error:
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

    def push_due(self):
        """Send all push messages that are due now. A push service that hangs delays only its own messages."""
        while not self.stopping and push_is_set_up():
            self._note_progress(self.push_due)
            now = time.monotonic()
            paused = [host for host, until in self.push_pauses.items() if until > now]
            message = push.take_next(at=timezone.now(), but_hosts=paused)
            if message is None:
                break
            self._push(message)

    def _push(self, message):
        at = timezone.now()
        if message.notice_id:
            decision = settling.decide_about_push(message.notice, at=at, sources=SOURCES)
            if decision.drop:
                push.drop(message)
                return
            if decision.until:
                push.postpone(message, until=decision.until)
                return
        subscription = message.subscription
        badge = SOURCES.count_unread(subscription.person, subscription.about)
        if host := push.deliver(message, badge=badge, at=at):
            self.push_pauses[host] = time.monotonic() + PUSH_HOST_PAUSE_SECONDS

    def fetch_emails(self):
        """Receive the emails in the mailbox, if it is this worker's turn."""
        if not outbox.take_turn("fetch_emails", at=timezone.now(), every=FETCH_EVERY):
            return
        try:
            mailbox.fetch_emails(
                stops=lambda: self.stopping, note_progress=lambda: self._note_progress(self.fetch_emails)
            )
        except mailbox.MailboxUnavailable as error:
            log.warning("the mailbox can't be read, waiting: %s", error)
        except DatabaseError:
            raise
        except Exception:
            log.exception("an email could not be processed, and will be tried again")
        else:
            outbox.beat(outbox.MAILBOX, at=timezone.now())

    def ask_for_covers(self):
        """Ask the cover source about one ISBN, if it is night and this worker's turn."""
        if time.monotonic() < self.next_cover_at:
            return
        at = timezone.now()
        try:
            if not self.covers.has_more(at):
                self.next_cover_at = time.monotonic() + COVERS_CHECK_SECONDS
            elif outbox.take_turn("ask_for_covers", at=at, every=covers.PAUSE):
                self.covers.ask_next()
        except DatabaseError:
            raise
        except Exception:
            log.exception("a cover could not be stored")
            self.next_cover_at = time.monotonic() + COVERS_CHECK_SECONDS

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
        """Send heartbeats until the worker stops. Pause while one kind of work makes no progress.

        This runs in its own thread, so that heartbeats are sent even while the worker waits for a slow email
        server.
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
