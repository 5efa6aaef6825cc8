"""Staff: who works where, who was invited, who is away, and the computers they share."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Exists, Q
from django.utils.translation import gettext_lazy as _

from .library import Branch
from .people import User


class StaffRoleQuerySet(models.QuerySet):
    def at_desk_of(self, coordinator):
        """Those that this coordinator gives, changes and ends."""
        return self.filter(branch__in=Branch.objects.at_desk_of(coordinator))


class StaffRole(models.Model):
    """A person works at the desk of a branch."""

    class Role(models.TextChoices):
        STAFF = "staff", _("staff")
        COORDINATOR = "coordinator", _("coordinator")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="staff_roles")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="staff_roles")
    role = models.CharField(_("role"), max_length=12, choices=Role, default=Role.STAFF)

    objects = StaffRoleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "branch"], name="one_role_per_branch"),
            models.CheckConstraint(condition=Q(role__in=["staff", "coordinator"]), name="known_role"),
        ]

    def __str__(self):
        return f"{self.user}: {self.role} at {self.branch}"

    @property
    def is_coordinator(self):
        return self.role == self.Role.COORDINATOR


class InvitationQuerySet(models.QuerySet):
    def at_desk_of(self, coordinator):
        """Those that this coordinator sends again and withdraws: to no branch that has another coordinator."""
        elsewhere = InvitedRole.objects.exclude(branch__in=Branch.objects.at_desk_of(coordinator))
        return self.exclude(roles__in=elsewhere)


class Invitation(models.Model):
    """Somebody is invited to work at a desk. Of the token in the link only a fingerprint is here. It goes once it is accepted or withdrawn."""

    LASTS = timedelta(days=7)
    KEPT_FOR = timedelta(days=30)  # once it was sent: what has run out can be sent again

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("e-mail"), db_index=True)
    name = models.CharField(_("name"), max_length=80)
    language = models.CharField(_("language"), max_length=12, choices=settings.LANGUAGES)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations")
    sent_at = models.DateTimeField(db_index=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-sent_at", "-pk"]
        constraints = [models.UniqueConstraint(fields=["email", "invited_by"], name="invited_once_by_each")]

    def __str__(self):
        return f"of {self.name}"

    @property
    def expires_at(self):
        return self.sent_at + self.LASTS


class InvitedRole(models.Model):
    """At which branch, and as what, somebody is invited to work."""

    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, related_name="roles")
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(_("role"), max_length=12, choices=StaffRole.Role)

    class Meta:
        ordering = ["branch__name"]
        constraints = [
            models.UniqueConstraint(fields=["invitation", "branch"], name="invited_once_per_branch"),
            models.CheckConstraint(condition=Q(role__in=["staff", "coordinator"]), name="known_invited_role"),
        ]

    def __str__(self):
        return f"{self.role} at {self.branch_id}"


class AbsenceQuerySet(models.QuerySet):
    def at_desk_of(self, user):
        """What this member of staff may change: their own; a coordinator everybody's."""
        return self if user.is_coordinator else self.filter(person=user)

    def on(self, day):
        return self.filter(first_day__lte=day, last_day__gte=day)


class Absence(models.Model):
    """Days on which a member of staff doesn't answer, and who does meanwhile. Days are the library's, both included."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="absences")
    first_day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"))
    cover = models.ForeignKey(
        User,
        verbose_name=_("who covers"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="covers",
    )

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        ordering = ["first_day"]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__gte=models.F("first_day")), name="absence_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=Q(cover__isnull=True) | ~Q(cover=models.F("person")),
                name="nobody_covers_themselves",
            ),
        ]
        indexes = [
            models.Index(fields=["cover", "last_day"], condition=Q(cover__isnull=False), name="covers")
        ]

    def __str__(self):
        return f"{self.person}: {self.first_day} to {self.last_day}"


class SharedDeskQuerySet(models.QuerySet):
    def at_desk_of(self, user):
        """Which this member of staff sees and may close: those they unlocked, and those of the branches that they coordinate."""
        return (
            self.filter(Q(unlocked_by=user) | Q(branch__in=Branch.objects.at_desk_of(user)))
            if user.is_coordinator
            else self.filter(unlocked_by=user)
        )

    def unlocked(self, at):
        """Those on which a PIN is good at `at`. One that was unlocked by somebody who has left its branch is not among them."""
        works_there = StaffRole.objects.filter(
            user=models.OuterRef("unlocked_by"), branch=models.OuterRef("branch")
        )
        return self.filter(Exists(works_there), closed_at=None, until__gt=at, unlocked_by__is_active=True)


class SharedDesk(models.Model):
    """A computer at a service point that a member of staff unlocked for the day by their second factor: there, staff switch by their PINs.

    The browser knows itself by a token, of which only a fingerprint is here.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=60)
    token_hash = models.CharField(max_length=64, unique=True)
    unlocked_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    unlocked_at = models.DateTimeField()
    until = models.DateTimeField(db_index=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    wrong_tries = models.PositiveSmallIntegerField(
        default=0, help_text="wrong PINs of anybody's since it was unlocked"
    )

    objects = SharedDeskQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(until__gt=models.F("unlocked_at")), name="desk_is_unlocked_for_a_while"
            )
        ]

    def __str__(self):
        return f"{self.name}, {self.branch_id}"


class DeskPin(models.Model):
    """With what a member of staff opens a shared desk computer that is unlocked, and nothing else. See accounts/sign_in/desk_pins.py."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="desk_pin")
    pin_hash = models.CharField(max_length=200)
    set_on = models.DateField()
    wrong_tries = models.PositiveSmallIntegerField(
        default=0, help_text="on any computer, since its owner showed their second factor"
    )

    def __str__(self):
        return f"of {self.person_id}"


class PinTries(models.Model):
    """How many wrong PINs of one person were typed on one shared desk computer since the last right one."""

    desk = models.ForeignKey(SharedDesk, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    count = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["desk", "person"], name="one_count_of_tries")]

    def __str__(self):
        return f"{self.person_id}: {self.count}"
