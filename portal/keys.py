"""Make tokens, and hash and encrypt values. Each purpose has its own key, which is derived from SECRET_KEY.

Values that were made with a key in SECRET_KEY_FALLBACKS stay valid. So the codes of patrons and the
authenticator apps of staff still work after a library changes its SECRET_KEY.
"""

import base64
import hashlib
import hmac
import re
import secrets

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")


def new_token():
    """Return a random token for a link. It has 128 bits, in 22 characters."""
    return secrets.token_urlsafe(16)


def token_in(text):
    """Return the token at the beginning of `text`, or "" if there is none.

    Some mail programs add characters to the end of a link, such as a period or a bracket. Ignore them.
    """
    match = TOKEN.match(text)
    return match[0] if match else ""


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
