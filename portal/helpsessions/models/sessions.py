"""Help sessions."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, Library, User
from portal.page_addresses import address_of
from portal.templatetags.portal import day_in_a_sentence
from portal.text import shortened
from recommendations.models import QuestionType, Topic

from .choices import PatronGroup, ServicePoint, TallyKind

KEPT_BY_CODE_FOR_DAYS = 30
# The longest title of a session, in characters. The question can be longer.
TITLE_LENGTH = 90


class HelpSessionQuerySet(models.QuerySet):
    """The filters of help sessions. Every view starts with `belonging_to` or `at_desk_of`."""

    def belonging_to(self, viewer):
        """Return the recorded sessions that this viewer may open as a patron.

        These sessions are in the viewer's account, are shared with the viewer, or were opened by code.
        """
        return self.filter(
            viewer.owns("patron", pk=viewer.opened_sessions), status=HelpSession.Status.RECORDED
        )

    def at_desk_of(self, user, shown=(), *, covering=True):
        """Return the sessions that this staff member may open at the desk.

        These are the sessions of the staff member's branches, the sessions that the staff member recorded,
        and the sessions in `shown`. `shown` has the primary keys of sessions whose code a patron showed to
        the staff member today. If `covering` is true and the staff member's branch covers for another branch,
        add the sessions that the other branch's conversations are about. Leave out forgotten sessions.
        """
        mine = Q(branch__in=user.desk_branch_ids) | Q(staff=user) | Q(pk__in=shown)
        if covering and user.covered_branch_ids:
            covered = self.model.objects.filter(conversations__branch__in=user.covered_branch_ids)
            mine |= Q(pk__in=covered.values("pk"))
        return self.filter(forgotten_on=None).filter(mine)

    def recorded_by(self, person):
        """Return the sessions that this staff member recorded. `at_desk_of` includes these sessions.

        `person` is a person, a primary key or a Slot of a prepared query.
        """
        return self.recorded().filter(forgotten_on=None, staff=person)

    def recorded(self):
        return self.filter(status=HelpSession.Status.RECORDED)

    def unfinished(self):
        """Return the unfinished sessions. The oldest comes first, because staff remember it least."""
        return self.filter(status=HelpSession.Status.UNFINISHED).order_by("created_at", "pk")

    def latest_first(self):
        return self.order_by("-happened_on", "-pk")


class HelpSession(models.Model):
    """One occasion when staff helped a patron. Library statistics call this a reference transaction.

    A session with the status TALLY is only counted and has no details.
    """

    class Status(models.TextChoices):
        UNFINISHED = "unfinished", _("not finished yet")
        RECORDED = "recorded", _("recorded")
        TALLY = "tally", _("tally")
        # The session was in the account of the wrong patron. Staff made a new session for the right patron,
        # and statistics count the new session in its place.
        REPLACED = "replaced", _("replaced")

    class Mode(models.TextChoices):
        IN_PERSON = "in_person", _("in person")
        PHONE = "phone", _("phone")
        EMAIL = "email", _("email")
        CHAT = "chat", _("chat")
        TEXT = "text", _("text message")
        VIDEO = "video", _("video")
        WEB_FORM = "web_form", _("web form")
        LETTER = "letter", _("letter")
        ROVING = "roving", _("away from the desk")
        OUTREACH = "outreach", _("outside the library")

    class Found(models.TextChoices):
        """The possible replies to the question "Did you find what you needed?"."""

        ALL = "all", _("yes, everything")
        PART = "part", _("only a part")
        SOMETHING_ELSE = "something_else", _("something else useful")
        NO = "no", _("no")
        STILL_WORKING = "still_working", _("still working on it")

    FOUND_SOMETHING = (Found.ALL, Found.SOMETHING_ELSE)

    class Satisfaction(models.TextChoices):
        """The possible replies to the question "How was the help?"."""

        VERY_GOOD = "very_good", _("very good")
        GOOD = "good", _("good")
        NOT_SO_GOOD = "not_so_good", _("not so good")
        POOR = "poor", _("poor")

    class WouldReturn(models.TextChoices):
        """The possible replies to the question "Would you come back to us with another question?"."""

        YES = "yes", _("yes")
        MAYBE = "maybe", _("maybe")
        NO = "no", _("no")

    class CheckIns(models.TextChoices):
        """Whether the library may ask about this visit.

        This choice overrides the choice that the person has made for all visits.
        """

        PAGES = "pages", _("only on the library's web pages")
        NONE = "none", _("don't ask")

    class AnsweredWithin(models.TextChoices):
        """The time between a visit and the patron's reply to the questions about the visit.

        When a session is forgotten, this value replaces the exact time in `answered_at`.
        """

        DAY = "day", _("within a day")
        WEEK = "week", _("within a week")
        MONTH = "month", _("within a month")
        LATER = "later", _("later")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    status = models.CharField(max_length=12, choices=Status)
    patron = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="help_sessions"
    )
    staff = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="help_sessions")
    service_point = models.ForeignKey(
        ServicePoint,
        verbose_name=_("service point"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    tally_kind = models.ForeignKey(
        TallyKind,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    happened_on = models.DateField(_("day"))
    hour = models.PositiveSmallIntegerField(
        _("hour"), null=True, validators=[MaxValueValidator(23)], help_text="null in a forgotten session"
    )
    mode = models.CharField(_("mode"), max_length=12, choices=Mode, default=Mode.IN_PERSON)
    question_type = models.CharField(
        _("question type"), max_length=20, choices=QuestionType, default=QuestionType.REFERENCE
    )
    topic = models.ForeignKey(
        Topic, verbose_name=_("topic"), on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    read_level = models.PositiveSmallIntegerField(
        _("READ level"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(6)]
    )
    minutes = models.PositiveSmallIntegerField(
        _("minutes"), null=True, blank=True, validators=[MaxValueValidator(600)]
    )
    people = models.PositiveSmallIntegerField(
        _("people"), default=1, validators=[MinValueValidator(1), MaxValueValidator(500)]
    )
    questions = models.PositiveSmallIntegerField(
        _("questions"),
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(500)],
        help_text="how many questions the contact had; staff are asked only while a survey counts questions",
    )
    language = models.CharField(_("language of the patron"), max_length=12, default="en")
    patron_group = models.ForeignKey(
        PatronGroup,
        verbose_name=_("patron group"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    is_group_from_card = models.BooleanField(
        default=False, help_text="`patron_group` came from the library card of the patron, not from staff"
    )
    question = models.TextField(_("question"), blank=True)
    summary = models.TextField(_("summary for the patron"), blank=True)
    quiet = models.BooleanField(_("quiet session"), default=False)
    with_child = models.CharField(
        max_length=6,
        choices=Library.Children,
        blank=True,
        help_text="how the library handed over children's visits when it was recorded",
    )
    shared_with = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="shared_sessions",
        help_text="the adult who shares the visit with the child",
    )
    shared_at = models.DateTimeField(null=True, blank=True)
    is_the_childs_alone = models.BooleanField(
        default=False, help_text="true if the child, or the desk for them, ended the sharing with an adult"
    )
    own_values = models.JSONField(
        default=dict,
        blank=True,
        help_text="the chosen values of the library's own fields, as {key of the field: key of the value}",
    )
    found = models.CharField(max_length=20, choices=Found, blank=True)
    satisfaction = models.CharField(max_length=20, choices=Satisfaction, blank=True)
    created_at = models.DateTimeField()
    handed_over_at = models.DateTimeField(null=True, blank=True)
    kept_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(
        null=True, blank=True, help_text="when the patron last answered a question about the visit"
    )
    found_at = models.DateTimeField(null=True, blank=True)
    satisfaction_at = models.DateTimeField(null=True, blank=True)
    would_return = models.CharField(max_length=8, choices=WouldReturn, blank=True, default="")
    would_return_at = models.DateTimeField(null=True, blank=True)
    answered_by_link = models.BooleanField(
        default=False, help_text="`found` came from the link in an email, and nobody was signed in"
    )
    check_ins = models.CharField(
        max_length=8,
        choices=CheckIns,
        blank=True,
        default="",
        help_text="what a viewer chose for this visit; blank if nobody has",
    )
    corrected_on = models.DateField(
        null=True, blank=True, help_text="when staff last changed what the patron may have read"
    )
    forgotten_on = models.DateField(
        null=True,
        blank=True,
        help_text="when the session became a count; its other times are rounded",
    )
    is_counted = models.BooleanField(
        default=False, help_text="whether the counts of forgotten sessions include it"
    )
    answered_within = models.CharField(max_length=8, choices=AnsweredWithin, blank=True)

    objects = HelpSessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["unfinished", "recorded", "tally", "replaced"]),
                name="known_session_status",
            ),
            models.CheckConstraint(
                condition=Q(status="tally") | Q(tally_kind__isnull=True), name="only_a_tally_has_a_kind"
            ),
            models.CheckConstraint(condition=Q(hour__lte=23), name="hour_is_0_to_23"),
            models.CheckConstraint(
                condition=Q(read_level__isnull=True) | Q(read_level__gte=1, read_level__lte=6),
                name="read_level_is_1_to_6",
            ),
            models.CheckConstraint(
                condition=Q(quiet=False) | Q(patron__isnull=True), name="a_quiet_session_has_no_name"
            ),
            models.CheckConstraint(
                condition=Q(status="recorded") | Q(patron__isnull=True),
                name="only_a_recorded_session_has_a_patron",
            ),
            models.CheckConstraint(
                condition=Q(forgotten_on__isnull=True)
                | Q(
                    patron__isnull=True, shared_with__isnull=True, staff__isnull=True, question="", summary=""
                ),
                name="a_forgotten_session_is_a_count",
            ),
            models.CheckConstraint(
                condition=Q(with_child__in=["", "paper", "shared", "own"]), name="known_way_with_a_child"
            ),
            models.CheckConstraint(
                condition=~Q(with_child="paper") | Q(patron__isnull=True), name="nobody_keeps_paper"
            ),
            models.CheckConstraint(
                condition=Q(shared_with__isnull=True) | Q(with_child="shared", quiet=False),
                name="shared_with_an_adult_of_a_child",
            ),
            models.CheckConstraint(
                condition=Q(check_ins__in=["", "pages", "none"]), name="known_check_ins_of_a_visit"
            ),
            models.CheckConstraint(
                condition=Q(would_return__in=["", "yes", "maybe", "no"]), name="known_would_return"
            ),
            models.CheckConstraint(
                condition=(~Q(found="") | Q(found_at__isnull=True))
                & (~Q(satisfaction="") | Q(satisfaction_at__isnull=True))
                & (~Q(would_return="") | Q(would_return_at__isnull=True)),
                name="only_an_answer_has_its_time",
            ),
        ]
        indexes = [
            models.Index(fields=["patron", "-happened_on", "-id"]),
            models.Index(fields=["branch", "-happened_on", "-id"]),
            models.Index(fields=["staff", "-happened_on", "-id"]),
            models.Index(fields=["-happened_on", "-id"], name="sessions_by_day"),
            models.Index(fields=["staff", "created_at", "id"], name="tray", condition=Q(status="unfinished")),
            # Figures by staff member read only this index.
            models.Index(
                fields=["staff", "branch", "happened_on", "status", "minutes"],
                name="sessions_of_staff",
                condition=Q(staff__isnull=False),
            ),
            models.Index(
                fields=["created_at", "id"],
                name="sessions_not_forgotten",
                condition=Q(forgotten_on__isnull=True),
            ),
            models.Index(
                fields=["id"],
                name="forgotten_not_counted",
                condition=Q(forgotten_on__isnull=False, is_counted=False),
            ),
            models.Index(
                fields=["shared_with"], name="sessions_shared", condition=Q(shared_with__isnull=False)
            ),
        ]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return address_of("help_session", self.public_id)

    @property
    def is_on_paper_only(self):
        """Return whether the patron is a child who gets only the printed slip.

        In a quiet session the child gets a code instead, because the slip of a quiet session has no text.
        """
        return self.with_child == Library.Children.PAPER and not self.quiet

    @property
    def is_shared(self):
        """Return whether this is a visit that a child and one adult can both keep."""
        return self.with_child == Library.Children.SHARED and not self.quiet

    @property
    def is_fully_kept(self):
        """Return whether everybody who can keep the session has kept it. If so, no code opens the session."""
        return self.patron_id is not None and not self.is_open_to_an_adult

    @property
    def is_open_to_an_adult(self):
        """Return whether an adult can still start to share the session with the child."""
        return self.is_shared and self.shared_with_id is None and not self.is_the_childs_alone

    @property
    def title(self):
        """Return the title for the patron's pages, which is the question.

        If the session is quiet or has no question, return a title with the day.
        """
        if self.quiet or not self.question:
            return _now("Your visit on %(day)s") % {"day": day_in_a_sentence(self.happened_on)}
        words = " ".join(self.question.split())
        return shortened(words, TITLE_LENGTH)

    def may_share_words(self, person):
        """Return whether this person may share a text about the visit with the staff member who helped.

        Nobody can share a text about a quiet visit or a visit with a child.
        """
        return (
            person is not None
            and self.patron_id == person.pk
            and self.staff_id is not None
            and not self.quiet
            and not self.with_child
            and not person.is_child
        )

    @property
    def keepers(self):
        """Return the people who keep the session: its patron, and the adult who shares it."""
        return [person for person in (self.patron, self.shared_with) if person]
