"""What never leaves the desk: notes, reply templates and the words of its search."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User

from .conversations import Conversation
from .messages import Message


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
