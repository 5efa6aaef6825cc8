"""A browser behind the library's proxy, and the pages that it asks for.

A set-up prints its pages as JSON, so they are plain tuples.
"""

import re
from http.client import HTTPConnection
from itertools import count, cycle
from typing import NamedTuple
from urllib.parse import urlencode


class Request(NamedTuple):
    path: str
    cookies: dict  # of this browser; what the answers set is added
    fields: dict | None = None  # of a form that is posted


class Page(NamedTuple):
    requests: list  # sent in turn; each only once where it changes something
    status: int = 200
    htmx: bool = False
    bar: float | None = None  # how many times the CPU of the minimal page it may cost


class Browser:
    def __init__(self, port, pages):
        """`pages`: {name: Page}, as JSON has them."""
        self.port, self.addresses = port, count()
        self.pages = {name: Page(*page) for name, page in pages.items()}
        self.turns = {
            name: cycle([Request(*request) for request in page.requests]) for name, page in self.pages.items()
        }

    def ask(self, name, times):
        """Ask for a page, over one connection that is kept alive."""
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.connect()
        for _ in range(times):
            self._ask(connection, name, next(self.turns[name]))
        connection.close()

    def _ask(self, connection, name, request):
        page, address = self.pages[name], next(self.addresses)
        headers = {
            "Host": "localhost",
            "Accept-Encoding": "gzip",
            "Accept-Language": "en-US,en;q=0.9",
            "Cookie": "; ".join(f"{key}={value}" for key, value in request.cookies.items()),
            # Patrons come from many addresses, and rate limits count by address.
            "X-Forwarded-For": f"10.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}",
            "X-Forwarded-Proto": "https",
        }
        if page.htmx:
            headers["HX-Request"] = "true"
        body = None
        if request.fields is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://localhost"}
            body = urlencode(request.fields)
        connection.request("GET" if body is None else "POST", request.path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != page.status:
            raise SystemExit(f"{name}: {request.path} answered {answer.status} instead of {page.status}")
        for cookie in answer.headers.get_all("Set-Cookie", ()):
            key, value = re.match(r"([^=]+)=([^;]*)", cookie).groups()
            request.cookies[key] = value
