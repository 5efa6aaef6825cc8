"""Functions that store new codes, so that staff can print them on slips and code cards.

The database stores only the HMAC of a code, so nobody can read the code there. The staff member's Django
session stores each new code for ten minutes, encrypted.
"""

import datetime
import json
import math

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Library
from portal import keys
from portal.desk.people import find
from portal.dois import doi_url
from portal.happening import happening
from portal.helpsessions import codes
from portal.printing import paragraph_height, qr_svg

KEPT_SECONDS = 600
# request.session[SEALED] is {hash of a `name`: the codes stored under this name, encrypted}. Names contain
# public ids. The session has only hashes, so it contains no public id of a person or visit that is erased
# later.
SEALED = "sealed_codes"
# The name under which `keep` stores the codes of code cards.
CARDS = "cards"


def keep(session, name, new_codes, *, at):
    """Store new codes in the Django session under `name`.

    `name` is the public id of a help session, CARDS, or a result of `slip_name`.
    """
    sealed = {
        other: token for other, token in session.get(SEALED, {}).items() if _open(token, at) is not None
    }
    sealed[_hash_of(name)] = (
        _seal().encrypt_at_time(json.dumps(new_codes).encode(), int(at.timestamp())).decode()
    )
    session[SEALED] = sealed


def kept(session, name, *, at):
    """Return the codes that `keep` stored under a name less than ten minutes ago, or []."""
    token = session.get(SEALED, {}).get(_hash_of(name))
    return (_open(token, at) if token else None) or []


def forget(session, name):
    """Delete the codes and the masked email address that are stored under this name."""
    hashes = {_hash_of(name), _hash_of(_name_of_email(name))}
    if hashes & session.get(SEALED, {}).keys():
        session[SEALED] = {other: token for other, token in session[SEALED].items() if other not in hashes}


def keep_sent(session, name, address, *, at):
    """Store the time when the link with a code was emailed, and the masked address, for ten minutes."""
    keep(session, _name_of_email(name), [find.masked(address), at.isoformat()], at=at)


def sent(session, name, *, at):
    """Return what `keep_sent` stored last under this name, as {"to": masked address, "at": time}, or None."""
    stored = kept(session, _name_of_email(name), at=at)
    return {"to": stored[0], "at": datetime.datetime.fromisoformat(stored[1])} if stored else None


def _hash_of(name):
    return keys.fingerprint("portal.slips.name", str(name))[:32]


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
    """Return the URL where patrons type a code. The URL has no scheme, so that it is easy to type."""
    return (base_url() + reverse("open_code")).partition("://")[2]


def link(code):
    """Return the URL that opens the visit or the account of this code."""
    return base_url() + reverse("open_code_link", args=[code])


def paper_language(help_session):
    """Return the language of a printed slip.

    If the portal is not translated into the visit's language, return the library's language.
    """
    if help_session.language in dict(settings.LANGUAGES):
        return help_session.language
    return Library.current().language


def receipt_height(help_session, recommendations):
    """Return a height in millimeters that is enough for the receipt in any font.

    Only browsers without JavaScript use this height. In other browsers, static/js/receipt.js measures the
    receipt.
    """
    texts = [help_session.title]
    if help_session.is_on_paper_only:
        texts += [help_session.question, help_session.summary]
    for recommendation in () if help_session.quiet else recommendations:
        item = recommendation.item
        names = (
            f"{item.creators} · {item.original_creators} · {item.kind_name} · {happening(item)} {item.phone}"
        )
        address = item.url or doi_url(item.doi)
        texts += [item.title, item.original_title, names, address, recommendation.reason]
        texts += [f"{place.call_number} {place.where}" for place in item.places]
    fixed_part = 60 if help_session.is_on_paper_only else 170
    return fixed_part + math.ceil(sum(paragraph_height(text) for text in texts if text))


def _seal():
    return keys.seal("codes on slips")


def _open(token, at):
    """Decrypt the token and return its codes. Return None if the token is too old or invalid."""
    try:
        return json.loads(_seal().decrypt_at_time(token, ttl=KEPT_SECONDS, current_time=int(at.timestamp())))
    except InvalidToken:
        return None
