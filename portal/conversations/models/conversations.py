"""Conversations, and how far each person has read them."""

import uuid

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Absence, Branch, User
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation, Topic


class ConversationQuerySet(models.QuerySet):
    # Who may do what. Every view starts from one of these.

    def belonging_to(self, viewer):
        """What this reader may open as a patron: their own, and those of the sessions this browser opened by code.

        A conversation that a verdict opened is the desk's alone until it holds a message."""
        return self.filter(
            viewer.owns("patron", help_session=viewer.opened_sessions), last_message_at__isnull=False
        )

    def at_desk_of(self, user, shown=()):
        """What this member of staff may open at the desk: their branches', what is assigned to them or to somebody whom they
        cover today, and the conversations of sessions (primary keys) whose code a patron showed them today."""
        return self.filter(at_desk_of(user.pk, user.desk_branch_ids, shown, timezone.localdate()))

    # What to look for. The lists of the desk stand in desk_lists.py.

    def latest_first(self):
        return self.order_by("-last_message_at", "-pk")

    def not_merged(self):
        """Without those that were joined into another: these only lead there."""
        return self.filter(merged_into=None)

    def unread_by(self, person):
        """Those that hold something which this person (None: the holder of a code) has not seen. One's own message is seen.

        What isn't kept in somebody's account is read without a name, also by a person who is signed in."""
        whose = Q(person=None) | Q(person=person) if person else Q(person=None)
        seen = Participation.objects.filter(
            whose, conversation=OuterRef("pk"), side=Side.PATRON, read_until__gte=OuterRef("last_message_at")
        )
        return self.not_merged().filter(~Exists(seen))


def at_desk_of(person, branches, shown, today):
    """The condition of ConversationQuerySet.at_desk_of."""
    covered = Absence.objects.on(today).filter(cover=person).values("person")
    return Q(branch__in=branches) | Q(assignee=person) | Q(assignee__in=covered) | Q(help_session__in=shown)


class Side(models.TextChoices):
    """Who speaks in a conversation, or looks at it."""

    PATRON = "patron", _("the patron")
    STAFF = "staff", _("the library")


class Conversation(models.Model):
    """One conversation per need, hung on the session or the item it is about. Every row of the desk's queue is one."""

    class Status(models.TextChoices):
        """Whose turn it is. What changes it stands in portal.conversations.states."""

        WAITING_FOR_STAFF = "waiting_for_staff", _("waiting for the library")
        WAITING_FOR_PATRON = "waiting_for_patron", _("waiting for you")
        SNOOZED = "snoozed", _("put off until a day")
        CLOSED = "closed", _("closed")
        ERASED = "erased", _("erased")

    class Reason(models.TextChoices):
        """Why it is, or was, in the queue."""

        ASKED = "asked", _("asked")
        DID_NOT_HELP = "did_not_help", _("did not help")
        COULD_NOT_GET_IT = "could_not_get_it", _("could not get it")
        READERS_ADVISORY = "readers_advisory", _("something to read")
        CAME_BACK = "came_back", _("came back")

    OPEN = (Status.WAITING_FOR_STAFF, Status.WAITING_FOR_PATRON, Status.SNOOZED)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    help_session = models.ForeignKey(
        HelpSession, on_delete=models.CASCADE, null=True, blank=True, related_name="conversations"
    )
    recommendation = models.ForeignKey(
        Recommendation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    patron = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="conversations"
    )
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="conversations")
    topic = models.ForeignKey(Topic, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    assignee = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="assigned_conversations"
    )
    assigned_at = models.DateTimeField(null=True, blank=True)
    logged_as = models.ForeignKey(
        HelpSession,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="the contact as which the answer was counted",
    )
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="merged",
        help_text="where its messages went",
    )
    subject = models.CharField(max_length=200, blank=True, help_text="blank only once it is erased")
    status = models.CharField(max_length=20, choices=Status)
    reason = models.CharField(max_length=20, choices=Reason)
    opened_at = models.DateTimeField()
    at_desk_from = models.DateTimeField(
        help_text="a verdict's conversation waits a minute, so that a slip of the finger can be mended"
    )
    waiting_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="first unanswered message or verdict; null where nothing is unanswered",
    )
    promised_at = models.DateTimeField(
        null=True, blank=True, help_text="by when the branch promised to answer"
    )
    snoozed_until = models.DateField(
        null=True, blank=True, help_text="the library's day on which it comes back"
    )
    closes_at = models.DateTimeField(
        null=True, blank=True, help_text="when it closes by itself, unless the patron writes"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(
        help_text="its place in the desk's lists: waiting since, answered at, put off at, closed at"
    )
    last_message_at = models.DateTimeField(
        null=True, blank=True, help_text="shown_from of the last message the patron may see"
    )
    pending_from = models.DateTimeField(
        null=True,
        blank=True,
        help_text="shown_from of the first answer that isn't in `version` and `last_message_at` yet",
    )
    patron_status = models.CharField(
        max_length=20,
        blank=True,
        help_text="what the patron reads as its state until all held answers are shown",
    )
    changed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="the last change; the next one comes after it, whoever's clock says what",
    )
    version = models.PositiveIntegerField(
        default=0, help_text="raised by what the patron may see, and only then: what an open page polls"
    )
    desk_version = models.PositiveIntegerField(
        default=0, help_text="raised by everything: what an open page at the desk polls"
    )

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=["waiting_for_staff", "waiting_for_patron", "snoozed", "closed", "erased"]
                ),
                name="known_conversation_status",
            ),
            models.CheckConstraint(
                condition=Q(status="waiting_for_staff", waiting_since__isnull=False)
                | Q(status="snoozed")
                | (~Q(status__in=["waiting_for_staff", "snoozed"]) & Q(waiting_since__isnull=True)),
                name="waiting_since_while_waiting",
            ),
            models.CheckConstraint(
                condition=Q(status="snoozed", snoozed_until__isnull=False)
                | (~Q(status="snoozed") & Q(snoozed_until__isnull=True)),
                name="snoozed_has_its_day",
            ),
            models.CheckConstraint(
                condition=Q(status="waiting_for_patron") | Q(closes_at__isnull=True),
                name="only_what_waits_for_the_patron_closes_by_itself",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["closed", "erased"], closed_at__isnull=False)
                | (~Q(status__in=["closed", "erased"]) & Q(closed_at__isnull=True)),
                name="closed_has_its_time",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | Q(status="closed"), name="merged_is_closed"
            ),
            models.CheckConstraint(
                condition=Q(assignee__isnull=True) | Q(assigned_at__isnull=False),
                name="assigned_has_its_time",
            ),
            models.UniqueConstraint(
                fields=["recommendation"],
                condition=Q(recommendation__isnull=False),
                name="one_thread_per_recommendation",
            ),
        ]
        indexes = [
            models.Index(fields=["branch", "status", "queued_at", "id"], name="desk_lists"),
            models.Index(
                fields=["assignee", "status", "queued_at", "id"],
                name="desk_lists_of_assignee",
                condition=Q(assignee__isnull=False),
            ),
            models.Index(fields=["snoozed_until"], name="asleep", condition=Q(status="snoozed")),
            models.Index(
                fields=["closes_at"], name="closing_by_themselves", condition=Q(closes_at__isnull=False)
            ),
            models.Index(
                fields=["pending_from"], name="pending_answers", condition=Q(pending_from__isnull=False)
            ),
            models.Index(fields=["patron", "-last_message_at", "-id"]),
            models.Index(fields=["help_session", "-last_message_at"]),
        ]

    def __str__(self):
        return self.subject

    def get_absolute_url(self):
        return reverse("conversation", args=[self.public_id])

    @property
    def is_open(self):
        return self.status in self.OPEN

    def verdicts(self):
        """The recommendations whose verdicts belong to this conversation: the one it hangs on (or a conversation joined into it did), and those
        made in its answers."""
        hung = Conversation.objects.filter(
            Q(pk=self.pk) | Q(merged_into=self), recommendation__isnull=False
        ).values("recommendation")
        return Recommendation.objects.filter(
            Q(pk__in=hung) | Q(messagerecommendation__message__conversation=self)
        )

    def version_at(self, at):
        """The version as the patron may know it: an answer counts from the moment it is shown, whether the worker has been here or not."""
        if self.pending_from is None or self.pending_from > at:
            return self.version
        return (
            self.version + self.messages.filter(shown_from__gte=self.pending_from, shown_from__lte=at).count()
        )

    def has_pending_answer(self, at):
        """Whether an answer is kept from the patron then: one that came after another was shown, too, whether the worker has been here or not."""
        if self.pending_from is None:
            return False
        return self.pending_from > at or self.messages.filter(side=Side.STAFF, shown_from__gt=at).exists()

    def status_at(self, at):
        """The state as the patron may know it: what an answer changed stays unsaid while an answer is held."""
        return self.patron_status if self.has_pending_answer(at) else self.status


class Participation(models.Model):
    """How far one person has read, and, at the desk, whether they are here. The holder of a code, who has no name, is the row without a person."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="participations")
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    side = models.CharField(max_length=8, choices=Side, default=Side.PATRON)
    read_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="shown_from (at the desk: sent_at) of the last message this person has seen",
    )
    seen_at = models.DateTimeField(
        null=True, blank=True, help_text="when the page was last open before them; of staff alone"
    )
    writing_at = models.DateTimeField(
        null=True, blank=True, help_text="when they last wrote in the composer; of staff alone"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "person", "side"], name="one_participation_per_person"
            ),
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(person__isnull=True), name="one_participation_by_code"
            ),
            models.CheckConstraint(
                condition=Q(side="staff", person__isnull=False)
                | Q(side="patron", seen_at__isnull=True, writing_at__isnull=True),
                name="only_staff_are_seen",
            ),
        ]

    def __str__(self):
        return f"{self.person_id} in {self.conversation_id}"


class BranchQueue(models.Model):
    """What an open queue polls: one row a branch, raised by whatever changes one of its conversations."""

    branch = models.OneToOneField(Branch, on_delete=models.CASCADE, primary_key=True, related_name="+")
    version = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(
        null=True, blank=True, help_text="when the last verdict's minute of grace is over: it shows then"
    )

    def __str__(self):
        return f"{self.branch_id}: {self.version}"
