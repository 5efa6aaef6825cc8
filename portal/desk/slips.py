"""The code on the slip that was just made.

The database knows only its HMAC, so the staff session holds it, encrypted, for ten minutes. After that the slip says so
and offers a new code.
"""

import json

import qrcode
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import Library
from portal import keys

SECONDS = 600
SEALED = "sealed_codes"  # in the Django session: what for → encrypted codes
CARDS = "cards"


def keep(session, what, codes, *, at):
    """Remember `codes` (of the session with public id `what`, or of CARDS); whatever is too old is dropped on the way."""
    sealed = {name: token for name, token in session.get(SEALED, {}).items() if _open(token, at) is not None}
    sealed[str(what)] = _seal().encrypt_at_time(json.dumps(codes).encode(), int(at.timestamp())).decode()
    session[SEALED] = sealed


def kept(session, what, *, at):
    """The codes kept for `what`, or [] once ten minutes have passed."""
    token = session.get(SEALED, {}).get(str(what))
    return (_open(token, at) if token else None) or []


def forget(session, what):
    if str(what) in session.get(SEALED, {}):
        session[SEALED] = {name: token for name, token in session[SEALED].items() if name != str(what)}


def base_url():
    return settings.BASE_URL


def typed_at():
    """The address of the page where a code is typed, as it is printed."""
    return (base_url() + reverse("open_code")).partition("://")[2]


def link(code):
    return base_url() + reverse("open_code_link", args=[code])


def paper_language(help_session):
    """The patron's language where the portal speaks it, otherwise the library's."""
    return (
        help_session.language
        if help_session.language in dict(settings.LANGUAGES)
        else Library.current().language
    )


def qr_svg(text, label):
    """The QR code as one inline SVG path: it prints sharp at any size and needs no request."""
    code = qrcode.QRCode(border=2, error_correction=qrcode.ERROR_CORRECT_M)
    code.add_data(text)
    rows = code.get_matrix()
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return format_html(
        '<svg class="qr" viewBox="0 0 {0} {0}" role="img" aria-label="{1}" shape-rendering="crispEdges">'
        '<path fill="#fff" d="M0 0h{0}v{0}h-{0}z"/><path fill="#000" d="{2}"/></svg>',
        len(rows),
        label,
        path,
    )


def _seal():
    return keys.seal("codes on slips")


def _open(token, at):
    try:
        return json.loads(_seal().decrypt_at_time(token, ttl=SECONDS, current_time=int(at.timestamp())))
    except InvalidToken:
        return None
