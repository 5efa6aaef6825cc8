"""A cover source on this machine, which can be slow, huge or broken."""

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

from tests.factories import photograph


def picture(size=(300, 450), kind="JPEG", color=(30, 90, 160)):
    """Return the bytes of a one-colored picture."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind)
    return out.getvalue()


def photo(size=(600, 900)):
    """Return the bytes of a picture with as many details as a photograph."""
    return photograph(size=size).read()


class CoverSource:
    """A running cover source, which responds with `answers[path]` or with 404.

    An answer is (status, headers, content). It can also be a function that gets the request handler and
    writes the answer itself. `requests` has (path, headers) of each request.
    """

    def __init__(self):
        self.answers, self.requests = {}, []
        # A slow answer waits for this event, which is set at the end of the test.
        self.ended = threading.Event()

    def __enter__(self):
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                source.requests.append((self.path, dict(self.headers)))
                answer = source.answers.get(self.path, (404, {}, b"no such cover"))
                if callable(answer):
                    answer(self)
                    return
                status, headers, content = answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def address(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    @property
    def paths(self):
        return [path for path, _headers in self.requests]
