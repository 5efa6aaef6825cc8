"""Fetch emails from the mailbox in IMAP_URL. The worker does this in a separate thread.

An accepted email is deleted from the mailbox. An email that is too large, or that can't be read because of a
bug, is flagged instead.
"""

import contextlib
import errno
import imaplib
import logging
import re
import ssl
from datetime import datetime
from email import message_from_bytes

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from portal import limits

from .actions import MAX_BYTES, receive
from .reading import MAX_HEADER_BYTES, sender_of

# A server that sends nothing for this long is considered unreachable.
TIMEOUT_SECONDS = 20
# One call of `fetch_emails` processes at most this many emails, so that the worker can stop between two
# calls.
MAX_PER_CALL = 200
NEW = "UNDELETED UNFLAGGED"
UID = re.compile(rb"\bUID (\d+)")
# One IMAP command asks for the senders of at most this many emails.
SENDERS_PER_COMMAND = 500
FULL = (errno.ENOSPC, errno.EDQUOT)
# {sender who wrote too often: when the sender's emails are tried again}. Emails from this sender are not
# fetched before then, because one email can have 25 MB.
WAITING: dict[str, datetime] = {}
SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

log = logging.getLogger(__name__)


class MailboxUnavailable(Exception):
    """The mail server can't be reached, hangs, or refuses the login."""


def fetch_emails(*, stops=lambda: False, note_progress=lambda: None):
    """Process at most MAX_PER_CALL new emails, and return their number. Raises MailboxUnavailable.

    `stops()` and `note_progress()` are called before each email. If `stops()` returns True, return.
    `note_progress()` tells the worker that fetching hasn't stalled.
    """
    try:
        with contextlib.closing(_Mailbox()) as mailbox:
            number, uids = 0, mailbox.new()
            senders = _senders_if_any_wait(mailbox, uids)
            for uid in uids:
                if stops() or number >= MAX_PER_CALL:
                    break
                note_progress()
                if senders.get(uid) in WAITING:
                    continue
                try:
                    number += _take(mailbox, uid)
                except limits.TooOften as error:
                    senders = senders or mailbox.senders(uids)
                    if sender := senders.get(uid):
                        WAITING[sender] = error.until
            return number
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxUnavailable(f"{type(error).__name__}: {error}") from error


def count_new():
    """Return how many new emails the mailbox has. Raises MailboxUnavailable."""
    try:
        with contextlib.closing(_Mailbox()) as mailbox:
            return len(mailbox.new())
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxUnavailable(f"{type(error).__name__}: {error}") from error


def _take(mailbox, uid):
    """Process one email, and return whether this succeeded.

    Raises TooOften, and the errors of a full disk or of a database that can't be reached. After these errors,
    the email can be tried again. Any other error is logged, and the email is flagged so that it is not tried
    again.
    """
    is_large = mailbox.size(uid) > MAX_BYTES
    raw = mailbox.beginning(uid) if is_large else mailbox.email(uid)
    if raw is None:
        return False
    try:
        receive(raw, at=timezone.now(), is_cut=is_large)
    except (limits.TooOften, OperationalError, InterfaceError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        # Don't log the traceback, because it could contain what the email says.
        log.error("an email in the mailbox could not be processed, and is flagged: %s", type(error).__name__)
        mailbox.flag(uid)
        return False
    if is_large:
        mailbox.flag(uid)
    else:
        mailbox.delete(uid)
    return True


def _senders_if_any_wait(mailbox, uids):
    """Return {UID: sender} of these emails, or {} if no sender has to wait.

    Remove senders from WAITING if they have waited long enough.
    """
    for sender in [sender for sender, until in WAITING.items() if until <= timezone.now()]:
        del WAITING[sender]
    return mailbox.senders(uids) if WAITING else {}


class _Mailbox:
    """A connection to the mailbox. Each of its methods raises OSError or imaplib.IMAP4.error."""

    def __init__(self):
        given = settings.IMAP
        context = ssl.create_default_context()
        where = {"host": given["host"], "port": given["port"], "timeout": TIMEOUT_SECONDS}
        self.imap: imaplib.IMAP4 = (
            imaplib.IMAP4_SSL(**where, ssl_context=context)
            if given["tls"] == "at_once"
            else imaplib.IMAP4(**where)
        )
        try:
            if given["tls"] == "starttls" and given["host"] not in LOCAL_HOSTS:
                self.imap.starttls(context)
            self.imap.login(given["user"], given["password"])
            self._ask(self.imap.select, _quoted(given["folder"]))
        except BaseException:
            self.close()
            raise

    def close(self):
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self.imap.logout()

    def new(self):
        """Return the UIDs of the emails that are neither flagged nor marked for deletion, oldest first."""
        [found] = self._ask(self.imap.uid, "SEARCH", NEW)
        return (found or b"").split()

    def senders(self, uids):
        """Return {UID: address in From} of these emails.

        If the server describes an email in an unusual format, leave the email out.
        """
        found = {}
        for start in range(0, len(uids), SENDERS_PER_COMMAND):
            some = b",".join(uids[start : start + SENDERS_PER_COMMAND])
            for part in self._ask(self.imap.uid, "FETCH", some, "(UID BODY.PEEK[HEADER.FIELDS (FROM)])"):
                if isinstance(part, tuple) and (match := UID.search(part[0])):
                    found[match[1]] = sender_of(message_from_bytes(part[1][:MAX_HEADER_BYTES]))
        return found

    def size(self, uid):
        match = SIZE.search(_line(self._ask(self.imap.uid, "FETCH", uid, "(RFC822.SIZE)")))
        return int(match[1]) if match else 0

    def email(self, uid):
        return self._content(uid, "(BODY.PEEK[])")

    def beginning(self, uid):
        return self._content(uid, f"(BODY.PEEK[]<0.{MAX_HEADER_BYTES}>)")

    def delete(self, uid):
        self._ask(self.imap.uid, "STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
        self._ask(self.imap.expunge)

    def flag(self, uid):
        self._ask(self.imap.uid, "STORE", uid, "+FLAGS.SILENT", r"(\Flagged)")

    def _content(self, uid, what):
        """Return the part `what` of the email as bytes, or None if another program has deleted the email."""
        parts = self._ask(self.imap.uid, "FETCH", uid, what)
        return next((part[1] for part in parts if isinstance(part, tuple)), None)

    def _ask(self, command, *arguments):
        answer, data = command(*arguments)
        if answer != "OK":
            raise imaplib.IMAP4.error(f"{answer} {_line(data)[:200]!r}")
        return data


def _line(data):
    return b" ".join(part if isinstance(part, bytes) else part[0] for part in data if part)


def _quoted(folder):
    return '"' + folder.replace("\\", r"\\").replace('"', r"\"") + '"'
