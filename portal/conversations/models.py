"""The thread between a patron and the library."""

import uuid

from django.db import models
from django.db.models import F, FilteredRelation, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation


class ConversationQuerySet(models.QuerySet):
    # Who may do what. Every view starts from one of these.

    def belonging_to(self, reader):
        """What this reader may open as a patron: their own, and those of the sessions this browser opened by code.

        A thread that a verdict opened is the desk's alone until it holds a message."""
        return self.filter(
            Q(patron=reader.person, patron__isnull=False) | Q(help_session__in=reader.opened_sessions, help_session__isnull=False),
            last_message_at__isnull=False,
        )

    def at_desk_of(self, user, shown=()):
        """What this member of staff may open at the desk: their branches', what is assigned to them, and the threads of
        sessions (primary keys) whose code a patron showed them today."""
        return self.filter(Q(branch__in=user.desk_branch_ids) | Q(assignee=user) | Q(help_session__in=shown))

    # What to look for.

    def waiting_for_staff(self, at):
        """The staff queue, longest wait first. A verdict's thread shows after its minute of grace."""
        return self.filter(status=Conversation.Status.WAITING_FOR_STAFF, waiting_since__isnull=False, at_desk_from__lte=at).order_by("waiting_since", "pk")

    def open(self):
        return self.exclude(status=Conversation.Status.CLOSED)

    def latest_first(self):
        return self.order_by("-last_message_at", "-pk")

    def unread_by(self, person):
        """Those that hold something which this person (None: the holder of a code) has not seen. One's own message is seen.

        What isn't kept in somebody's account is read without a name, also by a person who is signed in."""
        readers = Q(participations__person=person) | Q(participations__person=None)
        seen = FilteredRelation("participations", condition=readers & Q(participations__read_until__gte=F("last_message_at")))
        return self.alias(seen=seen).filter(seen=None)


class Conversation(models.Model):
    """One thread per need, hung on the session or the item it is about. Every row of the desk's queue is one."""

    class Status(models.TextChoices):
        WAITING_FOR_STAFF = "waiting_for_staff", _("waiting for the library")
        WAITING_FOR_PATRON = "waiting_for_patron", _("waiting for you")
        CLOSED = "closed", _("closed")

    class Reason(models.TextChoices):
        """Why it is, or was, in the queue."""

        ASKED = "asked", _("asked")
        DID_NOT_HELP = "did_not_help", _("did not help")
        COULD_NOT_GET_IT = "could_not_get_it", _("could not get it")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    help_session = models.ForeignKey(HelpSession, on_delete=models.CASCADE, null=True, blank=True, related_name="conversations")
    recommendation = models.ForeignKey(Recommendation, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    patron = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="conversations")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="conversations")
    assignee = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    subject = models.CharField(max_length=200)
    status = models.CharField(max_length=20, choices=Status)
    reason = models.CharField(max_length=20, choices=Reason)
    opened_at = models.DateTimeField()
    at_desk_from = models.DateTimeField(help_text="a verdict's thread waits a minute, so that a slip of the finger can be mended")
    waiting_since = models.DateTimeField(null=True, blank=True, help_text="first unanswered message or verdict; null unless it waits for staff")
    promised_at = models.DateTimeField(null=True, blank=True, help_text="by when the branch promised to answer")
    last_message_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0, help_text="raised by what the patron may see, and only then: what an open page polls")

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=["waiting_for_staff", "waiting_for_patron", "closed"]), name="known_conversation_status"),
            models.CheckConstraint(
                condition=Q(status="waiting_for_staff", waiting_since__isnull=False) | (~Q(status="waiting_for_staff") & Q(waiting_since__isnull=True)),
                name="waiting_since_while_waiting",
            ),
            models.CheckConstraint(
                condition=Q(status="closed", closed_at__isnull=False) | (~Q(status="closed") & Q(closed_at__isnull=True)), name="closed_has_its_time"
            ),
            models.UniqueConstraint(fields=["recommendation"], condition=Q(recommendation__isnull=False), name="one_thread_per_recommendation"),
        ]
        indexes = [
            models.Index(fields=["branch", "waiting_since", "id"], name="queue", condition=Q(status="waiting_for_staff")),
            models.Index(fields=["assignee", "waiting_since", "id"], name="queue_of_assignee", condition=Q(status="waiting_for_staff")),
            models.Index(fields=["patron", "-last_message_at", "-id"]),
            models.Index(fields=["help_session", "-last_message_at"]),
        ]

    def __str__(self):
        return self.subject

    def get_absolute_url(self):
        return reverse("conversation", args=[self.public_id])


class MessageQuerySet(models.QuerySet):
    def in_order(self):
        return self.order_by("sent_at", "pk")


class Message(models.Model):
    """What one side said to the other. Notes of the staff are never here."""

    class Side(models.TextChoices):
        PATRON = "patron", _("the patron")
        STAFF = "staff", _("the library")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    side = models.CharField(max_length=8, choices=Side)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    body = models.TextField()
    language = models.CharField(max_length=12)
    sent_at = models.DateTimeField()
    client_token = models.UUIDField(help_text="one composer, one message: posting twice makes one")
    mail_id = models.CharField(max_length=200, blank=True, help_text="Message-ID of the mail that announced it, for threading")

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "client_token"], name="one_message_per_token"),
            models.CheckConstraint(condition=Q(side__in=["patron", "staff"]), name="known_side"),
        ]
        indexes = [models.Index(fields=["conversation", "sent_at", "id"])]

    def __str__(self):
        return self.body[:60]


class MessageRecommendation(models.Model):
    """A recommendation made inside an answer. One recommendation, one occasion."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="recommendation_links")
    recommendation = models.OneToOneField(Recommendation, on_delete=models.CASCADE, related_name="+", related_query_name="messagerecommendation")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self):
        return f"{self.recommendation}"


class Event(models.Model):
    """Something that happened to a thread, told in its time line to both sides in plain words."""

    class Kind(models.TextChoices):
        CLOSED = "closed", _("closed")
        REOPENED = "reopened", _("reopened")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind)
    side = models.CharField(max_length=8, choices=Message.Side)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["conversation", "at"])]

    def __str__(self):
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


class Participation(models.Model):
    """How far one person has read. The holder of a code, who has no name, is the row without a person."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="participations")
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    read_until = models.DateTimeField(help_text="sent_at of the last message this person has seen")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "person"], name="one_participation_per_person"),
            models.UniqueConstraint(fields=["conversation"], condition=Q(person__isnull=True), name="one_participation_by_code"),
        ]

    def __str__(self):
        return f"{self.person_id} in {self.conversation_id}"
