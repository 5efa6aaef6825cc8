"""Recognize automatic emails, and read delivery reports (RFC 3464)."""

import re
from itertools import islice

from portal import signed_addresses
from portal.notifications import bounces

from .models import DroppedEmails
from .reading import header, raw_headers, recipients_of, sender_of

Kind = DroppedEmails.Kind
BULK = {"bulk", "list", "junk", "auto_reply"}
REPORTERS = ("mailer-daemon@", "postmaster@")
# At most this many of our envelope addresses are read from one report. A report is about one email, but some
# mail servers put several addresses in its headers.
MAX_REPORTED = 5
STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def kind_of(message, *, sender=None):
    """Return the DroppedEmails.Kind of an automatic email, or None.

    `sender` is the envelope's sender, "" for the null sender, or None if it isn't known.
    """
    if _is_report(message) or sender_of(message).startswith(REPORTERS):
        return Kind.BOUNCE
    if sender == "" or header(message, "Return-Path").replace(" ", "") == "<>":
        return Kind.AUTOMATIC
    words = header(message, "Auto-Submitted").lower()
    if raw_headers(message, "Auto-Submitted") and not re.match(r"no\b", words):
        return Kind.AUTOMATIC
    if any(raw_headers(message, name) for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response")):
        return Kind.AUTOMATIC
    if header(message, "Precedence").lower() in BULK or any(
        name.lower().startswith("list-") for name, _value in message.raw_items()
    ):
        return Kind.LIST
    return None


def _is_report(message):
    return message.get_content_type() in ("multipart/report", "message/delivery-status")


def failures(message, *, recipient=""):
    """Return [(address, status code)] of the failures that the email reports.

    `address` is our envelope address that the report was sent to. Each address is listed once, with the first
    status code of class 5. Return [] if the report has no such code, or is only about a delay.
    """
    statuses = []
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            for fields in part.get_payload():
                status = STATUS.search(header(fields, "Status"))
                if header(fields, "Action").lower() == "failed" and status:
                    statuses.append(status[0])
    permanent = next((status for status in statuses if status.startswith("5.")), "")
    addresses = dict.fromkeys([recipient] if recipient else recipients_of(message))
    ours = (address for address in addresses if signed_addresses.read(bounces.PURPOSE, address) is not None)
    return [(address, permanent) for address in islice(ours, MAX_REPORTED)] if permanent else []
