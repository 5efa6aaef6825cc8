"""The events that the worker sends to another system of the library."""

import uuid

from django.db import models


class WebhookEvent(models.Model):
    """An event that waits to be sent. The row is deleted when the event is accepted or given up.

    `content` never has words or names of people, a single verdict, an item, a topic or the address of a
    visit.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    content = models.JSONField(help_text="the JSON body: type, timestamp and data")
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["due_at", "id"], name="webhook_events_due")]

    def __str__(self):
        return f"event {self.public_id}"
