"""Encrypt push messages, so that only the browser can read them (RFC 8188 and RFC 8291)."""

import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CURVE = ec.SECP256R1()
# The longest body that every push service accepts (RFC 8030). So the content is one record of at most 3,993
# bytes.
MAX_BODY = RECORD_SIZE = 4096
SALT_BYTES, TAG_BYTES = 16, 16
# This byte marks the end of the content in the last record. Padding can follow.
LAST_RECORD = b"\x02"


def encrypt(content, *, browser_key, auth, padded_to=0, sender_key=None, salt=None):
    """Return the body of a push message for a browser (RFC 8291).

    `browser_key` is the browser's public key in 65 bytes, and `auth` is its secret in 16 bytes. Content with
    fewer than `padded_to` bytes is padded. Each message gets a new `sender_key` and a new `salt`. Only tests
    pass these two arguments. Raises ValueError if the content is too long.
    """
    sender_key = sender_key or ec.generate_private_key(CURVE)
    sender_point = sender_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = sender_key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, browser_key))
    key = _derive(shared, salt=auth, info=b"WebPush: info\0" + browser_key + sender_point, length=32)
    salt = salt or os.urandom(SALT_BYTES)
    return encode(content, key=key, salt=salt, key_id=sender_point, padded_to=padded_to)


def encode(content, *, key, salt, key_id=b"", padded_to=0):
    """Return the content encrypted with the content coding aes128gcm, in one record (RFC 8188)."""
    content_key = _derive(key, salt=salt, info=b"Content-Encoding: aes128gcm\0", length=16)
    nonce = _derive(key, salt=salt, info=b"Content-Encoding: nonce\0", length=12)
    header = salt + RECORD_SIZE.to_bytes(4, "big") + len(key_id).to_bytes(1, "big") + key_id
    record = content + LAST_RECORD + b"\0" * max(padded_to - len(content), 0)
    if len(header) + len(record) + TAG_BYTES > MAX_BODY:
        raise ValueError("the content is too long for a push message")
    return header + AESGCM(content_key).encrypt(nonce, record, None)


def _derive(key, *, salt, info, length):
    return HKDF(hashes.SHA256(), length=length, salt=salt, info=info).derive(key)
