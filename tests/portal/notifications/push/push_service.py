"""A local push service. The path of an endpoint decides how the service answers."""

import contextlib
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from py_vapid import Vapid02

from tests.push_device import PushDevice


@dataclass(frozen=True)
class Received:
    """One message that the service got."""

    path: str
    headers: dict
    body: bytes


class PushService:
    """A push service on this machine. It adds each message that it accepts to the list `received`.

    The first word of the endpoint's path decides what the service does:

    - a number: it answers with this status
    - "later": it answers 429, with `retry_after` (seconds or a date) as the header Retry-After
    - "redirect": it redirects to an endpoint that accepts the message
    - "huge": it accepts the message, and answers with 100 MB
    - "drip": it sends the answer byte by byte, and never ends
    - "hang": it stores the message, and answers only when `released` is set
    - "close": it ends the connection
    - anything else: it accepts the message
    """

    def __init__(self, server):
        self.server, self.received, self.requests = server, [], []
        self.retry_after = "120"
        # The service sets `reached` when it begins to wait for `released`.
        self.reached, self.released = threading.Event(), threading.Event()
        # The number of bytes that were sent in answer to "huge" or "drip".
        self.sent_bytes = 0

    def endpoint(self, path="ok"):
        return f"http://127.0.0.1:{self.server.server_port}/{path}"

    def device(self, path="ok"):
        """Return a PushDevice with an endpoint of this service."""
        return PushDevice(self.endpoint(path))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        service = self.server.service
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = Received(self.path, dict(self.headers), body)
        service.requests.append(message)
        word = self.path.strip("/").split("/")[0].split("?")[0]
        if not self.headers["Authorization"] or not Vapid02.verify(self.headers["Authorization"]):
            return self._answer(403)
        if word.isdecimal():
            return self._answer(int(word))
        if word == "later":
            return self._answer(429, {"Retry-After": service.retry_after})
        if word == "redirect":
            return self._answer(307, {"Location": service.endpoint("ok")})
        if word == "close":
            self.close_connection = True
            return None
        service.received.append(message)
        if word == "hang":
            service.reached.set()
            service.released.wait(90)
        elif word == "huge":
            return self._answer_endlessly(b"x" * 65536, 1600)
        elif word == "drip":
            service.reached.set()
            return self._answer_endlessly(b"x", 10**6, wait=0.05)
        return self._answer(201)

    def _answer(self, status, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer_endlessly(self, chunk, count, wait=0.0):
        self.close_connection = True
        with contextlib.suppress(OSError):
            if wait:
                # The first line of the answer never ends.
                self.wfile.write(b"HTTP/1.1 ")
            else:
                self.send_response(201)
                self.send_header("Content-Length", str(len(chunk) * count))
                self.end_headers()
            for _ in range(count):
                self.wfile.write(chunk)
                self.server.service.sent_bytes += len(chunk)
                if self.server.service.released.wait(wait):
                    break

    def log_message(self, *arguments):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Print nothing if the client ends the connection."""


@contextlib.contextmanager
def push_service():
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.service = PushService(server)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.service
        finally:
            server.service.released.set()
            server.shutdown()
            thread.join(5)
