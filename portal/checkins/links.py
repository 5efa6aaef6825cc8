"""Make the links in check-in emails, and find the check-in for a link.

The database stores only the HMACs of these links.
"""

from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.urls import reverse

from portal import keys
from portal.helpsessions.models import HelpSession

from .models import CheckIn

LINK_WORKS = timedelta(days=30)
PURPOSE = "check-in link"


def new_link(check_in, *, at):
    """Give the check-in a new link, and return the token of the link. The caller must save the check-in."""
    token = keys.new_token()
    check_in.token_hmac = keys.fingerprint(PURPOSE, token)
    check_in.link_ends_at = at + LINK_WORKS
    return token


def url_of(token):
    """Return the whole address of the link, for an email."""
    return settings.BASE_URL + reverse("how_it_went", args=[token])


def find(text, *, at):
    """Return the check-in with this link if the link works at the time `at`, or None.

    `text` is the part of the URL that contains the token.
    """
    return working(at).filter(token_hmac__in=_hmacs(text)).first()


def is_known(text):
    """Return whether the library sent this link, even if the link no longer works."""
    return CheckIn.objects.filter(token_hmac__in=_hmacs(text)).exists()


def _hmacs(text):
    token = keys.token_in(text)
    return keys.fingerprints(PURPOSE, token) if token else []


def working(at):
    """Return the check-ins whose link works at the time `at`.

    A link stops working when the visit is forgotten or replaced or becomes quiet. It also stops when the
    visit leaves the account of the patron who got the email.
    """
    return CheckIn.objects.select_related(
        "help_session__branch", "help_session__staff", "asked", "asked_by"
    ).filter(
        link_ends_at__gt=at,
        asked__isnull=False,
        asked__is_active=True,
        help_session__patron=F("asked"),
        help_session__status=HelpSession.Status.RECORDED,
        help_session__forgotten_on=None,
        help_session__quiet=False,
    )
