"""Encrypt the secrets of authenticator apps again after the server's key has changed."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction

from portal import keys

# portal.keys derives the encryption key from this name, so the name never changes.
SEALED_FOR = "accounts.second-factor"


def seal_anew(*, at):
    """Encrypt every secret with the current key. The worker calls this function.

    There is nothing to do if SECRET_KEY_FALLBACKS lists no old keys.
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
