"""The outbox for emails, what people choose about notices, and the models of the worker's jobs.

An email about a change is written to the outbox in the same transaction as the change.
"""

import uuid
import zoneinfo

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.functional import cached_property

from accounts.models import Branch, User


class NotificationQuerySet(models.QuerySet):
    def due(self, at):
        """Return the emails that should be sent now. Emails that a worker has leased are left out."""
        return self.filter(
            Q(leased_until__isnull=True) | Q(leased_until__lte=at),
            state=Notification.State.WAITING,
            due_at__lte=at,
        ).order_by("due_at", "id")

    def with_address_off(self):
        """Add `address_off`: whether notices to the address that the recipient has now are off."""
        off = FailingAddress.objects.off().filter(person=OuterRef("recipient"), email=F("person__email"))
        return self.annotate(address_off=Exists(off))


class Notification(models.Model):
    """One email to one address. The rows that are waiting are the outbox.

    `kinds.is_notice` says which kinds are notices. `settling.settle` decides when a notice is sent. A notice
    without a text gets its text when it is sent.

    An email with the state DEAD could not be sent. It is stored for a while, so that coordinators see whom it
    didn't reach, and why.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        DELIVERED = "delivered", "delivered"
        DEAD = "dead", "dead"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    recipient = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="notifications")
    to_address = models.EmailField()
    language = models.CharField(max_length=12)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    message_id = models.CharField(max_length=200, unique=True)
    blanked = models.BooleanField(
        default=False, help_text="its text has a code or a link, and is deleted once it is sent or given up"
    )
    removed = models.BooleanField(
        default=False,
        help_text="its address must not be kept: it goes once the email is sent or given up",
    )
    state = models.CharField(max_length=12, choices=State, default=State.WAITING)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    delivered_at = models.DateTimeField(null=True)
    died_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(
        null=True, help_text="its code or link works until then, so it is not sent later"
    )
    about = models.CharField(
        max_length=80,
        blank=True,
        default="",
        help_text="a key of what the notice is about, such as the id of a conversation",
    )
    branch = models.ForeignKey(
        Branch,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="the branch of a notice to staff",
    )
    url = models.CharField(
        max_length=300, blank=True, default="", help_text="where a line of a digest leads to"
    )
    decided_at = models.DateTimeField(
        null=True, help_text="when the worker decided to send this notice; null while it waits"
    )

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "delivered", "dead"]), name="known_notification_state"
            ),
            models.CheckConstraint(
                condition=Q(state="delivered") | Q(delivered_at__isnull=True), name="delivered_has_its_time"
            ),
            models.CheckConstraint(
                condition=Q(state="dead", died_at__isnull=False) | ~Q(state="dead") & Q(died_at__isnull=True),
                name="dead_email_has_its_time",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="outbox_due", condition=Q(state="waiting")),
            models.Index(
                fields=["due_at", "id"],
                name="outbox_due_with_end",
                condition=Q(state="waiting", ends_at__isnull=False),
            ),
            models.Index(fields=["-died_at", "-id"], name="outbox_dead", condition=Q(state="dead")),
            models.Index(fields=["-delivered_at"], name="outbox_delivered", condition=Q(state="delivered")),
            models.Index(fields=["about"], name="notices_about", condition=~Q(about="")),
        ]

    def __str__(self):
        return f"{self.kind} ({self.state})"


class FailingAddressQuerySet(models.QuerySet):
    def off(self):
        return self.filter(off_at__isnull=False)


class FailingAddress(models.Model):
    """An email address that a mail server refused for good, once, or often enough to turn it off."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    email = models.EmailField()
    failed_at = models.DateTimeField(help_text="the first failure that counts")
    off_at = models.DateTimeField(null=True, help_text="since when no notices are sent to the address")

    objects = FailingAddressQuerySet.as_manager()

    def __str__(self):
        return f"of {self.person_id}, {'off' if self.off_at else 'failed once'}"


class StaffNotice(models.Model):
    """Something happened that staff should hear of.

    The worker finds out who gets the notice, and writes one row of the outbox for each of them. The row is
    kept for a day after that, so that nothing is announced twice.
    """

    kind = models.CharField(max_length=40)
    about = models.CharField(max_length=80, help_text="a key, such as the id of a conversation")
    url = models.CharField(max_length=300)
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="+")
    mark = models.CharField(
        max_length=120, unique=True, null=True, help_text="only one notice with this mark is written"
    )
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    written_at = models.DateTimeField(null=True, help_text="when the rows of the outbox were written")

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at", "id"], name="staff_notices_due", condition=Q(written_at__isnull=True)
            ),
            models.Index(
                fields=["written_at"], name="staff_notices_done", condition=Q(written_at__isnull=False)
            ),
        ]

    def __str__(self):
        return f"{self.kind} about {self.about}"


class NoticeChoice(models.Model):
    """How one kind of notice reaches a person.

    A row with a branch is a choice of a staff member for this branch. It comes before their row without a
    branch. A row without a person is the library's default.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", "email"
        NONE = "none", "none"

    class Rhythm(models.TextChoices):
        AT_ONCE = "at_once", "at once"
        HOURLY = "hourly", "at most once an hour"
        DAILY = "daily", "once a day"

    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="notice_choices")
    kind = models.CharField(max_length=40)
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, null=True, related_name="+")
    channel = models.CharField(max_length=8, choices=Channel)
    rhythm = models.CharField(max_length=8, choices=Rhythm)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "kind", "branch"], name="one_choice_for_a_branch"),
            models.UniqueConstraint(
                fields=["person", "kind"], condition=Q(branch__isnull=True), name="one_choice_of_a_person"
            ),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(person__isnull=True), name="one_default_for_a_kind"
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=False) | Q(branch__isnull=True), name="a_default_has_no_branch"
            ),
            models.CheckConstraint(condition=Q(channel__in=["email", "none"]), name="known_channel"),
            models.CheckConstraint(
                condition=Q(rhythm__in=["at_once", "hourly", "daily"]), name="known_rhythm"
            ),
        ]

    def __str__(self):
        return f"{self.kind}: {self.channel}, {self.rhythm}"


class NoticeTimes(models.Model):
    """The times at which a person wants notices or none. People who never chose have no row.

    All times of day are in `time_zone`, or in the library's time zone if it is blank.
    """

    person = models.OneToOneField(User, on_delete=models.CASCADE, related_name="notice_times")
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    time_zone = models.CharField(max_length=64, blank=True, default="")
    daily_at = models.TimeField(
        null=True, help_text="when the email of the day comes; null for when the library opens"
    )
    when_closed = models.BooleanField(
        default=False, help_text="whether notices for staff come while their branch is closed"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="quiet_hours_begin_and_end",
            )
        ]

    def __str__(self):
        return f"of {self.person_id}"

    @cached_property
    def zone(self):
        """Return the chosen time zone, or None for the library's."""
        return zoneinfo.ZoneInfo(self.time_zone) if self.time_zone else None


class DeskUse(models.Model):
    """The time when a staff member last used the desk, correct to five minutes."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="desk_use")
    used_at = models.DateTimeField()

    def __str__(self):
        return f"{self.person_id} at {self.used_at:%H:%M}"


class RepeatedJob(models.Model):
    """The time when a repeated job is due again.

    If there are several workers, only the worker that updates this row first runs the job.
    """

    name = models.CharField(max_length=80, primary_key=True)
    due_at = models.DateTimeField()

    def __str__(self):
        return f"{self.name}, due {self.due_at:%Y-%m-%d %H:%M}"


class Heartbeat(models.Model):
    """The time when a worker last reported that it is running."""

    worker = models.CharField(max_length=80, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self):
        return f"{self.worker} at {self.beat_at:%H:%M:%S}"
