"""Links with which people turn notices off without signing in (RFC 8058).

A link names a person and kinds of notices, and is signed. It works until the person's record is erased or
merged with another.
"""

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import User

from .kinds import KINDS

SALT = "portal.notifications.unsubscribe"


def unsubscribe_url(person, kinds):
    token = signing.dumps([person.public_id.hex, *kinds], salt=SALT, compress=True)
    return settings.BASE_URL + reverse("unsubscribe", args=[token])


def unsubscribe_headers(person, kinds):
    """Return the headers with which mail programs show a button that turns these kinds off."""
    return {
        "List-Unsubscribe": f"<{unsubscribe_url(person, kinds)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def read_token(token):
    """Return (person, kinds) of a link, or (None, []) if the link doesn't work."""
    try:
        public_id, *kinds = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None, []
    person = User.objects.filter(public_id=public_id, is_active=True).first()
    return person, [KINDS[kind] for kind in kinds if kind in KINDS]
