"""Codes that were just made, so that staff can print them on slips and cards.

The database stores only the HMAC of a code, so the code can't be read from it. The staff member's Django
session stores each new code for ten minutes, encrypted.
"""

import datetime
import json
import math

import qrcode
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from accounts.models import Library
from portal import keys
from portal.desk.people import find
from portal.helpsessions import codes

KEPT_SECONDS = 600
# request.session[SEALED] is {name of a list of codes: the encrypted codes}.
SEALED = "sealed_codes"
# The characters that fit in a line of a receipt, even in a wide font.
LINE_LENGTH = 24
# Millimeters on a receipt.
LINE_HEIGHT, PARAGRAPH_GAP = 6, 3
# The name of the list of codes for code cards.
CARDS = "cards"


def keep(session, name, new_codes, *, at):
    """Store new codes in the Django session under a name.

    The name is the public id of a help session, CARDS, or a result of `slip_name`.
    """
    sealed = {
        other: token for other, token in session.get(SEALED, {}).items() if _open(token, at) is not None
    }
    sealed[str(name)] = _seal().encrypt_at_time(json.dumps(new_codes).encode(), int(at.timestamp())).decode()
    session[SEALED] = sealed


def kept(session, name, *, at):
    """Return the codes that `keep` stored under a name less than ten minutes ago, or []."""
    token = session.get(SEALED, {}).get(str(name))
    return (_open(token, at) if token else None) or []


def forget(session, name):
    """Delete the codes that are stored under a name, and to whom their link was emailed."""
    names = {str(name), _name_of_email(name)}
    if names & session.get(SEALED, {}).keys():
        session[SEALED] = {other: token for other, token in session[SEALED].items() if other not in names}


def keep_sent(session, name, address, *, at):
    """Store for ten minutes that the link with a code was emailed. Only the masked address is stored."""
    keep(session, _name_of_email(name), [find.masked(address), at.isoformat()], at=at)


def sent(session, name, *, at):
    """Return {"to": masked address, "at": time} of the last email that `keep_sent` stored, or None."""
    stored = kept(session, _name_of_email(name), at=at)
    return {"to": stored[0], "at": datetime.datetime.fromisoformat(stored[1])} if stored else None


def _name_of_email(name):
    return f"email {name}"


def code_context(code):
    """Return the context that shows a code: its digits in groups, its link and its QR code."""
    label = _("QR code that opens this page on a phone")
    return {
        "grouped": codes.grouped(code),
        "link": link(code),
        "link_page": typed_at(),
        "qr": qr_svg(link(code), label),
    }


def base_url():
    """Return the scheme and host of the links on slips."""
    return settings.BASE_URL


def typed_at():
    """Return the address of the page where patrons type a code. The address has no scheme."""
    return (base_url() + reverse("open_code")).partition("://")[2]


def link(code):
    """Return the URL that opens the visit or the account of this code."""
    return base_url() + reverse("open_code_link", args=[code])


def paper_language(help_session):
    """Return the language of a printed slip.

    This is the visit's language, or the library's if the portal isn't translated into the visit's language.
    """
    if help_session.language in dict(settings.LANGUAGES):
        return help_session.language
    return Library.current().language


def qr_svg(text, label):
    """Return a QR code as inline SVG. SVG looks sharp at any size, and the page needs no request for it."""
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


def receipt_height(help_session, recommendations):
    """Return a height in millimeters that is enough for the receipt in any font.

    Only browsers without JavaScript use it. In other browsers, static/js/receipt.js measures the height.
    """
    texts = [help_session.title]
    if help_session.is_on_paper_only:
        texts += [help_session.question, help_session.summary]
    for recommendation in () if help_session.quiet else recommendations:
        item = recommendation.item
        names = f"{item.creators} · {item.original_creators} · {item.get_kind_display()}"
        texts += [item.title, item.original_title, names, item.url, recommendation.reason]
        texts += [
            f"{holding.call_number} {holding.branch}, {holding.location}" for holding in item.holdings.all()
        ]
    fixed_part = 60 if help_session.is_on_paper_only else 170
    return fixed_part + math.ceil(sum(_height(text) for text in texts if text))


def _height(text):
    """Return the greatest height in millimeters that this paragraph can have on a receipt."""
    # Capital letters and the characters of East Asia are wider than other characters.
    widths = [
        sum(1.4 if char > "\u2e7f" or char.isupper() else 1 for char in line) for line in text.split("\n")
    ]
    return PARAGRAPH_GAP + sum(LINE_HEIGHT * max(1, math.ceil(width / LINE_LENGTH)) for width in widths)


def _seal():
    return keys.seal("codes on slips")


def _open(token, at):
    """Decrypt the token and return its codes. Return None if the token is too old or invalid."""
    try:
        return json.loads(_seal().decrypt_at_time(token, ttl=KEPT_SECONDS, current_time=int(at.timestamp())))
    except InvalidToken:
        return None
