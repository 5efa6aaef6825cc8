"""The key pair that proves the portal's identity to push services (VAPID, RFC 8292).

`manage.py push_keys` makes the private key. The public key is computed from the private key.
"""

import base64
import hashlib
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

PRIVATE_KEY_BYTES = 32


def is_set_up():
    """Return whether the portal can send push messages."""
    return bool(settings.PUSH_PRIVATE_KEY)


def application_key():
    """Return the public key in base64url, as a browser needs it to subscribe, or "" if no key is set."""
    return _public_key(settings.PUSH_PRIVATE_KEY) if is_set_up() else ""


def key_id():
    """Return a short id of the current key, or "" if no key is set.

    When the key changes, subscriptions that browsers made with the old key stop working.
    """
    return hashlib.sha256(application_key().encode()).hexdigest()[:16] if is_set_up() else ""


def new_private_key():
    """Return a new private key in base64url."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return encode(number.to_bytes(PRIVATE_KEY_BYTES, "big"))


def private_key(text):
    """Return the private key. Raises ValueError if the text isn't a key."""
    content = decode(text)
    if len(content) != PRIVATE_KEY_BYTES:
        raise ValueError("the private key does not have 32 bytes")
    return ec.derive_private_key(int.from_bytes(content, "big"), ec.SECP256R1())


@cache
def _public_key(text):
    key = private_key(text).public_key()
    return encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def encode(content):
    """Return the bytes in base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(text):
    """Return the bytes of a text in base64url, with or without padding. Raises ValueError."""
    if not text.isascii():
        raise ValueError("base64url has only ASCII letters")
    padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
