"""Check-ins, and the rules that decide when the library asks."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Absence, Branch, StaffRole, User
from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType, Topic


class CheckInRule(models.Model):
    """The number of days after which the library asks about visits with one topic or of one question type."""

    class Since(models.TextChoices):
        """The event that a rule counts the days from. NEVER means that the library never asks."""

        VISIT = "visit", _("the visit")
        GOT_IT = "got_it", _("the patron's \"I've got it\"")
        NEVER = "never", _("never ask")

    topic = models.OneToOneField(
        Topic, on_delete=models.CASCADE, null=True, blank=True, related_name="check_in_rule"
    )
    question_type = models.CharField(
        max_length=20, choices=QuestionType, blank=True, help_text="blank in the rule of a topic"
    )
    since = models.CharField(max_length=8, choices=Since)
    days = models.PositiveSmallIntegerField(
        _("days"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(180)]
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(topic__isnull=False, question_type="")
                | Q(topic__isnull=True) & ~Q(question_type=""),
                name="a_rule_for_a_topic_or_a_question_type",
            ),
            models.UniqueConstraint(
                fields=["question_type"], condition=~Q(question_type=""), name="one_rule_for_a_question_type"
            ),
            models.CheckConstraint(
                condition=Q(since="never", days__isnull=True)
                | Q(since__in=["visit", "got_it"], days__gte=1, days__lte=180),
                name="a_rule_has_its_days",
            ),
        ]

    def __str__(self):
        return f"{self.topic or self.question_type}: {self.days} days since {self.since}"


class CheckInQuerySet(models.QuerySet):
    """The filters of check-ins. Every view at the desk starts with `at_desk_of`."""

    def at_desk_of(self, user, shown=()):
        """Return the check-ins that this staff member may open at the desk.

        These are the check-ins about visits that the staff member may open, and the planned check-ins of
        colleagues that the staff member covers for.
        """
        visits = HelpSession.objects.at_desk_of(user, shown).values("pk")
        return self.filter(Q(help_session__in=visits) | _under_cover(user.pk, timezone.localdate()))

    def reviewed_by_person(self, user, *, today):
        """Return the check-ins that this staff member reviews. See `is_reviewed_by`."""
        return self.filter(is_reviewed_by(user.pk, user.coordinated_branch_ids or None, today))

    def open(self):
        return self.filter(status__in=CheckIn.OPEN)


def is_reviewed_by(person, branches, today):
    """Return the condition for the check-ins that a staff member reviews.

    Staff review their own check-ins. They also review a colleague's check-in if they cover for the colleague
    today or on the day of the check-in. Coordinators also review the check-ins of helpers who no longer work
    at the branch. `branches` are the branches that the person coordinates, or None.
    """
    mine = Q(help_session__staff=person) | _under_cover(person, today)
    if branches is None:
        return mine
    still_there = StaffRole.objects.filter(
        user=OuterRef("help_session__staff"), branch=OuterRef("help_session__branch")
    )
    return mine | Q(~Exists(still_there), help_session__branch__in=branches)


def _under_cover(person, today):
    """Return the condition for the planned check-ins of colleagues for whom this person covers.

    The person must cover today or on the day of the check-in.
    """
    absences = Absence.objects.filter(
        cover=person, person=OuterRef("help_session__staff"), last_day__gte=today
    )
    on_its_day = Q(first_day__lte=OuterRef("due_on"), last_day__gte=OuterRef("due_on"))
    is_there = Q(
        status=CheckIn.Status.PLANNED,
        help_session__status=HelpSession.Status.RECORDED,
        help_session__quiet=False,
        help_session__forgotten_on=None,
    )
    return is_there & Exists(absences.filter(on_its_day | Q(first_day__lte=today)))


class CheckIn(models.Model):
    """One question to a patron, a few days after a visit: "How did it turn out?".

    A planned check-in is due on the day `due_on`. From that day on, the patron's pages show the question. If
    the patron agreed, the library also sends the question once, by email or as a message on the phone.
    """

    class Status(models.TextChoices):
        PLANNED = "planned", _("planned")
        ASKED = "asked", _("asked")
        ANSWERED = "answered", _("answered")
        SKIPPED = "skipped", _("skipped")
        ENDED = "ended", _("ended")

    class SetBy(models.TextChoices):
        """Who chose the day of a check-in.

        The patron's choice overrides the choice of staff. Both choices override the rules.
        """

        RULE = "rule", _("a rule of the library")
        STAFF = "staff", _("staff")
        PATRON = "patron", _("the patron")

    OPEN = (Status.PLANNED, Status.ASKED)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    help_session = models.ForeignKey(HelpSession, on_delete=models.CASCADE, related_name="check_ins_made")
    status = models.CharField(max_length=8, choices=Status, default=Status.PLANNED)
    due_on = models.DateField(_("day"), help_text="the library's day on which the patron is asked")
    set_by = models.CharField(max_length=8, choices=SetBy, default=SetBy.RULE)
    reason = models.CharField(
        _("why that day"),
        max_length=120,
        blank=True,
        help_text='a note of staff, such as "when the essay is due"; patrons never see it',
    )
    tone = models.CharField(
        max_length=8, choices=Branch.Tone, blank=True, help_text="blank means the branch's tone"
    )
    words = models.TextField(
        _("words"), blank=True, help_text="the helper's own words; blank while the portal's draft is used"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True, blank=True, help_text="when the email was written")
    asked_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="whose name the email has; null if it has the branch's",
    )
    asked = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="check_ins_received",
        help_text="the patron who got the email",
    )
    message_id = models.CharField(max_length=200, blank=True, help_text="Message-ID of the email")
    token_hmac = models.CharField(max_length=64, unique=True, null=True, blank=True)
    link_ends_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="when it was skipped or ended")

    objects = CheckInQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["help_session"],
                condition=Q(status__in=["planned", "asked"]),
                name="one_open_check_in_per_visit",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["planned", "asked", "answered", "skipped", "ended"]),
                name="known_check_in_status",
            ),
            models.CheckConstraint(
                condition=~Q(status="asked") | Q(asked_at__isnull=False), name="asked_has_its_time"
            ),
            models.CheckConstraint(
                condition=~Q(status="answered") | Q(answered_at__isnull=False),
                name="answered_check_in_has_its_time",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["skipped", "ended"]) | Q(ended_at__isnull=False),
                name="ended_check_in_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(token_hmac__isnull=True) | Q(link_ends_at__isnull=False),
                name="a_link_has_its_end",
            ),
        ]
        indexes = [
            models.Index(fields=["due_on", "id"], name="check_ins_due", condition=Q(status="planned")),
            models.Index(fields=["help_session", "-id"], name="check_ins_of_a_visit"),
            models.Index(
                fields=["asked", "-asked_at"], name="check_ins_of_a_patron", condition=Q(asked__isnull=False)
            ),
            models.Index(
                fields=["link_ends_at"], name="check_in_links", condition=Q(token_hmac__isnull=False)
            ),
        ]

    def __str__(self):
        return f"{self.status}, due on {self.due_on}"


class SharedWords(models.Model):
    """A short text that a patron shares with the staff member who helped them at a visit.

    The patron writes it on the page "Share a few words". The staff member's page "What you made possible"
    shows the text until the visit leaves the patron's account.
    """

    help_session = models.OneToOneField(
        HelpSession, on_delete=models.CASCADE, primary_key=True, related_name="shared_words"
    )
    words = models.TextField(_("words"))
    shared_at = models.DateTimeField()

    def __str__(self):
        return f"words about {self.help_session_id}"
