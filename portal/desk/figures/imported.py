"""Find the imported desk logs whose contacts a figure counts."""

from portal.counts.models import LogImport, PointTotal


def imported_logs(period, branches):
    """Return the file names of the desk logs with contacts in a period of whole months, the oldest first.

    `branches` are primary keys.
    """
    counted = PointTotal.objects.filter(
        month__range=(period.first, period.last), branch__in=branches, log_import__isnull=False
    )
    logs = LogImport.objects.filter(pk__in=counted.order_by().values("log_import"))
    return list(dict.fromkeys(log.file_name for log in logs.order_by("first_day", "pk")))
