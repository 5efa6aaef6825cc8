"""The tables of counts. They stay when help sessions are forgotten. Decision 46 has the reasons.

No table has every field, because a row of one contact would then describe a person. `month` and the days are
in the library's time zone.
"""

import uuid

from django.db import models
from django.db.models import Q

from accounts.models import Branch
from portal.conversations.models import Conversation
from portal.helpsessions.models import OwnValue, PatronGroup, ServicePoint, TallyKind
from recommendations.models import Item, Topic


class LogImport(models.Model):
    """One import of a desk log from another system. Undoing the import deletes this row and its counts.

    If an import was killed, importing the same file again continues it.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    file_key = models.CharField(max_length=64, help_text="the HMAC of the file and its mapping")
    added = models.PositiveIntegerField(default=0, help_text="rows that became help sessions")
    replaced = models.PositiveIntegerField(default=0, help_text="how many of them replaced an earlier row")
    first_day = models.DateField(null=True, blank=True)
    last_day = models.DateField(null=True, blank=True)
    file_name = models.CharField(max_length=120, blank=True)
    undo_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="when a coordinator asked the worker to undo it"
    )
    answers = models.JSONField(
        default=dict, help_text="what the columns and values mean, for the file of the rows that failed"
    )

    class Meta:
        indexes = [models.Index(fields=["-started_at", "-id"], name="log_imports_newest_first")]

    def __str__(self):
        return f"import of {self.started_at:%Y-%m-%d %H:%M}"


class Count(models.Model):
    """The numbers of the help sessions that have the same values in the fields KEY.

    If `is_final` is true, the row counts forgotten sessions, so its numbers only grow. Otherwise it counts
    sessions that are not forgotten, and is written again when they change. A figure is the sum of both kinds
    of rows.

    An imported desk log has separate rows, so that the import can be undone. Their numbers can be negative if
    the import replaced contacts of an earlier import.
    """

    KEY: tuple = ()
    NUMBERS: tuple = ("contacts", "minutes", "handed_over", "check_ins")

    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="+")
    is_final = models.BooleanField(default=False)
    contacts = models.IntegerField()
    minutes = models.IntegerField(help_text="the sum of the minutes that staff recorded")
    estimated_minutes = models.IntegerField(
        default=0, help_text="how many of the minutes are estimates, because a desk log had only a band"
    )
    handed_over = models.PositiveIntegerField(help_text="how many sessions were given to the patron")
    check_ins = models.PositiveIntegerField(help_text="how many check-ins were sent")
    log_import = models.ForeignKey(
        LogImport,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="the import of a desk log that the row counts",
    )

    class Meta:
        abstract = True


class DayCount(Count):
    """The contacts in one hour at one service point that have the same mode, question type and READ level."""

    KEY = (
        *("happened_on", "hour", "branch", "service_point", "mode", "question_type", "read_level"),
        *("is_tally", "tally_kind"),
    )
    NUMBERS = (*Count.NUMBERS, "questions")

    happened_on = models.DateField()
    hour = models.PositiveSmallIntegerField(null=True, blank=True)
    service_point = models.ForeignKey(
        ServicePoint, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    mode = models.CharField(max_length=12)
    question_type = models.CharField(max_length=20)
    read_level = models.PositiveSmallIntegerField(null=True, blank=True)
    is_tally = models.BooleanField(default=False)
    tally_kind = models.ForeignKey(
        TallyKind, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    questions = models.IntegerField(db_default=0, help_text="the sum of the questions of the contacts")

    class Meta:
        indexes = [models.Index(fields=["happened_on", "branch"], name="day_counts")]

    def __str__(self):
        return f"{self.happened_on}: {self.contacts}"


class MonthCount(Count):
    """Base of the tables by month. The tables that describe patrons leave out some sessions (counting.py)."""

    month = models.DateField(help_text="the first day of the month")

    class Meta:
        abstract = True

    def __str__(self):
        return f"{self.month}: {self.contacts}"


class PointTotal(MonthCount):
    """The contacts of a month at one service point. Tallies are counted by their kind."""

    KEY = ("month", "branch", "service_point", "is_tally", "tally_kind")

    service_point = models.ForeignKey(
        ServicePoint, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    is_tally = models.BooleanField(default=False)
    tally_kind = models.ForeignKey(
        TallyKind, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="point_totals")]


class ModeTotal(MonthCount):
    """The contacts of a month with one mode."""

    KEY = ("month", "branch", "mode")

    mode = models.CharField(max_length=12)

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="mode_totals")]


class TypeTotal(MonthCount):
    """The contacts of a month with one question type."""

    KEY = ("month", "branch", "is_tally", "question_type")

    is_tally = models.BooleanField(default=False)
    question_type = models.CharField(max_length=20)

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="type_totals")]


class LevelTotal(MonthCount):
    """The contacts of a month with one READ level."""

    KEY = ("month", "branch", "is_tally", "read_level")

    is_tally = models.BooleanField(default=False)
    read_level = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="level_totals")]


class HourTotal(MonthCount):
    """The contacts of a month by hour and day of the week. Monday is 0."""

    KEY = ("month", "branch", "hour", "weekday")

    hour = models.PositiveSmallIntegerField(null=True, blank=True)
    weekday = models.PositiveSmallIntegerField()

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="hour_totals")]


class TopicCount(MonthCount):
    """The contacts of a month with one topic, or without a topic."""

    KEY = ("month", "branch", "topic")

    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="topic_counts")]


class GroupCount(MonthCount):
    """The contacts of a month with one patron group. Null means that no group was recorded."""

    KEY = ("month", "branch", "patron_group")

    patron_group = models.ForeignKey(
        PatronGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="group_counts")]


class LanguageCount(MonthCount):
    """The contacts of a month with patrons of one language."""

    KEY = ("month", "branch", "language")

    language = models.CharField(max_length=12)

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="language_counts")]


class OwnCount(MonthCount):
    """The contacts of a month with one value of one of the library's own fields."""

    KEY = ("month", "branch", "own_value")

    own_value = models.ForeignKey(OwnValue, on_delete=models.PROTECT, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["month", "branch"], name="own_counts")]


class AnswerCount(models.Model):
    """The number of first answers in a month whose waiting time is in the same band (answers.py)."""

    month = models.DateField(help_text="the first day of the month of the answers")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="+")
    up_to = models.PositiveIntegerField(
        help_text="the end of the band in minutes of opening hours; 0: longer"
    )
    is_late = models.BooleanField(help_text="whether the answers came after the promised time")
    answers = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["month", "branch", "up_to", "is_late"], name="one_row_per_band")
        ]

    def __str__(self):
        return f"{self.month}: {self.answers}"


class CountedAnswer(models.Model):
    """A row for each conversation whose first answer has been counted."""

    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, primary_key=True, related_name="counted_answer"
    )

    def __str__(self):
        return f"answer of {self.conversation_id}"


class CheckInAnswers(models.Model):
    """The number of forgotten visits of a month whose patrons had answered a check-in.

    Forgetting a visit deletes its check-ins, so `keeping_counts` adds their number first.
    """

    month = models.DateField(help_text="the first day of the month of the visits")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="+")
    answered = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["month", "branch"], name="one_row_of_check_in_answers")
        ]

    def __str__(self):
        return f"{self.month}: {self.answered}"


class OutcomePeriod(models.Model):
    """A quarter or a reporting year whose outcomes have been counted. These outcomes never change."""

    class Kind(models.TextChoices):
        QUARTER = "quarter", "quarter"
        YEAR = "year", "year"

    kind = models.CharField(max_length=8, choices=Kind)
    first_day = models.DateField()
    last_day = models.DateField()
    counted_on = models.DateField()
    is_late = models.BooleanField(
        help_text="it was counted long after its end, so what was deleted before isn't in it"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "first_day"], name="one_period_of_outcomes"),
            models.CheckConstraint(condition=Q(kind__in=["quarter", "year"]), name="known_outcome_period"),
        ]

    def __str__(self):
        return f"{self.kind} from {self.first_day}"


class Outcome(models.Model):
    """One row of a table of outcomes.

    If `is_shown` is false, no page shows the row by itself. The row is stored, because the numbers of the
    year are computed from it. Such a row is always about the whole library, so its `branch` is null.
    """

    period = models.ForeignKey(OutcomePeriod, on_delete=models.CASCADE, related_name="rows")
    branch = models.ForeignKey(
        Branch,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="null in the tables of the whole library",
    )
    question = models.CharField(max_length=12)
    breakdown = models.CharField(max_length=16, blank=True, help_text="blank in the sum of a table")
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    question_type = models.CharField(max_length=20, blank=True)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    is_shown = models.BooleanField()
    numbers = models.JSONField(help_text="a number for each answer, in the order of ANSWERS")
    visits = models.JSONField(help_text="different visits, see Cell in portal/counts/outcome_counting.py")

    class Meta:
        indexes = [
            models.Index(fields=["period", "branch", "question", "breakdown"], name="tables_of_outcomes")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_shown=True) | Q(branch=None), name="hidden_outcomes_are_of_the_library"
            )
        ]

    def __str__(self):
        return f"{self.period_id}: {self.question}"


# The tables in TOTALS count the same contacts as DayCount, but by month. The other tables by month describe
# patrons.
TOTALS = (PointTotal, ModeTotal, TypeTotal, LevelTotal, HourTotal)
TABLES = (DayCount, *TOTALS, TopicCount, GroupCount, LanguageCount, OwnCount)


class MonthEmail(models.Model):
    """The numbers of a month as the monthly email had them. The row also says that the email was written."""

    month = models.DateField(unique=True, help_text="the first day of the month")
    written_at = models.DateTimeField()
    numbers = models.JSONField(
        default=dict,
        help_text="{primary key of a branch as text: its numbers in the order of Count.NUMBERS}",
    )

    def __str__(self):
        return f"email about {self.month}"


class CountsLock(models.Model):
    """The only row of its table. A process locks the row while it writes counts."""

    def __str__(self):
        return "lock of the counts"
