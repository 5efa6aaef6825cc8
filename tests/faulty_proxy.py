"""A proxy on this machine that changes, delays or refuses the answers of another server."""

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class FaultyProxy:
    """A running proxy in front of the server at `port`. Without `fault`, the proxy passes everything on.

    `fault` is a function that makes the response to a request. It is called with a dictionary of the
    arguments in the URL, and with a function that asks the server. It returns the bytes to send, (status,
    headers, bytes), or None to end the connection. `requests` has the arguments of all requests.
    """

    def __init__(self, port):
        self.port, self.fault, self.requests = port, None, []

    def __enter__(self):
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                arguments = dict(parse_qsl(urlsplit(self.path).query))
                proxy.requests.append(arguments)

                def ask():
                    address = f"http://127.0.0.1:{proxy.port}{self.path}"
                    return urllib.request.urlopen(address, timeout=60).read()

                answer = proxy.fault(arguments, ask) if proxy.fault else ask()
                if answer is None:
                    self.connection.close()
                    return
                status, headers, content = answer if isinstance(answer, tuple) else (200, {}, answer)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}/oai"

    @property
    def lists(self):
        """Return the arguments of each ListRecords request, which asks for one page of records."""
        return [each for each in self.requests if each["verb"] == "ListRecords"]
