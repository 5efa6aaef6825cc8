"""Links that let people turn notices off without signing in (RFC 8058).

A link names a person and kinds of notices, and is signed with the time of its email. The link works for a
year, or until the person's record is erased. If the record was merged into another record, the link turns off
the notices of the other record.
"""

from datetime import timedelta
from functools import cache
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.translation import get_language

from accounts.audit import merged_into
from accounts.models import User
from accounts.patron import check_ins

from . import choices
from .kinds import KINDS

SALT = "portal.notifications.unsubscribe"
CHECK_IN = "checkins/check_in"
LINK_WORKS = timedelta(days=365)


def unsubscribe_url(person, kinds):
    token = signing.dumps([person.public_id.hex, *kinds], salt=SALT, compress=True)
    return settings.BASE_URL + _address_before_token() + f"{token}/"


@cache
def _address_before_token():
    # The result is cached, because calling reverse() for each email took 4% of the time of writing check-ins.
    return reverse("unsubscribe", args=["-"]).removesuffix("-/")


def unsubscribe_headers(person, kinds):
    """Return email headers with which mail programs show a button that turns off these kinds of notices."""
    return {
        "List-Unsubscribe": f"<{unsubscribe_url(person, kinds)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def read_token(token):
    """Return (person, kinds) of a link, or (None, []) if the link doesn't work."""
    try:
        public_id, *kinds = signing.loads(token, salt=SALT, max_age=LINK_WORKS)
    except signing.BadSignature:
        return None, []
    person = User.objects.filter(public_id=public_id).first() or merged_into(UUID(public_id))
    if person is None or not person.is_active:
        return None, []
    return person, [KINDS[kind] for kind in kinds if kind in KINDS]


@transaction.atomic
def unsubscribe(person, kinds, *, at):
    """Turn off these kinds of notices.

    For check-ins, save the choice "don't ask" with the wording that the person saw.
    """
    choices.turn_off(person, [kind.key for kind in kinds if not kind.is_chosen_apart])
    for kind in kinds:
        if kind.key == CHECK_IN:
            none, button = User.CheckIns.NONE, check_ins.stop_button(only_check_ins=len(kinds) == 1)
            words = f"{check_ins.stop_sentence()}\n{button}"
            check_ins.choose(person, none, wording=words, language=get_language(), at=at)
