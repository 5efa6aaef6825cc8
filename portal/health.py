"""Respond to health checks with JSON and the status 200 or 503.

/healthz says whether the process runs. /readyz says whether the portal can do its work.
"""

from datetime import timedelta

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import JsonResponse
from django.utils import timezone

from portal.notifications.models import Heartbeat, Notification

WORKER_SILENT_AFTER = timedelta(seconds=60)
EMAIL_LATE_AFTER = timedelta(minutes=15)


class HealthMiddleware:
    """The middleware that responds to /healthz and /readyz before all later middleware.

    Later middleware would refuse a health check, because it has no valid host, no HTTPS and no session.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.path == "/healthz":
            return JsonResponse({"status": "ok"})
        if request.path == "/readyz":
            report = readiness(at=timezone.now())
            ready = all(state == "ok" for state in report.values())
            return JsonResponse(
                {"status": "ok" if ready else "not ready", **report}, status=200 if ready else 503
            )
        return self.get_response(request)


def readiness(*, at):
    """Return {part: "ok" or the problem} for each part that the portal needs, such as the database."""
    try:
        connection.ensure_connection()
    except DatabaseError:
        return {"database": "unreachable"}
    report = {"database": "ok"}
    checks = {"migrations": _migrations, "cache": _cache, "worker": _worker, "outbox": _outbox}
    for part, check in checks.items():
        try:
            report[part] = check(at)
        except DatabaseError:
            report[part] = "unreadable"
    return report


def _migrations(at):
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(plan)} not applied" if plan else "ok"


def _cache(at):
    cache.get("readyz")
    return "ok"


def _worker(at):
    last = Heartbeat.objects.order_by("-beat_at").values_list("beat_at", flat=True).first()
    if last is None:
        return "never seen"
    return "ok" if at - last < WORKER_SILENT_AFTER else f"silent for {_seconds(at - last)} s"


def _outbox(at):
    oldest = (
        Notification.objects.filter(state=Notification.State.WAITING)
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )
    if oldest is None or at - oldest < EMAIL_LATE_AFTER:
        return "ok"
    return f"oldest email due for {_seconds(at - oldest)} s"


def _seconds(duration):
    return int(duration.total_seconds())
