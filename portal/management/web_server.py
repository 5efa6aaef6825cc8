"""Serve a WSGI application so that slow clients hold up nobody.

Waitress receives requests and sends responses in one loop that never blocks. A request gets a thread when all
of it has arrived. Waitress has no deadline for a request that arrives slowly, keeps no connection open while
it stops, and stores any body, so this module adds these. It uses internals of waitress, which
tests/portal/test_web_server.py tests.
"""

import io
import logging
import signal
import socket
import time

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.receiver import FixedStreamReceiver
from waitress.server import TcpWSGIServer
from waitress.utilities import BadRequest

from portal.headers import is_too_large

SECONDS_TO_FINISH = 25  # when the server is stopped, requests have this long to arrive and to be answered
SECONDS_FOR_HEADERS = 10
SECONDS_FOR_BODY = 30  # and one more for each 100 KB that have arrived
BYTES_PER_SECOND = 100_000
SECONDS_WITHOUT_PROGRESS = 30  # a client that takes nothing of its response for this long is gone
# A stopping server keeps unused connections open for this long. The client may be sending a request already.
SECONDS_TO_LINGER = 2
MAX_BODY_BYTES = 51 * 1024 * 1024  # the limits of the portal's settings are lower
MAX_HEADER_BYTES = 64 * 1024
# Each connection may have a file for its request and one for its response. Most systems allow 1,024.
MAX_CONNECTIONS = 300


def serve(application, listener, *, threads, access_log=False, ready=lambda: None):
    """Serve the application until SIGTERM, then finish the requests that have been received or begun.

    `ready` is called when the server accepts connections.
    """
    logging.getLogger("waitress").setLevel(logging.WARNING)
    # Waitress would warn about each request that waits for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    if access_log:
        application = _with_access_log(application)
    server = Server(_without_bodies_for_head(application), listener, threads)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    ready()
    server.run()


class Request(HTTPRequestParser):
    """A request that is arriving."""

    headers_at = 0.0

    def parse_header(self, header_plus):
        super().parse_header(header_plus)
        self.headers_at = time.time()
        if self.chunked or "TRANSFER_ENCODING" in self.headers:
            # Django ignores such a body, and it could hide a second request from the proxy.
            self.body_rcv, self.error = None, LengthRequired("The body needs a Content-Length.")
        elif self.content_length > self.adj.inbuf_overflow and is_too_large(self.path, self.content_length):
            # The application refuses this body without reading it, so it must not fill the disk.
            self.body_rcv = FixedStreamReceiver(self.content_length, NoBuffer())


class LengthRequired(BadRequest):
    code = 411
    reason = "Length Required"


class NoBuffer:
    """A buffer that forgets what it gets."""

    def __len__(self):
        return 0

    def append(self, data):
        pass

    def getfile(self):
        return io.BytesIO()

    def close(self):
        pass


class Channel(HTTPChannel):
    """One connection."""

    parser_class = Request

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # When the connection was opened, or when the last bytes of a response were sent.
        self.sent_at = time.time()

    def send(self, data, do_close=True):
        sent = super().send(data, do_close)
        if sent:
            self.sent_at = time.time()
        return sent

    def service(self):
        if self.server.stopping_since:
            self.requests[0].headers["CONNECTION"] = "close"
        super().service()

    def is_overdue(self, now):
        """Return whether the client had enough time for what it sends or receives at the moment."""
        request = self.request
        if self.total_outbufs_len:
            return now > self.sent_at + SECONDS_WITHOUT_PROGRESS
        if self.requests:
            return False
        if request and request.headers_finished:
            received = request.body_bytes_received / BYTES_PER_SECOND
            return now > request.headers_at + SECONDS_FOR_BODY + received
        if self.server.stopping_since and not request:
            return now > max(self.sent_at, self.server.stopping_since) + SECONDS_TO_LINGER
        return now > self.sent_at + SECONDS_FOR_HEADERS


class Server(TcpWSGIServer):
    """A server on a socket that listens already. Several processes can share the socket."""

    channel_class = Channel
    stopping_since = 0.0

    def __init__(self, application, listener, threads):
        options = Adjustments(
            threads=threads,
            ident="",
            connection_limit=MAX_CONNECTIONS,
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=MAX_BODY_BYTES,
            # Django reads these headers, and only if a setting says that a proxy sends them.
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
        )
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(application, {}, _sock=listener, adj=options, bind_socket=False, sockinfo=where)
        self.stop_wanted = False

    def stop(self):
        """Make `run` finish. A signal handler may call this."""
        self.stop_wanted = True
        self.pull_trigger()

    def run(self):
        next_check = 0.0
        while not self._has_finished():
            wasyncore.loop(timeout=1, use_poll=True, map=self._map, count=1)
            if self.stop_wanted and not self.stopping_since:
                self.stop_accepting()
            if time.time() >= next_check:
                next_check = time.time() + 1
                self.close_overdue(time.time())
        self.task_dispatcher.shutdown(timeout=1)

    def stop_accepting(self):
        """Accept the connections that are waiting already, and close the socket."""
        self.stopping_since = time.time()
        for _ in range(socket.SOMAXCONN):
            count = len(self.active_channels)
            self.handle_accept()
            if len(self.active_channels) == count:
                break
        self.accepting = False
        wasyncore.dispatcher.close(self)

    def close_overdue(self, now):
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(now):
                channel.handle_close()

    def maintenance(self, now):
        """Do nothing, because close_overdue replaces the deadlines of waitress."""

    def _has_finished(self):
        if not self.stopping_since:
            return False
        return not self.active_channels or time.time() > self.stopping_since + SECONDS_TO_FINISH


def _without_bodies_for_head(application):
    """Return the application without the bodies of its responses to HEAD, which waitress would send."""

    def without_bodies(environ, start_response):
        response = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return response
        if hasattr(response, "close"):
            response.close()
        return []

    return without_bodies


def _with_access_log(application):
    """Return the application, which then prints one line for each request."""

    def logged(environ, start_response):
        def start(status, headers, *error):
            at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            request = f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}"
            print(f'{at} {environ["REMOTE_ADDR"]} "{request}" {status[:3]}', flush=True)
            return start_response(status, headers, *error)

        return application(environ, start)

    return logged
