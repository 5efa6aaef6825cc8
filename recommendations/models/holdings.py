"""The model for holdings. A holding says that a branch has an item, and where in the branch it is."""

from typing import NamedTuple

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch


class Place(NamedTuple):
    """What pages show of one holding: its branch, call number and location."""

    branch_id: int
    branch: str
    call_number: str
    location: str
    not_for_loan: bool = False

    @property
    def where(self):
        """Return a text with the branch and location. It also says if the item can't be borrowed there."""
        words = _("can't be borrowed") if self.not_for_loan else ""
        return ", ".join(filter(None, [self.branch, self.location, str(words)]))


class Holding(models.Model):
    """The copies of an item at one branch that have the same call number and the same location."""

    item = models.ForeignKey("recommendations.Item", on_delete=models.CASCADE, related_name="holdings")
    # The index of Meta begins with the branch, so the branch needs no index of its own.
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="holdings", db_index=False)
    call_number = models.CharField(_("call number"), max_length=80, blank=True)
    location = models.CharField(_("location"), max_length=80, blank=True)
    not_for_loan = models.BooleanField(
        default=False, db_default=False, help_text="none of the copies can be borrowed"
    )

    class Meta:
        ordering = ["branch__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "branch", "call_number", "location"], name="one_holding_per_location"
            )
        ]
        # A search in one branch reads the items of the branch in the order of this index.
        indexes = [models.Index(fields=["branch", "item"], name="items_of_branch")]

    def __str__(self):
        return f"{self.call_number} ({self.branch})"
