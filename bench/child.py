"""One measured process. It sets its pages up, then for each line `NAME COUNT` on stdin answers with the CPU seconds of COUNT requests."""

import importlib
import io
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode

WARM_UP = 30


@dataclass
class Page:
    """A page as a signed-in browser asks for it; with `fields`, the form that it posts."""

    path: str
    session_key: str
    status: str = "200 OK"
    headers: dict = field(default_factory=dict)
    fields: Callable | None = None  # called for each request: what is sent once only is new each time


class Browser:
    """Keeps its cookies: the first answer sets those that every later request carries."""

    def __init__(self, application, page):
        self.application, self.page = application, page
        self.cookies = {"sessionid": page.session_key, "csrftoken": "c" * 32}

    def ask(self):
        """The body as it goes over the wire (compressed where the application compresses)."""
        form = (
            urlencode({"csrfmiddlewaretoken": "c" * 32, **self.page.fields()}).encode()
            if self.page.fields
            else b""
        )
        path, _, query = self.page.path.partition("?")
        environ = {
            "REQUEST_METHOD": "POST" if form else "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(form)),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_ACCEPT_ENCODING": "gzip",
            "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.9",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "wsgi.input": io.BytesIO(form),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            **self.page.headers,
        }
        response = self.application(environ, self._answered)
        body = b"".join(response)
        response.close()
        return body

    def _answered(self, status, headers, exc_info=None):
        if status != self.page.status:
            raise SystemExit(f"{self.page.path} answered {status}")
        for name, value in headers:
            if name == "Set-Cookie":
                self.cookies.update((key, morsel.coded_value) for key, morsel in SimpleCookie(value).items())


def main(module):
    import django

    django.setup()
    from django.core.servers.basehttp import get_internal_wsgi_application

    pages = importlib.import_module(module)
    application = (
        get_internal_wsgi_application()
    )  # what WSGI_APPLICATION names; Django's own where nothing is named
    browsers = {name: Browser(application, page) for name, page in pages.set_up().items()}
    print(
        json.dumps(
            {name: max(len(browser.ask()) for _ in range(WARM_UP)) for name, browser in browsers.items()}
        ),
        flush=True,
    )
    for line in sys.stdin:
        name, count = line.rsplit(maxsplit=1)
        begun = time.process_time()
        for _ in range(int(count)):
            browsers[name].ask()
        print(time.process_time() - begun, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
