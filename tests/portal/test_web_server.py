"""Check the deadlines, limits and shutdown that portal/management/web_server.py adds to waitress.

That module uses internals of waitress. If these tests pass with a newer waitress, raise its highest allowed
version in pyproject.toml.
"""

import contextlib
import socket
import threading
import time

import pytest
from django.conf import settings
from django.urls import reverse
from waitress import wasyncore

from portal.management import web_server
from portal.management.web_server import Server

HALF_HEADERS = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: "
MEGABYTE = 1024 * 1024


def post(length, path="/"):
    """Return the headers of a request with a body of this length."""
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()


def get(method="GET"):
    return f"{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def length_of_body(environ, start_response):
    """Respond with the announced length of the body, and with the length of the body that arrived."""
    body = f"{environ.get('CONTENT_LENGTH', '')} {len(environ['wsgi.input'].read())}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@contextlib.contextmanager
def running(application=length_of_body, threads=1):
    """Run a server without its loop. The test decides when the server reads, writes and closes connections."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(web_server._without_bodies_for_head(application), listener, threads)
    try:
        yield server
    finally:
        server.task_dispatcher.shutdown()
        wasyncore.close_all(server._map)
        server.trigger.close()


@contextlib.contextmanager
def connected(server):
    address = ("127.0.0.1", int(server.effective_port))
    with socket.create_connection(address, timeout=10) as client:
        until(server, lambda: client.getsockname() in [channel.addr for channel in channels(server)])
        yield client


def channels(server):
    return list(server.active_channels.values())


def until(server, condition):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():
            return
        wasyncore.loop(timeout=0.01, use_poll=True, map=server._map, count=1)
    pytest.fail("the server never came to this point")


def answer(server, client):
    """Return what the client receives until the response is complete or the connection ends."""
    client.setblocking(False)
    received = []

    def is_complete():
        with contextlib.suppress(BlockingIOError):
            received.append(client.recv(65536))
        head, _, body = b"".join(received).partition(b"\r\n\r\n")
        length = [line[16:] for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
        return received[-1:] == [b""] or (length and len(body) >= int(length[0]))

    until(server, is_complete)
    return b"".join(received)


def send(server, client, data):
    """Send the data, and let the server read it."""
    client.sendall(data)
    (channel,) = channels(server)
    activity = channel.last_activity
    until(server, lambda: channel.last_activity > activity)
    return channel


def assert_ends(server, since, seconds):
    """Check that the connection ends `seconds` after the time `since` and not before."""
    server.close_overdue(since + seconds - 0.1)
    assert len(channels(server)) == 1
    server.close_overdue(since + seconds + 0.1)
    assert channels(server) == []


def test_client_is_disconnected_if_the_headers_take_more_than_ten_seconds():
    with running() as server, connected(server) as client:
        channel = send(server, client, HALF_HEADERS)
        assert_ends(server, channel.creation_time, 10)
        assert client.recv(1) == b""


def test_client_that_sends_headers_byte_by_byte_is_disconnected_after_ten_seconds():
    with running() as server, connected(server) as client:
        opened = send(server, client, HALF_HEADERS).creation_time
        for _ in range(5):
            send(server, client, b"x")
        assert_ends(server, opened, 10)


def test_idle_connection_is_closed_ten_seconds_after_the_last_response():
    with running() as server, connected(server) as client:
        client.sendall(get())
        assert answer(server, client).startswith(b"HTTP/1.1 200")
        (channel,) = channels(server)
        until(server, lambda: not channel.requests)
        assert_ends(server, channel.sent_at, 10)


def test_client_is_disconnected_if_a_small_body_takes_more_than_thirty_seconds():
    with running() as server, connected(server) as client:
        channel = send(server, client, post(1000) + b"half")
        assert_ends(server, channel.request.headers_at, 30)


def test_client_has_one_more_second_for_each_100_kb_of_a_body():
    with running() as server, connected(server) as client:
        channel = send(server, client, post(400_000))
        client.sendall(b"x" * 200_000)
        until(server, lambda: channel.request.body_bytes_received == 200_000)
        assert_ends(server, channel.request.headers_at, 32)


def test_client_that_stops_reading_for_thirty_seconds_is_disconnected():
    def large(environ, start_response):
        start_response("200 OK", [("Content-Length", str(40 * MEGABYTE))])
        return [b"x" * 40 * MEGABYTE]

    with running(large) as server, connected(server) as client:
        client.sendall(get())
        (channel,) = channels(server)
        until(server, lambda: channel.total_outbufs_len and not channel.requests)
        assert_ends(server, channel.sent_at, 30)


def test_connection_is_not_closed_while_the_application_works_on_the_request():
    done = threading.Event()

    def slow(environ, start_response):
        done.wait(10)
        return length_of_body(environ, start_response)

    with running(slow) as server, connected(server) as client:
        client.sendall(get())
        (channel,) = channels(server)
        until(server, lambda: channel.requests)
        server.close_overdue(channel.sent_at + 3600)
        done.set()
        assert answer(server, client).startswith(b"HTTP/1.1 200")


def test_incomplete_requests_occupy_no_thread():
    with running(threads=1) as server, contextlib.ExitStack() as stack:
        for number in range(20):
            client = stack.enter_context(connected(server))
            client.sendall(HALF_HEADERS if number % 2 else post(1000) + b"half")
        until(server, lambda: all(channel.request for channel in channels(server)))
        client = stack.enter_context(connected(server))
        client.sendall(get())
        assert answer(server, client).startswith(b"HTTP/1.1 200")


def test_response_to_a_head_request_has_no_body():
    with running() as server, connected(server) as client:
        channel = send(server, client, get("HEAD"))
        until(server, lambda: not channel.requests and not channel.total_outbufs_len)
        received = client.recv(65536)
        assert b"Content-Length: 2" in received
        assert received.endswith(b"\r\n\r\n")
        client.sendall(get())
        assert answer(server, client).endswith(b" 0")


@pytest.mark.parametrize(
    ("lengths", "status"),
    [
        (b"Transfer-Encoding: chunked", b"411 Length Required"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"411 Length Required"),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"411 Length Required"),
        (b"Transfer-Encoding: identity\r\nContent-Length: 5", b"501 Not Implemented"),
        (b"Content-Length: 5\r\nContent-Length: 9", b"400 Bad Request"),
        (b"Content-Length: +5", b"400 Bad Request"),
    ],
)
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_request_with_ambiguous_length_headers_is_refused(version, lengths, status):
    if version == b"1.0" and status[:3] == b"501":
        status = b"411 Length Required"
    with running() as server, connected(server) as client:
        client.sendall(b"POST / HTTP/%b\r\nHost: localhost\r\n%b\r\n\r\n0\r\n\r\n" % (version, lengths))
        received = answer(server, client)
        assert received.startswith(b"HTTP/%b %b\r\n" % (version, status))
        until(server, lambda: not channels(server))


@pytest.mark.parametrize(
    "request_line",
    [b"GET http://[::1/ HTTP/1.1", b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000],
    ids=["address", "length"],
)
def test_request_that_waitress_cannot_parse_is_answered_and_causes_no_error_in_the_log(request_line, caplog):
    with running() as server, connected(server) as client:
        client.sendall(request_line + b"\r\nHost: localhost\r\n\r\n")
        assert answer(server, client).startswith(b"HTTP/1.1 400 Bad Request")
        until(server, lambda: not channels(server))
    assert [record for record in caplog.records if record.name == "waitress"] == []


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET / HTTP/1.1", b"200 OK"), (b"POST / HTTP/1.1\r\nContent-Length: 99999999999", b"413 Request")],
)
def test_refused_request_that_expects_100_continue_is_answered_immediately(request_line, status):
    with running() as server, connected(server) as client:
        client.sendall(request_line + b"\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n")
        assert answer(server, client).startswith(b"HTTP/1.1 " + status)


def test_accepted_request_that_expects_100_continue_gets_100_continue():
    with running() as server, connected(server) as client:
        headers = post(4).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        send(server, client, headers)
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert answer(server, client).endswith(b"4 4")


def test_longest_idle_connections_are_closed_when_few_connections_are_free(monkeypatch):
    monkeypatch.setattr(web_server, "MAX_CONNECTIONS", 10)
    monkeypatch.setattr(web_server, "FREE_CONNECTIONS", 6)
    with running() as server, contextlib.ExitStack() as stack:
        half_body = stack.enter_context(connected(server))
        half_body.sendall(post(1000) + b"half")
        until(server, lambda: channels(server)[0].request)
        idle = [stack.enter_context(connected(server)) for _ in range(3)]
        idle[0].sendall(HALF_HEADERS)
        server.make_room()
        assert len(channels(server)) == 4
        newest = [stack.enter_context(connected(server)) for _ in range(2)]
        server.make_room()
        left = {channel.addr for channel in channels(server)}
        assert left == {client.getsockname() for client in (half_body, idle[2], *newest)}


def test_server_with_the_maximum_of_idle_connections_answers_a_new_client(monkeypatch):
    monkeypatch.setattr(web_server, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(web_server, "FREE_CONNECTIONS", 5)
    with contextlib.ExitStack() as stack, running() as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        address = ("127.0.0.1", int(server.effective_port))
        for _ in range(60):
            stack.enter_context(socket.create_connection(address, timeout=10))
        client = stack.enter_context(socket.create_connection(address, timeout=5))
        client.sendall(get())
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        server.stop()
        thread.join(10)


def test_too_large_body_is_read_but_not_stored():
    length = settings.MAX_BODY_BYTES + 1
    for path, stored in (("/me/", 0), (reverse("ask"), length)):
        with running() as server, connected(server) as client:
            channel = send(server, client, post(length, path))
            client.setblocking(False)
            left = length
            while left:
                with contextlib.suppress(BlockingIOError):
                    left -= client.send(b"x" * min(left, MEGABYTE))
                wasyncore.loop(timeout=0, use_poll=True, map=server._map, count=1)
            assert answer(server, client).endswith(f"{length} {stored}".encode())
            until(server, lambda: not channel.requests)  # noqa: B023 (called in the same turn)
            assert channel.connected


def test_web_server_responds_to_waiting_and_incomplete_requests_before_it_stops():
    with running() as server, connected(server) as half:
        half.sendall(post(4) + b"ha")
        until(server, lambda: channels(server)[0].request)
        with socket.create_connection(("127.0.0.1", int(server.effective_port))) as waiting:
            waiting.sendall(get())
            server.stop_accepting()
            assert len(channels(server)) == 2
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", int(server.effective_port)))
            for client, rest in ((waiting, b""), (half, b"lf")):
                client.sendall(rest)
                received = answer(server, client)
                assert received.startswith(b"HTTP/1.1 200")
                assert b"Connection: close" in received
        until(server, server._has_finished)


def test_stopping_server_closes_an_unused_connection_after_two_seconds():
    with running() as server, connected(server):
        server.stop_accepting()
        assert not server._has_finished()
        assert_ends(server, server.stopping_since, 2)
        assert server._has_finished()


def test_only_the_web_server_imports_waitress():
    # Folders whose names begin with a period contain other packages, for example in a virtual environment.
    modules = [*settings.BASE_DIR.glob("[a-z]*/**/*.py"), settings.BASE_DIR / "manage.py"]
    importing = {
        str(module.relative_to(settings.BASE_DIR))
        for module in modules
        if "waitress" in module.read_text("utf-8")
    }
    assert importing == {"portal/management/web_server.py", "tests/portal/test_web_server.py"}
