"""Serve a WSGI application so that slow clients don't block other requests.

Waitress receives requests and sends responses in one loop that never blocks. A thread gets a request only
when the request is complete. This module adds what waitress lacks: deadlines for slow requests, a stop that
lets clients finish, and limits for the bodies that are stored. It uses internals of waitress, which
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
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import FixedStreamReceiver
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher
from waitress.utilities import BadRequest

from portal.headers import is_too_large
from portal.management.frames import call_with_large_frame

# After the server has begun to stop, requests may take this many seconds to arrive and to be answered.
SECONDS_TO_FINISH = 25
SECONDS_FOR_HEADERS = 10
# How long a body may take to arrive: 30 seconds, and one more second for each 100 KB that have arrived.
SECONDS_FOR_BODY = 30
BYTES_PER_SECOND = 100_000
# A connection is closed if the client reads nothing of the response for this many seconds.
SECONDS_WITHOUT_PROGRESS = 30
# How long unused connections stay open while the server stops. A client may already be sending a request.
SECONDS_TO_LINGER = 2
# The web server's own limit for the body of a request. The limits in the portal's settings are lower.
MAX_BODY_BYTES = 51 * 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
# The maximum number of simultaneous connections. Each may have three open files: a socket, a file for its
# request and a file for its response. Most systems allow a process 1,024 open files.
MAX_CONNECTIONS = 300
# How many connections must stay free. If fewer are free, close the connections that have waited longest for
# the headers of a request.
FREE_CONNECTIONS = 50


def serve(application, listener, *, threads, access_log=False, ready=lambda: None):
    """Serve the application until SIGTERM. Then finish the requests that have arrived, even only in part.

    `ready` is called when the server accepts connections.
    """
    logging.getLogger("waitress").setLevel(logging.WARNING)
    # At the level WARNING, waitress would log each request that waits for a thread.
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
        try:
            super().parse_header(header_plus)
        except ValueError:
            # After a ParsingError, waitress responds with the status 400. After a ValueError, it would log an
            # error and close the connection without a response.
            raise ParsingError("The address or the Content-Length is invalid.") from None
        self.headers_at = time.time()
        if self.chunked or "TRANSFER_ENCODING" in self.headers:
            # Django ignores a body that arrives in chunks, and this body could hide a second request from the
            # proxy.
            self.body_rcv, self.error = None, LengthRequired("The body needs a Content-Length.")
        elif self.content_length > self.adj.inbuf_overflow and is_too_large(self.path, self.content_length):
            # The application refuses a request with such a large body, and doesn't read the body. So discard
            # the body, because it must not fill the disk.
            self.body_rcv = FixedStreamReceiver(self.content_length, NoBuffer())
        if self.body_rcv is None or self.content_length >= self.adj.max_request_body_size:
            # The body of this request is not read. If expect_continue were True, waitress would ask for the
            # body with "100 Continue", and then wait for it forever.
            self.expect_continue = False


class LengthRequired(BadRequest):
    code = 411
    reason = "Length Required"


class NoBuffer:
    """A buffer that discards what it gets."""

    def __len__(self):
        return 0

    def append(self, data):
        pass

    def getfile(self):
        return io.BytesIO()

    def close(self):
        pass


class Channel(HTTPChannel):
    """One connection of a client."""

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

    def waits_for_headers(self):
        """Return whether the connection waits for headers. A part of the headers may have arrived."""
        begun = self.request and self.request.headers_finished
        return not (begun or self.requests or self.total_outbufs_len)

    def is_overdue(self, now):
        """Return whether the deadline for the current request or response has passed."""
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


class Threads(ThreadedTaskDispatcher):
    """The threads that run the application."""

    def handler_thread(self, thread_no):
        call_with_large_frame(super().handler_thread, thread_no)


class Server(TcpWSGIServer):
    """A server on a socket that is already listening. Several processes can share the socket."""

    channel_class = Channel
    stopping_since = 0.0

    def __init__(self, application, listener, threads):
        options = Adjustments(
            threads=threads,
            ident="",
            connection_limit=MAX_CONNECTIONS,
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=MAX_BODY_BYTES,
            # Waitress need not remove the headers of proxies. Django reads such a header only if a setting
            # says that a proxy sends it.
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
        )
        where = (listener.family, listener.type, listener.proto, listener.getsockname())
        dispatcher = Threads()
        dispatcher.set_thread_count(threads)
        super().__init__(
            application,
            {},
            _sock=listener,
            dispatcher=dispatcher,
            adj=options,
            bind_socket=False,
            sockinfo=where,
        )
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
            self.make_room()
        self.task_dispatcher.shutdown(timeout=1)

    def stop_accepting(self):
        """Accept the connections that are already waiting, and close the socket."""
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

    def make_room(self):
        """If few connections are free, close idle connections, so that new clients don't have to wait."""
        too_many = len(self.active_channels) - (MAX_CONNECTIONS - FREE_CONNECTIONS)
        if too_many > 0:
            idle = [channel for channel in self.active_channels.values() if channel.waits_for_headers()]
            for channel in sorted(idle, key=lambda channel: channel.sent_at)[:too_many]:
                channel.handle_close()

    def maintenance(self, now):
        """Do nothing, because `close_overdue` replaces the deadlines of waitress."""

    def _has_finished(self):
        if not self.stopping_since:
            return False
        return not self.active_channels or time.time() > self.stopping_since + SECONDS_TO_FINISH


def _without_bodies_for_head(application):
    """Wrap the application so that responses to HEAD have no body. Waitress would send the body."""

    def without_bodies(environ, start_response):
        response = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return response
        if hasattr(response, "close"):
            response.close()
        return []

    return without_bodies


def _with_access_log(application):
    """Wrap the application so that it prints one line for each request."""

    def logged(environ, start_response):
        def start(status, headers, *error):
            at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            request = f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}"
            print(f'{at} {environ["REMOTE_ADDR"]} "{request}" {status[:3]}', flush=True)
            return start_response(status, headers, *error)

        return application(environ, start)

    return logged
