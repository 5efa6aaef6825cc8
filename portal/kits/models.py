"""The models for kits, and for the numbers that say what helped."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, Library, User
from recommendations.models import Item, QuestionType, Topic

NAME_MAX, DESCRIPTION_MAX, REASON_MAX = 80, 400, 400


class KitQuerySet(models.QuerySet):
    def at_desk_of(self, user):
        """Return the kits of the staff member's branches, the kits for all branches, and their own kit."""
        return self.filter(at_desk_of(user.pk, user.desk_branch_ids))

    def editable_by(self, user):
        """Return the kits that this staff member may edit, without own kits.

        Only coordinators may edit the kits for all branches.
        """
        mine = Q(branch__in=user.desk_branch_ids)
        if user.is_coordinator:
            mine |= Q(branch=None)
        return self.filter(mine, owner=None)

    def offered(self):
        """Leave out the retired kits."""
        return self.filter(retired_at=None)

    def with_words(self):
        """Fetch the names and descriptions, so that showing a kit needs no query."""
        return self.select_related("branch", "topic", "count").prefetch_related("words")


def at_desk_of(person, branches):
    """Return the condition for the kits of these branches, the kits for all branches, and this person's kit.

    `person` and `branches` are primary keys. They may be Slots of a prepared query.
    """
    return Q(owner=person) | (Q(owner=None) & (Q(branch=None) | Q(branch__in=branches)))


class Kit(models.Model):
    """Items with reasons that staff often recommend together, such as "first job applications".

    A kit belongs to one branch, or to all branches if `branch` is None. A kit with an owner is the own kit of
    this staff member. Only the owner sees this kit, and the worker fills it.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    owner = models.OneToOneField(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="own_kit"
    )
    topic = models.ForeignKey(Topic, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    client_token = models.UUIDField(
        null=True, unique=True, help_text="the token of the form, so that sending it twice makes one kit"
    )
    version = models.PositiveIntegerField(default=1, help_text="how often the kit was saved")
    changed_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = KitQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(owner=None) | Q(branch=None), name="own_kit_has_no_branch")
        ]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("desk_kit", args=[self.public_id])

    @cached_property
    def text(self):
        """Return the result of `words_in` for the language of the page."""
        return words_in(self.words.all(), get_language())

    @property
    def name(self):
        if self.owner_id:
            return str(_("My own kit"))
        return self.text.name if self.text else ""

    @property
    def languages(self):
        return [row.language for row in self.words.all()]

    @property
    def counted(self):
        """Return the KitCount of this kit, or None if no number is published yet."""
        return getattr(self, "count", None)


class KitWords(models.Model):
    """The name and the description of a kit in one language."""

    kit = models.ForeignKey(Kit, on_delete=models.CASCADE, related_name="words")
    language = models.CharField(max_length=12)
    name = models.CharField(_("name"), max_length=NAME_MAX)
    description = models.CharField(_("description"), max_length=DESCRIPTION_MAX, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["kit", "language"], name="kit_words_per_language")]

    def __str__(self):
        return self.name


class KitItem(models.Model):
    """An item of a kit."""

    kit = models.ForeignKey(Kit, on_delete=models.CASCADE, related_name="items")
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()
    starred = models.BooleanField(default=True, help_text="patrons are asked only about starred items")
    removed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when its owner removed it, so that their own kit doesn't add it again",
    )

    class Meta:
        ordering = ["position", "pk"]
        constraints = [models.UniqueConstraint(fields=["kit", "item"], name="item_once_in_a_kit")]

    def __str__(self):
        return f"{self.item}"

    def reason_in(self, language):
        """Return the reason in this language, or "" if nobody has written one."""
        return next((row.text for row in self.reasons.all() if row.language == language), "")


class KitReason(models.Model):
    """The reason for an item of a kit in one language."""

    kit_item = models.ForeignKey(KitItem, on_delete=models.CASCADE, related_name="reasons")
    language = models.CharField(max_length=12)
    text = models.CharField(max_length=REASON_MAX)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kit_item", "language"], name="kit_reason_per_language")
        ]

    def __str__(self):
        return self.text


class Count(models.Model):
    """The base of published numbers: an item or a kit helped in `helped` of `visits` visits.

    The two numbers only grow, and only by whole groups of visits. See counting.py.
    """

    helped = models.PositiveIntegerField()
    visits = models.PositiveIntegerField()

    class Meta:
        abstract = True

    def __str__(self):
        return f"{self.helped} of {self.visits}"


class ItemCount(Count):
    """The published numbers that say how often an item helped with one topic and question type.

    `lower_bound` is the result of counting.wilson_lower_bound.
    """

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="+", db_index=False)
    question_type = models.CharField(max_length=20, choices=QuestionType)
    lower_bound = models.FloatField()
    latest_on = models.DateField(help_text="the day of the latest of these visits")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "topic", "question_type"], name="one_count_of_an_item"),
            models.CheckConstraint(condition=Q(helped__lte=F("visits")), name="helped_in_these_visits"),
        ]
        indexes = [
            models.Index(
                fields=["topic", "question_type", "-lower_bound", "-latest_on", "id"], name="what_helped"
            )
        ]


class KitCount(Count):
    """The published numbers that say in how many visits at least one item of a kit helped."""

    kit = models.OneToOneField(Kit, on_delete=models.CASCADE, primary_key=True, related_name="count")


class GotCount(models.Model):
    """The number of visits in which patrons could not get an item. The rules of counting.py apply to it."""

    item = models.OneToOneField(Item, on_delete=models.CASCADE, primary_key=True, related_name="got_count")
    missed = models.PositiveIntegerField(help_text="in how many visits patrons could not get it")
    visits = models.PositiveIntegerField()
    is_hard_to_get = models.BooleanField()

    def __str__(self):
        return f"{self.item_id}: {self.visits}"


def words_in(rows, language):
    """Return the KitWords in this language, or else in the library's language, or else in any language.

    Return None if `rows` is empty.
    """
    by_language = {row.language: row for row in rows}
    if language in by_language:
        return by_language[language]
    return by_language.get(Library.current().language) or next(iter(by_language.values()), None)
