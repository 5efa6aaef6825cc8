"""The models for people, their consent, and their refused forms."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models, transaction
from django.db.models import F, FilteredRelation, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from portal.prepared import prepared

from .library import Branch
from .names import NameWord


class UserManager(BaseUserManager):
    def get_by_natural_key(self, email):
        return self.get(email__iexact=email)


class User(AbstractBaseUser):
    """A person. Everybody is a patron, and a person with a StaffRole is also staff.

    The email address is optional.
    """

    class Remember(models.TextChoices):
        """How long the library keeps this person's visits. See accounts/patron/retention_choice.py."""

        DAYS_30 = "30", _("30 days")
        DAYS_90 = "90", _("90 days")
        DAYS_365 = "365", _("365 days")
        UNTIL = "until", _("until a date")
        NOTHING = "nothing", _("don't keep anything")

    class CheckIns(models.TextChoices):
        """Whether and how the library may ask this person about their visits later."""

        EMAIL = "email", _("by email")
        PUSH = "push", _("by message on this phone")
        PAGES = "pages", _("only on the library's web pages")
        NONE = "none", _("don't ask")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("email"), null=True, blank=True, unique=True)
    name = models.CharField(_("name"), max_length=80, blank=True)
    language = models.CharField(_("language"), max_length=12, choices=settings.LANGUAGES, blank=True)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(default=timezone.now)
    remember = models.CharField(max_length=8, choices=Remember, default=Remember.DAYS_365)
    remember_until = models.DateField(
        null=True, blank=True, help_text="the last day on which visits are kept"
    )
    remember_chosen_at = models.DateTimeField(
        null=True, blank=True, help_text="null if they have never chosen"
    )
    child_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when it became a child's record; null if it isn't one",
    )

    has_shared_visits = models.BooleanField(
        default=False,
        help_text="a child's visit is or was shared with them; if not, pages skip that query",
    )
    check_ins = models.CharField(
        max_length=8, choices=CheckIns, blank=True, default="", help_text="blank if they have never chosen"
    )
    check_in_titles = models.BooleanField(
        default=False, help_text="whether emails about check-ins, and their links, may name items"
    )
    check_in_sent_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when the last email about a check-in was written; there is at most one a week",
    )
    died_at = models.DateTimeField(
        null=True, blank=True, help_text="when staff noted that the person has died, so nobody writes to them"
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: list[str] = []  # type: ignore[misc]  # a class variable in the stubs

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
            models.CheckConstraint(
                condition=Q(check_ins__in=["", "email", "push", "pages", "none"]),
                name="known_choice_of_check_ins",
            ),
        ]

    def __str__(self):
        return self.display_name

    def save(self, *args, **kwargs):
        self.email = self.email.strip().lower() if self.email else None
        columns = kwargs.get("update_fields")
        with transaction.atomic(savepoint=False):
            super().save(*args, **kwargs)
            if columns is None or "name" in columns:
                NameWord.objects.index([self])

    @property
    def display_name(self):
        """Return the name that other people see. The email address is never part of this name."""
        return self.name or str(_("a patron"))

    @property
    def is_child(self):
        return self.child_since is not None

    @cached_property
    def roles(self):
        # If the branch of a role covers for several branches, `_role_rows` has several rows for this role.
        return list({role.pk: role for role in self._role_rows}.values())

    @cached_property
    def _role_rows(self):
        return _roles(person=self.pk, at=timezone.now()) if self.pk else []

    @cached_property
    def desk_branch_ids(self):
        """Return the primary keys of the branches where this person works at the desk."""
        return [role.branch_id for role in self.roles]

    @property
    def coordinated_branch_ids(self):
        """Return the primary keys of the branches where this person is a coordinator."""
        return [role.branch_id for role in self.roles if role.is_coordinator]

    @cached_property
    def covered_branch_ids(self):
        """Return the primary keys of the branches that this person's branches currently cover for.

        Branches where the person works are left out. See accounts/staff/attendance.py.
        """
        covered = {role.covered_id for role in self._role_rows} - {None, *self.desk_branch_ids}
        return sorted(covered)

    @cached_property
    def covered_branches(self):
        """Return the branches of `covered_branch_ids`. No query runs if there are none."""
        return list(Branch.objects.filter(pk__in=self.covered_branch_ids)) if self.covered_branch_ids else []

    @cached_property
    def queue_branch_ids(self):
        """Return the primary keys of the branches whose conversations this person sees at the desk."""
        return [*self.desk_branch_ids, *self.covered_branch_ids]

    @property
    def has_second_factor(self):
        """Return whether the person has an authenticator app or a passkey.

        Recovery codes alone don't count.
        """
        return self.authenticator_set.filter(type="totp").exists() or self.passkeys.exists()

    @property
    def is_staff(self):
        return self.is_active and bool(self.roles)

    @property
    def is_coordinator(self):
        return self.is_active and any(role.is_coordinator for role in self.roles)


@prepared(person=models.BigAutoField(), at=models.DateTimeField())
def _roles(person, at):
    """Return the roles of the person.

    Each role has the attribute `covered_id`: the primary key of a branch that the role's branch covers for,
    or None. If the role's branch covers for several branches, the result has the role once for each of them.
    A branch counts as covered if it is unattended at the time `at`.
    """
    roles = User._meta.get_field("staff_roles").related_model.objects
    covered = FilteredRelation("branch__covers", condition=Q(branch__covers__unattended_from__lte=at))
    roles = roles.filter(user=person).select_related("branch").annotate(covered=covered)
    return roles.annotate(covered_id=F("covered__id")).order_by("branch__name")


class Consent(models.Model):
    """A person's consent to one `Purpose`, with the exact text that they agreed to."""

    class Purpose(models.TextChoices):
        KEEP_SESSION = "keep_session", _("keep a visit in my library account")
        REMEMBER = "remember", _("how long the library keeps my visits")
        CHECK_INS = "check_ins", _("whether and how the library may ask about my visits")
        CHECK_IN_TITLES = "check_in_titles", _("titles in the emails that ask about a visit")
        QUOTE = "quote", _("share my words with the person who helped me")
        PUSH = "push", _("messages on my phone")

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=30, choices=Purpose)
    subject = models.UUIDField(help_text="the public id of the visit or person that the consent is about")
    wording = models.TextField()
    language = models.CharField(max_length=12)
    given_at = models.DateTimeField()
    read_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="the staff member who read it to them; null if they read it themselves",
    )

    class Meta:
        ordering = ["-given_at"]

    def __str__(self):
        return f"{self.person}: {self.purpose}"


class RefusedPostQuerySet(models.QuerySet):
    def offered_to(self, person, *, at):
        """Return the refused forms that the page /kept/ shows to this person, newest first."""
        return self._current(at).filter(person=person, browser="")

    def left_in(self, browser, *, person, at):
        """Return the refused forms that this browser shows to this person, newest first.

        These are the person's own forms, and forms that were sent while nobody was signed in.
        """
        return self.waiting_in(browser, at=at).filter(Q(person=person) | Q(person=None))

    def waiting_in(self, browser, *, at):
        """Return all refused forms that wait in this browser, newest first.

        The caller must not show what these forms contain.
        """
        return self._current(at).filter(browser=browser)

    def _current(self, at):
        rows = self.filter(refused_at__gt=at - RefusedPost.KEPT_FOR, discarded_at=None)
        return rows.order_by("-refused_at", "-pk")


class RefusedPost(models.Model):
    """A form that was refused because the sign-in or the form had expired.

    If `browser` is empty, the author finds the form on the page /kept/, and can send the form to `path`
    again.

    If `browser` is set, the form waits until somebody signs in with that browser. After the sign-in, the page
    at `path` shows the text again. If `at_once` is also true, the form is only a button without text. After
    the sign-in, the view at `path` does what the button asks for.
    """

    KEPT_FOR = timedelta(minutes=30)
    # How long the person can undo deleting the form.
    UNDO_FOR = timedelta(minutes=5)
    # If the form had files, `fields` has this key. The files themselves aren't saved.
    CHOSE_FILES = "chose_files"
    # The fields where staff type text. The name of a formset field ends with one of these names.
    TEXT_FIELDS = {
        "address",
        "body",
        "email",
        "for_whom",
        "identifier",
        "letters",
        "name",
        "note",
        "question",
        "reason",
        "summary",
        "title",
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # The author. None if nobody was signed in and the last signed-in person is unknown.
    person = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    # An HMAC of the token in the browser's cookie.
    browser = models.CharField(max_length=64, blank=True, default="", db_index=True)
    at_once = models.BooleanField(default=False)
    path = models.CharField(max_length=300)
    fields = models.JSONField()
    refused_at = models.DateTimeField(db_index=True)
    # The time when the person deleted the form. From then on, no page shows the form.
    discarded_at = models.DateTimeField(null=True, blank=True)

    objects = RefusedPostQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(person__isnull=False) | ~Q(browser=""), name="refused_in_a_browser_or_by_a_person"
            )
        ]

    def __str__(self):
        return f"{self.path} at {self.refused_at:%H:%M}"

    @property
    def pairs(self):
        """Return (name of the field, value) for each value of the form."""
        return [(name, value) for name, values in self.fields.items() for value in values]

    @property
    def chose_files(self):
        """Return whether the person had chosen files, which aren't saved."""
        return self.CHOSE_FILES in self.fields

    @property
    def words(self):
        """Return the question in the form, or else the longest text.

        The author recognizes the form by this text. Return "" if the form has no text.
        """
        return self.typed.get("question") or max(self.texts, key=len, default="")

    @property
    def texts(self):
        """Return what the person typed into the text fields of the form. Leave out empty fields."""
        return [value for name, value in self.pairs if value and name.rpartition("-")[2] in self.TEXT_FIELDS]

    @property
    def typed(self):
        """Return {name of a field: its value}. If a field has several values, use the last one."""
        return {name: values[-1] for name, values in self.fields.items() if values}
