"""What happened to a conversation, for both sides and for the desk alone."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User

from .conversations import Conversation, Side
from .messages import Message


class Event(models.Model):
    """Something that happened to a conversation, told in its time line to both sides in plain words. What only the desk may know is a DeskEvent."""

    class Kind(models.TextChoices):
        CLOSED = "closed", _("closed")
        CLOSED_BY_ITSELF = "closed_by_itself", _("closed by itself")
        REOPENED = "reopened", _("reopened")
        MERGED = "joined", _("joined with another")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="events")
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="the message that brought it about",
    )
    kind = models.CharField(max_length=20, choices=Kind)
    side = models.CharField(max_length=8, choices=Side)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    shown_from = models.DateTimeField(help_text="from when the patron may see it")
    waiting_since = models.DateTimeField(
        null=True, blank=True, help_text="of a join: the first that was unanswered in either conversation"
    )

    class Meta:
        indexes = [models.Index(fields=["conversation", "at"])]

    def __str__(self):
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


class DeskEvent(models.Model):
    """Something that was done with a conversation at the desk. Like a note it never leaves the desk."""

    class Kind(models.TextChoices):
        TAKEN = "taken", _("taken")
        ASSIGNED = "assigned", _("assigned")
        UNASSIGNED = "unassigned", _("unassigned")
        RELEASED = "released", _("released: it lay too long")
        TRANSFERRED = "handed_over", _("handed to another branch")
        SNOOZED = "snoozed", _("put off")
        WOKEN = "woken", _("came back")
        CLOSED = "closed", _("closed before a word was written")
        LOGGED = "logged", _("logged as a contact")
        ERASED = "erased", _("erased")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="desk_events")
    kind = models.CharField(max_length=12, choices=Kind)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    to = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="whose it became"
    )
    was = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="whose it had been",
    )
    branch = models.ForeignKey(
        Branch,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="to which branch it went",
    )
    until = models.DateField(null=True, blank=True, help_text="until which day it was put off")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["conversation", "at"])]

    def __str__(self):
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"
