"""What must reach somebody later, as rows written with the change that caused it."""

import uuid

from django.db import models
from django.db.models import Q

from accounts.models import User


class Notification(models.Model):
    """One mail to one address: the outbox. A dead row stays until a person looks at it; a delivered one loses its body when it held a code or a link."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        DELIVERED = "delivered", "delivered"
        DEAD = "dead", "dead"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    channel = models.CharField(max_length=12, default="email")
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="notifications")
    to_address = models.EmailField()
    language = models.CharField(max_length=12)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    message_id = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.WAITING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["waiting", "delivered", "dead"]), name="known_notification_state"),
            models.CheckConstraint(condition=Q(state="delivered") | Q(delivered_at__isnull=True), name="delivered_has_its_time"),
        ]
        indexes = [models.Index(fields=["due_at", "id"], name="outbox_due", condition=Q(state="waiting"))]

    def __str__(self):
        return f"{self.kind} ({self.state})"


class Heartbeat(models.Model):
    """When a worker last said that it is alive."""

    worker = models.CharField(max_length=80, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self):
        return f"{self.worker} at {self.beat_at:%H:%M:%S}"
