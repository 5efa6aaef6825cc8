"""Check that slow or long responses of a single sign-on provider can't block the portal."""

import gzip
import socket
import threading
import time

import pytest
import requests
from allauth.socialaccount.adapter import get_adapter

from accounts.sign_in import provider_connection

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
BOMB = gzip.compress(b"x" * 20 * 1024 * 1024)


@pytest.fixture
def answering(settings):
    """Return answering(pieces), which starts a server and returns its URL.

    The server sends the pieces, one every tenth of a second.
    """
    settings.SSO = {"ca_file": ""}
    listeners = []

    def answering(pieces):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            client, _address = listener.accept()
            with client:
                client.recv(65536)
                try:
                    for piece in pieces:
                        client.sendall(piece)
                        time.sleep(0.1)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield answering
    for listener in listeners:
        listener.close()


def get(url):
    with get_adapter().get_requests_session() as session:
        return session.get(url)


def test_provider_response_that_arrives_in_several_parts_is_read(answering):
    assert get(answering([HEADERS + b"\r\n", b'{"a":', b" 1}"])).json() == {"a": 1}


@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        (HEADERS + b"\r\n", b" "),
        (HEADERS + b"X-Slow: ", b"a"),
        (b"HTTP/1.1 200 ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEADERS + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        (HEADERS + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: 1\r\n"),
    ],
    ids=["body", "header", "status line", "interim responses", "chunk size", "trailers"],
)
def test_provider_that_sends_one_byte_after_another_is_cut_off_at_the_time_limit(
    answering, monkeypatch, beginning, words
):
    monkeypatch.setattr(provider_connection, "MAX_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(requests.RequestException):
        get(answering([beginning, *[words] * 100]))
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "answer",
    [
        [HEADERS + b"Content-Length: 100\r\n\r\n", b"{"],
        [HEADERS + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n{"],
        [HEADERS + b"Transfer-Encoding: chunked\r\n\r\n", b"never"],
        [HEADERS + b"Content-Encoding: gzip\r\n\r\n", b"never"],
    ],
    ids=["cut off", "cut off in a chunk", "no chunk", "no gzip"],
)
def test_damaged_provider_response_is_refused(answering, answer):
    with pytest.raises(requests.RequestException):
        get(answering(answer))


@pytest.mark.parametrize(
    "answer",
    [[HEADERS + b"\r\n", b" " * 3 * 1024 * 1024], [HEADERS + b"Content-Encoding: gzip\r\n\r\n", BOMB]],
    ids=["long", "long after unpacking"],
)
def test_provider_response_that_is_too_long_is_refused(answering, answer):
    with pytest.raises(requests.RequestException):
        get(answering(answer))
