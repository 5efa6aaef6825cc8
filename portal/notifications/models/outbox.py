"""The outbox for emails, what people choose about notices, and the models of the worker's jobs.

An email about a change is written to the outbox in the same transaction as the change.
"""

import uuid
import zoneinfo

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.functional import cached_property

from accounts.models import Branch, User

from .push import PushMessage, PushSubscription


class NotificationQuerySet(models.QuerySet):
    def due(self, at):
        """Return the emails that should be sent now. Emails that a worker has leased are left out."""
        return self.filter(
            Q(leased_until__isnull=True) | Q(leased_until__lte=at),
            state=Notification.State.WAITING,
            due_at__lte=at,
        ).order_by("due_at", "id")

    def not_sent(self):
        """Return the emails and notices that were not sent and that no worker is sending now.

        They include emails that a server has refused and that will be tried again.
        """
        taken = PushMessage.objects.filter(notice=OuterRef("pk"), attempts__gt=0)
        waits = Q(state=Notification.State.WAITING) | Q(~Exists(taken), state=Notification.State.PUSHING)
        return self.filter(waits, leased_until=None)

    def with_address_off(self):
        """Annotate each row with `address_off`: whether notices to the recipient's address are stopped."""
        off = FailingAddress.objects.off().filter(person=OuterRef("recipient"), email=F("person__email"))
        return self.annotate(address_off=Exists(off))

    def with_devices(self):
        """Annotate each row with `has_devices`: whether the recipient has a device for push messages."""
        return self.annotate(
            has_devices=Exists(PushSubscription.objects.filter(person=OuterRef("recipient")))
        )


class Notification(models.Model):
    """One email to one address. The rows that are waiting are the outbox.

    `kinds.is_notice` says which kinds are notices. `settling.settle` decides when a notice is sent. If a
    notice has no text yet, the worker writes the text just before it sends the notice.

    An email with the state DEAD could not be sent. Its row stays for 90 days, so that coordinators see which
    person did not get the email, and why.

    A notice with the state PUSHING is sent to devices instead: it has a PushMessage for each device.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        PUSHING = "pushing", "being sent to devices"
        DELIVERED = "delivered", "delivered"
        DEAD = "dead", "dead"

    class Way(models.TextChoices):
        EMAIL = "email", "by email"
        PUSH = "push", "to devices"
        EMAIL_INSTEAD = "instead", "by email, because no device could be reached"

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
    replaces = models.JSONField(
        default=list,
        help_text="of a digest: kind, branch, about, message_id and url of each notice that it replaced",
    )
    decided_at = models.DateTimeField(
        null=True, help_text="when the worker decided to send this notice; null while it waits"
    )
    way = models.CharField(max_length=8, choices=Way, default=Way.EMAIL)
    browsers_about = models.CharField(
        max_length=80,
        blank=True,
        default="",
        help_text="if nobody is the recipient: the `about` of the PushSubscriptions that get this notice",
    )

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "pushing", "delivered", "dead"]),
                name="known_notification_state",
            ),
            models.CheckConstraint(
                condition=Q(way__in=["email", "push", "instead"]), name="known_way_of_a_notice"
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
            models.Index(fields=["id"], name="notices_pushing", condition=Q(state="pushing")),
        ]

    def __str__(self):
        return f"{self.kind} ({self.state})"

    def emptied(self):
        """Return {column: empty value} for the columns to empty when the email is given up."""
        emptied: dict = {"text": "", "html": "", "url": ""} if self.blanked or self.removed else {}
        if self.removed:
            emptied |= {"to_address": "", "subject": "", "headers": {}, "recipient": None}
        return emptied


class FailingAddressQuerySet(models.QuerySet):
    def off(self):
        return self.filter(off_at__isnull=False)


class FailingAddress(models.Model):
    """An email address that a mail server refused permanently.

    After a second failure, no more notices are sent to the address, and `off_at` is set.
    """

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    email = models.EmailField()
    failed_at = models.DateTimeField(help_text="the first failure that counts")
    off_at = models.DateTimeField(null=True, help_text="since when no notices are sent to the address")

    objects = FailingAddressQuerySet.as_manager()

    def __str__(self):
        return f"of {self.person_id}, {'off' if self.off_at else 'failed once'}"


class StaffNotice(models.Model):
    """An event that staff should be notified about.

    The worker finds out who gets the notice, and writes one row of the outbox for each person. The
    StaffNotice stays for another day, so that the same event is not announced twice.
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

    A row with a branch is a staff member's choice for this branch. It overrides the staff member's choice for
    all branches, which is a row without a branch. A row without a person is the library's default. The
    default is never push, because each person agrees to push on their own devices.
    """

    class Channel(models.TextChoices):
        EMAIL = "email", "email"
        PUSH = "push", "push"
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
            models.CheckConstraint(condition=Q(channel__in=["email", "push", "none"]), name="known_channel"),
            models.CheckConstraint(
                condition=~Q(channel="push") | Q(person__isnull=False), name="the_default_is_not_push"
            ),
            models.CheckConstraint(
                condition=~Q(channel="push", rhythm="daily"), name="push_has_no_daily_digest"
            ),
            models.CheckConstraint(
                condition=Q(rhythm__in=["at_once", "hourly", "daily"]), name="known_rhythm"
            ),
        ]

    def __str__(self):
        return f"{self.kind}: {self.channel}, {self.rhythm}"


class NoticeTimes(models.Model):
    """The times when a person wants emails, and their quiet hours. People who never chose have no row.

    All times of day are in `time_zone`. If `time_zone` is blank, they are in the library's time zone.
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
        """Return the person's chosen time zone, or None if they use the library's time zone."""
        return zoneinfo.ZoneInfo(self.time_zone) if self.time_zone else None


class DeskUse(models.Model):
    """The time when a staff member last used the desk, to the minute."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="desk_use")
    used_at = models.DateTimeField()

    def __str__(self):
        return f"{self.person_id} at {self.used_at:%H:%M}"


class RepeatedJob(models.Model):
    """The time when a repeated job is due again.

    If several workers are running, the first one that updates this row runs the job.
    """

    name = models.CharField(max_length=80, primary_key=True)
    due_at = models.DateTimeField()

    def __str__(self):
        return f"{self.name}, due {self.due_at:%Y-%m-%d %H:%M}"


class Heartbeat(models.Model):
    """The time when a worker last reported that it is running.

    The row with the key `actions.MAILBOX` has the time when a worker last read the mailbox.
    """

    worker = models.CharField(max_length=80, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self):
        return f"{self.worker} at {self.beat_at:%H:%M:%S}"
