"""The models for staff roles, invitations, absences, shared desk computers and their PINs."""

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
        """Return the staff roles at the branches whose staff this coordinator manages."""
        return self.filter(branch__in=Branch.objects.at_desk_of(coordinator))


class StaffRole(models.Model):
    """A person's role at the desk of one branch."""

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
        """Return the invitations to branches whose staff this coordinator manages.

        Leave out an invitation that also names a branch whose staff this coordinator doesn't manage.
        """
        elsewhere = InvitedRole.objects.exclude(branch__in=Branch.objects.at_desk_of(coordinator))
        return self.exclude(roles__in=elsewhere)


class Invitation(models.Model):
    """An invitation to work at a desk. It is deleted when it is accepted or withdrawn.

    Only a hash of the link's token is stored. After the link expires, a coordinator can still send the
    invitation again. If nobody sends it again within KEPT_FOR, the invitation is deleted.
    """

    LASTS = timedelta(days=7)
    KEPT_FOR = timedelta(days=30)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("email"), db_index=True)
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
    """One role at one branch, as part of an invitation."""

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
        """Return the absences that this staff member may change.

        Coordinators may change every absence. Other staff may change only their own absences.
        """
        return self if user.is_coordinator else self.filter(person=user)

    def on(self, day):
        return self.filter(first_day__lte=day, last_day__gte=day)


class Absence(models.Model):
    """The days when a staff member is away, and the colleague who covers for them.

    The absence includes its first and its last day.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="absences")
    first_day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"))
    cover = models.ForeignKey(
        User,
        verbose_name=_("colleague who takes over"),
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
        """Return the computers that this staff member may see and close.

        Staff may close the computers that they unlocked. Coordinators may also close the computers of the
        branches that they manage.
        """
        return (
            self.filter(Q(unlocked_by=user) | Q(branch__in=Branch.objects.at_desk_of(user)))
            if user.is_coordinator
            else self.filter(unlocked_by=user)
        )

    def unlocked(self, at):
        """Return the computers that accept PINs at `at`.

        A computer accepts no PINs after the person who unlocked it has left the computer's branch.
        """
        works_there = StaffRole.objects.filter(
            user=models.OuterRef("unlocked_by"), branch=models.OuterRef("branch")
        )
        return self.filter(Exists(works_there), closed_at=None, until__gt=at, unlocked_by__is_active=True)


class SharedDesk(models.Model):
    """A shared computer at a service point, where staff sign in with a PIN.

    A staff member uses their second factor to unlock the computer for the day. A cookie with a token
    identifies the computer's browser. Only a hash of the token is stored.
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
        default=0, help_text="wrong PINs of all staff since it was unlocked"
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
    """A staff member's PIN for signing in on a shared desk computer.

    The PIN works only while the computer is unlocked for the day. See accounts/sign_in/desk_pins.py.
    """

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="desk_pin")
    pin_hash = models.CharField(max_length=200)
    set_on = models.DateField()
    wrong_tries = models.PositiveSmallIntegerField(
        default=0, help_text="wrong PINs on all computers since they last used their second factor"
    )

    def __str__(self):
        return f"of {self.person_id}"


class PinTries(models.Model):
    """The number of wrong PINs that were entered for one person on one shared desk computer.

    The correct PIN or the second factor resets the number to 0.
    """

    desk = models.ForeignKey(SharedDesk, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    count = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["desk", "person"], name="one_count_of_tries")]

    def __str__(self):
        return f"{self.person_id}: {self.count}"
