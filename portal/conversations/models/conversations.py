"""Conversations, and which of them each person may open."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Absence, Branch, User
from portal.helpsessions.models import HelpSession
from portal.page_addresses import address_of
from recommendations.models import Recommendation, Topic

from .participations import Participation, Side

KEPT_AFTER_LAST_MESSAGE = timedelta(days=14)


class ConversationQuerySet(models.QuerySet):
    """The filters of conversations. Every view starts with `belonging_to` or `at_desk_of`."""

    def belonging_to(self, viewer):
        """Return the conversations that this viewer may open as a patron.

        Conversations without messages are left out. Only the desk sees a conversation that was opened by a
        verdict or an outcome and has no messages.
        """
        return self.filter(
            viewer.owns("patron", help_session=viewer.opened_sessions), last_message_at__isnull=False
        )

    def at_desk_of(self, user, shown=(), *, covering=True):
        """Return the conversations that this staff member may open at the desk.

        `shown` has the primary keys of the help sessions whose code a patron showed this staff member today.
        If `covering` is false, leave out conversations that the staff member sees only because their branch
        covers for another branch.
        """
        branches = user.queue_branch_ids if covering else user.desk_branch_ids
        return self.filter(at_desk_of(user.pk, branches, shown, timezone.localdate()))

    def latest_first(self):
        return self.order_by("-last_message_at", "-pk")

    def not_merged(self):
        """Leave out conversations that were merged into another one, because they no longer have a page."""
        return self.filter(merged_into=None)

    def unread_by(self, person):
        """Return the conversations with messages that `person` has not read.

        `person` is None for a viewer by code. If any viewer by code has read a message, `person` counts as
        having read it too. The reason is that a signed-in person who opened the visit by code may have no
        Participation row.
        """
        own_rows = Q(person=None) | Q(person=person) if person else Q(person=None)
        seen = Participation.objects.filter(
            own_rows,
            conversation=OuterRef("pk"),
            side=Side.PATRON,
            read_until__gte=OuterRef("last_message_at"),
        )
        return self.not_merged().filter(~Exists(seen))


def kept_back(at, prefix=""):
    """Return the condition for conversations that must not be forgotten yet.

    A conversation must stay while it is open, even if the retention period of its visit is over. It also
    stays for KEPT_AFTER_LAST_MESSAGE after its last message, because the patron may not have read this
    message yet. `prefix` is the path from another model, such as "merged_into__".
    """
    return Q(**{f"{prefix}status__in": Conversation.OPEN}) | Q(
        **{f"{prefix}last_message_at__gt": at - KEPT_AFTER_LAST_MESSAGE}
    )


def at_desk_of(person, branches, shown, today):
    """Return the condition of `ConversationQuerySet.at_desk_of` as a Q object.

    The condition matches these conversations:
    - the conversations of `branches`
    - the conversations about the help sessions in `shown`
    - conversations that are assigned to the person, or to a colleague that the person covers for on `today`
    """
    covered = Absence.objects.on(today).filter(cover=person).values("person")
    return Q(branch__in=branches) | Q(assignee=person) | Q(assignee__in=covered) | Q(help_session__in=shown)


class Conversation(models.Model):
    """Messages between a patron and the library about one question or one item.

    The desk's queue shows one row for each conversation. A conversation may be linked to a help session or to
    a recommendation.
    """

    class Status(models.TextChoices):
        """A conversation's status. `portal.conversations.states` has the rules for changing the status."""

        WAITING_FOR_STAFF = "waiting_for_staff", _("waiting for the library")
        WAITING_FOR_PATRON = "waiting_for_patron", _("waiting for you")
        SNOOZED = "snoozed", _("snoozed")
        CLOSED = "closed", _("closed")
        ERASED = "erased", _("erased")

    class Reason(models.TextChoices):
        """The reason why the conversation last entered the queue."""

        ASKED = "asked", _("asked the library")
        DID_NOT_HELP = "did_not_help", _("did not help")
        COULD_NOT_GET_IT = "could_not_get_it", _("could not get the item")
        READERS_ADVISORY = "readers_advisory", _("something to read")
        CAME_BACK = "came_back", _("snooze ended")
        FOUND_NOTHING = "found_nothing", _("did not find it")
        FOUND_PART = "found_part", _("found only a part")
        CALL = "call", _("call back")

    class CountQuestion(models.TextChoices):
        """Whether the desk has asked "Count this conversation as a contact?", and whether staff declined.

        If staff have said yes, `logged_as` is the contact.
        """

        ASKED = "asked", _("asked")
        DECLINED = "declined", _("declined")

    OPEN = (Status.WAITING_FOR_STAFF, Status.WAITING_FOR_PATRON, Status.SNOOZED)

    # A LastWords: the beginning of the last message. `patron_lists.add_last_words` sets it.
    last_words = None

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
    comes_back_to = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="who is assigned when the patron writes next, if nobody is assigned then",
    )
    logged_as = models.ForeignKey(
        HelpSession,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="the help session that counts this answer as a contact",
    )
    count_question = models.CharField(max_length=8, choices=CountQuestion, blank=True)
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="merged",
        help_text="the conversation that has its messages now",
    )
    is_about_outcome = models.BooleanField(
        default=False,
        help_text='the patron\'s answer to "Did you find what you needed?" opened it',
    )
    wants_no_answer = models.BooleanField(
        default=False, help_text="the patron only told the library: staff can close it, but not write in it"
    )
    subject = models.CharField(max_length=200, blank=True, help_text="blank only after erasing")
    status = models.CharField(max_length=20, choices=Status)
    reason = models.CharField(max_length=20, choices=Reason)
    opened_at = models.DateTimeField()
    at_desk_from = models.DateTimeField(
        help_text="when the desk sees it: a verdict waits a minute, so that a mistaken tap can be corrected"
    )
    waiting_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="time of the first unanswered message or verdict; null if all are answered",
    )
    call_since = models.DateTimeField(
        null=True, blank=True, help_text="when the patron asked for a call; null if no call is open"
    )
    promised_at = models.DateTimeField(
        null=True, blank=True, help_text="the time by which the branch promised to answer"
    )
    last_promise_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="the last `promised_at`, kept after the answer, so that undoing restores it",
    )
    last_promise_since = models.DateTimeField(
        null=True, blank=True, help_text="the `waiting_since` for which the last promise was made"
    )
    snoozed_until = models.DateField(
        null=True, blank=True, help_text="the day, in the library's time zone, on which it comes back"
    )
    closes_at = models.DateTimeField(
        null=True, blank=True, help_text="when it closes automatically unless the patron writes"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(
        help_text="its place in the desk's lists: when it began to wait, or was answered, snoozed or closed"
    )
    last_message_at = models.DateTimeField(
        null=True, blank=True, help_text="shown_from of the last message that the patron may see"
    )
    pending_from = models.DateTimeField(
        null=True,
        blank=True,
        help_text="shown_from of the first answer not yet counted in `version` and `last_message_at`",
    )
    patron_status = models.CharField(
        max_length=20,
        blank=True,
        help_text="the status that the patron sees until all pending answers are shown",
    )
    changed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="time of the last change; the next change is always later, even if clocks differ",
    )
    version = models.PositiveIntegerField(
        default=0, help_text="raised by changes that the patron may see; an open page polls it"
    )
    desk_version = models.PositiveIntegerField(
        default=0, help_text="raised by every change; an open page at the desk polls it"
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
            models.CheckConstraint(
                condition=Q(status__in=["waiting_for_staff", "snoozed"], waiting_since__isnull=False)
                | Q(call_since__isnull=True),
                name="a_call_waits_for_staff",
            ),
            models.UniqueConstraint(
                fields=["recommendation"],
                condition=Q(recommendation__isnull=False),
                name="one_thread_per_recommendation",
            ),
            models.UniqueConstraint(
                fields=["help_session"],
                condition=Q(is_about_outcome=True),
                name="one_conversation_about_the_outcome",
            ),
            models.CheckConstraint(
                condition=Q(is_about_outcome=False) | Q(help_session__isnull=False),
                name="an_outcome_has_its_visit",
            ),
        ]
        indexes = [
            models.Index(fields=["branch", "status", "queued_at", "id"], name="desk_lists"),
            models.Index(
                fields=["assignee", "status", "queued_at", "id"],
                name="desk_lists_of_assignee",
                condition=Q(assignee__isnull=False),
            ),
            # The queue's filter FAILED in desk_lists.py has the same condition.
            models.Index(
                fields=["branch", "status", "queued_at", "id"],
                name="failed_rows",
                condition=Q(reason__in=["did_not_help", "could_not_get_it", "found_nothing", "found_part"]),
            ),
            models.Index(fields=["call_since"], name="open_calls", condition=Q(call_since__isnull=False)),
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
        return address_of("conversation", self.public_id)

    @property
    def is_open(self):
        return self.status in self.OPEN

    def branch_ids_at_desk(self, at):
        """Return the primary keys of the conversation's branch, and of the branch that covers for it."""
        if self.branch.is_covered(at):
            return [self.branch_id, self.branch.covered_by_id]
        return [self.branch_id]

    def verdicts(self):
        """Return the recommendations that the patron can give a verdict on in this conversation.

        These are the recommendation that the conversation is about, and the recommendations in its answers.
        Conversations that were merged into this conversation count as well.
        """
        about = Conversation.objects.filter(
            Q(pk=self.pk) | Q(merged_into=self), recommendation__isnull=False
        ).values("recommendation")
        return Recommendation.objects.filter(
            Q(pk__in=about) | Q(messagerecommendation__message__conversation=self)
        )

    def sessions_with_outcome(self):
        """Return the help sessions whose outcomes this conversation is about.

        An outcome is the patron's answer to "Did you find what you needed?". It opens a conversation with
        `is_about_outcome`. Conversations that were merged into this one count as well.
        """
        about = Conversation.objects.filter(Q(pk=self.pk) | Q(merged_into=self), is_about_outcome=True)
        return HelpSession.objects.filter(pk__in=about.values("help_session"))

    def version_at(self, at):
        """Return the version of the conversation that the patron sees at the time `at`.

        This version counts the answers that are visible at that time, even if the worker hasn't updated
        `version` yet.
        """
        if self.pending_from is None or self.pending_from > at:
            return self.version
        return (
            self.version + self.messages.filter(shown_from__gte=self.pending_from, shown_from__lte=at).count()
        )

    def has_pending_answer(self, at):
        """Return whether an answer is still hidden from the patron at the time `at`."""
        if self.pending_from is None:
            return False
        return self.pending_from > at or self.messages.filter(side=Side.STAFF, shown_from__gt=at).exists()

    def status_at(self, at):
        """Return the status that the patron may know at the time `at`.

        While an answer is pending, the patron still sees the status from before the answer.
        """
        return self.patron_status if self.has_pending_answer(at) else self.status
