"""Check that `manage.py mail_check` says in plain words what is wrong with the mail server."""

import socket
import ssl
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.mailers import SMTP, deliver_by

from .mail_server import mail_server

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def check(address="sam@example.org"):
    out = StringIO()
    call_command("mail_check", address, stdout=out)
    return out.getvalue().splitlines()


def problem(address="sam@example.org"):
    with pytest.raises(CommandError) as raised:
        check(address)
    return str(raised.value)


def test_working_server_gets_one_email_and_each_step_is_named(smtp, smtp_port, library):
    assert check()[:3] == [
        f"ok    127.0.0.1 answers at port {smtp_port}.",
        "LOOK  The connection is not encrypted. Unless the mail server is on this machine, set EMAIL_USE_TLS=1 "
        "(usually port 587) or EMAIL_USE_SSL=1 (465).",
        "ok    The server has taken an email to sam@example.org. Look whether it arrives.",
    ]
    assert [(mail["To"], mail["Subject"]) for mail in smtp.received] == [
        ("sam@example.org", f"Test email from {library.name}")
    ]


def test_dns_records_of_the_senders_domain_are_printed(smtp, settings, library):
    settings.DEFAULT_FROM_EMAIL = "Harbour Library <help@library.example>"
    assert [line for line in check() if line[:5].strip() in ("SPF", "DKIM", "DMARC")] == [
        "SPF   name library.example, value: v=spf1 ip4:… ~all",
        "DKIM  name …._domainkey.library.example, value: a public key",
        "DMARC name _dmarc.library.example, value: v=DMARC1; p=none",
    ]


def test_spf_record_names_the_mail_server(smtp, smtp_port, settings, library, monkeypatch):
    settings.DEFAULT_FROM_EMAIL = "help@library.example"
    deliver_by(settings, SMTP, host="mail.library.example", port=smtp_port, timeout=5)
    connect = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda address, *more: connect(("127.0.0.1", address[1]), *more)
    )
    assert "SPF   name library.example, value: v=spf1 a:mail.library.example ~all" in check()


def test_sender_whose_domain_nobody_can_know_is_named(smtp, library):
    assert check()[3:] == [
        "LOOK  Nobody outside can know the domain localhost. Set MAIL_FROM to an address of your library."
    ]


def test_wrong_address_is_refused(smtp):
    assert problem("sam@") == "'sam@' is not an email address."
    assert smtp.received == []


def test_unknown_host_name_is_named(settings):
    deliver_by(settings, SMTP, host="mail.invalid", port=25, timeout=5)
    assert problem() == "No machine has the name mail.invalid. Correct EMAIL_HOST."


def test_closed_port_is_named(smtp_port):
    assert problem() == (
        f"127.0.0.1 refuses connections at port {smtp_port}. Correct EMAIL_PORT, or start the mail server."
    )


def test_server_without_tls_is_named(smtp, smtp_port, settings):
    deliver_by(settings, SMTP, use_tls=True)
    assert problem() == (
        f"127.0.0.1 does not offer TLS at port {smtp_port}. Try EMAIL_USE_SSL=1 with port 465."
    )


def test_server_that_does_not_begin_with_tls_is_named(smtp, smtp_port, settings):
    deliver_by(settings, SMTP, use_ssl=True)
    assert problem() == (
        f"127.0.0.1 does not speak TLS from the start at port {smtp_port}. Use EMAIL_USE_TLS=1 instead of "
        "EMAIL_USE_SSL=1, or port 465."
    )


def test_untrusted_certificate_is_named(smtp_port, certificate, settings):
    deliver_by(settings, SMTP, host="localhost", use_tls=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    with mail_server(smtp_port, tls=tls):
        assert problem().startswith("The certificate of localhost is not trusted (self-signed certificate).")


def test_server_without_a_login_is_named(smtp, settings):
    deliver_by(settings, SMTP, username="afterword", password="x")
    assert problem().startswith("127.0.0.1 offers no login here: ")


def test_refused_recipient_is_named(smtp):
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
def test_refused_sender_and_refused_email_are_named(smtp, monkeypatch, method, answer, words):
    async def refuse(*_args):
        return answer

    monkeypatch.setattr(type(smtp), method, refuse, raising=False)
    assert problem() == words


def test_refused_login_is_named(smtp_port, settings):
    deliver_by(settings, SMTP, username="afterword", password="wrong")
    with mail_server(smtp_port, refuses_logins=True):
        assert problem().startswith("127.0.0.1 refuses the login: 535 ")
