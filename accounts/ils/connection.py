"""A connection to a SIP2 server.

`ask` sends a message and reads the response. If the response arrives damaged, `ask` requests it again.
"""

import socket
import ssl
import time

from . import sip2_messages as messages
from .base import IlsError, Misconfigured, Unavailable

# The SIP2 standard allows this many attempts for one message.
MAX_ATTEMPTS = 3
# A response can have at most this many bytes. Even the response about a patron with a thousand loans has
# fewer.
MAX_ANSWER_BYTES = 64 * 1024


class Lost(Unavailable):
    """The ILS closed the connection without responding to a message.

    If the connection had been idle, the caller should send the message over a new connection.
    """


class Connection:
    def __init__(self, sock, *, charset, error_detection):
        self.socket, self.charset, self.error_detection = sock, charset, error_detection
        self.number, self.buffer, self.used_at = -1, b"", time.monotonic()

    @classmethod
    def open(cls, *, host, port, tls_context, deadline, **more):
        """Connect to the server and return the connection.

        Raises Unavailable or Misconfigured. The message of the error says what to check.
        """
        where = f"{host} port {port}"
        try:
            sock = socket.create_connection((host, port), timeout=left_until(deadline))
        except socket.gaierror:
            raise Unavailable(
                f"The host name {host} can't be resolved. Is SIP2_HOST correct? Does DNS work here?"
            ) from None
        except ConnectionRefusedError:
            raise Unavailable(
                f"{where} refuses the connection. "
                "Is the SIP2 server running? Is SIP2_PORT correct? Is there a firewall?"
            ) from None
        except TimeoutError:
            raise Unavailable(
                f"{where} does not respond. Is SIP2_HOST correct? Is there a firewall?"
            ) from None
        except OSError as error:
            raise Unavailable(f"{where} can't be reached: {error.strerror or error}.") from None
        if tls_context:
            sock = _encrypted(sock, tls_context, host, where)
        return cls(sock, **more)

    def ask(self, message, deadline):
        """Send one message and return the Answer.

        The caller must close the connection after an error. Otherwise a late response could be mistaken for
        the response to the next message.
        """
        if self.error_detection:
            self.number = (self.number + 1) % 10
        number = self.number if self.error_detection else None
        self._require_silence()
        outgoing = messages.framed(message, number)
        line = b""
        for _attempt in range(MAX_ATTEMPTS):
            try:
                self._send(outgoing, deadline)
                line = self._receive_line(deadline)
            except Unavailable:
                # A server without error detection sends no checksum, and may ignore our request to repeat its
                # response. In this case, raise the error about the missing checksum, because that error names
                # the setting to change. If the response ends with a line feed and not with a carriage return,
                # it was not received as a line, and is still in the buffer.
                self._require_checksum(self.buffer if self.buffer.endswith(b"\n") else line)
                raise
            try:
                answer = messages.unframed(line, number)
            except messages.Damaged:
                outgoing = messages.resend_request()
                continue
            if not answer.startswith(messages.RESEND_WANTED):
                return _parsed(answer, self.charset)
            outgoing = messages.framed(message, number)
        self._require_checksum(line)
        raise Unavailable(f"The checksum of the response was wrong in all {MAX_ATTEMPTS} attempts.")

    def _require_checksum(self, received):
        """Raise Misconfigured if error detection is on and the ILS sent something without a checksum."""
        received = received.strip(b"\r\n\0 ")
        if self.error_detection and received and not messages.TRAILER.search(received):
            raise Misconfigured(
                "The ILS sends no checksum. "
                "Turn on its error detection, or turn off the portal's with SIP2_ERROR_DETECTION=0."
            )

    def close(self):
        self.socket.close()

    def _require_silence(self):
        """Raise Lost if the ILS has closed the connection, or has sent data that nobody asked for."""
        self.socket.settimeout(0)
        try:
            received = self.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            received = None
        except OSError:
            received = b""
        self.buffer += received or b""
        if received == b"" or self.buffer.strip(b"\r\n\0 "):
            raise Lost("The ILS sent data or closed the connection before it was asked anything.")

    def _send(self, line, deadline):
        try:
            self.socket.settimeout(left_until(deadline))
            self.socket.sendall(line)
        except TimeoutError:
            raise Unavailable("The ILS does not accept the message in time.") from None
        except OSError:
            raise Lost("The ILS closed the connection.") from None

    def _receive_line(self, deadline):
        self.buffer = self.buffer.lstrip(b"\r\n\0")
        while b"\r" not in self.buffer:
            if len(self.buffer) > MAX_ANSWER_BYTES:
                raise Unavailable("The ILS sends a response that is too long.")
            try:
                # Stop at the deadline, even if the ILS sends padding without end.
                if time.monotonic() > deadline:
                    raise TimeoutError
                self.socket.settimeout(left_until(deadline))
                received = self.socket.recv(4096)
            except TimeoutError:
                raise Unavailable(
                    "The ILS does not respond in time."
                    if not self.buffer
                    else "The ILS stops in the middle of a response."
                ) from None
            except OSError:
                received = b""
            if not received and not self.buffer:
                raise Lost(
                    "The ILS closes the connection without a response. "
                    "Does it allow this machine's address and this login?"
                )
            if not received:
                raise Unavailable("The ILS closes the connection in the middle of a response.")
            self.buffer = (self.buffer + received).lstrip(b"\r\n\0")
        line, _end, self.buffer = self.buffer.partition(b"\r")
        self.used_at = time.monotonic()
        return line


def left_until(deadline):
    """Return the seconds until `deadline`.

    The result is never 0, because a socket with the timeout 0 would not wait at all.
    """
    return max(deadline - time.monotonic(), 0.001)


def _encrypted(sock, context, host, where):
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        problem = (
            f"The certificate of {where} is not trusted: {error.verify_message}. "
            "If the ILS uses a self-signed certificate, name its file in SIP2_CA_FILE."
        )
        wrong: IlsError = Misconfigured(problem)
    except ssl.SSLError:
        wrong = Misconfigured(f"{where} does not use TLS. Ask for the port that does, or leave out SIP2_TLS.")
    except TimeoutError:
        wrong = Unavailable(
            f"{where} accepts the connection but does not start TLS. Is it the port with TLS?"
        )
    except OSError:
        wrong = Misconfigured(f"{where} closes the connection at the start of TLS. Is it the port with TLS?")
    sock.close()
    raise wrong


def _parsed(message, charset):
    try:
        return messages.parsed(message, charset)
    except ValueError:
        raise Unavailable(
            "The ILS does not respond with the SIP2 message that the portal asked for."
        ) from None
