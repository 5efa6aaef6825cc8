"""Who: the library, its branches and hours, people, roles, consent, the audit trail."""

import uuid
import zoneinfo
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.files.storage import storages
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from portal.prepared import prepared

from .ils.base import LONGEST_ID


def private_storage():
    return storages["private"]


class Library(models.Model):
    """The library this portal belongs to. There is one row."""

    class Children(models.TextChoices):
        """How a visit with a child is handed over. What a visit was recorded with stays its own, whatever is chosen later."""

        PAPER = "paper", _("paper only")
        SHARED = "shared", _("shared with an adult")
        OWN = "own", _("the child's own")

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
        _("catalogue link template"),
        max_length=300,
        blank=True,
        help_text=_("An address with {isbn}, {title} or {number} where the item's own goes."),
    )
    closes_after_days = models.PositiveSmallIntegerField(
        _("a conversation closes by itself after (days)"),
        default=14,
        validators=[MaxValueValidator(365)],
        help_text=_("Counted from the answer, if the patron writes no more. 0: never."),
    )
    released_after_days = models.PositiveSmallIntegerField(
        _("a conversation left lying is free again after (days)"),
        default=3,
        validators=[MaxValueValidator(90)],
        help_text=_("Counted from the day on which somebody took it and did not answer. 0: never."),
    )
    desk_locks_after_minutes = models.PositiveSmallIntegerField(
        _("a shared desk computer locks after (minutes)"),
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text=_("Counted from when somebody last used it."),
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
        help_text="patron groups of the ILS whose cards are children's, one a line",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="one_library"),
            models.CheckConstraint(
                condition=Q(children__in=["paper", "shared", "own"]), name="known_choice_for_children"
            ),
        ]

    def __str__(self):
        return self.name

    @cached_property
    def zone(self):
        return zoneinfo.ZoneInfo(self.time_zone)

    def today(self, at=None):
        """The library's own day at the moment `at` (now by default): every `…_on` is counted in it."""
        return (at or timezone.now()).astimezone(self.zone).date()

    @classmethod
    def current(cls):
        """The one library; an unsaved placeholder before `setup_library` has run, so that pages can still say so."""
        return next(iter(_libraries()), None) or cls(name="Afterword")


@prepared()
def _libraries():
    return Library.objects.order_by("pk")[:1]


class BranchQuerySet(models.QuerySet):
    def at_desk_of(self, coordinator):
        """Those whose people this coordinator sees to: the branches that they coordinate, and those that nobody does."""
        coordinated = StaffRole.objects.filter(
            branch=OuterRef("pk"), role=StaffRole.Role.COORDINATOR, user__is_active=True
        )
        return self.filter(Exists(coordinated.filter(user=coordinator)) | ~Exists(coordinated))


class Branch(models.Model):
    """One location of the library."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    address = models.CharField(_("address"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=40, blank=True)
    promise_hours = models.PositiveSmallIntegerField(
        _("answers within (opening hours)"),
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(400)],
    )
    closed_at = models.DateTimeField(_("no longer in use since"), null=True, blank=True)

    objects = BranchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "branches"
        ordering = ["name"]

    def __str__(self):
        return self.name


class OpeningHours(models.Model):
    """One stretch of opening on one day of the week; Monday is 0."""

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
    """A day on which a branch is closed although its week says open."""

    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="closed_days")
    day = models.DateField(_("day"))
    reason = models.CharField(_("reason"), max_length=80, blank=True)

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["branch", "day"], name="one_closed_day")]

    def __str__(self):
        return f"{self.branch}: {self.day}"


class UserManager(BaseUserManager):
    def get_by_natural_key(self, email):
        return self.get(email__iexact=email)


class User(AbstractBaseUser):
    """A person: a patron, and a member of staff as well where a StaffRole says so. Nobody needs an e-mail address."""

    class Remember(models.TextChoices):
        """How long what the library did for this person stays theirs: accounts/patron/retention_choice.py."""

        DAYS_30 = "30", _("30 days")
        DAYS_90 = "90", _("90 days")
        DAYS_365 = "365", _("365 days")
        UNTIL = "until", _("until a date")
        NOTHING = "nothing", _("do not keep anything")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("e-mail"), null=True, blank=True, unique=True)
    name = models.CharField(_("name"), max_length=80, blank=True)
    language = models.CharField(_("language"), max_length=12, choices=settings.LANGUAGES, blank=True)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(default=timezone.now)
    remember = models.CharField(max_length=8, choices=Remember, default=Remember.DAYS_365)
    remember_until = models.DateField(
        null=True, blank=True, help_text="the library's day, the last on which it is kept"
    )
    remember_chosen_at = models.DateTimeField(null=True, blank=True, help_text="null: they chose nothing")
    child_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="since when it is a child's record (accounts/patron/children.py); null: it is none",
    )

    has_shared_visits = models.BooleanField(
        default=False,
        help_text="a child's visit is shared with them, or was once: only then a page of theirs has to ask for such visits",
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []  # type: ignore[misc]  # the stubs know it as a class variable

    objects = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_person_per_address"),
            models.CheckConstraint(condition=Q(email__isnull=True) | ~Q(email=""), name="no_empty_address"),
            models.CheckConstraint(
                condition=Q(remember__in=["30", "90", "365", "until", "nothing"]), name="known_remembering"
            ),
            models.CheckConstraint(
                condition=Q(remember="until", remember_until__isnull=False)
                | (~Q(remember="until") & Q(remember_until__isnull=True)),
                name="remembered_until_a_day",
            ),
            models.CheckConstraint(
                condition=Q(child_since__isnull=True) | ~Q(name__contains=" "), name="no_surname_of_a_child"
            ),
        ]

    def __str__(self):
        return self.display_name

    def save(self, *args, **kwargs):
        self.email = self.email.strip().lower() if self.email else None
        super().save(*args, **kwargs)

    @property
    def display_name(self):
        """What others see: the chosen name, never the address."""
        return self.name or str(_("a reader"))

    @property
    def is_child(self):
        return self.child_since is not None

    @cached_property
    def roles(self):
        return _roles(person=self.pk) if self.pk else []

    @cached_property
    def desk_branch_ids(self):
        """The branches whose desk this person works at."""
        return [role.branch_id for role in self.roles]

    @property
    def has_second_factor(self):
        """An authenticator app or a passkey. Recovery codes are only of use beside an app."""
        return self.authenticator_set.filter(type="totp").exists() or self.passkeys.exists()

    @property
    def is_staff(self):
        return self.is_active and bool(self.roles)

    @property
    def is_coordinator(self):
        return self.is_active and any(role.role == StaffRole.Role.COORDINATOR for role in self.roles)


@prepared(person=models.BigAutoField())
def _roles(person):
    return StaffRole.objects.filter(user=person).select_related("branch").order_by("branch__name")


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


class LibraryCard(models.Model):
    """A person as the library's own system (the ILS) knows them: who signs in with a card is found by `ils_id`, which outlives the card.

    What stands here is as the ILS said it when the card last signed in.
    """

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="library_cards")
    ils_id = models.CharField(max_length=LONGEST_ID, unique=True)
    barcode = models.CharField(max_length=60)
    patron_group = models.CharField(max_length=80, blank=True)
    home_branch = models.ForeignKey(
        Branch, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-seen_at", "-pk"]
        constraints = [models.CheckConstraint(condition=~Q(ils_id=""), name="card_has_an_ils_id")]

    def __str__(self):
        return f"{self.person}: {self.ending}"

    @property
    def ending(self):
        """The end of the number: enough to know one's own card by."""
        return self.barcode[-4:]


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


class Consent(models.Model):
    """What a person agreed to, in the words they read, and when."""

    class Purpose(models.TextChoices):
        KEEP_SESSION = "keep_session", _("keep a help session in my library account")
        REMEMBER = "remember", _("how long the library remembers")

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=30, choices=Purpose)
    subject = models.UUIDField(help_text="public id of what the consent is about")
    wording = models.TextField()
    language = models.CharField(max_length=12)
    given_at = models.DateTimeField()
    read_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="who read it to them at the desk; null: they read it themselves",
    )

    class Meta:
        ordering = ["-given_at"]

    def __str__(self):
        return f"{self.person}: {self.purpose}"


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
        CONVERSATION = "thread", _("from beside a conversation")  # the stored value predates the name
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


class AddressChange(models.Model):
    """That an address waits to take the place of a person's: they read a code there, and none at the old one. Whoever reads the old one may
    stop it until then. Of the token in the mail to them only a fingerprint is here."""

    WAITS = timedelta(days=7)

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    email = models.EmailField()
    token_hash = models.CharField(max_length=64, unique=True)
    begun_at = models.DateTimeField(db_index=True)

    def __str__(self):
        return f"of {self.person_id}, {self.begun_at:%Y-%m-%d %H:%M}"

    @property
    def happens_on(self):
        return Library.current().today(self.begun_at + self.WAITS)


class PasskeyQuerySet(models.QuerySet):
    def belonging_to(self, viewer):
        """A person's own; a browser that only opened sessions by code has none."""
        return self.filter(person=viewer.person, person__isnull=False)


class Passkey(models.Model):
    """A key that a phone, a computer or a stick keeps for a person, and uses after their fingerprint, face or PIN. Only its public half is
    here. It works for the one host name for which it was made."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(_("name"), max_length=80)
    handle = models.UUIDField(
        help_text="by which the device knows the person: their public id when it was made, which a joining of records may have ended"
    )
    credential_id = models.BinaryField(max_length=1023, unique=True)
    credential = models.BinaryField(
        help_text="public key and identifiers, as the device gave them (WebAuthn: attested credential data)"
    )
    sign_count = models.PositiveBigIntegerField(
        help_text="of a device that counts: a number that comes twice is a copy's"
    )
    added_on = models.DateField()
    last_used_on = models.DateField(null=True)

    objects = PasskeyQuerySet.as_manager()

    class Meta:
        ordering = ["added_on", "pk"]

    def __str__(self):
        return self.name


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


class RefusedPostQuerySet(models.QuerySet):
    def offered_to(self, person, *, at):
        """What this person may still take up, newest first."""
        return self.filter(person=person, refused_at__gt=at - RefusedPost.KEPT_FOR).order_by(
            "-refused_at", "-pk"
        )


class RefusedPost(models.Model):
    """What somebody had typed when an expired sign-in or form refused it: kept 30 minutes, for that person only."""

    KEPT_FOR = timedelta(minutes=30)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=300)
    fields = models.JSONField()
    refused_at = models.DateTimeField(db_index=True)

    objects = RefusedPostQuerySet.as_manager()

    def __str__(self):
        return f"{self.path} at {self.refused_at:%H:%M}"

    @property
    def pairs(self):
        """(name, value) of each field, as a form sends them."""
        return [(name, value) for name, values in self.fields.items() for value in values]

    @property
    def words(self):
        """The longest thing in it that was written: what its author will know it by."""
        return max((value for _name, value in self.pairs), key=len, default="")
