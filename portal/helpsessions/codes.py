"""Make, format and parse codes, which have 13 digits. The database stores only the HMAC of a code."""

import secrets
import unicodedata

from portal import keys

# The number of digits of a code. 13 digits are 43 bits, which can't be guessed within the rate limits.
LENGTH = 13
GROUPS = (4, 3, 3, 3)


def new_code():
    """Return 13 random digits."""
    return "".join(secrets.choice("0123456789") for _ in range(LENGTH))


def normalize(text):
    """Return the 13 digits of the code that a person typed or scanned.

    Returns "" if there are not exactly 13 digits. All other characters are ignored. Digits of other scripts,
    such as Arabic, are converted.
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
    """Return the HMAC to store. A plain hash could be reversed within minutes by trying all codes."""
    return keys.fingerprint("claim code", code)


def hmacs_of(code):
    """Return all HMACs that the database may have for this code.

    There is one HMAC for the current key of the server, and one for each earlier key.
    """
    return keys.fingerprints("claim code", code)
