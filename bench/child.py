"""One measured process. It sets its pages up, then for each line `NAME COUNT` on stdin answers with the CPU seconds of COUNT requests."""

import importlib
import io
import json
import sys
import time


def main(module):
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    pages = importlib.import_module(module).set_up()
    sizes = {}
    for name, (path, key, cookie) in pages.items():
        status, body = _request(application, path, key, cookie)
        if status != "200 OK":
            raise SystemExit(f"{name}: {path} answered {status}")
        sizes[name] = len(body)
        for _ in range(30):
            _request(application, path, key, cookie)
    print(json.dumps(sizes), flush=True)
    for line in sys.stdin:
        name, count = line.split()
        path, key, cookie = pages[name]
        begun = time.process_time()
        for _ in range(int(count)):
            _request(application, path, key, cookie)
        print(time.process_time() - begun, flush=True)


def _request(application, path, key, cookie):
    """The status line and the body as it goes over the wire (compressed where the application compresses)."""
    answer = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_COOKIE": f"{cookie}={key}",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    response = application(environ, lambda status, headers, exc_info=None: answer.append(status))
    body = b"".join(response)
    response.close()
    return answer[0], body


if __name__ == "__main__":
    main(sys.argv[1])
