"""A device that gets push messages, and decrypts them with its own code.

The portal encrypts with portal/notifications/push/encryption.py. This module shares no code with that module,
so a mistake in either module makes the tests fail. This module follows RFC 8188 and RFC 8291, and uses only
HMAC, ECDH and AES-GCM.
"""

import base64
import hashlib
import hmac
import secrets

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# The portal's private key for push messages, in tests.
PRIVATE_KEY = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class PushDevice:
    """A browser with a subscription. `endpoint` is the address to which its messages are sent."""

    def __init__(self, endpoint="", *, private_key=None, auth=None):
        self.endpoint = endpoint or f"https://fcm.googleapis.com/fcm/send/{secrets.token_urlsafe(12)}"
        self.private_key = private_key or ec.generate_private_key(ec.SECP256R1())
        self.auth_secret = auth or secrets.token_bytes(16)

    @property
    def p256dh(self):
        return base64url(_point(self.private_key.public_key()))

    @property
    def auth(self):
        return base64url(self.auth_secret)

    @property
    def keys(self):
        """Return the values that the browser sends to the portal, as arguments of `subscribe`."""
        return {"endpoint": self.endpoint, "p256dh": self.p256dh, "auth": self.auth}

    def decrypt(self, body):
        """Return the content of a message. Raises InvalidTag if the message isn't for this device."""
        key_length = body[20]
        sender_point = body[21 : 21 + key_length]
        sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender_point)
        shared = self.private_key.exchange(ec.ECDH(), sender)
        info = b"WebPush: info\0" + _point(self.private_key.public_key()) + sender_point
        return decrypt_records(body, _hkdf(self.auth_secret, shared, info, 32))


def decrypt_records(body, key):
    """Decrypt the content coding aes128gcm of RFC 8188 with this key, and return the content."""
    salt, record_size, key_length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    rest, content, number = body[21 + key_length :], b"", 0
    content_key = _hkdf(salt, key, b"Content-Encoding: aes128gcm\0", 16)
    nonce = int.from_bytes(_hkdf(salt, key, b"Content-Encoding: nonce\0", 12), "big")
    while rest:
        record, rest = rest[:record_size], rest[record_size:]
        opened = AESGCM(content_key).decrypt((nonce ^ number).to_bytes(12, "big"), record, None)
        unpadded = opened.rstrip(b"\0")
        assert unpadded[-1:] == (b"\1" if rest else b"\2"), "the delimiter of the record is wrong"
        content, number = content + unpadded[:-1], number + 1
    return content


def _hkdf(salt, key, info, length):
    extracted = hmac.digest(salt, key, hashlib.sha256)
    return hmac.digest(extracted, info + b"\1", hashlib.sha256)[:length]


def _point(key):
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
