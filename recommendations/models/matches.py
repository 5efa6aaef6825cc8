"""The model for matches of items added by hand with imported records."""

from django.db import models
from django.db.models import Q


class ItemMatchQuerySet(models.QuerySet):
    def current(self):
        """Leave out the matches that were undone."""
        return self.filter(undone_at=None)

    def records_of(self, items):
        """Return {primary key of an item added by hand: the record with which it is matched}."""
        retired = [item.pk for item in items if item.retired_at and not item.source]
        rows = self.current().filter(item__in=retired).select_related("record") if retired else ()
        return {match.item_id: match.record for match in rows}


class ItemMatch(models.Model):
    """A match of an item that was added by hand with an imported record of the same thing.

    The match moved the recommendations and list entries of `item` to `record`. `recommendations` and
    `saved_items` have the primary keys of the moved rows, so that undoing moves exactly these rows back.
    `others` has the moved rows of all other models, as {label of a model: primary keys}. The audit trail says
    who made the match.
    """

    item = models.ForeignKey("recommendations.Item", on_delete=models.CASCADE, related_name="matches")
    record = models.ForeignKey("recommendations.Item", on_delete=models.CASCADE, related_name="+")
    recommendations = models.JSONField(default=list)
    saved_items = models.JSONField(default=list)
    others = models.JSONField(default=dict)
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)

    objects = ItemMatchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item"], condition=Q(undone_at=None), name="one_current_match_of_an_item"
            )
        ]

    def __str__(self):
        return f"{self.item} = {self.record}"
