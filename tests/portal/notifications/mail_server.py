"""Run a real local mail server whose behavior depends on the recipient's address."""

import asyncio
import contextlib
import socket
import threading
import time
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


class MailServer:
    """A mail server that stores accepted emails in `received`.

    The first word of the recipient's address decides what the server does with an email:

    - "busy": it defers the email
    - "unknown": it rejects the email
    - "stuck": it waits before it accepts the email
    - "silent": it stores the email, but waits before it replies
    """

    def __init__(self):
        self.received = []
        # The time.monotonic() at which each email in `received` arrived.
        self.arrived_at = []
        # The reply to an email to "unknown". If it is "", the server accepts the email.
        self.refusal = "550 no such mailbox"
        # A list of emails for each connection, in the order of the connections.
        self.sessions = []
        # The number of connections that the client ended with QUIT.
        self.quits = 0
        # How many emails the server accepts over one connection. It answers 421 to each further email.
        self.emails_per_connection = 1000
        # After the server has accepted an email, it calls this function with the number of emails accepted so
        # far.
        self.after_yes = lambda count: None
        self._protocols = []
        # The server sets `reached` when it begins to wait.
        self.reached = threading.Event()
        # The server stops waiting when a test sets `released`.
        self.released = threading.Event()

    def drop_connections(self):
        """Close all open connections without a reply, as servers do with idle connections."""

        async def close(transport):
            transport.close()
            # transport.close() only schedules the closing. Give the event loop time to close the socket.
            await asyncio.sleep(0.01)

        for protocol in self._protocols:
            if protocol.transport:
                asyncio.run_coroutine_threadsafe(close(protocol.transport), protocol.loop).result(5)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        # With STARTTLS, a client sends EHLO twice.
        if server not in self._protocols:
            self._protocols.append(server)
            self.sessions.append([])
        return responses

    async def handle_QUIT(self, server, session, envelope):
        self.quits += 1
        return "221 Bye"

    async def handle_MAIL(self, server, session, envelope, address, options):
        if len(self.sessions[-1]) >= self.emails_per_connection:
            return "421 too many emails"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("busy"):
            return "450 mailbox busy"
        if address.startswith("unknown") and self.refusal:
            return self.refusal
        if address.startswith("stuck"):
            await self._block(server)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.sessions[-1].append(envelope.rcpt_tos[0])
        self.arrived_at.append(time.monotonic())
        self.received.append(message_from_bytes(envelope.content, policy=policy.default))
        if envelope.rcpt_tos[0].startswith("silent"):
            await self._block(server)
        # The event loop calls `after_yes` only after the server has sent its response.
        server.loop.call_soon(self.after_yes, len(self.received))
        return "250 taken"

    async def _block(self, server):
        self.reached.set()
        await server.loop.run_in_executor(None, self.released.wait, 20)

    def addresses(self):
        return sorted(mail["To"] for mail in self.received)


class _Controller(Controller):
    def __init__(self, *args, tls=None, refuses_logins=False, **kwargs):
        self.tls, self.refuses_logins = tls, refuses_logins
        super().__init__(*args, **kwargs)

    def factory(self):
        return SMTP(
            self.handler,
            enable_SMTPUTF8=True,
            decode_data=False,
            tls_context=self.tls,
            require_starttls=bool(self.tls),
            authenticator=(lambda *_attempt: AuthResult(success=False, handled=False))
            if self.refuses_logins
            else None,
            auth_require_tls=not self.refuses_logins,
        )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def mail_server(port, *, tls=None, refuses_logins=False):
    """Run a mail server on the port.

    If `tls` is an SSL context, the server requires STARTTLS. If `refuses_logins` is true, the server offers a
    login and refuses each attempt.
    """
    server = MailServer()
    controller = _Controller(server, hostname="127.0.0.1", port=port, tls=tls, refuses_logins=refuses_logins)
    controller.start()
    try:
        yield server
    finally:
        server.released.set()
        server.drop_connections()
        controller.stop()
