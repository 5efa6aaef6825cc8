"""Messages between patrons and staff, with their files, drafts and recommendations."""

import datetime
import logging
import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User, private_storage
from recommendations.models import Recommendation

from .conversations import Conversation
from .participations import Side

log = logging.getLogger(__name__)


class MessageQuerySet(models.QuerySet):
    def shown(self, at):
        """Return the messages that the patron may see at the time `at`.

        Every patron page, email and export uses this filter.
        """
        return self.filter(shown_from__lte=at)

    def in_order(self):
        return self.order_by("sent_at", "pk")


class Message(models.Model):
    """One message from a patron or from staff. Private notes are in ConversationNote."""

    # How long an answer is hidden from the patron, so that its writer can take it back.
    UNDO_WINDOW = datetime.timedelta(seconds=15)
    # In this last part of the undo window, an answer can't be taken back anymore. Saving the change takes
    # time, and the clocks of two web servers can differ.
    UNDO_MARGIN = datetime.timedelta(seconds=1)

    Side = Side

    class Then(models.TextChoices):
        """What happens to the conversation after an answer. The writer of the answer chooses this."""

        TURN = "turn", _("wait for the patron's reply")
        OURS = "ours", _("keep the conversation in the queue, because another answer will follow")
        CLOSE = "close", _("close the conversation")

    class ByEmail(models.TextChoices):
        """How a message got into the conversation, if it came by email."""

        OWN = "own", _("from the patron's confirmed address")
        ADDED = "added", _("added by staff")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    side = models.CharField(max_length=8, choices=Side)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    writer_erased = models.BooleanField(
        default=False,
        help_text="the patron who wrote it was erased, so it was not written by code",
    )
    body = models.TextField()
    language = models.CharField(max_length=12)
    sent_at = models.DateTimeField()
    shown_from = models.DateTimeField(help_text="when the patron may first see it")
    then = models.CharField(
        max_length=8, choices=Then, blank=True, help_text="what the conversation does after this answer"
    )
    back_to_writer = models.BooleanField(
        default=False,
        help_text="whether the patron's next message is assigned to the writer, if nobody is assigned then",
    )
    by_link = models.BooleanField(
        default=False, help_text="written with the link in an email, and nobody was signed in"
    )
    by_email = models.CharField(
        max_length=8, choices=ByEmail, blank=True, default="", help_text="blank if it was written on a page"
    )
    left_out = models.JSONField(
        default=list,
        help_text="files of the email that could not be kept, as [name, reason]; see attachments.NotAdded",
    )
    client_token = models.UUIDField(
        help_text="the composer's token, so that sending it twice makes one message"
    )
    mail_id = models.CharField(
        max_length=200,
        blank=True,
        help_text="Message-ID of the email that announced it, so that mail programs group the emails",
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
    """The link between an answer and a recommendation that the answer contains.

    A recommendation belongs to exactly one message or to exactly one help session.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="recommendation_links")
    recommendation = models.OneToOneField(
        Recommendation, on_delete=models.CASCADE, related_name="+", related_query_name="messagerecommendation"
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self):
        return f"{self.recommendation}"


class AttachmentQuerySet(models.QuerySet):
    def open_to_patron(self, person, at):
        """Return the files of messages that patrons can see at the time `at`, and the person's unsent files.

        `person` is None for a viewer by code.
        """
        return self.filter(
            Q(message__shown_from__lte=at) | Q(message=None, side=Side.PATRON, added_by=person)
        )

    def open_to_staff(self, user):
        """Return the files of all messages, and the files that this staff member has added but not sent."""
        return self.filter(Q(message__isnull=False) | Q(message=None, side=Side.STAFF, added_by=user))

    def in_composer(self, client_token, *, side, person):
        """Return the files that this person has added to this composer and not sent."""
        return self.filter(message=None, client_token=client_token, side=side, added_by=person)


class Attachment(models.Model):
    """A picture or a PDF.

    Before the file is sent, it has no message, and belongs to the composer with the same `client_token`.
    """

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
        help_text="null for a viewer by code",
    )
    kind = models.CharField(max_length=8, choices=Kind)
    file = models.FileField(storage=private_storage, max_length=120)
    preview = models.FileField(
        storage=private_storage, max_length=120, blank=True, help_text="a small copy of the picture"
    )
    name = models.CharField(
        max_length=120, help_text="the file's name when it was uploaded; it is stored under another name"
    )
    alt = models.CharField(
        max_length=300, blank=True, help_text="what the picture shows, for people who can't see it"
    )
    size = models.PositiveIntegerField(help_text="in bytes, including the preview")
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
        """Delete these files. If a file can't be deleted, the job `forget_stray_files` tries again later."""
        for name in names:
            try:
                private_storage().delete(name)
            except OSError as error:
                log.error("could not delete the file of an attachment, will try again: %s", error)


class DraftManager(models.Manager):
    """A manager that leaves out drafts that their writer has deleted."""

    def get_queryset(self):
        return super().get_queryset().filter(discarded_at=None)


class Draft(models.Model):
    """Text that a person has typed and not sent.

    A draft is only overwritten by a save with a higher `sequence`. So an old tab never overwrites a newer
    draft.

    `objects` leaves out drafts that their writer has deleted and may restore.
    """

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
        help_text="null for a viewer by code",
    )
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="drafts",
        help_text="null for a new question",
    )
    client_token = models.UUIDField(
        help_text="the composer's token, so that sending it from two devices makes one message"
    )
    body = models.TextField(blank=True)
    language = models.CharField(max_length=12, blank=True)
    typed = models.JSONField(
        default=dict, help_text="the other fields of the composer, as typed: {name: value}"
    )
    sequence = models.PositiveIntegerField()
    saved_at = models.DateTimeField()
    discarded_at = models.DateTimeField(
        null=True, blank=True, help_text="when its writer deleted it; it can be restored for five minutes"
    )

    objects = DraftManager()
    with_discarded = models.Manager()  # noqa: DJ012  ruff takes it for a field

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "person", "side", "kind"],
                condition=Q(discarded_at__isnull=True),
                name="one_draft_per_person",
            ),
            models.UniqueConstraint(
                fields=["conversation", "kind"],
                condition=Q(person__isnull=True, discarded_at__isnull=True),
                name="one_draft_by_code",
            ),
            models.UniqueConstraint(
                fields=["person", "kind"],
                condition=Q(conversation__isnull=True, discarded_at__isnull=True),
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

    @property
    def is_begun(self):
        """Return whether the draft has a text or at least one recommended item."""
        return bool(self.body) or any(name.startswith("items-0-") for name in self.typed)


class ReadersForm(models.Model):
    """What a patron entered in the form *Find me something to read*.

    The desk shows these fields as a list. The first message of the conversation has the same content as text.
    """

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
