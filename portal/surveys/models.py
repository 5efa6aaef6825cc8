"""The rules by which a library counts contacts for its annual surveys, and the weeks that it samples."""

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.helpsessions.models import HelpSession, TallyKind
from recommendations.models import QuestionType


class Survey(models.TextChoices):
    PLS = "pls", _("Public Libraries Survey (PLS)")
    ARL = "arl", _("ARL Statistics")
    ACRL = "acrl", _("ACRL annual survey, IPEDS")


class CountsAs(models.TextChoices):
    TRANSACTION = "transaction", _("reference transaction")
    CONSULTATION = "consultation", _("consultation")
    NEITHER = "neither", _("neither")


class RuleSet(models.Model):
    """The rules by which contacts count for a survey, from a day on until the next rule set starts."""

    class Method(models.TextChoices):
        COUNT = "count", _("actual count")
        ESTIMATE = "estimate", _("estimate from typical weeks")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    survey = models.CharField(max_length=8, choices=Survey)
    starts_on = models.DateField(_("starts on"))
    method = models.CharField(max_length=8, choices=Method, default=Method.COUNT)
    weeks = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(52)],
        help_text="how many weeks an estimate needs at least",
    )
    multiplier = models.PositiveSmallIntegerField(
        default=52,
        validators=[MinValueValidator(1), MaxValueValidator(53)],
        help_text="by which an estimate multiplies the contacts of an average week",
    )
    counts_questions = models.BooleanField(
        default=False,
        db_default=False,
        help_text="whether each question of a contact counts; otherwise a contact counts once",
    )
    tallies_count_as = models.CharField(
        max_length=12,
        choices=CountsAs,
        default=CountsAs.NEITHER,
        help_text="how tallies count whose kind has no TallyRule",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["survey", "starts_on"], name="one_rule_set_per_day"),
            models.CheckConstraint(
                condition=models.Q(survey__in=["pls", "arl", "acrl"]), name="known_survey"
            ),
            models.CheckConstraint(
                condition=models.Q(method__in=["count", "estimate"]), name="known_counting_method"
            ),
            models.CheckConstraint(
                condition=models.Q(tallies_count_as__in=["transaction", "consultation", "neither"]),
                name="known_count_of_tallies",
            ),
        ]

    def __str__(self):
        return f"{self.survey}, {self.starts_on}"


class CountingRule(models.Model):
    """How contacts of one question type count. A rule without a mode is for all modes that have no rule."""

    rule_set = models.ForeignKey(RuleSet, on_delete=models.CASCADE, related_name="counting_rules")
    question_type = models.CharField(max_length=20, choices=QuestionType)
    mode = models.CharField(max_length=12, choices=HelpSession.Mode, blank=True, default="")
    counts_as = models.CharField(max_length=12, choices=CountsAs)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule_set", "question_type", "mode"], name="one_rule_per_type_and_mode"
            ),
            models.CheckConstraint(
                condition=models.Q(counts_as__in=["transaction", "consultation", "neither"]),
                name="known_count_of_contacts",
            ),
        ]

    def __str__(self):
        return f"{self.question_type} {self.mode}: {self.counts_as}"


class TallyRule(models.Model):
    """How tallies of one kind count."""

    rule_set = models.ForeignKey(RuleSet, on_delete=models.CASCADE, related_name="tally_rules")
    tally_kind = models.ForeignKey(TallyKind, on_delete=models.CASCADE, related_name="+")
    counts_as = models.CharField(max_length=12, choices=CountsAs)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule_set", "tally_kind"], name="one_rule_per_tally_kind"),
            models.CheckConstraint(
                condition=models.Q(counts_as__in=["transaction", "consultation", "neither"]),
                name="known_count_of_a_tally_kind",
            ),
        ]

    def __str__(self):
        return f"{self.tally_kind}: {self.counts_as}"


class SampledWeek(models.Model):
    """A week whose contacts the library uses for estimates. Its seven days can begin on any weekday."""

    starts_on = models.DateField(_("first day"), unique=True)

    def __str__(self):
        return str(self.starts_on)
