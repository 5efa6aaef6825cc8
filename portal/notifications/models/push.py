"""The devices that get push messages, and the messages that wait for them."""

import uuid

from allauth.usersessions.models import UserSession
from django.db import models
from django.db.models import Q

from accounts.models import User


class PushSubscription(models.Model):
    """A browser that gets notices through the push service of the browser's maker (web push).

    A subscription with a `person` ends when the person's sign-in with this browser ends. A subscription
    without a person is for a visit that the browser opened by code, and ends when the code ends. Its `about`
    is the key of the visit. A browser can have one row for a person and one for each visit, all with the same
    endpoint.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="push_subscriptions")
    # The database doesn't enforce this foreign key. Otherwise signing out could fail if the browser
    # subscribes at the same moment. A row whose sign-in has ended gets no messages, and the worker deletes
    # it.
    sign_in = models.ForeignKey(
        UserSession, on_delete=models.CASCADE, db_constraint=False, null=True, related_name="+"
    )
    about = models.CharField(max_length=80, blank=True, default="", help_text="a key of the visit")
    ends_at = models.DateTimeField(null=True, help_text="when the code of the visit ends")
    endpoint = models.TextField(help_text="the secret address to which the messages are sent")
    endpoint_hash = models.CharField(max_length=64)
    host = models.CharField(max_length=255, help_text="the host of the endpoint")
    p256dh = models.CharField(max_length=88, help_text="the public key of the browser, as base64url")
    auth = models.CharField(max_length=24, help_text="a secret of the browser, as base64url")
    key_id = models.CharField(max_length=16, help_text="which key of the portal the browser knows")
    language = models.CharField(max_length=12)
    device = models.CharField(max_length=100, help_text='such as "Firefox on Android"')
    created_at = models.DateTimeField()
    checked_at = models.DateTimeField(help_text="when the browser last said that it has this subscription")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint_hash", "about"], name="one_subscription_of_a_browser"),
            models.CheckConstraint(
                condition=Q(person__isnull=False, sign_in__isnull=False, about="", ends_at__isnull=True)
                | Q(person__isnull=True, sign_in__isnull=True, ends_at__isnull=False) & ~Q(about=""),
                name="subscription_of_a_person_or_a_visit",
            ),
        ]
        indexes = [
            models.Index(fields=["about"], name="subscriptions_about", condition=~Q(about="")),
            models.Index(fields=["checked_at"], name="subscriptions_checked"),
        ]

    def __str__(self):
        return f"{self.device} at {self.host}"


class PushMessage(models.Model):
    """A push message to one device.

    The row is deleted when the push service accepts the message, or when the worker gives up. If `notice_id`
    is empty, this is a test message that a person sent to their own device. If the notice has been deleted,
    the worker deletes the message and doesn't send it. The database itself doesn't delete the messages of a
    deleted notice, because that would slow down every deletion of a notice.
    """

    notice = models.ForeignKey(
        "Notification",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="push_messages",
    )
    subscription = models.ForeignKey(PushSubscription, on_delete=models.CASCADE, related_name="messages")
    payload = models.JSONField(help_text="title, body, url and tag of the notification on the device")
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="neither we nor the push service deliver it later")
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["due_at", "id"], name="push_due")]

    def __str__(self):
        return f"message {self.pk} to {self.subscription_id}"
