"""Models that only the desk uses: private notes, reply templates, the search index and versions of queues."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User

from .conversations import Conversation
from .messages import Message


class ConversationNote(models.Model):
    """A private note that staff write about a conversation. No patron page, email or export contains it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    body = models.TextField()
    written_at = models.DateTimeField()
    client_token = models.UUIDField(help_text="the composer's token, so that sending it twice makes one note")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "client_token"], name="one_note_per_token")
        ]
        indexes = [models.Index(fields=["conversation", "written_at", "id"])]

    def __str__(self):
        return f"note {self.public_id}"


class NoteMention(models.Model):
    """A mention of a colleague in a note. `seen_at` is None until the colleague opens the conversation."""

    note = models.ForeignKey(ConversationNote, on_delete=models.CASCADE, related_name="mentions")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="note_mentions")
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["note", "person"], name="one_mention_per_person")]
        indexes = [models.Index(fields=["person"], name="unseen_mentions", condition=Q(seen_at__isnull=True))]

    def __str__(self):
        return f"{self.person_id} in {self.note_id}"


class ReplyTemplateQuerySet(models.QuerySet):
    """The reply templates, with a filter by branch."""

    def at_branch(self, branch):
        """Return the templates of this branch, and the templates that all branches share."""
        return self.filter(Q(branch=branch) | Q(branch=None))


class ReplyTemplate(models.Model):
    """A text that staff often send, with placeholders for names and titles."""

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
    """The searchable words of one message, or of the conversation itself if `message` is None.

    The words are in lower case and without accents, see portal.folding. Only the desk's search uses these
    rows.
    """

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="words")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(
        max_length=200, blank=True, help_text="the patron's name when the row was written"
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
    """The version of a branch's queue. Each change of a conversation at the branch raises the version.

    An open page of the queue polls the version, and loads the queue again if the version has changed.
    """

    branch = models.OneToOneField(Branch, on_delete=models.CASCADE, primary_key=True, related_name="+")
    version = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(
        null=True, blank=True, help_text="when the last verdict's minute is over and the desk sees it"
    )

    def __str__(self):
        return f"{self.branch_id}: {self.version}"
