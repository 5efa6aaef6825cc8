"""The model for next steps: what staff do about items that patrons could not get, such as ordering them."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .items import Item, Recommendation


class NextStep(models.Model):
    """The next step for an item that a patron could not get, as staff last recorded it.

    The row has only the current state. The events of the conversation have the history. `restore` in
    portal/conversations/step_history.py makes the row from these events.
    """

    class Kind(models.TextChoices):
        RESERVED = "reserved", _("reserved for the patron")
        ORDERED = "ordered", _("ordered")
        ON_ITS_WAY = "on_its_way", _("on its way from another branch")
        ON_LOAN = "on_loan", _("on loan to someone else")
        OTHER_ITEM = "other_item", _("another item instead")

    recommendation = models.OneToOneField(
        Recommendation, on_delete=models.CASCADE, primary_key=True, related_name="next_step"
    )
    kind = models.CharField(max_length=12, choices=Kind)
    promised_on = models.DateField(
        help_text="the day, in the library's time zone, by which the patron can get the item"
    )
    other_item = models.ForeignKey(
        Item,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="what staff recommend instead",
    )
    recorded_at = models.DateTimeField()
    arrived_at = models.DateTimeField(null=True, blank=True, help_text="when staff said that it has arrived")
    overdue_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when the row returned to the queue, because the day had passed without the item",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="other_item", other_item__isnull=False)
                | (~Q(kind="other_item") & Q(other_item__isnull=True)),
                name="only_another_item_is_named",
            )
        ]
        indexes = [
            models.Index(
                fields=["promised_on"],
                name="next_steps_by_day",
                condition=Q(arrived_at__isnull=True, overdue_at__isnull=True),
            )
        ]

    def __str__(self):
        return f"{self.kind} by {self.promised_on:%Y-%m-%d}"

    @property
    def is_late(self):
        """Return whether the promised day has passed and the item has not arrived."""
        return self.arrived_at is None and self.promised_on < timezone.localdate()
