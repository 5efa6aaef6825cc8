"""One connection to a SIP2 server: sends a message, waits for its answer, asks again where that arrived damaged."""

import socket
import ssl
import time

from . import sip2_messages as messages
from .base import Away, IlsError, Misconfigured

TRIES = 3  # for one message, as the standard has it
LONGEST_ANSWER = 64 * 1024  # bytes; a patron with a thousand loans stays below


class Lost(Away):
    """The other side has closed the connection before it said anything: on one that had rested, a new one may do better."""


class Connection:
    def __init__(self, sock, *, charset, error_detection):
        self.socket, self.charset, self.error_detection = sock, charset, error_detection
        self.number, self.buffer, self.used_at = -1, b"", time.monotonic()

    @classmethod
    def open(cls, *, host, port, tls_context, deadline, **more):
        """Raises Away or Misconfigured in words that say what to look at."""
        where = f"{host} port {port}"
        try:
            sock = socket.create_connection((host, port), timeout=left_until(deadline))
        except socket.gaierror:
            raise Away(
                f"No machine is called {host}. Is SIP2_HOST right, and does this machine know the name?"
            ) from None
        except ConnectionRefusedError:
            raise Away(
                f"{where} refuses the connection. Does the SIP2 server run, is SIP2_PORT right, does a firewall stand between?"
            ) from None
        except TimeoutError:
            raise Away(
                f"{where} does not answer. Is SIP2_HOST right, does a firewall stand between?"
            ) from None
        except OSError as error:
            raise Away(f"{where} can't be reached: {error.strerror or error}.") from None
        if tls_context:
            sock = _encrypted(sock, tls_context, host, where)
        return cls(sock, **more)

    def ask(self, message, deadline):
        """The answer to one message. After any error the connection is of no use: what comes late would be taken for the next answer."""
        if self.error_detection:
            self.number = (self.number + 1) % 10
        number = self.number if self.error_detection else None
        self._must_be_silent()
        say = messages.framed(message, number)
        for _try in range(TRIES):
            self._send(say, deadline)
            line = self._line(deadline)
            try:
                found = messages.unframed(line, number)
            except messages.Damaged:
                say = messages.resend_request()
                continue
            if not found.startswith(messages.RESEND_WANTED):
                return _read(found, self.charset)
            say = messages.framed(message, number)
        if number is not None and not messages.TRAILER.search(line.strip()):
            raise Misconfigured(
                "The ILS answers without a checksum. Turn its error detection on, or ours off with SIP2_ERROR_DETECTION=0."
            )
        raise Away(
            f"The ILS and the portal could not understand each other in {TRIES} tries: each time the checksum was wrong."
        )

    def close(self):
        self.socket.close()

    def _must_be_silent(self):
        """What comes before we have asked is no answer to us, or it is the end."""
        self.socket.settimeout(0)
        try:
            came = self.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            came = None
        except OSError:
            came = b""
        self.buffer += came or b""
        if came == b"" or self.buffer.strip(b"\r\n\0 "):
            raise Lost("The ILS spoke, or closed the connection, without being asked.")

    def _send(self, line, deadline):
        try:
            self.socket.settimeout(left_until(deadline))
            self.socket.sendall(line)
        except TimeoutError:
            raise Away("The ILS takes no more messages: it is too slow.") from None
        except OSError:
            raise Lost("The ILS closed the connection.") from None

    def _line(self, deadline):
        self.buffer = self.buffer.lstrip(b"\r\n\0")
        while b"\r" not in self.buffer:
            if len(self.buffer) > LONGEST_ANSWER:
                raise Away("The ILS sends without an end.")
            try:
                self.socket.settimeout(left_until(deadline))
                came = self.socket.recv(4096)
            except TimeoutError:
                raise Away(
                    "The ILS does not answer in time."
                    if not self.buffer
                    else "The ILS stops in the middle of an answer."
                ) from None
            except OSError:
                came = b""
            if not came and not self.buffer:
                raise Lost(
                    "The ILS closes the connection without an answer. Does it know this machine, and this login?"
                )
            if not came:
                raise Away("The ILS closes the connection in the middle of an answer.")
            self.buffer = (self.buffer + came).lstrip(b"\r\n\0")
        line, _end, self.buffer = self.buffer.partition(b"\r")
        self.used_at = time.monotonic()
        return line


def left_until(deadline):
    """Seconds; never none, which would mean not to wait at all."""
    return max(deadline - time.monotonic(), 0.001)


def _encrypted(sock, context, host, where):
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        problem = f"The certificate of {where} is not trusted: {error.verify_message}. If the ILS has one of its own making, name its file in SIP2_CA_FILE."
        wrong: IlsError = Misconfigured(problem)
    except ssl.SSLError:
        wrong = Misconfigured(
            f"{where} does not speak TLS. Ask for the port that does, or leave out SIP2_TLS."
        )
    except TimeoutError:
        wrong = Away(f"{where} takes the connection but does not begin TLS. Is it the port with TLS?")
    except OSError:
        wrong = Misconfigured(
            f"{where} closes the connection at the beginning of TLS. Is it the port with TLS?"
        )
    sock.close()
    raise wrong


def _read(message, charset):
    try:
        return messages.parsed(message, charset)
    except ValueError:
        raise Away("The ILS answers what is no SIP2 message that the portal asked for.") from None
