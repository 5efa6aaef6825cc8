"""Secrets of authenticator apps, sealed under the server's key."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction

from portal import keys

SEALED_FOR = "accounts.second-factor"  # what an authenticator app shares with us


def seal_anew(*, at):
    """For the worker: while the server knows a key of before, secrets of authenticator apps are sealed under the present one."""
    seal = keys.seal(SEALED_FOR)
    for pk in Authenticator.objects.values_list("pk", flat=True) if settings.SECRET_KEY_FALLBACKS else []:
        with transaction.atomic():
            for authenticator in Authenticator.objects.select_for_update().filter(pk=pk):
                sealed = {
                    name: seal.rotate(authenticator.data[name]).decode()
                    for name in ("secret", "seed")
                    if name in authenticator.data
                }
                authenticator.data |= sealed
                authenticator.save(update_fields=["data"])
