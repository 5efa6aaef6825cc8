"""The tokens with which other systems use the API, and the Idempotency-Keys of their latest requests."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch


class ApiTokenQuerySet(models.QuerySet):
    def active(self):
        return self.filter(revoked_at=None)

    def managed_by(self, user):
        """Return the tokens that work at one or more of the branches that this staff member coordinates."""
        at_branches = self.model.branches.through.objects.filter(branch__in=user.coordinated_branch_ids)
        return self.filter(pk__in=at_branches.values("apitoken"))


class ApiToken(models.Model):
    """The permission of one system to use the API at some branches. Only a hash of the token is stored."""

    class Scope(models.TextChoices):
        """What a system may do. A token has one or more of these scopes."""

        RECORD = "record", _("record help sessions")
        FIGURES = "figures", _("read figures")
        OUTCOMES = "outcomes", _("read how help turned out")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("system"), max_length=80)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    may_send_words = models.BooleanField(
        default=False, help_text="the question, the summary and the reasons of items are saved, not refused"
    )
    branches = models.ManyToManyField(Branch, related_name="+")
    made_at = models.DateTimeField()
    last_used_on = models.DateField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["-made_at", "-id"], name="api_tokens_newest_first")]

    def __str__(self):
        return self.name

    @property
    def scope_names(self):
        return [label for value, label in self.Scope.choices if value in self.scopes]


class CreatedSession(models.Model):
    """The answer to a request that recorded a help session. The row is kept for a day.

    If the system repeats the request with the same key during this time, the system gets the same answer.
    """

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="created_sessions")
    key = models.CharField(max_length=64, help_text="the SHA-256 of the request's Idempotency-Key")
    body = models.CharField(max_length=64, help_text="the SHA-256 of the request's body")
    help_session = models.UUIDField(help_text="the public id of the help session")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["token", "key"], name="one_help_session_per_idempotency_key")
        ]
        indexes = [models.Index(fields=["created_at"], name="created_sessions_oldest_first")]

    def __str__(self):
        return f"answer of {self.created_at:%Y-%m-%d %H:%M}"
