"""Send one test email step by step, and say in plain words which step fails."""

import smtplib
import socket
import ssl
from email.utils import parseaddr

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from accounts.models import Library
from portal.notifications.delivery import connect


class Command(BaseCommand):
    help = "Test the mail server that the settings name, and send one test email."

    def add_arguments(self, parser):
        parser.add_argument("address", help="who gets the test email")

    def handle(self, *, address, **options):
        try:
            validate_email(address)
        except ValidationError:
            raise CommandError(f"{address!r} is not an email address.") from None
        connection = connect()
        try:
            self._open(connection)
            self._send(connection, address)
        finally:
            connection.close()
        self.stdout.write(f"ok    The server has taken an email to {address}. Look whether it arrives.")
        host = getattr(connection, "host", None)
        if host:
            self.stdout.writelines(f"{line}\n" for line in _dns_records(host))

    def _open(self, connection):
        host, port = getattr(connection, "host", None), getattr(connection, "port", None)
        if host is None:
            self.stdout.write("note  DELIVERY_EMAIL_BACKEND is not SMTP, so only sending is tested.")
            return
        try:
            connection.open()
        except (OSError, smtplib.SMTPException) as error:
            raise CommandError(_what_is_wrong(error, connection)) from error
        self.stdout.write(f"ok    {host} answers at port {port}.")
        if connection.use_tls or connection.use_ssl:
            self.stdout.write("ok    The connection is encrypted, and the certificate is trusted.")
        else:
            self.stdout.write(
                "LOOK  The connection is not encrypted. Unless the mail server is on this machine, set "
                "EMAIL_USE_TLS=1 (usually port 587) or EMAIL_USE_SSL=1 (465)."
            )
        if connection.username:
            self.stdout.write(f"ok    The server accepts the login of {connection.username}.")

    def _send(self, connection, address):
        email = EmailMessage(
            subject=f"Test email from {Library.current().name}",
            body="The library's portal can send email.",
            from_email=settings.DEFAULT_FROM_EMAIL,
            to=[address],
        )
        try:
            connection.send_messages([email])
        except (OSError, smtplib.SMTPException) as error:
            raise CommandError(_what_is_wrong(error, connection)) from error


def _dns_records(host):
    """Return lines that explain the DNS records of the sender's domain."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    if "." not in domain:
        return [
            f"LOOK  Nobody outside can know the domain {domain}. Set MAIL_FROM to an address of your library."
        ]
    is_name = "." in host and any(letter.isalpha() for letter in host)
    server = f"a:{host}" if is_name else "ip4:…"
    return [
        "",
        f"DNS   Other mail servers trust email from {domain} if the domain has three TXT records. Ask the",
        "      person who manages the domain to add those that are missing. This command can't read them.",
        f"SPF   name {domain}, value: v=spf1 {server} ~all",
        "      It lists the servers that may send. If the record exists, only add the second word to it.",
        "      If a provider sends your email, use the word that the provider tells you.",
        *([] if is_name else ["      Write the public address of your mail server instead of …"]),
        f"DKIM  name …._domainkey.{domain}, value: a public key",
        "      The mail server signs each email. Turn that on there. It shows you the name and the value.",
        f"DMARC name _dmarc.{domain}, value: v=DMARC1; p=none",
        "      It says what happens to email that fails SPF and DKIM. Later, change none to quarantine.",
        "      Then look at the source of the test email that arrived. The line Authentication-Results must",
        "      have spf=pass, dkim=pass and dmarc=pass.",
    ]


def _what_is_wrong(error, connection):
    """Return what is wrong and what to do, for an error of the mail server or of the connection to it."""
    host, port = getattr(connection, "host", "the server"), getattr(connection, "port", "")
    match error:
        case socket.gaierror():
            return f"No machine has the name {host}. Correct EMAIL_HOST."
        case ConnectionRefusedError():
            return f"{host} refuses connections at port {port}. Correct EMAIL_PORT, or start the mail server."
        case ssl.SSLCertVerificationError():
            return (
                f"The certificate of {host} is not trusted ({error.verify_message}). Set EMAIL_HOST to the "
                "name in the certificate. If it is self-signed, add it to the trusted certificates of this "
                "machine."
            )
        case ssl.SSLError():
            return (
                f"{host} does not speak TLS from the start at port {port}. Use EMAIL_USE_TLS=1 instead of "
                "EMAIL_USE_SSL=1, or port 465."
            )
        case TimeoutError():
            return (
                f"{host} does not answer at port {port}. Look for a firewall, or correct EMAIL_HOST and "
                "EMAIL_PORT. If the port is 465, set EMAIL_USE_SSL=1."
            )
        case smtplib.SMTPAuthenticationError():
            return (
                f"{host} refuses the login: {_answer(error)}. "
                "Correct EMAIL_HOST_USER and EMAIL_HOST_PASSWORD."
            )
        case smtplib.SMTPNotSupportedError() if connection.use_tls and "STARTTLS" in str(error):
            return f"{host} does not offer TLS at port {port}. Try EMAIL_USE_SSL=1 with port 465."
        case smtplib.SMTPNotSupportedError():
            return (
                f"{host} offers no login here: {error} Set EMAIL_USE_TLS=1, or remove EMAIL_HOST_USER and "
                "EMAIL_HOST_PASSWORD."
            )
        case smtplib.SMTPServerDisconnected():
            return f"{host} ends the connection. If the port is 465, set EMAIL_USE_SSL=1."
        case smtplib.SMTPSenderRefused():
            sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
            return f"{host} does not let this login send as {sender}: {_answer(error)}. Correct MAIL_FROM."
        case smtplib.SMTPRecipientsRefused():
            [(code, words), *_others] = error.recipients.values()
            return f"{host} refuses the address that you typed: {code} {_text(words)}. Try another one."
        case smtplib.SMTPResponseException():
            return f"{host} refuses the email: {_answer(error)}."
    return f"{host} can't be used: {error}"


def _answer(error):
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(reply):
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
