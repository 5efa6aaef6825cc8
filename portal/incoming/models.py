"""Incoming emails, and the counts of dropped emails."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, User, private_storage
from accounts.sign_in.email_addresses import confirmed_address
from portal.conversations.models import Conversation, Message


class IncomingEmailQuerySet(models.QuerySet):
    """The filters of emails. Every view starts with `belonging_to`, `at_desk_of` or `not_matched_for`."""

    def belonging_to(self, viewer):
        """Return the emails that this viewer sent to a conversation that they may still open."""
        if not viewer.person:
            return self.none()
        open_to_them = Conversation.objects.belonging_to(viewer).values("pk")
        return self.sent_by(viewer.person).filter(message__conversation__in=open_to_them)

    def sent_by(self, person):
        """Return the emails that this person sent.

        Leave out emails from other addresses that staff have added to the person's conversations, because
        somebody else may have sent them.
        """
        own = Q(message__by_email=Message.ByEmail.OWN)
        if address := confirmed_address(person):
            own |= Q(sender__iexact=address)
        return self.filter(own, person=person)

    def at_desk_of(self, user, shown=()):
        """Return the emails that became messages in the conversations that this staff member may open.

        Emails about quiet visits are left out, because an email shows who the patron is. When a visit becomes
        quiet, its emails are deleted unless they are under a legal hold.
        """
        theirs = Conversation.objects.at_desk_of(user, shown).exclude(help_session__quiet=True)
        return self.filter(message__conversation__in=theirs.values("pk"))

    def not_matched(self):
        """Return the emails that are waiting for staff, because they did not become messages."""
        return self.filter(message=None).order_by("-came_at", "-pk")

    def added_by(self, user):
        """Return the emails that this staff member added to conversations."""
        return self.filter(message__isnull=False, added_by=user)

    def not_matched_for(self, user):
        """Return the emails that were not matched and that this staff member may see.

        Coordinators may see them, and so may the staff that coordinators have chosen. If the conversation is
        known, its branch must be one of the staff member's branches.
        """
        if not may_see_not_matched(user):
            return self.none()
        branches = Q(conversation__branch__in=user.queue_branch_ids)
        if user.is_coordinator:
            branches |= Q(conversation__branch__in=Branch.objects.at_desk_of(user).values("pk"))
        quiet = Q(conversation__help_session__quiet=True)
        return self.not_matched().filter(Q(conversation=None) | branches).exclude(quiet)


def may_see_not_matched(user):
    """Return whether this person may see emails that were not matched.

    Coordinators may see them, and so may staff members with an EmailReader row.
    """
    return user.is_coordinator or (user.is_staff and EmailReader.objects.filter(person=user).exists())


class IncomingEmail(models.Model):
    """An incoming email. It became a message, or it was not matched.

    If it became a message, `person` is the author of the message, and `conversation` is null, because the
    message has the conversation. If it was not matched, `conversation` and `person` are those of the reply
    address, or null if they are unknown.

    If an email came to a conversation that was erased or forgotten, only the time of the email is stored.
    """

    class Reason(models.TextChoices):
        """Why an email was not matched. Staff read the reason in the list."""

        NO_ADDRESS = "no_address", _("The email was not sent to a reply address that the library made.")
        EXPIRED = "expired", _("The reply address is older than 90 days.")
        OTHER_SENDER = "other_sender", _("The email came from an address that is not the patron's.")
        NOT_CONFIRMED = (
            "not_confirmed",
            _("The patron has not confirmed the address from which the email came."),
        )
        NO_ACCESS = "no_access", _("The patron can't open the conversation anymore.")
        ERASED = (
            "erased",
            _("The conversation was erased or forgotten, so the library stored only the time of the email."),
        )
        UNREADABLE = "unreadable", _("The library can't read the email.")
        EMPTY = "empty", _("The email has no text.")
        TOO_LARGE = "too_large", _("The email is too large, so the library read only its beginning.")

    # If one of these reasons kept an email from being matched, staff can add the email to its conversation.
    ADDABLE = (
        Reason.EXPIRED,
        Reason.OTHER_SENDER,
        Reason.NOT_CONFIRMED,
        Reason.UNREADABLE,
        Reason.EMPTY,
        Reason.TOO_LARGE,
    )

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    came_at = models.DateTimeField()
    message_id_hmac = models.CharField(
        max_length=64,
        unique=True,
        null=True,
        help_text="the HMAC of its Message-ID; null if only the time is kept",
    )
    reason = models.CharField(
        max_length=16, choices=Reason, blank=True, help_text="blank if it is the original of a message"
    )
    sender = models.CharField(max_length=254, blank=True, help_text="the address in From")
    subject = models.CharField(max_length=200, blank=True)
    text = models.TextField(blank=True, help_text="what staff read in the list; blank once it is a message")
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, null=True, related_name="emails_not_matched"
    )
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="incoming_emails")
    message = models.OneToOneField(
        Message, on_delete=models.CASCADE, null=True, related_name="incoming_email"
    )
    file = models.FileField(
        storage=private_storage, max_length=120, blank=True, help_text="the original email"
    )
    size = models.PositiveIntegerField(default=0, help_text="of the original, in bytes")
    added_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="the staff member who added it to its conversation, from another address",
    )
    added_at = models.DateTimeField(null=True)

    objects = IncomingEmailQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(message__isnull=True) & ~Q(reason="") | Q(message__isnull=False, reason=""),
                name="not_matched_has_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(reason="erased")
                | Q(
                    message_id_hmac__isnull=True,
                    sender="",
                    subject="",
                    text="",
                    conversation__isnull=True,
                    person__isnull=True,
                    file="",
                    size=0,
                ),
                name="only_the_time_of_an_erased_email",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-came_at", "-id"], name="emails_not_matched", condition=Q(message__isnull=True)
            )
        ]

    def __str__(self):
        return f"{self.reason or 'matched'} at {self.came_at:%Y-%m-%d %H:%M}"


class EmailReader(models.Model):
    """A staff member who may see the emails that were not matched, because a coordinator has allowed it."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    named_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    named_at = models.DateTimeField()

    def __str__(self):
        return f"{self.person_id}"


class DroppedEmails(models.Model):
    """The number of emails of one kind that were dropped on one day. Nothing else about them is stored."""

    class Kind(models.TextChoices):
        BOUNCE = "bounce", _("reports that an email could not be delivered")
        AUTOMATIC = "automatic", _("automatic answers, such as absence notes")
        LIST = "list", _("emails of mailing lists")
        AGAIN = "again", _("emails that came a second time")

    day = models.DateField()
    kind = models.CharField(max_length=12, choices=Kind)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "kind"], name="one_count_of_dropped_emails")]

    def __str__(self):
        return f"{self.kind} on {self.day}: {self.count}"
