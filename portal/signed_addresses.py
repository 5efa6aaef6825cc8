"""Make and read email addresses with a signed token, such as reply+b7k2…@library.example.

Mail servers change the case of letters, so the token has only lowercase letters and digits (base32).
"""

import base64
import binascii
import hmac
import re
from functools import cache

from django.conf import settings

from . import keys

SIGNATURE_BYTES = 8
# The minimum length of a token. It is enough for a signature and one byte of content.
MIN_TOKEN = 15
# The maximum length of a token. The part of an address before the "@" has at most 64 characters.
MAX_TOKEN = 64
# The minimum length of a token if the address has nothing else before the "@". A shorter text there may be
# the name of a mailbox.
MIN_TOKEN_ALONE = 40
# How emails write "+" and "@": as they are, in quoted-printable text, and in URLs.
PLUS, AT = "(?:[+]|=2B|%2B)", "(?:@|=40|%40)"
# Quoted-printable text can break a line at any place.
BREAK = r"(?:=\r?\n)?"
# An address doesn't start inside a word, even if a BREAK splits the word.
START = r"(?<![\w.+-])(?<!=\n)(?<!=\r\n)"


def is_configured():
    """Return whether the library has an address to which people can answer emails."""
    return bool(settings.REPLY_ADDRESS)


def is_ours(address):
    """Return whether the address is the reply address, with or without a token.

    If the reply address has nothing before the "@", return whether the address has the same domain.
    """
    local, _at, domain = address.strip().lower().rpartition("@")
    own, _at, own_domain = settings.REPLY_ADDRESS.lower().rpartition("@")
    return domain == own_domain and (not own or local == own or local.startswith(f"{own}+"))


def sign(purpose, content):
    """Return an address whose token contains `content`, or "" if no reply address is configured.

    `purpose` says what the address is for. `read` accepts an address only for the same purpose.
    """
    if not is_configured():
        return ""
    token = _encoded(content + _signature(keys.fingerprint(purpose, content.hex())))
    local, _at, domain = settings.REPLY_ADDRESS.rpartition("@")
    return f"{local}{'+' if local else ''}{token.lower()}@{domain}"


def read(purpose, address):
    """Return the bytes in the token of this address.

    Return None if `sign` did not make the address for this purpose.
    """
    content, signature = _split(address)
    if content is None:
        return None
    signatures = [_signature(text) for text in keys.fingerprints(purpose, content.hex())]
    # Compare the signature with each key, so that the time doesn't reveal which key matches.
    fits = [hmac.compare_digest(signature, known) for known in signatures]
    return content if any(fits) else None


def without_tokens(text):
    """Return the text without the tokens in our addresses.

    A reply address is a secret, because an email to this address counts as an email from the person in the
    token.
    """
    return _tokens().sub(r"\1\2", text) if is_configured() else text


def without_tokens_in_bytes(raw):
    """Return the bytes without the tokens in our addresses. Tokens in base64 text are kept."""
    # Latin-1 has one character for each byte, so every byte outside the tokens stays the same.
    return without_tokens(raw.decode("latin-1")).encode("latin-1")


def _tokens():
    return _pattern(*settings.REPLY_ADDRESS.rpartition("@")[::2])


@cache
def _pattern(local, domain):
    """Return the pattern of an address with a token. Its groups are the text before and after the token."""
    before = f"({_broken(local)}{BREAK}){PLUS}{BREAK}" if local else f"{START}({BREAK})"
    least = MIN_TOKEN if local else MIN_TOKEN_ALONE
    # The limit and the possessive quantifier keep the time proportional to the length of the text.
    token = f"(?:[a-z2-7]{BREAK}){{{least},{MAX_TOKEN}}}+"
    return re.compile(f"{before}{token}({AT}{BREAK}{_broken(domain)})", re.IGNORECASE)


def _broken(text):
    return BREAK.join(re.escape(letter) for letter in text)


def _split(address):
    """Return (content, signature) of an address, or (None, None) if it has no token."""
    if not is_configured() or not is_ours(address):
        return None, None
    local = address.strip().lower().rpartition("@")[0]
    own = settings.REPLY_ADDRESS.lower().rpartition("@")[0]
    token = local[len(f"{own}+") if own else 0 :].upper()
    try:
        signed = base64.b32decode(token + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        return None, None
    # The last letter of a token can have bits that decoding ignores. Refuse the token if these bits differ
    # from the bits that `_encoded` writes. So each token has only one spelling.
    if len(signed) <= SIGNATURE_BYTES or _encoded(signed) != token:
        return None, None
    return signed[:-SIGNATURE_BYTES], signed[-SIGNATURE_BYTES:]


def _encoded(content):
    return base64.b32encode(content).decode().rstrip("=")


def _signature(fingerprint):
    return bytes.fromhex(fingerprint)[:SIGNATURE_BYTES]
