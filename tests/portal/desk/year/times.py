"""The time zone and the days of the generated year."""

import datetime
import zoneinfo

ZONE = zoneinfo.ZoneInfo("America/Chicago")
DAY, HOUR, MINUTE = datetime.timedelta(days=1), datetime.timedelta(hours=1), datetime.timedelta(minutes=1)
FIRST, LAST = datetime.date(2026, 1, 1), datetime.date(2026, 12, 31)
