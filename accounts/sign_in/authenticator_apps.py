"""Handle a change of the key that encrypts authenticator app secrets."""

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction

from portal import keys

# portal.keys derives the encryption key from this name, so the name never changes.
SEALED_FOR = "accounts.second-factor"
# What to do if the settings no longer have the key that encrypted the secrets.
OTHER_KEY = (
    "The authenticator apps of staff were set up with another SECRET_KEY, so their codes don't work. If the "
    "key was changed by mistake, set the earlier one again. If not, see “Change the key” in "
    "docs/operations.md."
)


def seal_anew(*, at):
    """Encrypt every secret with the current key. The worker calls this function.

    If SECRET_KEY_FALLBACKS lists no old keys, do nothing.
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


def is_key_missing():
    """Return whether the settings lack the key that encrypted the newest secret.

    A secret belongs to an authenticator app or to a list of recovery codes.
    """
    newest = Authenticator.objects.order_by("-pk").first()
    if newest is None:
        return False
    seal = keys.seal(SEALED_FOR)
    try:
        for name in {"secret", "seed"} & set(newest.data):
            seal.decrypt(newest.data[name])
    except InvalidToken:
        return True
    return False
