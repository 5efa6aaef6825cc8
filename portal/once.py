"""Let only one of several simultaneous requests use a code.

Keeping the code in the browser's session isn't enough for this. Simultaneous requests all read the code from
the session before one of them deletes it.
"""

from django.core.cache import cache
from django.utils.crypto import salted_hmac


def claim(what, *secrets, seconds):
    """Return True for the first call with these values, and False for each later call within `seconds`.

    The cache is a database table with one row per key, so only one process can insert the row. The key is a
    hash of the values, so that the row doesn't contain `secrets`, such as a code.
    """
    key = salted_hmac("portal.once", "\n".join([what, *map(str, secrets)]), algorithm="sha256").hexdigest()
    return cache.add(f"once:{key}", True, seconds)
