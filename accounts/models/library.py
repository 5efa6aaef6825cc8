"""The models for the library, its branches, and their opening hours."""

import uuid
import zoneinfo

from django.conf import settings
from django.core.files.storage import storages
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from portal.prepared import prepared


def private_storage():
    return storages["private"]


class Library(models.Model):
    """The library that this portal belongs to. The table has only one row."""

    class Children(models.TextChoices):
        """How staff hand over a visit with a child.

        If the library changes this setting later, visits that are already recorded stay as they are.
        """

        PAPER = "paper", _("paper only")
        SHARED = "shared", _("shared with an adult")
        OWN = "own", _("in the child's own account")

    class StaffFigures(models.TextChoices):
        """Who sees the numbers of each staff member. Staff see their own numbers, except with OFF."""

        OFF = "off", _("Off. Nobody sees these numbers.")
        OWN = "own", _("Staff see only their own numbers.")
        COORDINATORS = "coordinators", _("Staff see their own numbers, and coordinators see all.")
        BRANCH = "branch", _("Everybody who works at a branch sees the numbers of all who work there.")

    name = models.CharField(_("name"), max_length=120)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        choices=[(z, z) for z in sorted(zoneinfo.available_timezones())],
    )
    language = models.CharField(_("language"), max_length=12, choices=settings.LANGUAGES, default="en")
    accent_color = models.CharField(
        _("accent color"),
        max_length=7,
        default="#0b5d4d",
        validators=[
            RegexValidator(r"\A#[0-9a-fA-F]{6}\Z", _("Write the color as # and six digits, such as #0b5d4d."))
        ],
    )
    logo = models.FileField(_("logo"), storage=private_storage, upload_to="logo", blank=True)
    catalog_link = models.CharField(
        _("catalog link template"),
        max_length=300,
        blank=True,
        help_text=_(
            "The address of an item's page in your catalog. "
            "Write {isbn}, {title} or {number} where its value goes."
        ),
    )
    catalog_title_link = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="the address of a title search in the catalog, for items that catalog_link can't find",
    )
    proxy_prefix = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="what comes before the address of a licensed source, such as https://proxy.example/login?url=",
    )
    closes_after_days = models.PositiveSmallIntegerField(
        _("close conversations after (days)"),
        default=14,
        validators=[MaxValueValidator(365)],
        help_text=_(
            "If the patron doesn't reply to an answer for this many days, the conversation "
            "closes. With 0, it stays open."
        ),
    )
    released_after_days = models.PositiveSmallIntegerField(
        _("unassign unanswered conversations after (days)"),
        default=3,
        validators=[MaxValueValidator(90)],
        help_text=_(
            "If a staff member doesn't answer an assigned conversation for this many days, the "
            "conversation is unassigned. With 0, it stays assigned."
        ),
    )
    desk_locks_after_minutes = models.PositiveSmallIntegerField(
        _("lock a shared desk computer after (minutes)"),
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text=_("The minutes are counted from the last use of the computer."),
    )
    default_branch = models.ForeignKey(
        "Branch",
        verbose_name=_("default branch"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    children = models.CharField(max_length=6, choices=Children, default=Children.PAPER)
    childrens_groups = models.CharField(
        max_length=1000,
        blank=True,
        help_text="the ILS patron groups whose cards belong to children, one per line",
    )
    children_may_share_lists = models.BooleanField(
        default=False, help_text="whether children can make links that show their lists, without a name"
    )
    check_ins = models.BooleanField(
        default=False, help_text="whether staff ask patrons later how their visits turned out"
    )
    check_ins_of_children = models.BooleanField(
        default=False, help_text="whether a child with a confirmed address is asked by email"
    )
    year_starts_in = models.PositiveSmallIntegerField(
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(12)],
        help_text="the first month of the reporting year, from 1 to 12",
    )
    staff_figures = models.CharField(
        max_length=12, choices=StaffFigures, default=StaffFigures.OFF, db_default=StaffFigures.OFF
    )
    first_week_hidden_at = models.DateTimeField(
        null=True, blank=True, help_text="when a coordinator hid the list of first steps"
    )
    backed_up_at = models.DateTimeField(null=True, blank=True, help_text="when the last backup was made")
    email_tried_at = models.DateTimeField(
        null=True, blank=True, help_text="when a test email was last delivered"
    )
    key_mark = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="a salt and its HMAC with SECRET_KEY, which only this portal can make",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="one_library"),
            models.CheckConstraint(
                condition=Q(children__in=["paper", "shared", "own"]), name="known_choice_for_children"
            ),
            models.CheckConstraint(
                condition=Q(year_starts_in__gte=1, year_starts_in__lte=12), name="year_starts_in_a_month"
            ),
            models.CheckConstraint(
                condition=Q(staff_figures__in=["off", "own", "coordinators", "branch"]),
                name="known_choice_for_staff_figures",
            ),
        ]

    def __str__(self):
        return self.name

    @cached_property
    def zone(self):
        return zoneinfo.ZoneInfo(self.time_zone)

    def today(self, at=None):
        """Return the date in the library's time zone at `at`, or today's date if `at` is None.

        Fields with names that end in `_on` store such dates.
        """
        return (at or timezone.now()).astimezone(self.zone).date()

    @classmethod
    def current(cls):
        """Return the library, or an unsaved placeholder if there is none.

        Pages can use the placeholder before `setup_library` has run.
        """
        return next(iter(_libraries()), None) or cls(name="Afterword")


@prepared()
def _libraries():
    return Library.objects.order_by("pk")[:1]


class BranchQuerySet(models.QuerySet):
    def at_desk_of(self, coordinator):
        """Return the branches whose staff this coordinator manages.

        These are the branches that they coordinate, and the branches without an active coordinator.
        """
        has_coordinator = Q(staff_roles__role="coordinator", staff_roles__user__is_active=True)
        coordinated = self.model.objects.filter(has_coordinator)
        own = self.model.objects.filter(has_coordinator, staff_roles__user=coordinator)
        return self.filter(Q(pk__in=own.values("pk")) | ~Q(pk__in=coordinated.values("pk")))


class Branch(models.Model):
    """One location of the library."""

    class SendButton(models.TextChoices):
        """The main button below the text field of an answer. Staff can also press it with Ctrl and Enter."""

        SEND = "send", _("Send")
        TAKE = "take", _("Send and take")
        CLOSE = "close", _("Send and close")
        NEXT = "next", _("Send and next")

    class Tone(models.TextChoices):
        """The tone of the portal's text for a check-in. The helper can change the text."""

        WARM = "warm", _("warm")
        PLAIN = "plain", _("plain")
        BRIEF = "brief", _("brief")

    name = models.CharField(_("name"), max_length=120, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    address = models.CharField(_("address"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    promise_hours = models.PositiveSmallIntegerField(
        _("promised time to answer (opening hours)"),
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(400)],
    )
    send_button = models.CharField(max_length=8, choices=SendButton, default=SendButton.SEND)
    back_to_writer = models.BooleanField(
        default=False,
        help_text="whether an answered conversation that nobody took comes back to the writer of the answer",
    )
    call_tries = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(20)],
        help_text="after how many calls without an answer staff give up",
    )
    check_in_tone = models.CharField(max_length=8, choices=Tone, default=Tone.WARM)
    check_ins_unreviewed = models.BooleanField(
        default=False, help_text="whether check-ins that nobody reviewed go out, in the branch's name"
    )
    covered_by = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="covers",
        help_text="the branch whose staff see this branch's queue while nobody is in",
    )
    last_seen_on = models.DateField(
        null=True, blank=True, help_text="the last day on which staff of this branch opened the desk"
    )
    unattended_from = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when one opening day without staff is over; moves forward each day that somebody is in",
    )
    closed_at = models.DateTimeField(_("no longer in use since"), null=True, blank=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "branches"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(send_button__in=["send", "take", "close", "next"]), name="known_send_button"
            ),
            models.CheckConstraint(
                condition=Q(check_in_tone__in=["warm", "plain", "brief"]), name="known_tone"
            ),
            models.CheckConstraint(
                condition=Q(covered_by__isnull=True) | ~Q(covered_by=models.F("id")),
                name="no_branch_covers_itself",
            ),
        ]

    def __str__(self):
        return self.name

    def is_covered(self, at):
        """Return whether staff of `covered_by` see the conversations of this branch at the time `at`."""
        return bool(self.covered_by_id and self.unattended_from and self.unattended_from <= at)


class BranchCode(models.Model):
    """A code that the library's own system (ILS) has for a branch.

    If `branch` is None, an import of the catalog found the code, and nobody has assigned it to a branch yet.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.CharField(_("code"), max_length=40)
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, null=True, blank=True, related_name="codes")
    met = models.PositiveIntegerField(
        default=0, help_text="how many holdings the last import left out because the code was unknown"
    )
    met_at = models.DateTimeField(null=True, blank=True, help_text="when this import began")

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(Lower("code"), name="one_row_per_branch_code"),
            models.CheckConstraint(condition=~Q(code=""), name="branch_code_is_not_empty"),
        ]

    def __str__(self):
        return self.code


class OpeningHours(models.Model):
    """A period when a branch is open, on one day of the week. Monday is weekday 0."""

    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="opening_hours")
    weekday = models.PositiveSmallIntegerField()
    opens = models.TimeField()
    closes = models.TimeField()

    class Meta:
        ordering = ["weekday", "opens"]
        constraints = [
            models.CheckConstraint(condition=Q(weekday__lte=6), name="weekday_is_0_to_6"),
            models.CheckConstraint(condition=Q(closes__gt=models.F("opens")), name="closes_after_it_opens"),
            models.UniqueConstraint(fields=["branch", "weekday", "opens"], name="one_opening_at_a_time"),
        ]

    def __str__(self):
        return f"{self.branch}: {self.weekday} {self.opens}–{self.closes}"


class ClosedDay(models.Model):
    """A day when a branch is closed, even if its opening hours include that weekday."""

    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="closed_days")
    day = models.DateField(_("day"))
    reason = models.CharField(_("reason"), max_length=80, blank=True)

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["branch", "day"], name="one_closed_day")]

    def __str__(self):
        return f"{self.branch}: {self.day}"
