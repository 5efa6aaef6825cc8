"""Models for legal holds, corrections, merges that can be undone, exports and receipts of erasures."""

import datetime
import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User, private_storage
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession


class LegalHold(models.Model):
    """A ban on deleting one person, help session or conversation, until a coordinator lifts the hold.

    A hold has a foreign key to the held row, so the database refuses to delete the row. When the hold is
    lifted, the key is removed, and only the row's public id remains in `name`.
    """

    class Kind(models.TextChoices):
        PERSON = "person", _("a person")
        HELP_SESSION = "help_session", _("a help session")
        CONVERSATION = "conversation", _("a conversation")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=40, help_text="public id of the held record")
    person = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="legal_holds"
    )
    help_session = models.ForeignKey(
        HelpSession, on_delete=models.PROTECT, null=True, blank=True, related_name="legal_holds"
    )
    conversation = models.ForeignKey(
        Conversation, on_delete=models.PROTECT, null=True, blank=True, related_name="legal_holds"
    )
    comes_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="left",
        help_text="the hold on a person that it was copied from, and that lifts it",
    )
    reason = models.CharField(_("reason"), max_length=400)
    set_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    set_at = models.DateTimeField()
    lifted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-set_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    lifted_at__isnull=True,
                    kind="person",
                    person__isnull=False,
                    help_session__isnull=True,
                    conversation__isnull=True,
                )
                | Q(
                    lifted_at__isnull=True,
                    kind="help_session",
                    person__isnull=True,
                    help_session__isnull=False,
                    conversation__isnull=True,
                )
                | Q(
                    lifted_at__isnull=True,
                    kind="conversation",
                    person__isnull=True,
                    help_session__isnull=True,
                    conversation__isnull=False,
                )
                | Q(
                    lifted_at__isnull=False,
                    person__isnull=True,
                    help_session__isnull=True,
                    conversation__isnull=True,
                ),
                name="a_hold_points_to_what_it_holds",
            )
        ]

    def __str__(self):
        return f"{self.kind} {self.name}"

    @property
    def record(self):
        """Return the record under the hold, or None after the hold was lifted."""
        return getattr(self, self.kind)


class Correction(models.Model):
    """A correction of a help session: which fields a staff member changed, and when.

    The text from before the correction is kept only while the help session is under a legal hold.
    """

    help_session = models.ForeignKey(HelpSession, on_delete=models.CASCADE, related_name="corrections")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    fields = models.JSONField(
        help_text="the names of the changed fields, see portal.privacy.corrected_fields"
    )
    old_words = models.JSONField(
        default=dict, help_text="{name of a field: its value before}, only under a legal hold"
    )

    class Meta:
        ordering = ["at", "pk"]

    def __str__(self):
        return f"correction of {self.help_session_id}"


class UnfinishedCorrection(models.Model):
    """What a staff member typed to correct a help session and has not saved yet. Only this person sees it."""

    help_session = models.ForeignKey(HelpSession, on_delete=models.CASCADE, related_name="+")
    by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    version = models.PositiveIntegerField(help_text="how many corrections the form showed")
    fields = models.JSONField(help_text="{name of a changed field: its new text}")
    saved_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["help_session", "by"], name="one_unfinished_correction_per_person"
            )
        ]

    def __str__(self):
        return f"unfinished correction of {self.help_session_id}"


class MergedRecords(models.Model):
    """A merge of two records, with the data to undo the merge within a day. Patrons can't see the data."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    into = models.ForeignKey(User, on_delete=models.CASCADE, related_name="merged_records")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    merged_at = models.DateTimeField(db_index=True)
    before = models.JSONField(help_text="the rows before the merge, see portal.privacy.merge_snapshot")

    def __str__(self):
        return f"merged into {self.into_id}"


class ExportQuerySet(models.QuerySet):
    def belonging_to(self, viewer):
        """Return the viewer's own exports. A viewer by code has none."""
        return self.filter(person=viewer.person, person__isnull=False)

    def ready(self, at):
        """Return the exports that can be downloaded now."""
        return self.filter(state=Export.State.READY, ready_at__gt=at - Export.KEPT_FOR)

    def in_progress(self):
        """Return the exports that are being built or are waiting for a worker."""
        return self.filter(state__in=Export.IN_HAND)

    def due(self, at):
        """Return the unfinished exports that no worker has leased, the oldest first."""
        return (
            self.in_progress()
            .filter(Q(leased_until__isnull=True) | Q(leased_until__lte=at))
            .order_by("asked_at", "pk")
        )


class Export(models.Model):
    """A copy of a person's data. The person asked for the copy and can download it for seven days."""

    KEPT_FOR = datetime.timedelta(days=7)

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        BUILDING = "building", "building"
        READY = "ready", "ready"
        FAILED = "failed", "failed"

    IN_HAND = (State.WAITING, State.BUILDING)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports")
    language = models.CharField(max_length=12)
    state = models.CharField(max_length=12, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField()
    done = models.PositiveIntegerField(
        default=0, help_text="steps done of `total`; both are 0 before it begins"
    )
    total = models.PositiveIntegerField(default=0)
    leased_until = models.DateTimeField(
        null=True, blank=True, help_text="when another worker may take it, if this one was killed"
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    ready_at = models.DateTimeField(null=True, blank=True)
    file = models.FileField(storage=private_storage, max_length=120, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text="bytes")

    objects = ExportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "building", "ready", "failed"]), name="known_export_state"
            ),
            models.CheckConstraint(
                condition=Q(state="ready", ready_at__isnull=False)
                | ~Q(state="ready") & Q(ready_at__isnull=True),
                name="ready_has_its_time",
            ),
            models.UniqueConstraint(
                fields=["person"], condition=Q(state__in=["waiting", "building"]), name="one_export_in_hand"
            ),
        ]
        indexes = [
            models.Index(
                fields=["asked_at", "id"],
                name="exports_in_hand",
                condition=Q(state__in=["waiting", "building"]),
            )
        ]

    def __str__(self):
        return f"export {self.public_id} ({self.state})"

    @property
    def is_in_progress(self):
        return self.state in self.IN_HAND

    @property
    def ends_at(self):
        return self.ready_at + self.KEPT_FOR


class Erasure(models.Model):
    """The receipt of an erasure: its time, and the number of deleted rows of each kind. It names nobody."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    erased_at = models.DateTimeField()
    language = models.CharField(max_length=12)
    counts = models.JSONField(help_text="{kind: number of rows}, see portal.privacy.erasure_words")

    def __str__(self):
        return f"erasure {self.public_id}"
