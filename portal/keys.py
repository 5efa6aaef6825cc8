"""Hash and encrypt values with keys that are derived from SECRET_KEY. Each purpose has its own derived key.

Values that were made with a key in SECRET_KEY_FALLBACKS stay valid. So the codes of patrons and the
authenticator apps of staff still work after a library changes its SECRET_KEY.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def fingerprint(purpose, text):
    """Return the HMAC-SHA256 of the text with the current key, in hexadecimal."""
    return _fingerprint(purpose, text, settings.SECRET_KEY)


def fingerprints(purpose, text):
    """Return the HMACs of the text: one with the current key, then one with each fallback key.

    A stored HMAC may have been made with any of these keys.
    """
    return [_fingerprint(purpose, text, key) for key in _keys()]


def seal(purpose):
    """Return a Fernet that encrypts with the current key and decrypts with any of the keys."""
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(hashlib.sha256(_key(purpose, key)).digest())) for key in _keys()]
    )


def _keys():
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _fingerprint(purpose, text, key):
    return hmac.new(_key(purpose, key), text.encode(), hashlib.sha256).hexdigest()


def _key(purpose, key):
    return f"{purpose}:{key}".encode()
