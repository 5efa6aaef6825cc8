"""The rules for the settings of other services, such as the ILS, push messages and single sign-on.

Rules are [(id, whether the rule is broken, problem, solution)]. checks.py reports the broken ones.
"""

import base64
import codecs
import re
import string
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

# The characters that are allowed before the @ of the reply address. All mail servers accept them together
# with the "+" and the token.
LOCAL_LETTERS = frozenset(string.ascii_letters + string.digits + "._-")
# The maximum number of characters before the @ (RFC 5321), and the number that the "+" and the token need.
LOCAL_PART_MAX, TOKEN_LENGTH = 64, 43
# Matches a host name, or "*." and the end of a host name.
PUSH_HOST = re.compile(r"(\*\.)?([a-z0-9-]+\.)+[a-z0-9-]+")
# Matches a metadata prefix of OAI-PMH.
OAI_NAME = re.compile(r"[A-Za-z0-9\-_.!~*'()]{1,80}")


def ils_rules():
    """Return the rules that the settings of the ILS must follow. If ILS is empty, no rule is broken."""
    kind, given = settings.ILS, settings.ILS_SETTINGS
    koha = urlsplit(given.get("url", "")) if kind == "koha" else None
    return [
        (
            "afterword.E011",
            kind not in ("", "sip2", "koha") and not (kind == "demo" and (settings.LOCAL or settings.DEMO)),
            f"ILS is {kind!r}.",
            "Set it to sip2 or koha. Without it, patrons can't sign in with a library card.",
        ),
        (
            "afterword.E012",
            kind == "sip2" and not given["host"],
            "SIP2_HOST is missing.",
            "Set it to the host name of the ILS's SIP2 server, such as sip.library.example.",
        ),
        (
            "afterword.E013",
            kind == "sip2" and not _is_charset(given["charset"]),
            f"SIP2_CHARSET is {given.get('charset')!r}, which Python does not know.",
            "Set it to the character set of the ILS: cp850, utf-8 or latin-1.",
        ),
        (
            "afterword.E014",
            kind == "sip2"
            and not all(
                len(given[name]) == 2 for name in ("id_field", "group_field", "branch_field", "expires_field")
            ),
            "SIP2_ID_FIELD, SIP2_GROUP_FIELD, SIP2_BRANCH_FIELD or SIP2_EXPIRES_FIELD is not two letters.",
            "Set it to two letters, such as AA, or remove it.",
        ),
        (
            "afterword.E015",
            koha is not None
            and (
                koha.scheme not in ("https", "http")
                or not koha.hostname
                or (koha.scheme == "http" and not settings.LOCAL)
            ),
            f"KOHA_URL is {given.get('url')!r}, not an https address, so PINs could be read on the way.",
            "Set it to the https address of Koha, such as https://staff.koha.example, without /api.",
        ),
        (
            "afterword.E016",
            kind == "koha"
            and not (given["user"] and given["password"])
            and not (given["client_id"] and given["client_secret"]),
            "The portal has no Koha account.",
            "Set KOHA_USER and KOHA_PASSWORD, or KOHA_CLIENT_ID and KOHA_CLIENT_SECRET.",
        ),
        (
            "afterword.E017",
            bool(kind) and not 1 <= settings.ILS_TIMEOUT <= 20,
            f"ILS_TIMEOUT is {settings.ILS_TIMEOUT}.",
            "Set it to the seconds that a sign-in may wait for the ILS, from 1 to 20, or remove it.",
        ),
    ]


def reply_rules():
    """Return the rules that the settings for answers by email must follow."""
    address, mailbox = settings.REPLY_ADDRESS, settings.IMAP
    local, _at, domain = address.rpartition("@")
    return [
        (
            "afterword.E030",
            bool(address) and not _is_reply_address(local, domain),
            f"REPLY_ADDRESS is {address!r}, to which no email could be answered.",
            "Set it to an address such as reply@library.example, with at most 21 letters, digits, dots, "
            "hyphens or underscores before the @. Or to @reply.library.example, if the mail server gives the "
            "portal all email of that domain.",
        ),
        (
            "afterword.E031",
            bool(mailbox) and not address,
            "IMAP_URL is set and REPLY_ADDRESS is not, so every email would be unknown.",
            "Set REPLY_ADDRESS to the address of the mailbox, or remove IMAP_URL.",
        ),
    ]


def push_rules():
    """Return the rules that the settings for push messages must follow."""
    key, subject = settings.PUSH_PRIVATE_KEY, settings.PUSH_SUBJECT
    strange = [host for host in settings.PUSH_HOSTS if not PUSH_HOST.fullmatch(host)]
    return [
        (
            "afterword.E032",
            bool(key) and not _is_push_key(key),
            "PUSH_PRIVATE_KEY is not a key for push messages.",
            "Set it to what manage.py push_keys prints, or remove it to turn push messages off.",
        ),
        (
            "afterword.E033",
            bool(key) and not is_push_subject(subject),
            f"PUSH_SUBJECT is {subject!r}, which push services refuse.",
            "Set it to the https address of the portal, such as https://help.library.example, or to a "
            "mailbox that somebody reads, such as mailto:help@library.example.",
        ),
        (
            "afterword.E034",
            bool(strange) or (bool(key) and not settings.PUSH_HOSTS),
            f"PUSH_HOSTS has {strange[0]!r}, not a host name." if strange else "PUSH_HOSTS has no host.",
            "Set it to host names, separated by commas, such as fcm.googleapis.com or *.push.apple.com. Or "
            "remove it to use the push services of Google, Mozilla, Apple and Microsoft.",
        ),
        (
            "afterword.E035",
            settings.PUSH_LOCAL and not settings.LOCAL,
            "PUSH_LOCAL is on, so push messages could go to this machine without https.",
            "Remove PUSH_LOCAL. It is for tests only.",
        ),
    ]


def cover_rules():
    """Return the rules that the address of the cover source must follow."""
    address = settings.COVER_URL
    return [
        (
            "afterword.E040",
            bool(address) and not _is_address_with("{isbn}", address),
            f"COVER_URL is {address!r}, not an https address in which {{isbn}} is once, after the host.",
            "Set it to an address such as https://covers.library.example/{isbn}.jpg. "
            "Or remove it: the portal then draws all covers.",
        ),
    ]


def webhook_rules():
    """Return the rules that the settings of the webhook must follow."""
    address = settings.WEBHOOK_URL
    return [
        (
            "afterword.E055",
            bool(address) and not _is_server_address(address),
            f"WEBHOOK_URL is {address!r}, not an https address.",
            "Set it to the address of the other system, such as https://hooks.library.example/afterword. "
            "Or remove it to send no events.",
        ),
        (
            "afterword.E056",
            bool(address) and not _is_webhook_secret(settings.WEBHOOK_SECRET),
            "WEBHOOK_SECRET is not a secret of 24 to 64 bytes.",
            "Set it to whsec_ and the bytes in base64, as docs/api.md shows. The other system needs the same "
            "secret.",
        ),
    ]


def _is_webhook_secret(text):
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return text.startswith("whsec_") and 24 <= len(secret) <= 64


def doi_rules():
    """Return the rule that DOI_RESOLVER must follow."""
    resolver = settings.DOI_RESOLVER
    return [
        (
            "afterword.E045",
            bool(resolver) and not _is_address_with("{doi}", resolver),
            f"DOI_RESOLVER is {resolver!r}, not an https address with {{doi}} in it.",
            "Set it to an address such as https://api.crossref.org/v1/works/{doi}/transform/"
            "application/vnd.citationstyles.csl+json, or remove it to look nothing up.",
        )
    ]


def oai_rules():
    """Return the rules that the settings of the harvest must follow."""
    address = settings.OAI_URL
    return [
        (
            "afterword.E050",
            bool(address) and not _is_server_address(address),
            f"OAI_URL is {address!r}, not an https address. Without https, records could be forged.",
            "Set it to the base address of your OAI-PMH server, such as "
            "https://catalog.library.example/cgi-bin/koha/oai.pl, without a verb. "
            "Or remove it to harvest nothing.",
        ),
        (
            "afterword.E051",
            bool(address) and not OAI_NAME.fullmatch(settings.OAI_PREFIX),
            f"OAI_PREFIX is {settings.OAI_PREFIX!r}.",
            "Set it to the metadata prefix with which the server offers MARCXML, such as marc21 or marcxml.",
        ),
        (
            "afterword.E052",
            bool(address) and not 1 <= len(settings.OAI_SOURCE) <= 40,
            f"OAI_SOURCE is {settings.OAI_SOURCE!r}.",
            "Set it to a name of 1 to 40 characters, the same as --source of earlier imports. "
            "Or remove it to use catalogue.",
        ),
    ]


def sso_rules():
    """Return the rules that the settings of single sign-on must follow."""
    given = settings.SSO
    issuer = urlsplit(given["issuer"])
    return [
        (
            "afterword.E018",
            not given["issuer"] and any(given[name] for name in ("name", "client_id", "client_secret")),
            "SSO_ISSUER is missing.",
            "Set it to the issuer of the OpenID Connect provider, such as https://login.campus.example. "
            "If you don't use single sign-on, remove every variable that begins with SSO_.",
        ),
        (
            "afterword.E019",
            bool(given["issuer"]) and not _is_issuer(issuer, given["issuer"]),
            f"SSO_ISSUER is {given['issuer']!r}, not an https address of at most 200 characters. "
            "Without https, an attacker could forge who signs in.",
            "Set it to the issuer as the provider writes it, without /.well-known/openid-configuration "
            "and without a question mark.",
        ),
        (
            "afterword.E020",
            bool(given["issuer"]) and not (given["client_id"] and given["client_secret"]),
            "SSO_CLIENT_ID or SSO_CLIENT_SECRET is missing, so the provider would not know the portal.",
            "Register the portal there as a confidential client, with this redirect address: "
            f"{settings.BASE_URL}/sign-in/single-sign-on/answer/. Set both variables to what you get.",
        ),
        (
            "afterword.E021",
            bool(given["issuer"]) and not 1 <= len(given["name"]) <= 40,
            "SSO_NAME is missing, or longer than 40 letters.",
            "Set it to the name that people know, such as Campus account. The sign-in button shows it.",
        ),
        (
            "afterword.E022",
            "openid" not in given["scopes"],
            "SSO_SCOPES does not have openid, so the provider would not say who signs in.",
            "Set it to: openid profile email. Or remove it to use these three.",
        ),
    ]


def is_push_subject(text):
    """Return whether all push services accept this subject. Apple refuses a host without a public name."""
    if text.startswith("mailto:"):
        address = text.removeprefix("mailto:")
        try:
            validate_email(address)
        except ValidationError:
            return False
        return _is_public(address.rpartition("@")[2])
    parts = urlsplit(text)
    return text.lower() == f"https://{parts.hostname}" and _is_public(parts.hostname)


def _is_push_key(text):
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        # derive_private_key raises ValueError if the number is not a private key of the curve.
        ec.derive_private_key(int.from_bytes(content, "big"), ec.SECP256R1())
    except ValueError:
        return False
    return len(content) == 32


def _is_address_with(placeholder, text):
    """Return whether the text is an https address in which the placeholder occurs once, after the host."""
    if not _is_server_address(text):
        return False
    parts = urlsplit(text)
    return text.count("{") == text.count("}") == 1 and placeholder in parts.path + "?" + parts.query


def _is_server_address(text):
    """Return whether the text is an https address. If settings.LOCAL is true, allow http for 127.0.0.1."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_local = settings.LOCAL and parts.scheme == "http" and host == "127.0.0.1"
    is_plain = text.isascii() and text.isprintable() and " " not in text and "\\" not in text
    return (
        (is_local or parts.scheme == "https")
        and bool(host)
        and port != 0
        and "@" not in parts.netloc
        and not parts.fragment
        and is_plain
    )


def _is_public(host):
    return "." in host and host[-1].isalpha() and not host.endswith((".local", ".localhost"))


def _is_reply_address(local, domain):
    """Return whether a token can be inserted into the reply address, as in reply+TOKEN@library.example."""
    try:
        validate_email(f"{local or 'x'}@{domain}")
    except ValidationError:
        return False
    return len(local) <= LOCAL_PART_MAX - TOKEN_LENGTH and set(local) <= LOCAL_LETTERS


def _is_issuer(parts, text):
    secure = parts.scheme == "https" or (parts.scheme == "http" and settings.LOCAL)
    return (
        secure
        and bool(parts.hostname)
        and not parts.query
        and not parts.fragment
        and "/.well-known/" not in text
        and len(text) <= 200
    )


def _is_charset(name):
    try:
        # Python also has codecs such as rot13, which are not character sets.
        return bool(codecs.lookup(name)._is_text_encoding)
    except LookupError:
        return False
