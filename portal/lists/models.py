"""Patrons' lists of items."""

import uuid

from django.db import models

from accounts.models import User
from recommendations.models import Item, Recommendation


class SavedListQuerySet(models.QuerySet):
    """A queryset of saved lists."""

    def belonging_to(self, viewer):
        """Return the viewer's lists. A viewer by code has none."""
        return self.filter(patron=viewer.person, patron__isnull=False)


class SavedList(models.Model):
    """A patron's list of items. It is created when the patron saves their first item."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    patron = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_lists")
    name = models.CharField(max_length=80, blank=True)
    made_at = models.DateTimeField()

    objects = SavedListQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["patron", "made_at"])]
        constraints = [models.UniqueConstraint(fields=["patron", "name"], name="one_list_of_a_name")]

    def __str__(self):
        return self.name


class SavedItemQuerySet(models.QuerySet):
    """A queryset of saved items."""

    def belonging_to(self, viewer, *, removed=False):
        """Return the items in the viewer's lists.

        If `removed` is true, include the items that the viewer has removed and can still put back.
        """
        own = self.filter(saved_list__patron=viewer.person, saved_list__patron__isnull=False)
        return own if removed else own.in_lists()

    def in_lists(self):
        """Leave out the items that their patron has removed."""
        return self.filter(removed_at=None)

    def latest_first(self):
        return self.order_by("-saved_at", "-pk")


class SavedItem(models.Model):
    """An item in a list. `recommendation` is the recommendation from which the patron saved it, if any.

    When the patron removes the item, the row stays for UNDO_REMOVAL_FOR, so that undo restores the same row.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    saved_list = models.ForeignKey(SavedList, on_delete=models.CASCADE, related_name="saved_items")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    recommendation = models.ForeignKey(
        Recommendation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    saved_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True, db_index=True)

    objects = SavedItemQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["saved_list", "-saved_at", "-id"])]
        constraints = [models.UniqueConstraint(fields=["saved_list", "item"], name="saved_once_per_list")]

    def __str__(self):
        return f"{self.item}"
