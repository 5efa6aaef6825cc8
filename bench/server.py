"""Run the processes that the bench measures: a production web server and a process for the worker's jobs."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from bench.browser import Browser
from bench.databases import cpu_seconds
from portal.management import processes

# The number of requests before the measurement begins. PostgreSQL may change the plan of a prepared statement
# after the fifth request.
WARM_UP = 12


def environment(url, folder, settings="portal.settings"):
    """Return the environment variables of a production server behind one proxy, with its data in `folder`."""
    return os.environ | {
        "AFTERWORD_MODE": "production",
        "ALLOWED_HOSTS": "localhost",
        "BASE_URL": "https://localhost",
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": settings,
        "MAIL_FROM": "library@example.org",
        "PYTHONUNBUFFERED": "1",
        "SECRET_KEY": "the bench has no secrets, and each run signs in with this same key",
        "TRUSTED_PROXY_COUNT": "1",
    }


def set_up(env, module, count):
    """Run `python -m bench.set_up`, and return the pages to measure.

    The process calls `set_up(count)` of `module`, which creates the data for `count` requests of each page.
    """
    command = [sys.executable, "-m", "bench.set_up", module, str(count)]
    return json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout)


class Process:
    """A process that is stopped at the end of a `with` block."""

    process: subprocess.Popen

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        self.process.terminate()
        self.process.wait()


class Server(Process):
    """A web server with one worker process, and a browser that requests its pages."""

    def __init__(
        self,
        database,
        url,
        folder,
        *,
        module="bench.pages",
        count=0,
        application="portal.wsgi:application",
        settings="portal.settings",
        warm_up=True,
    ):
        """Let `module` set up the database for `count` requests of each page. Then start the server.

        If `warm_up` is true, request each page several times before the measurement begins.
        """
        self.database, self.url, self.warm_up = database, url, warm_up
        env = environment(url, folder, settings)
        pages = set_up(env, module, count + WARM_UP)
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        self.ready, report = os.pipe()
        command = processes.command(application, listener=listener.fileno(), workers=1, threads=4)
        self.log = folder / f"server-{port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, f"--ready={report}"],
                env=env,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno(), report],
            )
        listener.close()
        os.close(report)
        self.browser = Browser(port, pages)

    def __enter__(self):
        self._wait()
        for name in self.names if self.warm_up else []:
            self.browser.ask(name, WARM_UP)
        return self

    @property
    def names(self):
        return list(self.browser.pages)

    def measure(self, name, times):
        """Return the mean CPU milliseconds of a request as (web server, database processes)."""
        web, backends = self._web(), self.database.cpu(self.url)
        self.browser.ask(name, times)
        web = self._web() - web
        data = sum(now - backends.get(pid, 0) for pid, now in self.database.cpu(self.url).items())
        return web * 1000 / times, data * 1000 / times

    def _web(self):
        pid = self.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return cpu_seconds(pid) + sum(cpu_seconds(int(worker)) for worker in workers)

    def _wait(self):
        """Wait until the server accepts connections."""
        with open(self.ready, "rb") as ready:
            if not ready.read(1):
                raise SystemExit(f"The web server did not start:\n{self.log.read_text()}")


class Jobs(Process):
    """A process that runs jobs, one at a time. It runs `main` of a module in this package."""

    def __init__(self, url, folder, module="bench.jobs", set_up_by=""):
        """Start the process. If `set_up_by` names a module, that module sets up the database first."""
        if set_up_by:
            set_up(environment(url, folder), set_up_by, 0)
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import django; django.setup(); import {module}; {module}.main()"],
            env=environment(url, folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names = json.loads(self.process.stdout.readline())

    def measure(self, name, times=1):
        """Run the job once, and return its CPU milliseconds as (Python, database). `times` is ignored."""
        print(name, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


class Timed(Process):
    """A process that measures elapsed time, not CPU time. It runs `main` of a module in this package."""

    # `measure` multiplies its argument `times` by this number to get the number of emails.
    factor = 1

    def __init__(self, url, folder, module, **variables):
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import django; django.setup(); import {module}; {module}.main()"],
            env=environment(url, folder) | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, name, times):
        """Write or deliver `factor` * `times` emails, and return (milliseconds per email, 0).

        Other rows of the bench have the time of the database in place of the 0.
        """
        print(name, self.factor * times, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline()), 0


class AskedBefore(Timed):
    """A process that calls `asked_before`, which finds what helped with a topic before."""

    def __init__(self, url, folder):
        super().__init__(url, folder, "bench.verdicts")

    def times(self, count):
        """Call `asked_before` `count` times, and return the milliseconds of each call."""
        print(count, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


class Deliveries(Timed):
    """A process that delivers emails to its own mail server."""

    factor = 5

    def __init__(self, url, folder):
        set_up(environment(url, folder), "bench.pages", 0)
        self.mail_server = subprocess.Popen(
            [sys.executable, "-m", "bench.mail_server"], stdout=subprocess.PIPE, text=True
        )
        port = self.mail_server.stdout.readline().strip()
        super().__init__(url, folder, "bench.delivery", EMAIL_HOST="127.0.0.1", EMAIL_PORT=port)

    def __exit__(self, *raised):
        super().__exit__(*raised)
        self.mail_server.terminate()
        self.mail_server.wait()


class CheckIns(Timed):
    """A process that sends check-ins."""

    factor = 100

    def __init__(self, url, folder):
        set_up(environment(url, folder), "bench.pages", 0)
        super().__init__(url, folder, "bench.check_ins")
