"""Close the connection to a server that answers too slowly.

A socket's timeout limits only the wait for the next bytes. A server could send one byte a second, or one
interim response after another. Then it would block a thread of the web server for hours.
"""

import socket
import threading
import time
from contextlib import suppress


def end_at(deadline, sock):
    """Start a Timer that closes the connection at `deadline`, and return the Timer.

    `deadline` is a time of time.monotonic(). Cancel the Timer to keep the connection open. A read that is
    still waiting at the deadline gets the end of the stream.
    """
    timer = threading.Timer(max(deadline - time.monotonic(), 0), _end, [sock])
    timer.daemon = True
    timer.start()
    return timer


def _end(sock):
    # The connection may already be closed.
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
