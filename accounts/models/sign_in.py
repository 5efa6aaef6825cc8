"""The models for library cards, passkeys, kept devices, and pending changes of an email address."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ..ils.base import MAX_ID_LENGTH
from .library import Branch, Library
from .people import User


class LibraryCard(models.Model):
    """A patron's library card. The fields have the ILS's values from the last sign-in with this card.

    The card is found by `ils_id`, because this id usually stays the same when the card is replaced.
    """

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="library_cards")
    ils_id = models.CharField(max_length=MAX_ID_LENGTH, unique=True)
    barcode = models.CharField(max_length=60)
    patron_group = models.CharField(max_length=80, blank=True)
    home_branch = models.ForeignKey(
        Branch, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-seen_at", "-pk"]
        constraints = [models.CheckConstraint(condition=~Q(ils_id=""), name="card_has_an_ils_id")]

    def __str__(self):
        return f"{self.person}: {self.ending}"

    @property
    def ending(self):
        """Return the last four characters of the barcode, so that people can recognize their own card."""
        return self.barcode[-4:]


class AddressChange(models.Model):
    """A change of a person's email address that takes effect after a week.

    The person has entered a code sent to the new address, but no code sent to the old address. So the old
    address gets an email with a link that stops the change. Only a hash of the link's token is stored.
    """

    WAITS = timedelta(days=7)

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    email = models.EmailField()
    token_hash = models.CharField(max_length=64, unique=True)
    begun_at = models.DateTimeField(db_index=True)

    def __str__(self):
        return f"of {self.person_id}, {self.begun_at:%Y-%m-%d %H:%M}"

    @property
    def happens_on(self):
        return Library.current().today(self.begun_at + self.WAITS)


class PasskeyQuerySet(models.QuerySet):
    def belonging_to(self, viewer):
        """Return the viewer's own passkeys. A viewer who is not signed in has no passkeys."""
        return self.filter(person=viewer.person, person__isnull=False)


class Passkey(models.Model):
    """The public key of a passkey. A passkey works only on the host name it was created for."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(_("name"), max_length=80)
    handle = models.UUIDField(
        help_text="the WebAuthn user handle: the person's public id at the time, before any merge"
    )
    credential_id = models.BinaryField(max_length=1023, unique=True)
    credential = models.BinaryField(
        help_text="WebAuthn attested credential data: the public key and identifiers"
    )
    sign_count = models.PositiveBigIntegerField(
        help_text="the device's signature counter, or 0; a number that repeats comes from a copied passkey"
    )
    added_on = models.DateField()
    added_at = models.DateTimeField(
        null=True, help_text="shown if another was added on the same day; null if it is an older passkey"
    )
    last_used_on = models.DateField(null=True)

    objects = PasskeyQuerySet.as_manager()

    class Meta:
        ordering = ["added_on", "pk"]

    def __str__(self):
        return self.name


class KeptDeviceQuerySet(models.QuerySet):
    def belonging_to(self, viewer):
        """Return the kept devices of the viewer's own sign-ins. A viewer by code has none."""
        return self.filter(sign_in__user=viewer.person, sign_in__user__isnull=False)


class KeptDevice(models.Model):
    """A device where a person has chosen to keep their pages for reading offline.

    The choice belongs to a sign-in, and ends when the sign-in ends. To end the choice earlier, delete the
    row. The device deletes its pages when it next connects to the portal, or after KEPT_FOR.
    """

    KEPT_FOR = timedelta(days=7)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sign_in = models.OneToOneField(
        "usersessions.UserSession", on_delete=models.CASCADE, related_name="kept_device"
    )
    added_at = models.DateTimeField()
    reached_at = models.DateTimeField(help_text="when the device last asked which pages it may keep")

    objects = KeptDeviceQuerySet.as_manager()

    def __str__(self):
        return f"of sign-in {self.sign_in_id}"
