"""Send one test email step by step, try the reply address, and say in plain words which step fails."""

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
from portal import signed_addresses
from portal.incoming import mailbox
from portal.notifications.delivery import connect

# The purpose of the signed addresses in the test email. Such an address belongs to no conversation, so the
# desk lists the test email under the emails that were not matched.
PURPOSE = "test of the reply address"


class Command(BaseCommand):
    help = "Test the mail server and the reply address that the settings name, and send a test email."

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
            self._send(connection, address, sender=settings.DEFAULT_FROM_EMAIL)
            self.stdout.write(f"ok    The server accepted an email to {address}. Check whether it arrives.")
            if signed_addresses.is_configured():
                self._try_reply_address(connection)
            else:
                self.stdout.write("note  REPLY_ADDRESS is not set, so patrons can't answer by email.")
        finally:
            connection.close()
        if settings.IMAP:
            self._open_mailbox()
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

    def _send(self, connection, address, *, sender):
        """Send a test email. `sender` is the sender of the envelope."""
        email = EmailMessage(
            subject=f"Test email from {Library.current().name}",
            body="The library's portal can send email.",
            from_email=sender,
            to=[address],
            headers={"From": settings.DEFAULT_FROM_EMAIL},
        )
        try:
            connection.send_messages([email])
        except (OSError, smtplib.SMTPException) as error:
            raise CommandError(_what_is_wrong(error, connection, sender)) from error

    def _try_reply_address(self, connection):
        """Send an email to a reply address. The sender of the envelope is another reply address."""
        address = signed_addresses.sign(PURPOSE, b"to")
        self._send(connection, address, sender=signed_addresses.sign(PURPOSE, b"from"))
        self.stdout.write(f"ok    The server accepted an email to the reply address {address}.")
        self.stdout.write(
            "LOOK  In a few minutes, the desk must list it under “Emails not matched”. If it doesn't, see "
            "docs/operations.md, “Answers by email”."
        )

    def _open_mailbox(self):
        host = settings.IMAP["host"]
        try:
            number = mailbox.count_new()
        except mailbox.MailboxUnavailable as error:
            raise CommandError(
                f"The mailbox at {host} can't be opened: {error}. Correct IMAP_URL or IMAP_PASSWORD."
            ) from error
        self.stdout.write(f"ok    The mailbox at {host} opens. New emails in it: {number}.")


def _dns_records(host):
    """Return lines about the DNS records of the sender's domain, with explanations."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    if "." not in domain:
        return [
            f"LOOK  Nobody outside can know the domain {domain}. Set MAIL_FROM to an address of your library."
        ]
    is_name = "." in host and any(letter.isalpha() for letter in host)
    server = f"a:{host}" if is_name else "ip4:…"
    return [*_records_to_send(domain, server, is_name), *_records_to_reply(domain, server)]


def _records_to_send(domain, server, is_name):
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


def _records_to_reply(domain, server):
    """Return lines about the DNS records for the reply address. `domain` is the domain of MAIL_FROM."""
    reply_domain = settings.REPLY_ADDRESS.rpartition("@")[2]
    if not reply_domain:
        return []
    lines = [
        f"MX    name {reply_domain}, value: 10 and the name of the server that receives email",
        f"      It says where replies to {settings.REPLY_ADDRESS} go. Most domains have this record already.",
    ]
    if reply_domain != domain:
        lines += [
            f"SPF   name {reply_domain}, value: v=spf1 {server} ~all",
            "      The sender of the envelope has this domain, so it needs the record, too. For DMARC, it",
            f"      must be {domain} or a part of it, such as reply.{domain}.",
        ]
    return lines


def _what_is_wrong(error, connection, sender=""):
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
            if signed_addresses.is_ours(sender):
                return (
                    f"{host} does not let this login send as {sender}: {_answer(error)}. Every email would "
                    "have such a sender, so none would leave. Allow the login all addresses that begin like "
                    "this, or remove REPLY_ADDRESS."
                )
            sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
            return f"{host} does not let this login send as {sender}: {_answer(error)}. Correct MAIL_FROM."
        case smtplib.SMTPRecipientsRefused():
            [(code, words), *_others] = error.recipients.values()
            if signed_addresses.is_ours(next(iter(error.recipients))):
                return (
                    f"{host} refuses the reply address: {code} {_text(words)}. It must accept every address "
                    f"that begins like {settings.REPLY_ADDRESS.replace('@', '+…@', 1)}."
                )
            return f"{host} refuses the address that you typed: {code} {_text(words)}. Try another one."
        case smtplib.SMTPResponseException():
            return f"{host} refuses the email: {_answer(error)}."
    return f"{host} can't be used: {error}"


def _answer(error):
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(reply):
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
