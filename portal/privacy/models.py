"""What the law forbids to delete for now; two records that became one, and what parts them again; copies of what is kept about a person;
that somebody was erased."""

import datetime
import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User, private_storage
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession


class LegalHold(models.Model):
    """Stops every deletion of one person's, one help session's or one conversation's record until a coordinator lifts it.

    While it is in force it points to the record, which the database then refuses to delete; once lifted only `name` says what it was.
    """

    class Kind(models.TextChoices):
        PERSON = "person", _("a person")
        HELP_SESSION = "help_session", _("a help session")
        CONVERSATION = "conversation", _("a conversation")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=40, help_text="public id of what is, or was, held")
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
        help_text="the hold on a person that left it here, and takes it along",
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
        """What it holds; None once it is lifted."""
        return getattr(self, self.kind)


class MergedRecords(models.Model):
    """That two records became one at the desk, with all that parts them again; it is forgotten after a day. It never leaves the desk."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    into = models.ForeignKey(User, on_delete=models.CASCADE, related_name="merged_records")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    merged_at = models.DateTimeField(db_index=True)
    before = models.JSONField(help_text="what portal.privacy.unmerging wrote down before they were joined")

    def __str__(self):
        return f"joined into {self.into_id}"


class ExportQuerySet(models.QuerySet):
    def belonging_to(self, viewer):
        """A copy is for the person whom it is about; a browser that only opened sessions by code has none."""
        return self.filter(person=viewer.person, person__isnull=False)

    # What to look for.

    def ready(self, at):
        """Those that can be downloaded now."""
        return self.filter(state=Export.State.READY, ready_at__gt=at - Export.KEPT_FOR)

    def in_hand(self):
        """Those that are being built, or wait for it."""
        return self.filter(state__in=Export.IN_HAND)

    def due(self, at):
        """What a worker may take up: no other one holds it."""
        return (
            self.in_hand()
            .filter(Q(leased_until__isnull=True) | Q(leased_until__lte=at))
            .order_by("asked_at", "pk")
        )


class Export(models.Model):
    """A copy of all that is kept about a person, asked for by them: built by the worker, there for seven days, for them alone."""

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
    done = models.PositiveIntegerField(default=0, help_text="steps of `total`; 0 of 0 before it is begun")
    total = models.PositiveIntegerField(default=0)
    leased_until = models.DateTimeField(
        null=True, blank=True, help_text="a worker that was killed holds it no longer than this"
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
    def is_in_hand(self):
        return self.state in self.IN_HAND

    @property
    def ends_at(self):
        return self.ready_at + self.KEPT_FOR


class Erasure(models.Model):
    """That somebody was erased, when, and how many rows of what: the receipt. It names nobody, and nothing leads from it to anybody."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    erased_at = models.DateTimeField()
    language = models.CharField(max_length=12)
    counts = models.JSONField(help_text="{what: how many}; what: portal.privacy.erasure.WHAT, and STAYS")

    def __str__(self):
        return f"erasure {self.public_id}"
