"""Build an email from a row of the outbox, and deliver it."""

import re
import select
import smtplib
import textwrap
import time
import uuid
from contextlib import suppress
from email.utils import format_datetime, formataddr, parseaddr
from typing import Any

import django
from django.conf import settings
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives

from .bounces import envelope_for, is_about_address

# The connection is closed after this many seconds without an email.
IDLE_SECONDS = 5
# A connection that was used in the last second is assumed to be open, unless the server has sent something
# since.
ALIVE_SECONDS = 1
# Reply codes of SMTP servers.
OK, ENDS_CONNECTION = 250, 421
WRAPPER = textwrap.TextWrapper(72, break_long_words=False, break_on_hyphens=False)
ADDRESS = re.compile(r"[^\s<>@,;:]*@[^\s<>@,;:]+")


class ServerUnavailable(Exception):
    """The mail server can't be reached, or it refuses our login. The email itself is not the cause."""


class Refused(Exception):
    """The server refused this email.

    If `permanent` is true, trying again is useless. If `of_address` is true, the recipient's address is the
    reason.
    """

    def __init__(self, error, permanent, of_address=False):
        super().__init__(error)
        self.permanent, self.of_address = permanent, of_address


def build(notification, library):
    """Return the email for this row of the outbox.

    The email has the Message-ID of the row. So if the email is sent twice, a mail program shows it only once.
    If the library has a reply address, the envelope sender contains a token. If a mail server later reports a
    failure, the token identifies this row.
    """
    sender = formataddr((as_typed(library.name), parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))
    email = Email(
        subject=as_typed(notification.subject),
        body=wrapped(notification.text),
        from_email=envelope_for(notification) or sender,
        to=[notification.to_address],
        headers={
            **notification.headers,
            "From": sender,
            "Message-ID": notification.message_id,
            "Date": format_datetime(notification.decided_at or notification.created_at),
            "Auto-Submitted": "auto-generated",
            "Content-Language": notification.language,
        },
    )
    if notification.html:
        email.attach_alternative(notification.html, "text/html")
    return email


def as_typed(words):
    """Return the text for a header on one line, so that a mail program shows it as it was typed.

    A mail program decodes text that begins with "=?". Decoding it could show another sender, or make sending
    fail.
    """
    return " ".join(words.split()).replace("=?", "= ?")


def wrapped(text):
    """Return the plain text with lines of at most 72 characters. URLs are never broken."""
    return "\n".join(
        "\n".join(WRAPPER.wrap(line)) if len(line) > WRAPPER.width else line for line in text.split("\n")
    )


class Email(EmailMultiAlternatives):
    """An email whose parts are separated by a random line that this class chooses.

    Python could choose the line too, but it would then search all parts for the line. This search took a
    tenth of the time of a delivery.
    """

    def message(self, *args, **kwargs):
        message = super().message(*args, **kwargs)
        if message.is_multipart():
            message.set_boundary(f"=_{uuid.uuid4().hex}")
        return message


def sends_email():
    """Return whether the portal is set up to send emails to a mail server."""
    return "smtp" in settings.DELIVERY_EMAIL_BACKEND


class Outgoing:
    """A connection to the mail server, which is kept open as long as the server accepts emails.

    After refusing an email, some servers accept no more emails over the same connection. So every refusal
    closes the connection, and the next email opens a new connection.
    """

    def __init__(self):
        self.connection: Any = None
        self.used_at = 0.0  # The value of time.monotonic() after the last email.

    def deliver(self, notification, library):
        """Send the email of this row. Raises ServerUnavailable or Refused."""
        was_open, to = self._is_alive(), notification.to_address
        email = build(notification, library)
        try:
            try:
                self._send(email, to)
            except OSError as error:
                if not (was_open and _ends_connection(error)):
                    raise
                # Some servers limit the number of emails over one connection. The server has not accepted
                # this email, so it is safe to send it over a new connection.
                self.close()
                self._send(email, to)
        except Exception as error:
            self.close()
            if refused := _refused(error, to):
                raise refused from error
            raise

    def _send(self, email, to):
        if self.connection is None:
            self._open(to)
        self.connection.send_messages([email])
        self.used_at = time.monotonic()
        if self._smtp() is None:
            self.close()

    def close_if_idle(self):
        if self.connection and time.monotonic() - self.used_at >= IDLE_SECONDS:
            self.close()

    def close(self):
        if self.connection:
            _close(self.connection)
        self.connection = None

    def _open(self, to):
        self.connection = connect()
        try:
            self.connection.open()
        except OSError as error:
            self.close()
            raise ServerUnavailable(_describe(error, to)) from error

    def _is_alive(self):
        """Return whether the connection is open and the server has not closed it.

        Check this before sending. If the server closed the connection during sending, nobody could tell
        whether it has accepted the email.
        """
        smtp = self._smtp()
        with suppress(OSError):
            # If a server closes a connection, there is something to read: the reply 421 or the end of the
            # stream.
            is_quiet = smtp and smtp.sock and not select.select([smtp.sock], [], [], 0)[0]
            # NOOP asks the server whether the connection still works. Each NOOP takes time, so send one only
            # after a pause.
            if is_quiet and (time.monotonic() - self.used_at < ALIVE_SECONDS or smtp.noop()[0] == OK):
                return True
        self.close()
        return False

    def _smtp(self):
        """Return the open smtplib.SMTP, or None if the backend does not use SMTP."""
        smtp = getattr(self.connection, "connection", None)
        return smtp if isinstance(smtp, smtplib.SMTP) else None


def connect():
    """Return a new connection for the mailer "delivery" in the settings."""
    if django.VERSION >= (6, 1):
        return django_mail.mailers["delivery"]
    mailer = settings.MAILERS["delivery"]
    return django_mail.get_connection(mailer["BACKEND"], **mailer.get("OPTIONS", {}))


def _ends_connection(error):
    """Return whether the server answered 421, which means that it accepts nothing more on this connection."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code == ENDS_CONNECTION for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code == ENDS_CONNECTION


def _refused(error, to):
    """Return the exception Refused to raise after this error, or None if a bug caused the error."""
    of_address = False
    match error:
        case smtplib.SMTPRecipientsRefused():
            of_address = all(_refuses_address(*answer) for answer in error.recipients.values())
            permanent = all(500 <= code < 600 for code, _ in error.recipients.values())
        case smtplib.SMTPSenderRefused():
            # The server refused our own address as the sender. An admin may correct this before the next
            # attempt.
            permanent = False
        case smtplib.SMTPResponseException():
            permanent = 500 <= error.smtp_code < 600
        case ValueError() | smtplib.SMTPNotSupportedError():
            # The address or a header is invalid, so every attempt would fail.
            permanent = True
        case OSError():
            permanent = False
        case _:
            return None
    return Refused(_describe(error, to), permanent, of_address)


def _refuses_address(code, reply):
    """Return whether the server's reply is a hard failure of the recipient's address."""
    return 500 <= code < 600 and is_about_address(_words(reply).lstrip())


def _describe(error, to):
    """Return the server's reply without the recipient's address. The reply is stored and logged."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        text = "; ".join(f"{code} {_words(reply)}" for code, reply in error.recipients.values())
    elif isinstance(error, smtplib.SMTPResponseException):
        text = f"{error.smtp_code} {_words(error.smtp_error)}"
    else:
        text = f"{type(error).__name__}: {error}"
    # Some servers repeat only the part of the address before the @.
    text = re.sub(rf"\b{re.escape(to.rpartition('@')[0] or to)}\b", "…", text, flags=re.IGNORECASE)
    return " ".join(ADDRESS.sub("…", text).split())


def _words(reply):
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


def _close(connection):
    try:
        connection.close()
    except OSError:
        # An error while closing doesn't matter: the server has already accepted or refused the email.
        return
