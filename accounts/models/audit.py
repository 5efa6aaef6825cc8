"""The models of the audit trail, which says who changed or opened what."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .people import User


class AuditEventQuerySet(models.QuerySet):
    def looks_at(self, person):
        """Return the events in which somebody else looked up `person`, or opened or changed their data."""
        events = self.filter(patron=person, action__in=[*AuditEvent.LOOKS, *AuditEvent.CHANGES])
        # A merge writes two events for the remaining person: one about their own record, and one about the
        # record that was merged into it. Leave out the second.
        about_other_record = Q(action="merged_people") & ~Q(subject=str(person.public_id))
        return events.exclude(by=person).exclude(about_other_record)


class AuditEvent(models.Model):
    """One event of the audit trail. It says who changed or opened something, and which patron this concerns.

    accounts.audit.record creates events. An event never changes afterward.
    """

    LOOKS = ("opened", "opened_by_code", "looked_up", "saw_number")
    CHANGES = (
        *("made_account_code", "removed_passkey", "merged_people", "unmerged_people"),
        *("made_childs_record", "ended_childs_record", "ended_sharing", "took_out"),
        *("removed_patron", "corrected", "added_email"),
        *("chose_check_ins", "stopped_check_ins", "noted_death", "undid_death"),
    )

    class Where(models.TextChoices):
        """The desk page where staff opened something."""

        QUEUE = "queue", _("in the list of conversations")
        SEARCH = "search", _("in a search for conversations")
        SESSIONS = "sessions", _("in the list of visits")
        SESSION = "session", _("on the page of a visit")
        CONVERSATION = "conversation", _("on the page of a conversation")
        PEOPLE = "people", _("on the page for finding patrons")
        CODE = "code", _("with a code shown at the desk")
        RECORD = "record", _("while recording a visit")
        COVER = "cover", _("while covering for another branch")

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
        help_text="the page of the desk; blank if unknown",
    )

    results = models.PositiveIntegerField(null=True, help_text="how many results a search had")

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["patron", "-at"]), models.Index(fields=["subject_type", "subject"])]

    def __str__(self):
        return f"{self.at:%Y-%m-%d %H:%M} {self.action} {self.subject_type} {self.subject}"


class LookingReason(models.Model):
    """Why a staff member looked up a patron who had no visit or conversation at the staff member's desk.

    Patrons never see this reason.
    """

    event = models.OneToOneField(
        AuditEvent, on_delete=models.CASCADE, primary_key=True, related_name="looking"
    )
    patron = models.ForeignKey(
        User,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        help_text="the patron who was looked up; deleting them deletes the reason, but not the event",
    )
    reason = models.TextField()

    def __str__(self):
        return f"reason of {self.event_id}"
