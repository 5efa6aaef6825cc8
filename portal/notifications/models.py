"""The outbox for emails, and the models that the worker uses for its jobs.

An email about a change is written to the outbox in the same transaction as the change.
"""

import uuid

from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.models import User


class NotificationQuerySet(models.QuerySet):
    def due(self, at):
        """Return the emails that should be sent now. Emails that a worker has leased are left out."""
        return self.filter(
            Q(leased_until__isnull=True) | Q(leased_until__lte=at),
            state=Notification.State.WAITING,
            due_at__lte=at,
        ).order_by("due_at", "id")

    def with_address_off(self):
        """Add `address_off`: whether notices to the address are off."""
        off = FailingAddress.objects.off().filter(person=OuterRef("recipient"), email=OuterRef("to_address"))
        return self.annotate(address_off=Exists(off))


class Notification(models.Model):
    """One email to one address. The rows that are waiting are the outbox.

    An email with the state DEAD could not be sent. It is stored for a while, so that coordinators see whom it
    didn't reach, and why.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        DELIVERED = "delivered", "delivered"
        DEAD = "dead", "dead"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="notifications")
    to_address = models.EmailField()
    language = models.CharField(max_length=12)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    message_id = models.CharField(max_length=200, unique=True)
    blanked = models.BooleanField(
        default=False, help_text="its text has a code or a link, and is deleted once it is sent or given up"
    )
    removed = models.BooleanField(
        default=False,
        help_text="its address must not be kept: it goes once the email is sent or given up",
    )
    state = models.CharField(max_length=12, choices=State, default=State.WAITING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    delivered_at = models.DateTimeField(null=True)
    died_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(
        null=True, help_text="its code or link works until then, so it is not sent later"
    )

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "delivered", "dead"]), name="known_notification_state"
            ),
            models.CheckConstraint(
                condition=Q(state="delivered") | Q(delivered_at__isnull=True), name="delivered_has_its_time"
            ),
            models.CheckConstraint(
                condition=Q(state="dead", died_at__isnull=False) | ~Q(state="dead") & Q(died_at__isnull=True),
                name="dead_email_has_its_time",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="outbox_due", condition=Q(state="waiting")),
            models.Index(fields=["-died_at", "-id"], name="outbox_dead", condition=Q(state="dead")),
            models.Index(fields=["-delivered_at"], name="outbox_delivered", condition=Q(state="delivered")),
        ]

    def __str__(self):
        return f"{self.kind} ({self.state})"

    @property
    def is_notice(self):
        """Whether the email tells the person something that they did not ask for in this moment."""
        return not (self.blanked or self.removed or self.kind == "desk/test_email")


class FailingAddressQuerySet(models.QuerySet):
    def off(self):
        return self.filter(off_at__isnull=False)


class FailingAddress(models.Model):
    """An email address that a mail server refused for good, once, or often enough to turn it off."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    email = models.EmailField()
    failed_at = models.DateTimeField(help_text="the first failure that counts")
    off_at = models.DateTimeField(null=True, help_text="since when no notices are sent to the address")

    objects = FailingAddressQuerySet.as_manager()

    def __str__(self):
        return f"of {self.person_id}, {'off' if self.off_at else 'failed once'}"


class RepeatedJob(models.Model):
    """The time when a repeated job is due again.

    If there are several workers, only the worker that updates this row first runs the job.
    """

    name = models.CharField(max_length=80, primary_key=True)
    due_at = models.DateTimeField()

    def __str__(self):
        return f"{self.name}, due {self.due_at:%Y-%m-%d %H:%M}"


class Heartbeat(models.Model):
    """The time when a worker last reported that it is running."""

    worker = models.CharField(max_length=80, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self):
        return f"{self.worker} at {self.beat_at:%H:%M:%S}"
