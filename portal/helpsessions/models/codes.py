"""The codes that open a help session or a person's record."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User

from .sessions import HelpSession


class ClaimCodeQuerySet(models.QuerySet):
    def live(self, at):
        """Return the codes that open a session at the time `at`."""
        return self.filter(state=ClaimCode.State.LIVE, expires_at__gt=at)

    def revoke(self):
        """Revoke the live codes, and return how many codes were revoked."""
        return self.filter(state=ClaimCode.State.LIVE).update(state=ClaimCode.State.REVOKED)


class ClaimCode(models.Model):
    """A code that opens a session for its patron. The database stores only the HMAC of the code."""

    class State(models.TextChoices):
        BLANK = "blank", _("printed on a code card that has no help session yet")
        LIVE = "live", _("in use")
        KEPT = "kept", _("ended because the patron added the help session to an account")
        REVOKED = "revoked", _("revoked")
        FORGOTTEN = "forgotten", _("ended because the help session was deleted")

    hmac = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=9, choices=State)
    help_session = models.ForeignKey(
        HelpSession, on_delete=models.CASCADE, null=True, blank=True, related_name="claim_codes"
    )
    branch = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="+")
    made_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    objects = ClaimCodeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["blank", "live", "kept", "revoked", "forgotten"]),
                name="known_code_state",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["live", "kept"]) | Q(help_session__isnull=False),
                name="a_live_code_has_its_session",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("made_at")), name="a_code_expires_after_it_was_made"
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="codes_by_expiry")]

    def __str__(self):
        return f"code of {self.help_session_id} ({self.state})"


class AccountCode(models.Model):
    """A code that opens the record of a person without an email address. The code works once.

    Only the HMAC of the code is stored, see portal.helpsessions.codes.
    """

    person = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="account_code"
    )
    hmac = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self):
        return f"code of the record of {self.person_id}"
