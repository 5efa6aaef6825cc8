"""What is fingerprinted or sealed under the server's key (SECRET_KEY), each for one purpose alone. What was made under a key of before
(SECRET_KEY_FALLBACKS) still holds, so that the key can be changed while people hold codes and apps.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def fingerprint(purpose, text):
    """HMAC-SHA256 in hexadecimal, under the present key."""
    return _fingerprint(purpose, text, settings.SECRET_KEY)


def fingerprints(purpose, text):
    """Those by which it may be known: under the present key, and under each of before."""
    return [_fingerprint(purpose, text, key) for key in _keys()]


def seal(purpose):
    """A Fernet (AES-128-CBC with HMAC-SHA256) that seals under the present key and opens what any of them has sealed."""
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(hashlib.sha256(_key(purpose, key)).digest())) for key in _keys()]
    )


def _keys():
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _fingerprint(purpose, text, key):
    return hmac.new(_key(purpose, key), text.encode(), hashlib.sha256).hexdigest()


def _key(purpose, key):
    return f"{purpose}:{key}".encode()
