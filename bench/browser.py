"""A minimal HTTP client. It sends the headers of a browser and of the proxy in front of the portal."""

import re
from http.client import HTTPConnection
from itertools import count, cycle
from typing import NamedTuple
from urllib.parse import urlencode


class Request(NamedTuple):
    """A request by one browser.

    Cookies in the responses are added to `cookies`. A request with `fields` is a POST.
    """

    path: str
    cookies: dict
    fields: dict | None = None


class Page(NamedTuple):
    """A page to measure. bench.set_up prints each Page as JSON.

    The browser sends `requests` in turn. If the page changes data, `requests` has one request for each
    measurement. `bar` is the maximum CPU time of the page, as a multiple of the CPU time of the minimal page.
    `p95_bar` applies in the catalog of a million items: the server must answer 95 of 100 requests within this
    many milliseconds.
    """

    requests: list
    status: int = 200
    htmx: bool = False
    bar: float | None = None
    p95_bar: float | None = None


class Browser:
    def __init__(self, port, pages):
        """Store the pages. `pages` comes from JSON, so it is {name: [values of the fields of a Page]}."""
        self.port, self.addresses = port, count()
        self.pages = {name: Page(*page) for name, page in pages.items()}
        self.turns = {
            name: cycle([Request(*request) for request in page.requests]) for name, page in self.pages.items()
        }

    def ask(self, name, times):
        """Request a page over one connection. `times` says how often."""
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
            # Rate limits count by network address, so each request has its own network address.
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
        response = connection.getresponse()
        response.read()
        if response.status != page.status:
            raise SystemExit(f"{name}: {request.path} answered {response.status} instead of {page.status}")
        for cookie in response.headers.get_all("Set-Cookie", ()):
            key, value = re.match(r"([^=]+)=([^;]*)", cookie).groups()
            request.cookies[key] = value
