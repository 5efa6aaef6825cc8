"""The secrets of authenticator apps, encrypted with the server's key."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction

from portal import keys

# The purpose for which portal.keys encrypts the secrets. It never changes.
SEALED_FOR = "accounts.second-factor"


def seal_anew(*, at):
    """Encrypt every secret with the present key, while SECRET_KEY_FALLBACKS lists old keys.

    The worker calls this.
    """
    if not settings.SECRET_KEY_FALLBACKS:
        return
    seal = keys.seal(SEALED_FOR)
    for pk in Authenticator.objects.values_list("pk", flat=True):
        with transaction.atomic():
            for authenticator in Authenticator.objects.select_for_update().filter(pk=pk):
                sealed = {
                    name: seal.rotate(authenticator.data[name]).decode()
                    for name in ("secret", "seed")
                    if name in authenticator.data
                }
                authenticator.data |= sealed
                authenticator.save(update_fields=["data"])
