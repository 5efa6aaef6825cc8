"""The events of a conversation. Both sides see an Event, and only the desk sees a DeskEvent."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User
from recommendations.models import Item, NextStep, Recommendation

from .conversations import Conversation
from .messages import Message
from .participations import Side


class Event(models.Model):
    """Something that happened to a conversation and appears in its timeline for both sides."""

    class Kind(models.TextChoices):
        CLOSED = "closed", _("closed")
        CLOSED_BY_ITSELF = "closed_by_itself", _("closed automatically")
        REOPENED = "reopened", _("reopened")
        MERGED = "joined", _("merged with another conversation")
        EMAIL_ADDED = "email_added", _("staff added an email from the patron's confirmed address")
        OTHER_EMAIL_ADDED = (
            "other_email_added",
            _("staff added an email from an address that is not the patron's"),
        )
        CALL_ASKED = "call_asked", _("call requested")
        CALL_TRIED = "call_tried", _("staff called and didn't reach the patron")
        CALL_SPOKEN = "call_spoken", _("staff spoke with the patron on the phone")
        CALL_GIVEN_UP = "call_given_up", _("staff stopped calling")
        CALL_CANCELED = "call_canceled", _("call canceled")
        CALL_EXPIRED = "call_expired", _("nobody called in time")
        STEP_RECORDED = "step_recorded", _("staff recorded what happens next with an item")
        STEP_TAKEN_BACK = "step_taken_back", _("staff removed what they had recorded about an item")
        STEP_ARRIVED = "step_arrived", _("the item has arrived")
        STEP_GIVEN = "step_given", _("staff gave the item to the patron")
        STEP_LATE = "step_late", _("the promised day passed without the item")
        STEP_ENDED = "step_ended", _("the patron changed their answer about the item")

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
    recommendation = models.ForeignKey(
        Recommendation,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="for what happens next: the item that the patron could not get",
    )
    step = models.CharField(
        max_length=12,
        choices=NextStep.Kind,
        blank=True,
        default="",
        db_default="",
        help_text="what happens next with the item",
    )
    promised_on = models.DateField(
        null=True, blank=True, help_text="the day by which the patron can get the item"
    )
    other_item = models.ForeignKey(
        Item,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="what staff recommend instead",
    )
    leaves_queue = models.BooleanField(
        default=False,
        db_default=False,
        help_text="whether the conversation waited for nothing else but these items",
    )

    # How a call can end. "Expired" means that nobody called in time and the number was deleted.
    CALL_ENDS = (Kind.CALL_SPOKEN, Kind.CALL_GIVEN_UP, Kind.CALL_CANCELED, Kind.CALL_EXPIRED)
    CALLS = (Kind.CALL_ASKED, Kind.CALL_TRIED, *CALL_ENDS)
    # How a next step for an item can end. STEPS has all kinds of events about next steps.
    STEP_ENDS = (Kind.STEP_TAKEN_BACK, Kind.STEP_GIVEN, Kind.STEP_ENDED)
    STEPS = (Kind.STEP_RECORDED, Kind.STEP_ARRIVED, Kind.STEP_LATE, *STEP_ENDS)

    class Meta:
        indexes = [models.Index(fields=["conversation", "at"])]

    def __str__(self):
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


class DeskEvent(models.Model):
    """Something that the desk or the worker did with a conversation. Patrons never see it."""

    class Kind(models.TextChoices):
        TAKEN = "taken", _("taken by a staff member")
        RETURNED = "returned", _("returned to the person who answered")
        REQUESTED = "requested", _("assigned because the patron asked for another recommendation")
        ASSIGNED = "assigned", _("assigned")
        UNASSIGNED = "unassigned", _("unassigned")
        RELEASED = "released", _("unassigned because nobody answered")
        TRANSFERRED = "handed_over", _("transferred to another branch")
        SNOOZED = "snoozed", _("snoozed")
        WOKEN = "woken", _("snooze ended")
        CLOSED = "closed", _("closed before anybody wrote anything")
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
