"""What a person signs in with: library cards, passkeys, and an email address that waits to change."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ..ils.base import LONGEST_ID
from .library import Branch, Library
from .people import User


class LibraryCard(models.Model):
    """A person as the library's own system (the ILS) knows them: who signs in with a card is found by `ils_id`, which outlives the card.

    What stands here is as the ILS said it when the card last signed in.
    """

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="library_cards")
    ils_id = models.CharField(max_length=LONGEST_ID, unique=True)
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
        """The end of the number: enough to know one's own card by."""
        return self.barcode[-4:]


class AddressChange(models.Model):
    """That an address waits to take the place of a person's: they read a code there, and none at the old one. Whoever reads the old one may
    stop it until then. Of the token in the mail to them only a fingerprint is here."""

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
        """A person's own; a browser that only opened sessions by code has none."""
        return self.filter(person=viewer.person, person__isnull=False)


class Passkey(models.Model):
    """A key that a phone, a computer or a stick keeps for a person, and uses after their fingerprint, face or PIN. Only its public half is
    here. It works for the one host name for which it was made."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(_("name"), max_length=80)
    handle = models.UUIDField(
        help_text="by which the device knows the person: their public id when it was made, which a joining of records may have ended"
    )
    credential_id = models.BinaryField(max_length=1023, unique=True)
    credential = models.BinaryField(
        help_text="public key and identifiers, as the device gave them (WebAuthn: attested credential data)"
    )
    sign_count = models.PositiveBigIntegerField(
        help_text="of a device that counts: a number that comes twice is a copy's"
    )
    added_on = models.DateField()
    last_used_on = models.DateField(null=True)

    objects = PasskeyQuerySet.as_manager()

    class Meta:
        ordering = ["added_on", "pk"]

    def __str__(self):
        return self.name
