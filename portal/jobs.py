"""The repeated jobs of the worker, and the functions that say which notices are still needed."""

from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

import accounts.patron.people
import accounts.patron.refused_posts
import accounts.sign_in.authenticator_apps
import accounts.sign_in.email_addresses
import accounts.staff.invitations
import accounts.staff.shared_desks
import portal.api.events
import portal.api.sessions
import portal.checkins.ending
import portal.checkins.sending
import portal.conversations.answer_emails
import portal.conversations.attachments
import portal.conversations.call_backs
import portal.conversations.drafts
import portal.conversations.jobs
import portal.conversations.pending_questions
import portal.conversations.search
import portal.counts.actions
import portal.counts.answers
import portal.counts.outcomes
import portal.desk.figures.month_email
import portal.helpsessions.account_codes
import portal.helpsessions.handover
import portal.imports.desk_logs.work
import portal.imports.harvest.running
import portal.incoming.forgetting
import portal.incoming.originals
import portal.incoming.readers
import portal.kits.counting
import portal.limits
import portal.lists.links
import portal.lists.staff_links
import portal.privacy.call_numbers
import portal.privacy.erased_list
import portal.privacy.exports
import portal.privacy.retention
import portal.privacy.unfinished_corrections
import portal.privacy.unmerging
import portal.right_database
import portal.sent_forms
import recommendations.covers.stored
from portal.conversations import next_steps, staff_notices, step_notices
from portal.notifications import actions as outbox
from portal.notifications import bounces, settling, webhooks
from portal.notifications.facts import Sources
from portal.notifications.push import delivery as push
from portal.notifications.push import subscriptions as push_subscriptions

EVERY_HOUR = timedelta(hours=1)
EVERY_DAY = timedelta(days=1)


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
    rows, because portal/env.py turns on secure_delete.
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
    (next_steps.return_late_items, timedelta(minutes=1)),
    (portal.conversations.jobs.wake_snoozed, timedelta(minutes=1)),
    (portal.conversations.jobs.close_after_silence, timedelta(minutes=10)),
    (portal.conversations.jobs.release_untouched, timedelta(minutes=10)),
    (portal.conversations.call_backs.expire_calls, timedelta(minutes=1)),
    (portal.privacy.call_numbers.forget_call_numbers, timedelta(minutes=1)),
    (staff_notices.announce_due_promises, timedelta(minutes=5)),
    (write_staff_notices, timedelta(seconds=5)),
    (portal.checkins.sending.send_due_check_ins, timedelta(minutes=5)),
    (portal.checkins.ending.end_check_ins, EVERY_HOUR),
    (portal.right_database.mark_database, EVERY_DAY),
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
    (portal.kits.counting.count_what_helped, timedelta(minutes=10)),
    (portal.counts.actions.count_contacts, timedelta(minutes=10)),
    (portal.counts.answers.count_answers, EVERY_HOUR),
    (portal.counts.outcomes.count_outcomes, EVERY_HOUR),
    (portal.desk.figures.month_email.write_month_emails, timedelta(minutes=10)),
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
    (portal.imports.harvest.running.forget_old_harvests, EVERY_DAY),
    (portal.imports.desk_logs.work.forget_log_uploads, timedelta(minutes=10)),
    (portal.sent_forms.forget_sent_forms, EVERY_HOUR),
    (portal.sent_forms.forget_removals, EVERY_HOUR),
    (portal.limits.forget_counts, EVERY_HOUR),
    (portal.api.sessions.forget_answers, EVERY_HOUR),
    (portal.api.events.announce_numbers, EVERY_HOUR),
    (webhooks.correct_times_of_events, timedelta(minutes=10)),
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
        "conversations/next_step": step_notices.current,
        "conversations/new": staff_notices.new,
        "conversations/reply": staff_notices.waiting,
        "conversations/promise_due": staff_notices.due,
        "conversations/mention": staff_notices.unseen,
        portal.desk.figures.month_email.KIND: portal.desk.figures.month_email.still_wanted,
    },
    recipients={
        "conversations/new": staff_notices.staff_or_assignee,
        "conversations/reply": staff_notices.assignee,
        "conversations/promise_due": staff_notices.staff_or_assignee,
    },
    count_unread=portal.conversations.answer_emails.count_unread,
)
