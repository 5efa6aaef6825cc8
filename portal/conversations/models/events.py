"""The events of a conversation. Both sides see an Event, and only the desk sees a DeskEvent."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User

from .conversations import Conversation, Side
from .messages import Message


class Event(models.Model):
    """Something that happened to a conversation and appears in its timeline for both sides."""

    class Kind(models.TextChoices):
        CLOSED = "closed", _("closed")
        CLOSED_BY_ITSELF = "closed_by_itself", _("closed automatically")
        REOPENED = "reopened", _("reopened")
        MERGED = "joined", _("merged with another conversation")
        EMAIL_ADDED = "email_added", _("staff added an email of the patron")
        OTHER_EMAIL_ADDED = "other_email_added", _("staff added an email from another address")
        CALL_ASKED = "call_asked", _("call requested")
        CALL_TRIED = "call_tried", _("called without an answer")
        CALL_SPOKEN = "call_spoken", _("staff spoke with the patron on the phone")
        CALL_GIVEN_UP = "call_given_up", _("staff stopped calling")
        CALL_CANCELED = "call_canceled", _("call canceled")
        CALL_EXPIRED = "call_expired", _("call not made in time")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="events")
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="the message that caused it",
    )
    kind = models.CharField(max_length=20, choices=Kind)
    side = models.CharField(max_length=8, choices=Side)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    shown_from = models.DateTimeField(help_text="when the patron may first see it")
    waiting_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="for a merge: the time of the first unanswered message in either conversation",
    )
    call_since = models.DateTimeField(
        null=True, blank=True, help_text="for a merge: when the first open call was asked for"
    )

    # How a call can end. "Expired" means that nobody called in time and the number was deleted.
    CALL_ENDS = (Kind.CALL_SPOKEN, Kind.CALL_GIVEN_UP, Kind.CALL_CANCELED, Kind.CALL_EXPIRED)
    CALLS = (Kind.CALL_ASKED, Kind.CALL_TRIED, *CALL_ENDS)

    class Meta:
        indexes = [models.Index(fields=["conversation", "at"])]

    def __str__(self):
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


class DeskEvent(models.Model):
    """Something that the desk or the worker did with a conversation. Patrons never see it."""

    class Kind(models.TextChoices):
        TAKEN = "taken", _("taken by a staff member")
        RETURNED = "returned", _("returned to the person who answered")
        ASSIGNED = "assigned", _("assigned")
        UNASSIGNED = "unassigned", _("unassigned")
        RELEASED = "released", _("unassigned because nobody answered")
        TRANSFERRED = "handed_over", _("transferred to another branch")
        SNOOZED = "snoozed", _("snoozed")
        WOKEN = "woken", _("snooze ended")
        CLOSED = "closed", _("closed before anything was written")
        LOGGED = "logged", _("counted as a contact")
        PROMISE_MOVED = "rescheduled", _("promised day changed")
        ERASED = "erased", _("erased")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="desk_events")
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="the answer that caused it; taking back the answer undoes the event",
    )
    kind = models.CharField(max_length=12, choices=Kind)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    to = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="the new assignee"
    )
    was = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="the previous assignee",
    )
    branch = models.ForeignKey(
        Branch,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="the branch it was transferred to",
    )
    until = models.DateField(null=True, blank=True, help_text="the day until which it was snoozed")
    moved_from = models.DateField(null=True, blank=True, help_text="the day that was promised before")
    moved_to = models.DateField(null=True, blank=True, help_text="the day that is promised now")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["conversation", "at"])]

    def __str__(self):
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"
