"""Build an email from a row of the outbox, and deliver it."""

import re
import smtplib
from email.utils import format_datetime, formataddr, parseaddr

import django
from django.conf import settings
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives

from accounts.models import Library

ADDRESS = re.compile(r"[^\s<>@,;:]*@[^\s<>@,;:]+")


class ServerAway(Exception):
    """The email server can't be reached, or it refuses our login. The email itself is not the cause."""


class Refused(Exception):
    """The server refused this email. If `permanent` is true, trying again is useless."""

    def __init__(self, error, permanent):
        super().__init__(error)
        self.permanent = permanent


def build(notification):
    """Return the email for this row of the outbox.

    The email gets the Message-ID of the row. So if it is sent twice, a mail program shows it only once.
    """
    email = EmailMultiAlternatives(
        subject=notification.subject,
        body=notification.text,
        from_email=formataddr(
            (" ".join(Library.current().name.split()), parseaddr(settings.DEFAULT_FROM_EMAIL)[1])
        ),
        to=[notification.to_address],
        headers={
            **notification.headers,
            "Message-ID": notification.message_id,
            "Date": format_datetime(notification.created_at),
            "Auto-Submitted": "auto-generated",
            "Content-Language": notification.language,
        },
    )
    if notification.html:
        email.attach_alternative(notification.html, "text/html")
    return email


def deliver(notification):
    """Send the email of this row. Raises ServerAway or Refused.

    Each email is sent over a new connection. Some servers that have refused an email accept no more emails
    over the same connection.
    """
    connection, to = connect(), notification.to_address
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        _close(connection)
        raise ServerAway(_describe(error, to)) from error
    try:
        connection.send_messages([build(notification)])
    except smtplib.SMTPRecipientsRefused as error:
        raise Refused(
            _describe(error, to), permanent=all(500 <= code < 600 for code, _ in error.recipients.values())
        ) from error
    except smtplib.SMTPSenderRefused as error:
        # The server refused our own address as the sender. An admin may correct it before the next attempt.
        raise Refused(_describe(error, to), permanent=False) from error
    except smtplib.SMTPResponseException as error:
        raise Refused(_describe(error, to), permanent=500 <= error.smtp_code < 600) from error
    except (ValueError, smtplib.SMTPNotSupportedError) as error:
        # The address or a header is invalid, so every attempt would fail.
        raise Refused(_describe(error, to), permanent=True) from error
    except (OSError, smtplib.SMTPException) as error:
        raise Refused(_describe(error, to), permanent=False) from error
    finally:
        _close(connection)


def connect():
    """Return a new connection for the mailer "delivery" in the settings."""
    if django.VERSION >= (6, 1):
        return django_mail.mailers["delivery"]
    mailer = settings.MAILERS["delivery"]
    return django_mail.get_connection(mailer["BACKEND"], **mailer.get("OPTIONS", {}))


def _describe(error, to):
    """Return the server's answer without the recipient's address. It is stored and logged."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        text = "; ".join(f"{code} {_words(reply)}" for code, reply in error.recipients.values())
    elif isinstance(error, smtplib.SMTPResponseException):
        text = f"{error.smtp_code} {_words(error.smtp_error)}"
    else:
        text = f"{type(error).__name__}: {error}"
    # Some servers repeat only the part before the @.
    text = re.sub(rf"\b{re.escape(to.rpartition('@')[0] or to)}\b", "…", text, flags=re.IGNORECASE)
    return " ".join(ADDRESS.sub("…", text).split())


def _words(reply):
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


def _close(connection):
    try:
        connection.close()
    except (OSError, smtplib.SMTPException):
        # This error doesn't matter, because the server has already accepted or refused the email.
        return
