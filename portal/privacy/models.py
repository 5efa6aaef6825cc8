"""Two records that became one at the desk, and what parts them again."""

import uuid

from django.db import models

from accounts.models import User


class JoinedRecords(models.Model):
    """That two records became one at the desk, with all that parts them again; it is forgotten after a day. It never leaves the desk."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    into = models.ForeignKey(User, on_delete=models.CASCADE, related_name="joined_records")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    joined_at = models.DateTimeField(db_index=True)
    before = models.JSONField(help_text="what portal.privacy.parting wrote down before they were joined")

    def __str__(self):
        return f"joined into {self.into_id}"
