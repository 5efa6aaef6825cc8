"""The 13 digits of a code: making, formatting and parsing them, and the HMAC that is stored."""

import secrets
import unicodedata

from portal import keys

# 13 digits are 43 bits, which can't be guessed within the rate limits.
LENGTH = 13
GROUPS = (4, 3, 3, 3)


def new_code():
    """Return 13 random digits."""
    return "".join(secrets.choice("0123456789") for _ in range(LENGTH))


def normalise(text):
    """Return the 13 digits in what a person typed or scanned, or "".

    Separators are ignored, and digits of other scripts count.
    """
    digits = "".join(str(unicodedata.decimal(char)) for char in text[:100] if char.isdecimal())
    return digits if len(digits) == LENGTH else ""


def grouped(code):
    """Return the code as it is printed and read aloud: 1234 567 890 123."""
    parts, start = [], 0
    for size in GROUPS:
        parts.append(code[start : start + size])
        start += size
    return " ".join(parts)


def hmac_of(code):
    """Return the HMAC to store. A plain hash of 43 bits could be reversed within minutes."""
    return keys.fingerprint("claim code", code)


def hmacs_of(code):
    """Return the HMACs under which the code may be stored.

    There is one for each key that the server has or had.
    """
    return keys.fingerprints("claim code", code)
