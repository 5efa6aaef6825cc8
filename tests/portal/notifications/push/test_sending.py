"""Test how a message is sent to a push service, and what the portal does after each response."""

import contextlib
import json
import logging
import socket
import ssl
import threading
import time
from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone
from py_vapid import jwt

from portal.notifications.push import sending
from portal.notifications.push.keys import application_key
from portal.notifications.push.sending import Gone, NotNow, Refused, send
from tests.factories import PushSubscriptionFactory
from tests.push_device import PushDevice

pytestmark = pytest.mark.django_db

CONTENT = {"title": "Harbour Library", "body": "¿Qué tal?", "url": "http://localhost:8000/"}


def sent(device, content=None, **options):
    subscription = PushSubscriptionFactory(device_keys=device)
    return send(subscription, content or CONTENT, **{"topic": "t" * 32, "seconds": 60.9} | options)


def test_device_gets_the_content_and_the_push_service_cannot_read_it(service):
    device = service.device()
    sent(device)
    [message] = service.received
    assert json.loads(device.decrypt(message.body)) == CONTENT
    assert b"Harbour" not in message.body
    headers = {name: message.headers[name] for name in ("TTL", "Topic", "Urgency", "Content-Encoding")}
    assert headers == {"TTL": "60", "Topic": "t" * 32, "Urgency": "normal", "Content-Encoding": "aes128gcm"}
    assert "harbour" not in str(message.headers).lower()


def token_and_key(authorization):
    """Return the token and the public key that the authorization header of RFC 8292 contains."""
    return [part.partition("=")[2] for part in authorization.partition(" ")[2].split(",")]


def test_authorization_header_proves_who_sends_the_message(service):
    sent(service.device())
    authorization = service.received[0].headers["Authorization"]
    token, key = token_and_key(authorization)
    assert (authorization.split()[0], key) == ("vapid", application_key())
    claims = jwt.decode(token, key)
    assert claims["aud"] == service.endpoint("").rstrip("/")
    assert claims["sub"] == "mailto:help@library.example"
    assert timedelta(hours=10) < timedelta(seconds=claims["exp"] - time.time()) < timedelta(hours=24)


def test_authorization_header_is_renewed_every_hour_and_when_the_settings_change(
    service, time_machine, settings
):
    now = timezone.now()

    def authorization(minutes):
        time_machine.move_to(now + timedelta(minutes=minutes), tick=False)
        sent(service.device(f"ok/{minutes}"))
        return service.received[-1].headers["Authorization"]

    first = authorization(0)
    assert authorization(59) == first
    assert authorization(61) != first
    settings.PUSH_SUBJECT = "https://help.library.example"
    assert jwt.decode(*token_and_key(authorization(62)))["sub"] == "https://help.library.example"


@pytest.mark.few_cases
@pytest.mark.parametrize("path", ["200", "201", "202", "204", "ok", "w/?token=a%2bb"])
def test_sending_raises_nothing_if_the_push_service_accepts_the_message(service, path):
    sent(service.device(path))
    assert [message.path for message in service.requests] == [f"/{path}"]


@pytest.mark.parametrize("path", ["404", "410"])
def test_sending_to_an_ended_subscription_raises_gone(service, path):
    with pytest.raises(Gone):
        sent(service.device(path))


@pytest.mark.few_cases
@pytest.mark.parametrize("path", ["400", "401", "403", "413", "redirect", "301"])
def test_sending_a_refused_message_raises_refused_and_follows_no_redirect(service, path):
    with pytest.raises(Refused) as raised:
        sent(service.device(path))
    assert str(raised.value) == f"it answered {'307' if path == 'redirect' else path}"
    assert len(service.requests) == 1


@pytest.mark.parametrize(("path", "wait"), [("500", None), ("503", None), ("later", 120)])
def test_sending_to_a_busy_push_service_raises_the_error_not_now(service, path, wait):
    with pytest.raises(NotNow) as raised:
        sent(service.device(path))
    assert raised.value.wait == (wait and timedelta(seconds=wait))
    assert not raised.value.is_unreachable


def test_push_service_can_ask_to_wait_until_a_date_and_time(service):
    service.retry_after = format_datetime(timezone.now() + timedelta(minutes=10), usegmt=True)
    with pytest.raises(NotNow) as raised:
        sent(service.device("later"))
    assert timedelta(minutes=9) < raised.value.wait <= timedelta(minutes=10)


@pytest.mark.few_cases
@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "\u0663", "Fri, 31 Dec 9999 23:59:59 -2359"])
def test_unreadable_retry_after_header_is_ignored(service, text):
    service.retry_after = text.encode("ascii", "replace").decode()
    with pytest.raises(NotNow) as raised:
        sent(service.device("later"))
    assert raised.value.wait is None


def test_long_response_of_a_push_service_is_not_read_to_the_end(service):
    sent(service.device("huge"))
    assert service.sent_bytes < 20_000_000


@pytest.mark.slow
@pytest.mark.parametrize("path", ["hang", "drip"])
def test_push_service_that_does_not_answer_in_time_counts_as_unreachable(service, path, monkeypatch):
    monkeypatch.setattr(sending, "STEP_SECONDS", 0.5)
    monkeypatch.setattr(sending, "MAX_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(NotNow) as raised:
        sent(service.device(path))
    assert raised.value.is_unreachable
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("text", ["", "soon", "9" * 5000, "-1"])
def test_strange_retry_after_header_raises_no_unexpected_error(service, text):
    service.retry_after = text
    with pytest.raises(NotNow) as raised:
        sent(service.device("later"))
    assert raised.value.wait is None or raised.value.wait > timedelta(days=1)


def test_push_service_that_ends_the_connection_counts_as_unreachable(service):
    with pytest.raises(NotNow) as raised:
        sent(service.device("close"))
    assert raised.value.is_unreachable


def test_port_without_a_push_service_counts_as_unreachable(settings):
    settings.PUSH_LOCAL = True
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(NotNow) as raised:
        sent(PushDevice(f"http://127.0.0.1:{port}/ok"))
    assert raised.value.is_unreachable


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fd00::1", "::ffff:10.0.0.1"],
)
def test_host_name_with_a_private_address_is_refused(monkeypatch, address):
    connected = []
    monkeypatch.setattr(sending.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 443))])
    monkeypatch.setattr(sending.socket, "create_connection", lambda *_: connected.append(_))
    with pytest.raises(NotNow) as raised:
        sent(PushDevice())
    assert "no public network address" in str(raised.value)
    assert connected == []


def test_no_message_is_sent_to_a_host_that_is_no_longer_allowed(service, settings):
    settings.PUSH_LOCAL = False
    with pytest.raises(Refused, match="PUSH_HOSTS"):
        sent(service.device())
    assert service.requests == []


def test_no_message_is_sent_to_a_push_service_with_an_untrusted_certificate(monkeypatch, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        plain, _address = listener.accept()
        with plain, contextlib.suppress(OSError):
            context.wrap_socket(plain, server_side=True).close()

    thread = threading.Thread(target=serve, daemon=True)
    with listener, socket.create_connection(listener.getsockname(), 5) as client:
        thread.start()
        monkeypatch.setattr(
            sending.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("142.250.1.1", 443))]
        )
        monkeypatch.setattr(sending.socket, "create_connection", lambda *_: client)
        with pytest.raises(NotNow, match="CERTIFICATE_VERIFY_FAILED"):
            sent(PushDevice())
        thread.join(5)


def test_errors_and_logs_never_contain_the_endpoint(service, caplog):
    caplog.set_level(logging.DEBUG)
    for path in ("500/secret", "410/secret", "400/secret", "close/secret"):
        with pytest.raises((Gone, NotNow, Refused)) as raised:
            sent(service.device(path))
        assert "secret" not in str(raised.value)
    assert "secret" not in caplog.text
