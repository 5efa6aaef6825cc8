"""Connect to the single sign-on provider, and limit the time and size of its responses."""

import socket
import time

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ..slow_servers import end_at

# The maximum number of seconds from the request to the end of the response.
MAX_SECONDS = 10
# The maximum size of a response, in bytes. Configurations, keys and tokens have only a few thousand bytes.
MAX_BYTES = 1024 * 1024
CHUNK = 64 * 1024


class LimitedAdapter(HTTPAdapter):
    """An HTTP adapter that reads the whole response before anyone uses it.

    It raises requests.RequestException if the response takes longer than MAX_SECONDS or is larger than
    MAX_BYTES.
    """

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def send(self, request, **options):  # type: ignore[override]  # all arguments are passed on
        response = super().send(request, **options | {"stream": True})
        body = b""
        try:
            while chunk := response.raw.read1(CHUNK, decode_content=True):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise requests.exceptions.ContentDecodingError("the response is too long")
            if time.monotonic() > response.raw.deadline:
                raise requests.exceptions.ReadTimeout("the response is too slow")
        except urllib3.exceptions.HTTPError as error:
            raise requests.exceptions.ConnectionError("the response ended early, or can't be read") from error
        finally:
            response.raw.timer.cancel()
            if not response.raw.closed:
                response.close()
        # The whole body has been read. Store it where the library "requests" looks for it.
        response._content, response._content_consumed = body, True
        return response


class _EndsInTime:
    """A connection that is closed MAX_SECONDS after the request.

    The response gets the attribute `timer`. The caller cancels this timer when it has read the response.
    """

    sock: socket.socket

    def getresponse(self):
        deadline = time.monotonic() + MAX_SECONDS
        timer = end_at(deadline, self.sock)
        try:
            response = super().getresponse()  # type: ignore[misc]  # the other base class has it
        except BaseException:
            timer.cancel()
            raise
        response.timer, response.deadline = timer, deadline
        return response


class _HttpConnection(_EndsInTime, HTTPConnection):
    pass


class _HttpsConnection(_EndsInTime, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection
