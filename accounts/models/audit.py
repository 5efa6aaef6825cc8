"""Who did or opened what."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .people import User


class AuditEventQuerySet(models.QuerySet):
    def looks_at(self, person):
        """When staff opened something of this person's, looked them up, or changed who can come in and what belongs to them."""
        told = self.filter(patron=person, action__in=[*AuditEvent.LOOKS, *AuditEvent.CHANGES]).exclude(
            by=person
        )
        return told.exclude(
            ~Q(subject=str(person.public_id)), action="merged_people"
        )  # which has an event about each of the two


class AuditEvent(models.Model):
    """Who did or opened what, and whom it concerned. Written by accounts.audit.record and never changed."""

    LOOKS = ("opened", "opened_by_code", "looked_up")
    CHANGES = (
        *("made_account_code", "removed_passkey", "merged_people", "unmerged_people"),
        *("made_childs_record", "ended_childs_record", "ended_sharing", "took_out"),
    )

    class Where(models.TextChoices):
        """From where in the desk something was opened."""

        QUEUE = "queue", _("from the queue")
        SEARCH = "search", _("from a search in the queue")
        SESSIONS = "sessions", _("from the list of visits")
        SESSION = "session", _("from the page of a visit")
        CONVERSATION = "conversation", _("from beside a conversation")
        PEOPLE = "people", _("at the people desk")
        CODE = "code", _("by a code that was shown")
        RECORD = "record", _("to write it down as a contact")

    at = models.DateTimeField()
    action = models.CharField(max_length=60)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    patron = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="audit_events")
    subject_type = models.CharField(max_length=40)
    subject = models.CharField(max_length=40, help_text="public id of the subject")
    where = models.CharField(
        max_length=12,
        choices=Where,
        blank=True,
        help_text="from where in the desk; blank where that isn't known",
    )

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["patron", "-at"]), models.Index(fields=["subject_type", "subject"])]

    def __str__(self):
        return f"{self.at:%Y-%m-%d %H:%M} {self.action} {self.subject_type} {self.subject}"


class LookingReason(models.Model):
    """Why a member of staff looked at somebody with whom their desk had nothing to do. It never leaves the desk."""

    event = models.OneToOneField(
        AuditEvent, on_delete=models.CASCADE, primary_key=True, related_name="looking"
    )
    patron = models.ForeignKey(
        User,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        help_text="at whom: the event outlives them, these words don't",
    )
    reason = models.TextField()

    def __str__(self):
        return f"reason of {self.event_id}"
