"""The two sides of a conversation, and how far each person has read it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class Side(models.TextChoices):
    """One of the two sides of a conversation: the patron or the library."""

    PATRON = "patron", _("the patron")
    STAFF = "staff", _("the library")


class Participation(models.Model):
    """A row that records how far one person has read a conversation.

    For staff, it also records when they last had the page open. The names of viewers by code are not known,
    so all of them share one row, whose person is None.
    """

    conversation = models.ForeignKey(
        "conversations.Conversation", on_delete=models.CASCADE, related_name="participations"
    )
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    side = models.CharField(max_length=8, choices=Side, default=Side.PATRON)
    read_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="shown_from (for staff sent_at) of the last message that this person has seen",
    )
    seen_at = models.DateTimeField(
        null=True, blank=True, help_text="when they last had the page open; only for staff"
    )
    writing_at = models.DateTimeField(
        null=True, blank=True, help_text="when they last typed in the composer; only for staff"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "person", "side"], name="one_participation_per_person"
            ),
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(person__isnull=True), name="one_participation_by_code"
            ),
            models.CheckConstraint(
                condition=Q(side="staff", person__isnull=False)
                | Q(side="patron", seen_at__isnull=True, writing_at__isnull=True),
                name="only_staff_are_seen",
            ),
        ]

    def __str__(self):
        return f"{self.person_id} in {self.conversation_id}"
