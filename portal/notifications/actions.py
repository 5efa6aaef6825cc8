"""Take emails from the outbox, and record whether they were sent.

The worker calls most of these functions (portal/worker.py). `writing.py` writes emails to the outbox.
"""

from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import CharField, DateTimeField, F, Q

from accounts.library import record_tried_email
from portal.prepared import prepared, update_rows
from portal.text import clean

from .kinds import is_notice
from .models import DeskUse, Heartbeat, Notification, RepeatedJob, StaffNotice

# The kind of the email that a coordinator sends to test the connection to the mail server.
TEST_EMAIL = "desk/test_email"
# How long a worker's lease on an email lasts. If this worker is killed, another worker may take the email
# after the lease. Sending an email never takes this long, even if each step takes EMAIL_TIMEOUT seconds.
LEASE = timedelta(minutes=5)
WORKER_SILENT_AFTER = timedelta(seconds=60)
# The key of the Heartbeat that says when the mailbox was last read.
MAILBOX = "mailbox"
# The times to wait after the first failure, the second failure and so on. Together they are a little over
# three days. If the last attempt fails too, the email is given up and its state becomes DEAD.
RETRY_AFTER = [
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=36),
]
TOO_LATE = "It could not be sent before its code or link ended."
ADDRESS_OFF = "The mail server refused earlier emails to this address, so it gets no more notices."
# The clocks of two machines may differ by this much.
CLOCK_TOLERANCE = timedelta(minutes=1)
KEEP_DELIVERED = timedelta(days=30)
KEEP_DEAD = timedelta(days=90)
KEEP_STAFF_NOTICES = timedelta(days=1)
KEEP_DESK_USE = timedelta(days=1)


def take_next(*, at, ahead=None):
    """Lease the email that has been due longest, and return it. Return None if no email is due.

    While the lease lasts, no other worker gets this email. Emails with `ends_at`, such as codes, come before
    all others, because somebody waits for them.

    Pass the same list as `ahead` in every call, and begin with an empty list. This function stores the next
    due emails in the list, so that most calls need only one SQL statement.
    """
    ahead = [] if ahead is None else ahead
    while True:
        if not ahead:
            ahead += _codes_due(at=at) or _due(at=at)
        if not ahead:
            return None
        notification = ahead.pop(0)
        if not _take(notification, at):
            continue
        if notification.ends_at is not None and notification.ends_at <= at:
            mark_failed(notification, at=at, error=TOO_LATE, permanent=True)
        elif is_notice(notification.kind) and notification.address_off and not _may_be_pushed(notification):
            mark_failed(notification, at=at, error=ADDRESS_OFF, permanent=True)
        else:
            return notification


def _may_be_pushed(notification):
    return notification.has_devices and notification.way == Notification.Way.EMAIL


@contextmanager
def without_waiting_for_the_disk():
    """Let PostgreSQL confirm the changes in this block before the changes are on its disk.

    Sending an email changes its row twice, and most of the time was spent on waiting for the disk. If
    PostgreSQL crashes, the emails of the last second are sent again. For SQLite, see SQLITE_SYNCHRONOUS.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        yield
        cursor.execute("RESET synchronous_commit")


@prepared(at=DateTimeField())
def _codes_due(at):
    return Notification.objects.due(at).with_address_off().with_devices().filter(ends_at__isnull=False)[:20]


@prepared(at=DateTimeField())
def _due(at):
    return Notification.objects.due(at).with_address_off().with_devices()[:20]


def _take(notification, at):
    """Lease the email. Return False if another worker has taken it or somebody has deleted it."""
    unchanged = {name: getattr(notification, name) for name in ("leased_until", "attempts", "due_at")}
    notification.leased_until = at + LEASE
    notification.attempts += 1
    changes = {"leased_until": notification.leased_until, "attempts": notification.attempts}
    return update_rows(
        Notification, changes, pk=notification.pk, state=Notification.State.WAITING, **unchanged
    )


def mark_delivered(notification, *, at):
    """Mark the email as delivered, unless the lease has expired and another worker has taken the email."""
    if notification.removed:
        _leased(notification).delete()
        return
    changes = {
        "state": Notification.State.DELIVERED,
        # The reply address is a secret and no longer needed, so don't keep it.
        "headers": {name: value for name, value in notification.headers.items() if name != "Reply-To"},
        "delivered_at": at,
        "leased_until": None,
        "last_error": "",
        **({"text": "", "html": "", "url": ""} if notification.blanked else {}),
    }
    update_rows(Notification, changes, **_lease(notification))
    if notification.kind == TEST_EMAIL:
        record_tried_email(at=at)


def mark_failed(notification, *, at, error, permanent=False):
    """Schedule another attempt to send the email, or give the email up.

    The email is given up if the failure is permanent, or if all attempts in RETRY_AFTER were made.
    """
    if permanent or notification.attempts > len(RETRY_AFTER):
        _leased(notification).update(
            state=Notification.State.DEAD,
            died_at=at,
            leased_until=None,
            last_error=clean(error, max_length=300),
            **notification.emptied(),
        )
    else:
        _leased(notification).update(
            due_at=at + RETRY_AFTER[notification.attempts - 1],
            leased_until=None,
            last_error=clean(error, max_length=300),
        )


def send_again(notification, *, at):
    """Put an email that was given up back into the outbox. Return False if the email can't be sent again.

    An email can be sent again only once. An email with a code or a link can't be sent again, because its text
    has been deleted.
    """
    dead = Notification.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=at), pk=notification.pk, state=Notification.State.DEAD, blanked=False
    )
    return bool(
        dead.exclude(to_address="").update(
            state=Notification.State.WAITING, died_at=None, due_at=at, attempts=0
        )
    )


def give_back(notification, *, error):
    """Put the email back into the outbox. The attempt isn't counted, because no server was reached."""
    _leased(notification).update(
        attempts=F("attempts") - 1, leased_until=None, last_error=clean(error, max_length=300)
    )


def _leased(notification):
    return Notification.objects.filter(**_lease(notification))


def _lease(notification):
    """Return the filters that match the email if this worker still has its lease."""
    return {
        "pk": notification.pk,
        "state": Notification.State.WAITING,
        "leased_until": notification.leased_until,
    }


def correct_times_of_a_fast_clock(*, at):
    """Correct the times of emails and notices that were written while a clock was fast. The worker runs this.

    After the clock is set back, these rows would wait too long, so they become due now. A time is wrong if
    the row's creation time is in the future, or if the row waits longer than max(RETRY_AFTER). If a notice
    has a reason to wait longer, the worker calculates its time again, and the result is the same.
    """
    now = at + CLOCK_TOLERANCE
    waiting = Notification.objects.filter(state=Notification.State.WAITING)
    waiting.filter(leased_until__gt=now + LEASE).update(leased_until=None)
    waiting.filter(due_at__gt=now + max(RETRY_AFTER)).update(due_at=at)
    waiting.filter(created_at__gt=now).update(created_at=at, due_at=at)
    StaffNotice.objects.filter(written_at=None, created_at__gt=now).update(created_at=at, due_at=at)


def forget_old_notifications(*, at):
    """Delete old rows of this app, as the privacy policy says. The worker runs this job."""
    Notification.objects.filter(
        state=Notification.State.DELIVERED, delivered_at__lt=at - KEEP_DELIVERED
    ).delete()
    Notification.objects.filter(state=Notification.State.DEAD, died_at__lt=at - KEEP_DEAD).delete()
    StaffNotice.objects.filter(written_at__lt=at - KEEP_STAFF_NOTICES).delete()
    DeskUse.objects.filter(used_at__lt=at - KEEP_DESK_USE).delete()
    Heartbeat.objects.filter(beat_at__lt=at - timedelta(days=1)).delete()


def take_turn(name, *, at, every):
    """Return whether this worker should run the job now.

    Only one worker gets True in each period of the length `every`. If the stored time is too far in the
    future, it comes from a fast clock, and the job runs now.

    Each worker calls this function for each job every second. So a job that is not due costs one query and no
    write.
    """
    if _is_not_due(name=name, at=at, latest=at + every + CLOCK_TOLERANCE):
        return False
    with transaction.atomic():
        _, is_new = RepeatedJob.objects.get_or_create(name=name, defaults={"due_at": at + every})
    is_due = Q(due_at__lte=at) | Q(due_at__gt=at + every + CLOCK_TOLERANCE)
    return is_new or bool(RepeatedJob.objects.filter(is_due, name=name).update(due_at=at + every))


@prepared(name=CharField(), at=DateTimeField(), latest=DateTimeField())
def _is_not_due(name, at, latest):
    return RepeatedJob.objects.filter(name=name, due_at__gt=at, due_at__lte=latest)


def beat(worker, *, at):
    """Record that this worker is running, or that the mailbox was read if `worker` is MAILBOX."""
    Heartbeat.objects.update_or_create(worker=worker, defaults={"beat_at": at})


def running_worker(*, at):
    """Return the latest Heartbeat of a running worker, or None if no worker runs.

    A heartbeat more than WORKER_SILENT_AFTER in the future is ignored, because it was written before a fast
    clock was set back.
    """
    recent = Heartbeat.objects.exclude(worker=MAILBOX).filter(
        beat_at__gt=at - WORKER_SILENT_AFTER, beat_at__lt=at + WORKER_SILENT_AFTER
    )
    return recent.order_by("-beat_at").first()


def remove_heartbeat(worker):
    """Delete the heartbeat of a worker that has stopped normally, so that it causes no warning."""
    Heartbeat.objects.filter(worker=worker).delete()
