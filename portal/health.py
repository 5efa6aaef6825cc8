"""Respond to health checks with JSON and the status 200 or 503.

/healthz says whether the process runs. /readyz says whether the portal can do its work. Only requests from
the machine itself, and requests with HEALTH_TOKEN, get the result for each part of the portal.
"""

import tempfile
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import Error as AnyDatabaseError
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min, Q
from django.db.models.functions import Coalesce
from django.http import JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from portal.data_folder import ANOTHER_FOLDER, is_another_private_folder, private_folder
from portal.notifications.actions import ADDRESS_OFF, MAILBOX, running_worker, take_turn
from portal.notifications.models import Heartbeat, Notification

WRITE_EVERY = timedelta(seconds=30)
BYTES_WRITTEN = 64 * 1024
# The headers that a proxy adds when it forwards somebody else's request.
FORWARDING_HEADERS = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
EMAIL_LATE_AFTER = timedelta(minutes=15)
MAILBOX_LATE_AFTER = timedelta(minutes=15)
EMAIL_DIED_WITHIN = timedelta(hours=1)
FIRST_TRY = Coalesce("decided_at", "created_at")


class HealthMiddleware:
    """The middleware that responds to /healthz and /readyz before all later middleware.

    Later middleware would refuse a health check, because health checks have no valid host, HTTPS or session.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path_info == "/healthz":
            return JsonResponse({"status": "ok"})
        if request.path_info == "/readyz":
            report = readiness(at=timezone.now())
            ready = all(state == "ok" for state in report.values())
            return JsonResponse(
                {"status": "ok" if ready else "not ready", **(report if _may_see_details(request) else {})},
                status=200 if ready else 503,
            )
        return self.get_response(request)


def _may_see_details(request):
    """Return whether the request has the token, or comes from this machine without a proxy."""
    if settings.HEALTH_TOKEN:
        expected = f"Bearer {settings.HEALTH_TOKEN}"
        if constant_time_compare(request.headers.get("Authorization", ""), expected):
            return True
    is_forwarded = any(name in request.headers for name in FORWARDING_HEADERS)
    return request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"} and not is_forwarded


def readiness(*, at):
    """Return {part: "ok" or the problem} for each part that the portal needs, such as the database."""
    try:
        # Connect again, because an open connection may not have noticed that the database is unreachable.
        if not connection.in_atomic_block:
            connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except AnyDatabaseError:
        return {"database": "unreachable"}
    report = {"database": "ok"}
    checks = {
        "migrations": _migrations,
        "cache": _cache,
        "disk": _disk,
        "worker": _worker,
        "outbox": _outbox,
    }
    if settings.IMAP:
        checks["mailbox"] = _mailbox
    for part, check in checks.items():
        try:
            report[part] = check(at)
        except AnyDatabaseError:
            report[part] = "unreadable"
    return report


def _migrations(at):
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(plan)} not applied" if plan else "ok"


def _cache(at):
    cache.get("readyz")
    return "ok"


def _disk(at):
    """Write a few bytes to the database, the data folder and its private folder, once every WRITE_EVERY.

    The private folder may be on another disk. If a write fails, the next check tries it again.
    """
    if not private_folder().exists():
        return "the folder of the private files is missing"
    try:
        with transaction.atomic():
            if take_turn("health_write", at=at, every=WRITE_EVERY):
                for folder in (settings.DATA_DIR, private_folder()):
                    with tempfile.TemporaryFile(dir=folder) as file:
                        file.write(bytes(BYTES_WRITTEN))
                        file.flush()
        # If the disk of the private files is missing, the file was written to the empty folder in its place.
        return ANOTHER_FOLDER if is_another_private_folder() else "ok"
    except AnyDatabaseError as error:
        return f"the database can't be written: {error}"
    except OSError as error:
        return f"files can't be written: {error.strerror}"


def _worker(at):
    if running_worker(at=at):
        return "ok"
    beats = Heartbeat.objects.exclude(worker=MAILBOX).order_by("-beat_at")
    last = beats.values_list("beat_at", flat=True).first()
    if last is None:
        return "never seen"
    return f"silent for {_seconds(at - last)} s" if last < at else "silent since the clock was set back"


def _mailbox(at):
    """Return "ok", or a problem if no worker has been able to read the mailbox recently."""
    read_at = Heartbeat.objects.filter(worker=MAILBOX).values_list("beat_at", flat=True).first()
    if read_at is None:
        return "not read within a day"
    # A time far in the future comes from a clock that was fast and has been set back.
    is_recent = abs(at - read_at) < MAILBOX_LATE_AFTER
    return "ok" if is_recent else f"last read at {read_at:%Y-%m-%d %H:%M} UTC"


def _outbox(at):
    """Return "ok", or a problem if emails are late or were given up.

    Also return "ok" if other emails were delivered recently, because then only one address has a problem.

    The wait of a failed email counts from its creation, because each failed attempt changes `due_at`. The
    wait of a notice counts from the time when the worker decided to send the notice. If the portal has turned
    off notices to an address, it gives them up on purpose. So such notices are not a problem.
    """
    rows = Notification.objects.order_by()
    waiting = rows.filter(state=Notification.State.WAITING)
    oldest = min(
        waiting.filter(attempts=0, due_at__lte=at).aggregate(Min("due_at"))["due_at__min"] or at,
        waiting.filter(attempts__gt=0).aggregate(first=Min(FIRST_TRY))["first"] or at,
    )
    dead = rows.filter(state=Notification.State.DEAD, died_at__gt=at - EMAIL_DIED_WITHIN).exclude(
        Q(last_error=ADDRESS_OFF) | Q(way=Notification.Way.PUSH)
    )
    delivered = rows.filter(state=Notification.State.DELIVERED).exclude(way=Notification.Way.PUSH)
    if (
        at - oldest >= EMAIL_LATE_AFTER
        and not delivered.filter(delivered_at__gt=at - EMAIL_LATE_AFTER).exists()
    ):
        return f"an email has waited for {_seconds(at - oldest)} s"
    if (count := dead.count()) and not delivered.filter(delivered_at__gt=at - EMAIL_DIED_WITHIN).exists():
        return f"emails given up within an hour: {count}"
    return "ok"


def _seconds(duration):
    return int(duration.total_seconds())
