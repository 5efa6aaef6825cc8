"""The conversation between a patron and the library."""

import datetime
import logging
import uuid

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Absence, Branch, User, private_storage
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation, Topic

log = logging.getLogger(__name__)


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


class MessageQuerySet(models.QuerySet):
    def shown(self, at):
        """What the patron may see. Every page, mail and export of theirs starts from this."""
        return self.filter(shown_from__lte=at)

    def in_order(self):
        return self.order_by("sent_at", "pk")


class Message(models.Model):
    """What one side said to the other. Notes of the staff are never here."""

    UNDO_WINDOW = datetime.timedelta(
        seconds=15
    )  # an answer can be taken back so long; the patron doesn't see it before

    Side = Side

    class Then(models.TextChoices):
        """What the writer of an answer asked for."""

        TURN = "turn", _("wait for the patron")
        OURS = "ours", _("stay in the queue: more is to come")
        CLOSE = "close", _("close the conversation")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    side = models.CharField(max_length=8, choices=Side)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    writer_erased = models.BooleanField(
        default=False,
        help_text="of the patron's side: it had an author, whose record is erased; it wasn't written with a code",
    )
    body = models.TextField()
    language = models.CharField(max_length=12)
    sent_at = models.DateTimeField()
    shown_from = models.DateTimeField(help_text="from when the patron may see it")
    then = models.CharField(
        max_length=8, choices=Then, blank=True, help_text="of an answer: what the conversation does after it"
    )
    client_token = models.UUIDField(help_text="one composer, one message: posting twice makes one")
    mail_id = models.CharField(
        max_length=200, blank=True, help_text="Message-ID of the mail that announced it, for threading"
    )

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "client_token"], name="one_message_per_token"),
            models.CheckConstraint(
                condition=Q(side="patron", then="") | Q(side="staff", then__in=["turn", "ours", "close"]),
                name="known_side",
            ),
            models.CheckConstraint(condition=Q(shown_from__gte=F("sent_at")), name="shown_once_sent"),
        ]
        indexes = [
            models.Index(fields=["conversation", "sent_at", "id"]),
            models.Index(fields=["conversation", "shown_from", "id"], name="as_shown_to_the_patron"),
        ]

    def __str__(self):
        return self.body[:60]


class MessageRecommendation(models.Model):
    """A recommendation made inside an answer. One recommendation, one occasion."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="recommendation_links")
    recommendation = models.OneToOneField(
        Recommendation, on_delete=models.CASCADE, related_name="+", related_query_name="messagerecommendation"
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self):
        return f"{self.recommendation}"


class Event(models.Model):
    """Something that happened to a conversation, told in its time line to both sides in plain words. What only the desk may know is a DeskEvent."""

    class Kind(models.TextChoices):
        CLOSED = "closed", _("closed")
        CLOSED_BY_ITSELF = "closed_by_itself", _("closed by itself")
        REOPENED = "reopened", _("reopened")
        MERGED = "joined", _("joined with another")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="events")
    message = models.ForeignKey(
        Message,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="the message that brought it about",
    )
    kind = models.CharField(max_length=20, choices=Kind)
    side = models.CharField(max_length=8, choices=Side)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    shown_from = models.DateTimeField(help_text="from when the patron may see it")
    waiting_since = models.DateTimeField(
        null=True, blank=True, help_text="of a join: the first that was unanswered in either conversation"
    )

    class Meta:
        indexes = [models.Index(fields=["conversation", "at"])]

    def __str__(self):
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


class DeskEvent(models.Model):
    """Something that was done with a conversation at the desk. Like a note it never leaves the desk."""

    class Kind(models.TextChoices):
        TAKEN = "taken", _("taken")
        ASSIGNED = "assigned", _("assigned")
        UNASSIGNED = "unassigned", _("unassigned")
        RELEASED = "released", _("released: it lay too long")
        TRANSFERRED = "handed_over", _("handed to another branch")
        SNOOZED = "snoozed", _("put off")
        WOKEN = "woken", _("came back")
        CLOSED = "closed", _("closed before a word was written")
        LOGGED = "logged", _("logged as a contact")
        ERASED = "erased", _("erased")

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="desk_events")
    kind = models.CharField(max_length=12, choices=Kind)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    to = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="whose it became"
    )
    was = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="whose it had been",
    )
    branch = models.ForeignKey(
        Branch,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="to which branch it went",
    )
    until = models.DateField(null=True, blank=True, help_text="until which day it was put off")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["conversation", "at"])]

    def __str__(self):
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


class ConversationNote(models.Model):
    """What staff write to each other beside a conversation. It never leaves the desk: no patron page, mail or export is ever handed one."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    body = models.TextField()
    written_at = models.DateTimeField()
    client_token = models.UUIDField(help_text="one composer, one note")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "client_token"], name="one_note_per_token")
        ]
        indexes = [models.Index(fields=["conversation", "written_at", "id"])]

    def __str__(self):
        return f"note {self.public_id}"


class NoteMention(models.Model):
    """A colleague named in a note, and when they looked."""

    note = models.ForeignKey(ConversationNote, on_delete=models.CASCADE, related_name="mentions")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="note_mentions")
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["note", "person"], name="one_mention_per_person")]
        indexes = [models.Index(fields=["person"], name="unseen_mentions", condition=Q(seen_at__isnull=True))]

    def __str__(self):
        return f"{self.person_id} in {self.note_id}"


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


class Draft(models.Model):
    """What somebody was writing, kept as it was typed. A save wins only with a higher sequence number, so that an older tab never
    overwrites a newer draft."""

    class Kind(models.TextChoices):
        REPLY = "reply", _("reply")
        NOTE = "note", _("note")
        ASK = "ask", _("question")

    kind = models.CharField(max_length=8, choices=Kind)
    side = models.CharField(max_length=8, choices=Side)
    person = models.ForeignKey(
        User,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="null: the holder of the code",
    )
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="drafts",
        help_text="null: of a new question",
    )
    client_token = models.UUIDField(help_text="the composer's: sent from two devices it is one message")
    body = models.TextField(blank=True)
    language = models.CharField(max_length=12, blank=True)
    typed = models.JSONField(default=dict, help_text="the other fields of the composer by name, as typed")
    sequence = models.PositiveIntegerField()
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "person", "side", "kind"], name="one_draft_per_person"
            ),
            models.UniqueConstraint(
                fields=["conversation", "kind"], condition=Q(person__isnull=True), name="one_draft_by_code"
            ),
            models.UniqueConstraint(
                fields=["person", "kind"],
                condition=Q(conversation__isnull=True),
                name="one_draft_of_a_question",
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=False) | Q(conversation__isnull=False, side="patron"),
                name="a_draft_is_somebodys",
            ),
        ]
        indexes = [models.Index(fields=["saved_at"], name="drafts_by_age")]

    def __str__(self):
        return f"{self.kind} of {self.person_id}, {self.sequence}"


class AttachmentQuerySet(models.QuerySet):
    """Of one conversation that somebody may open: which of its files they may."""

    def open_to_patron(self, person, at):
        """Those of messages that are shown, and what this person (None: the holder of the code) has added and not sent."""
        return self.filter(
            Q(message__shown_from__lte=at) | Q(message=None, side=Side.PATRON, added_by=person)
        )

    def open_to_staff(self, user):
        """Those of all messages, and what this member of staff has added and not sent."""
        return self.filter(Q(message__isnull=False) | Q(message=None, side=Side.STAFF, added_by=user))

    def in_composer(self, client_token, *, side, person):
        """What this person has added to this composer."""
        return self.filter(message=None, client_token=client_token, side=side, added_by=person)


class Attachment(models.Model):
    """A picture or a PDF. Until its message is sent it belongs to the composer (`client_token`) that it was added to."""

    class Kind(models.TextChoices):
        PICTURE = "picture", _("picture")
        PDF = "pdf", "PDF"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="attachments")
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, null=True, blank=True, related_name="attachments"
    )
    client_token = models.UUIDField()
    side = models.CharField(max_length=8, choices=Side)
    added_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="null: the holder of the code",
    )
    kind = models.CharField(max_length=8, choices=Kind)
    file = models.FileField(storage=private_storage, max_length=120)
    preview = models.FileField(
        storage=private_storage, max_length=120, blank=True, help_text="a small picture of the picture"
    )
    name = models.CharField(max_length=120, help_text="what its owner called it; never where it is kept")
    alt = models.CharField(
        max_length=300, blank=True, help_text="what can be seen in it, for those who can't"
    )
    size = models.PositiveIntegerField(help_text="bytes, preview included")
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    added_at = models.DateTimeField()

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ["added_at", "pk"]
        indexes = [
            models.Index(fields=["added_at"], name="attachments_not_sent", condition=Q(message__isnull=True))
        ]

    def __str__(self):
        return self.name

    @property
    def is_picture(self):
        return self.kind == self.Kind.PICTURE

    def stored_names(self):
        return [name for name in (self.file.name, self.preview.name) if name]

    @staticmethod
    def remove_files(names):
        """What the disk doesn't let go of now, attachments.forget_stray_files tries again."""
        for name in names:
            try:
                private_storage().delete(name)
            except OSError as error:
                log.error("an attachment's file could not be removed, and is tried again: %s", error)


class ReadersForm(models.Model):
    """The answers of *Find me something to read*, for the desk to read at a glance; the conversation's first message says the same in a sentence or two."""

    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, primary_key=True, related_name="readers_form"
    )
    loved = models.TextField(blank=True)
    mood = models.CharField(max_length=200, blank=True)
    avoid = models.CharField(max_length=400, blank=True)
    for_whom = models.CharField(max_length=200, blank=True)
    formats = models.CharField(max_length=200, blank=True)

    def __str__(self):
        return f"readers' form of {self.conversation_id}"


class ReplyTemplateQuerySet(models.QuerySet):
    def at_branch(self, branch):
        """What may be used in a conversation of this branch: its own, and those of all branches."""
        return self.filter(Q(branch=branch) | Q(branch=None))


class ReplyTemplate(models.Model):
    """An answer that is often given, with places for what differs."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    branch = models.ForeignKey(
        Branch, verbose_name=_("branch"), on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    language = models.CharField(_("language"), max_length=12)
    name = models.CharField(_("name"), max_length=80)
    body = models.TextField(_("text"))
    changed_at = models.DateTimeField()

    objects = ReplyTemplateQuerySet.as_manager()

    class Meta:
        ordering = ["name", "language", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["branch", "language", "name"], name="one_reply_template_per_name"
            ),
            models.UniqueConstraint(
                fields=["language", "name"],
                condition=Q(branch__isnull=True),
                name="one_reply_template_per_name_for_all",
            ),
        ]

    def __str__(self):
        return self.name


class ConversationWords(models.Model):
    """The words of a message, or (without one) those that are a conversation's own, as recommendations.search.fold leaves them; written by
    the actions, never by a trigger. For the desk's search alone."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="words")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(
        max_length=200, blank=True, help_text="of the patron, as it was when the row was written"
    )
    words = models.TextField()

    class Meta:
        verbose_name_plural = "conversation words"
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(message__isnull=True), name="one_row_of_words_per_thread"
            )
        ]

    def __str__(self):
        return self.words[:60]


class BranchQueue(models.Model):
    """What an open queue polls: one row a branch, raised by whatever changes one of its conversations."""

    branch = models.OneToOneField(Branch, on_delete=models.CASCADE, primary_key=True, related_name="+")
    version = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(
        null=True, blank=True, help_text="when the last verdict's minute of grace is over: it shows then"
    )

    def __str__(self):
        return f"{self.branch_id}: {self.version}"
