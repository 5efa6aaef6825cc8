"""Test that `manage.py mail_check` explains in plain words what is wrong with the mail server."""

import socket
import ssl
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from portal.incoming.matching import Match, match
from portal.signed_addresses import is_ours
from tests.mailers import SMTP, deliver_by

from .mail_server import free_port, mail_server

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def check(address="sam@example.org"):
    out = StringIO()
    call_command("mail_check", address, stdout=out)
    return out.getvalue().splitlines()


def problem(address="sam@example.org"):
    with pytest.raises(CommandError) as raised:
        check(address)
    return str(raised.value)


def test_mail_check_prints_each_step_for_a_working_server(smtp, smtp_port, library):
    assert check()[:3] == [
        f"ok    127.0.0.1 answers at port {smtp_port}.",
        "LOOK  The connection is not encrypted. Unless the mail server is on this machine, set EMAIL_USE_TLS=1 "
        "(usually port 587) or EMAIL_USE_SSL=1 (465).",
        "ok    The server accepted an email to sam@example.org. Check whether it arrives.",
    ]
    assert "note  REPLY_ADDRESS is not set, so patrons can't answer by email." in check()


def test_mail_check_sends_one_email_through_a_working_server(smtp, library):
    check()
    assert [(mail["From"], mail["To"], mail["Subject"]) for mail in smtp.received] == [
        ("library@localhost", "sam@example.org", f"Test email from {library.name}")
    ]


def test_mail_check_prints_the_dns_records_for_the_senders_domain(smtp, settings, library):
    settings.DEFAULT_FROM_EMAIL = "Harbour Library <help@library.example>"
    assert [line for line in check() if line[:5].strip() in ("SPF", "DKIM", "DMARC")] == [
        "SPF   name library.example, value: v=spf1 ip4:… ~all",
        "DKIM  name …._domainkey.library.example, value: a public key",
        "DMARC name _dmarc.library.example, value: v=DMARC1; p=none",
    ]


def test_mail_check_prints_an_spf_record_with_the_name_of_the_mail_server(
    smtp, smtp_port, settings, library, monkeypatch
):
    settings.DEFAULT_FROM_EMAIL = "help@library.example"
    deliver_by(settings, SMTP, host="mail.library.example", port=smtp_port, timeout=5)
    connect = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda address, *more: connect(("127.0.0.1", address[1]), *more)
    )
    assert "SPF   name library.example, value: v=spf1 a:mail.library.example ~all" in check()


def test_mail_check_warns_about_a_sender_with_a_private_domain(smtp, library):
    assert check()[4:] == [
        "LOOK  Nobody outside can know the domain localhost. Set MAIL_FROM to an address of your library."
    ]


def test_mail_check_refuses_an_invalid_email_address(smtp):
    assert problem("sam@") == "'sam@' is not an email address."
    assert smtp.received == []


def test_mail_check_reports_an_unknown_host_name(settings):
    deliver_by(settings, SMTP, host="mail.invalid", port=25, timeout=5)
    assert problem() == "No machine has the name mail.invalid. Correct EMAIL_HOST."


def test_mail_check_reports_a_closed_port(smtp_port):
    assert problem() == (
        f"127.0.0.1 refuses connections at port {smtp_port}. Correct EMAIL_PORT, or start the mail server."
    )


def test_mail_check_reports_a_server_without_tls(smtp, smtp_port, settings):
    deliver_by(settings, SMTP, use_tls=True)
    assert problem() == (
        f"127.0.0.1 does not offer TLS at port {smtp_port}. Try EMAIL_USE_SSL=1 with port 465."
    )


def test_mail_check_reports_a_server_that_does_not_use_tls_from_the_start(smtp, smtp_port, settings):
    deliver_by(settings, SMTP, use_ssl=True)
    assert problem() == (
        f"127.0.0.1 does not speak TLS from the start at port {smtp_port}. Use EMAIL_USE_TLS=1 instead of "
        "EMAIL_USE_SSL=1, or port 465."
    )


def test_mail_check_reports_an_untrusted_certificate(smtp_port, certificate, settings):
    deliver_by(settings, SMTP, host="localhost", use_tls=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    with mail_server(smtp_port, tls=tls):
        assert problem().startswith("The certificate of localhost is not trusted (self-signed certificate).")


def test_mail_check_reports_a_server_without_a_login(smtp, settings):
    deliver_by(settings, SMTP, username="afterword", password="x")
    assert problem().startswith("127.0.0.1 offers no login here: ")


def test_mail_check_reports_a_refused_recipient(smtp):
    assert problem("unknown@example.org") == (
        "127.0.0.1 refuses the address that you typed: 550 no such mailbox. Try another one."
    )


@pytest.mark.parametrize(
    ("method", "answer", "words"),
    [
        (
            "handle_MAIL",
            "553 not yours",
            "127.0.0.1 does not let this login send as library@localhost: 553 not yours. Correct MAIL_FROM.",
        ),
        ("handle_DATA", "554 spam", "127.0.0.1 refuses the email: 554 spam."),
    ],
)
def test_mail_check_reports_a_refused_sender_or_email(smtp, monkeypatch, method, answer, words):
    async def refuse(*_args):
        return answer

    monkeypatch.setattr(type(smtp), method, refuse, raising=False)
    assert problem() == words


def test_mail_check_reports_a_refused_login(smtp_port, settings):
    deliver_by(settings, SMTP, username="afterword", password="wrong")
    with mail_server(smtp_port, refuses_logins=True):
        assert problem().startswith("127.0.0.1 refuses the login: 535 ")


@pytest.fixture
def reply_address(settings):
    settings.REPLY_ADDRESS = "reply@answers.example"


def test_mail_check_sends_an_email_to_the_reply_address(smtp, reply_address, library, monkeypatch):
    senders = []
    accept = type(smtp).handle_MAIL

    async def note(self, server, session, envelope, address, options):
        senders.append(address)
        return await accept(self, server, session, envelope, address, options)

    monkeypatch.setattr(type(smtp), "handle_MAIL", note)
    lines = check()
    to_patron, to_us = smtp.received
    assert senders[0] == "library@localhost"
    assert is_ours(senders[1])
    assert is_ours(to_us["To"])
    assert senders[1] != to_us["To"]
    assert f"ok    The server accepted an email to the reply address {to_us['To']}." in lines
    assert match([to_us["To"]], "library@localhost", at=timezone.now()) == Match("no_address")


def test_mail_check_prints_the_dns_records_for_the_domain_of_the_reply_address(
    smtp, reply_address, settings, library
):
    settings.DEFAULT_FROM_EMAIL = "help@library.example"
    assert [line for line in check() if line[:5].strip() in ("MX", "SPF")] == [
        "SPF   name library.example, value: v=spf1 ip4:… ~all",
        "MX    name answers.example, value: 10 and the name of the server that receives email",
        "SPF   name answers.example, value: v=spf1 ip4:… ~all",
    ]


def test_mail_check_prints_one_spf_record_for_addresses_in_the_same_domain(smtp, settings, library):
    settings.DEFAULT_FROM_EMAIL = "help@library.example"
    settings.REPLY_ADDRESS = "reply@library.example"
    assert len([line for line in check() if line.startswith("SPF")]) == 1


def test_mail_check_reports_a_refused_reply_address(smtp, reply_address, library, monkeypatch):
    accept = type(smtp).handle_RCPT

    async def refuse(self, server, session, envelope, address, options):
        if is_ours(address):
            return "550 no such mailbox"
        return await accept(self, server, session, envelope, address, options)

    monkeypatch.setattr(type(smtp), "handle_RCPT", refuse)
    assert problem() == (
        "127.0.0.1 refuses the reply address: 550 no such mailbox. It must accept every address that begins "
        "like reply+…@answers.example."
    )


def test_mail_check_reports_a_refused_envelope_sender(smtp, reply_address, library, monkeypatch):
    accept = type(smtp).handle_MAIL

    async def refuse(self, server, session, envelope, address, options):
        if is_ours(address):
            return "553 not yours"
        return await accept(self, server, session, envelope, address, options)

    monkeypatch.setattr(type(smtp), "handle_MAIL", refuse)
    words = problem()
    assert words.startswith("127.0.0.1 does not let this login send as reply+")
    assert words.endswith(
        "@answers.example: 553 not yours. Every email would have such a sender, so none would leave. Allow the "
        "login all addresses that begin like this, or remove REPLY_ADDRESS."
    )


def test_mail_check_reports_a_mailbox_that_cannot_be_opened(smtp, reply_address, settings, library):
    settings.IMAP = {
        **{"host": "127.0.0.1", "port": free_port(), "tls": "starttls"},
        **{"user": "reply", "password": "x", "folder": "INBOX"},
    }
    words = problem()
    assert words.startswith("The mailbox at 127.0.0.1 can't be opened: ConnectionRefusedError: ")
    assert words.endswith("Correct IMAP_URL or IMAP_PASSWORD.")
