"""The models for the parts of a help session: its items, search words, unfinished form and private note."""

from django.db import models

from accounts.models import User
from accounts.models.names import WordQuerySet
from portal.folding import WORD_MAX
from recommendations.models import Recommendation

from .sessions import HelpSession


class SessionRecommendationQuerySet(models.QuerySet):
    def not_removed(self):
        """Leave out the rows of items that staff have removed from the session."""
        return self.filter(removed_at=None)


class SessionRecommendation(models.Model):
    """The link between a help session and a recommendation that staff made there.

    A recommendation belongs to exactly one help session or to exactly one message.
    """

    help_session = models.ForeignKey(
        HelpSession, on_delete=models.CASCADE, related_name="recommendation_links"
    )
    recommendation = models.OneToOneField(
        Recommendation, on_delete=models.CASCADE, related_name="+", related_query_name="sessionrecommendation"
    )
    position = models.PositiveSmallIntegerField(default=0)
    removed_at = models.DateTimeField(
        null=True, blank=True, help_text="when staff removed the item, if its verdict or conversation stays"
    )
    is_dismissed = models.BooleanField(default=False, help_text="the patron no longer sees the removed item")

    objects = SessionRecommendationQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        indexes = [models.Index(fields=["help_session", "position"])]

    def __str__(self):
        return f"{self.help_session}: {self.recommendation}"


class SessionWord(models.Model):
    """A word of a help session, in the folded form of portal.folding: lowercase, without accents.

    The desk's search finds the session by its words, see search.py.
    """

    help_session = models.ForeignKey(HelpSession, on_delete=models.CASCADE, related_name="+", db_index=False)
    word = models.CharField(max_length=WORD_MAX)

    objects = WordQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["help_session", "word"], name="one_row_per_word_of_a_session")
        ]
        indexes = [
            # Only these operator classes let PostgreSQL use the index for LIKE. SQLite ignores them.
            models.Index(
                fields=["word", "help_session"],
                opclasses=["varchar_pattern_ops", "int8_ops"],
                name="sessions_by_word",
            )
        ]

    def __str__(self):
        return f"{self.word}, {self.help_session_id}"


class UnfinishedForm(models.Model):
    """The record form of an unfinished session. It has the fields as staff typed them, even invalid ones.

    Patrons never see these fields.
    """

    help_session = models.OneToOneField(
        HelpSession, on_delete=models.CASCADE, primary_key=True, related_name="unfinished_form"
    )
    fields = models.JSONField(default=dict)
    saved_at = models.DateTimeField()

    def __str__(self):
        return f"form of {self.help_session_id}"


class SessionNote(models.Model):
    """The private note of a help session. No patron page, email or export contains it."""

    help_session = models.OneToOneField(
        HelpSession, on_delete=models.CASCADE, primary_key=True, related_name="note"
    )
    body = models.TextField()
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    written_at = models.DateTimeField()

    def __str__(self):
        return f"note of {self.help_session_id}"
