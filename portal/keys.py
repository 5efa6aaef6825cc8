"""Hash and encrypt values with SECRET_KEY. Each purpose has a key of its own.

Values made with a key in SECRET_KEY_FALLBACKS stay valid. So a library can change its key while patrons hold
codes and staff use authenticator apps.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def fingerprint(purpose, text):
    """Return the HMAC-SHA256 of the text in hexadecimal, made with the current key."""
    return _fingerprint(purpose, text, settings.SECRET_KEY)


def fingerprints(purpose, text):
    """Return the fingerprints to look for: one made with the current key, then one for each fallback."""
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
