"""The digits that hand a session over: made, read aloud, typed back, and stored only as an HMAC."""

import secrets
import unicodedata

from portal import keys

LENGTH = 13  # 43 bits: more than the 40 that an online guesser could ever be let near
GROUPS = (4, 3, 3, 3)


def new_code():
    return "".join(secrets.choice("0123456789") for _ in range(LENGTH))


def normalise(text):
    """The digits of what was typed or scanned, whatever stood between them and in whatever script; "" unless there are 13."""
    digits = "".join(str(unicodedata.decimal(char)) for char in text[:100] if char.isdecimal())
    return digits if len(digits) == LENGTH else ""


def grouped(code):
    """1234 567 890 123, as it is printed and read aloud."""
    parts, start = [], 0
    for size in GROUPS:
        parts.append(code[start : start + size])
        start += size
    return " ".join(parts)


def hmac_of(code):
    """What is stored. Under the server's key: a plain hash of 43 bits would fall in minutes."""
    return keys.fingerprint("claim code", code)


def hmacs_of(code):
    """Under which a code may be stored: the server's key may have been another when it was made."""
    return keys.fingerprints("claim code", code)
