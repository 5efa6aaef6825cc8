"""Deliver the outbox and run the repeated jobs. Several workers can run in parallel, on several machines."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

import portal.conversations.jobs
from accounts.models import Library
from portal.imports.desk_logs import work as desk_logs
from portal.imports.harvest import nightly as harvests
from portal.incoming import mailbox
from portal.jobs import JOBS, SOURCES
from portal.notifications import actions as outbox
from portal.notifications import bounces, delivery, settling, webhooks
from portal.notifications.models import Notification
from portal.notifications.push import delivery as push
from portal.notifications.push.keys import is_set_up as push_is_set_up
from recommendations.covers import nightly as covers

log = logging.getLogger("portal.worker")

HEARTBEAT_SECONDS = 8
ROUND_SECONDS = 1
# The worker sends nothing to an unreachable push service for PUSH_HOST_PAUSE_SECONDS. If the email server is
# unreachable, the worker tries again after EMAIL_RETRY_SECONDS.
PUSH_HOST_PAUSE_SECONDS = 60
EMAIL_RETRY_SECONDS = 15
# How often the worker checks whether there are covers to ask for, a harvest to run, or desk logs to import.
COVERS_CHECK_SECONDS = 60
HARVEST_CHECK_SECONDS = 60
DESK_LOGS_CHECK_SECONDS = 2
# When the worker stops, a harvest or import may take this long to save its current page or batch.
STOP_SECONDS = 20
# One of the workers reads the mailbox this often.
FETCH_EVERY = timedelta(seconds=20)


class Worker:
    """One worker process, with a heartbeat that /readyz reads.

    Each kind of work that waits for another server has a separate thread, so a slow server delays only that
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
        # The ISBNs that this worker still has to ask the cover source about tonight, and the monotonic time
        # of its next request.
        self.covers = covers.Batch()
        self.next_cover_at = 0.0
        # The monotonic time at which this worker checks again whether a harvest is due.
        self.next_harvest_at = 0.0
        self.next_desk_logs_at = 0.0
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
            *([self.send_events] if webhooks.is_set_up() else []),
            *([self.ask_for_covers] if settings.COVER_URL else []),
            *([self.harvest_catalog] if settings.OAI_URL else []),
            self.import_desk_logs,
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
        self.send_events()
        self.run_jobs()

    def deliver_due(self):
        """Send all emails that are due now. After a few seconds without an email, close the connection."""
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

    def send_events(self):
        """Send all due events to another system. Stop at the first event that the system refuses."""
        while not self.stopping and webhooks.is_set_up():
            self._note_progress(self.send_events)
            at = timezone.now()
            event = webhooks.take_next(at=at)
            if event is None or not webhooks.deliver(event, at=at):
                break

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

    def harvest_catalog(self):
        """Harvest the catalog, if it is night and this worker's turn.

        The harvest runs in a separate process with a low priority, so other work never waits for it.
        """
        if time.monotonic() < self.next_harvest_at:
            return
        self.next_harvest_at = time.monotonic() + HARVEST_CHECK_SECONDS
        at = timezone.now()
        if not harvests.is_due(at) or not outbox.take_turn(
            "harvest_catalog", at=at, every=harvests.TRY_EVERY
        ):
            return
        self._run_command("harvest", self.harvest_catalog)

    def import_desk_logs(self):
        """Check, import and undo large desk logs as coordinators have asked, in a separate process."""
        if time.monotonic() < self.next_desk_logs_at:
            return
        self.next_desk_logs_at = time.monotonic() + DESK_LOGS_CHECK_SECONDS
        if desk_logs.has_work(timezone.now()):
            self._run_command("work_on_desk_logs", self.import_desk_logs)

    def _run_command(self, name, work):
        """Run the management command to its end. If the worker stops, ask the command to stop."""
        # No argument of the command comes from outside.
        process = subprocess.Popen([sys.executable, settings.BASE_DIR / "manage.py", name])  # noqa: S603
        while process.poll() is None:
            self._note_progress(work)
            if self.stopping:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    # Kill the process, even though it hasn't saved its current page or batch yet. The next
                    # process reads this page or batch again.
                    process.kill()
            time.sleep(ROUND_SECONDS)

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
