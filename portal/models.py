"""The tables of the rate limits, of sent forms and of removals. Only limits.py and sent_forms.py use them."""

from datetime import timedelta

from django.db import models


class LimitCount(models.Model):
    """The times of the actions that count toward one limit for one person, network address or target.

    `limits._keys` makes the key of a row. The key contains an HMAC that is made with SECRET_KEY. So a person
    who reads the database can't tell from the key whose actions were counted.
    """

    key = models.CharField(max_length=100, primary_key=True)
    moments = models.JSONField(default=list, help_text="Unix times, newest first")
    expires_at = models.DateTimeField(db_index=True, help_text="no limit reads the row from then on")

    def __str__(self):
        return self.key


class SentForm(models.Model):
    """A row for each form that has arrived from a phone, so that the same form is not saved twice.

    `mark` is an HMAC of the person and of the form's token. So the row says neither who sent the form nor
    what the form contains.
    """

    # WAITS is how long a form can wait on a phone. After this time, the phone no longer sends the form
    # automatically. KEPT_FOR is how long the row is kept. It is longer than WAITS, because clocks can be
    # wrong. If the patron sends the form again after the row was deleted, the actions notice what is already
    # saved.
    WAITS = timedelta(days=7)
    KEPT_FOR = timedelta(days=8)

    mark = models.CharField(max_length=64, primary_key=True)
    arrived_at = models.DateTimeField(db_index=True)

    def __str__(self):
        return f"arrived {self.arrived_at:%Y-%m-%d %H:%M}"


class Removal(models.Model):
    """A row for something that a patron removed, so that a delayed earlier tap doesn't bring it back.

    The patron removed an item of a list, cleared what they had said about a visit, or took back an "I've got
    it". `mark` is an HMAC of what was removed, so the row says neither what it was nor whose it was.
    `removed_at` is the time of the last removal.
    """

    # A form can arrive up to 44 days after the tap. The phone tries to send it for 7 days, and then shows it
    # for 30 days. If the patron presses "Try again" on the last day, the phone tries for 7 more days. One
    # day is added, because clocks can be wrong.
    KEPT_FOR = timedelta(days=45)

    mark = models.CharField(max_length=64, primary_key=True)
    removed_at = models.DateTimeField(db_index=True)

    def __str__(self):
        return f"removed {self.removed_at:%Y-%m-%d %H:%M}"
