"""The phone numbers of patrons who asked for a call."""

import uuid

from django.db import models
from django.db.models import Q

from accounts.models import User

from .conversations import Conversation


class CallBack(models.Model):
    """The phone number that a patron wants the library to call about a conversation.

    The number is in no search, email or log. Only the assignee of the conversation sees it. When the call is
    over, the row is hidden. When the end of the call can no longer be undone, the row is deleted. Events
    record that the patron asked for a call and how the call ended.
    """

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="call_backs")
    by = models.ForeignKey(
        User,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="the patron who gave the number; null for a viewer by code and for staff",
    )
    number = models.CharField(max_length=40)
    ask_for = models.CharField(max_length=80, blank=True, help_text="whom staff ask for")
    may_leave_message = models.BooleanField(default=False)
    client_token = models.UUIDField(default=uuid.uuid4, help_text="a form that is sent twice is saved once")
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(
        null=True, blank=True, help_text="when the number was no longer needed; null while the call is open"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(done_at__isnull=True), name="one_open_call"
            )
        ]
        indexes = [models.Index(fields=["done_at"]), models.Index(fields=["client_token"])]

    def __str__(self):
        # A log may contain the result of str(). So leave the number out.
        return f"call about {self.conversation_id}"
