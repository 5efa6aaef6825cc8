"""The table of the rate limits. Only portal/limits.py reads and writes it."""

from django.db import models


class LimitCount(models.Model):
    """The times of the actions that count toward one limit for one person, network address or target.

    `limits._keys` makes the key of a row. The key contains an HMAC that is made with SECRET_KEY. So a reader
    of the database can't tell from the key whose actions were counted.
    """

    key = models.CharField(max_length=100, primary_key=True)
    moments = models.JSONField(default=list, help_text="Unix times, newest first")
    expires_at = models.DateTimeField(db_index=True, help_text="no limit reads the row from then on")

    def __str__(self):
        return self.key
