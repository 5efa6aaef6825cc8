"""Decide when the worker harvests the catalog: once in each night, in the library's time zone."""

from datetime import datetime, time, timedelta

from django.conf import settings

from accounts.models import Library
from portal.imports.models import Harvest

# The night is from FIRST_HOUR until LAST_HOUR. A harvest that has begun goes on until it is complete.
FIRST_HOUR, LAST_HOUR = 1, 5
# How long the worker waits after a harvest that did not complete, for example because the server was away.
TRY_EVERY = timedelta(minutes=30)


def is_due(at):
    """Return whether it is night and no harvest has been completed since the night began."""
    local = at.astimezone(Library.current().zone)
    if not settings.OAI_URL or not FIRST_HOUR <= local.hour < LAST_HOUR:
        return False
    begin = datetime.combine(local.date(), time(FIRST_HOUR), local.tzinfo)
    return not Harvest.objects.of_settings().complete().filter(ended_at__gte=begin).exists()
