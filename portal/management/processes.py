"""Load an application once, and fork the processes that serve it: web servers and the portal's worker.

The processes share the memory of what was loaded. The supervisor (supervisor.py) and the bench start this
module.
"""

import argparse
import importlib
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import django
from django.apps import apps
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError
from django.db import connections
from django.db.backends.signals import connection_created

from portal.management import web_server

SECONDS_TO_FINISH = web_server.SECONDS_TO_FINISH + 5
# A process that dies is replaced, but at most this many times in a row. If a process ran for a minute before
# it died, the count begins again.
MAX_RESTARTS = 5
WORKER = "portal.worker"


def command(application, *, listener, workers, threads):
    """Return the command line that serves the application. `listener` is the socket's file descriptor."""
    module = [sys.executable, "-m", "portal.management.processes", application]
    return [*module, f"--listener={listener}", f"--workers={workers}", f"--threads={threads}"]


class Role(NamedTuple):
    """What a process does. Messages contain the whole name, and `ps` shows the first word of the name."""

    name: str
    run: Callable[[], None]


class Child(NamedTuple):
    role: Role
    started: float


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("application", help="for example portal.wsgi:application")
    parser.add_argument("--listener", type=int, required=True, help="the number of a listening socket")
    parser.add_argument("--workers", type=int, required=True, help="processes of the web server")
    parser.add_argument("--threads", type=int, required=True, help="threads in each")
    parser.add_argument("--worker", action="store_true", help="also run the portal's worker")
    parser.add_argument("--access-log", action="store_true")
    parser.add_argument("--ready", type=int, help="a pipe; each web server writes a byte when it is ready")
    options = parser.parse_args()
    try:
        roles = _load(options)
        return Processes(roles, options.listener).run()
    except (CommandError, ImproperlyConfigured) as error:
        print(error, file=sys.stderr)
        return 1


def _load(options):
    """Load everything that the processes need, and return one Role for each process."""
    django.setup()
    # Load portal/wsgi.py last, because it excludes from garbage collection everything that is loaded already.
    if options.worker:
        importlib.import_module(WORKER)
    module, name = options.application.split(":")
    application = getattr(importlib.import_module(module), name)
    if apps.is_installed("portal"):
        _check_preparations()
        _print_start_notes()

    def serve():
        listener = socket.socket(fileno=options.listener)
        web_server.serve(
            application,
            listener,
            threads=options.threads,
            access_log=options.access_log,
            ready=lambda: _report_ready(options.ready),
        )

    def work():
        os.close(options.listener)
        importlib.import_module(WORKER).Worker().run()

    return [Role("web server", serve)] * options.workers + [Role("worker", work)] * options.worker


def _check_preparations():
    """Raise CommandError if the database or the static files are not ready, because every page would fail."""
    # This import works only after Django has loaded the apps.
    from portal.management.preparations import check_database

    check_database()
    storage: Any = staticfiles_storage  # mypy doesn't know the attributes of the storage with a manifest
    if hasattr(storage, "manifest_storage") and not (
        os.path.isdir(storage.location) and storage.manifest_storage.exists(storage.manifest_name)
    ):
        raise CommandError("The static files are missing. Run first: manage.py collectstatic --noinput")


def _print_start_notes():
    # This import works only after Django has loaded the apps.
    from portal.management.start_notes import start_notes

    for line in start_notes():
        print(line, file=sys.stderr, flush=True)


def _report_ready(pipe):
    if pipe is not None:
        # The supervisor no longer reads the pipe if this web server only replaces one that died.
        with suppress(BrokenPipeError):
            os.write(pipe, b".")


class Processes:
    """The processes that this process has forked. `running` maps their ids to each Child."""

    def __init__(self, roles, listener):
        self.roles, self.listener = roles, listener
        self.parent = os.getppid()
        self.stopping = False
        self.restarts: Counter[str] = Counter()
        self.running: dict[int, Child] = {}

    def run(self):
        """Run the processes until a signal arrives or this process's parent dies. Return the exit status."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), self._stop)
        # Processes must not share a connection to the database.
        connections.close_all()
        refuse_threads()
        try:
            for role in self.roles:
                self._start(role)
            self._watch()
        finally:
            self._end()
        return 0

    def _stop(self, *_):
        self.stopping = True

    def _start(self, role):
        # A signal that arrives during the fork waits until the new process has its own handlers.
        signals = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        pid = os.fork()
        if pid == 0:
            _run_forked(role, signals)
        self.running[pid] = Child(role, time.monotonic())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    def _watch(self):
        """Replace each process that dies. Raises CommandError if a process dies too often."""
        while not self.stopping and os.getppid() == self.parent:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                self._start_again(self.running.pop(pid), os.waitstatus_to_exitcode(status))
            else:
                time.sleep(0.2)

    def _start_again(self, child, status):
        name = child.role.name
        if time.monotonic() - child.started > 60:
            self.restarts[name] = 0
        self.restarts[name] += 1
        if self.restarts[name] > MAX_RESTARTS:
            raise CommandError(
                f"The {name} stopped {self.restarts[name]} times in a row. Its messages are above. "
                "The portal is stopped."
            )
        print(
            f"The {name} stopped unexpectedly (status {status}) and is started again.",
            file=sys.stderr,
            flush=True,
        )
        self._start(child.role)

    def _end(self):
        """Let the processes finish. Kill those that take too long."""
        # Close the socket in this process too. While any process has it open, clients can still connect, but
        # no process would accept their connections.
        os.close(self.listener)
        for pid in self.running:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + SECONDS_TO_FINISH
        while self.running:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            self.running.pop(pid, None)
            if not pid:
                time.sleep(0.05)
                if time.monotonic() > deadline:
                    for pid in self.running:
                        os.kill(pid, signal.SIGKILL)


def refuse_threads():
    """Raise CommandError if there are threads.

    A lock that a thread holds would be locked forever in a fork.
    """
    if threads := [thread.name for thread in threading.enumerate()][1:]:
        raise CommandError(f"Loading the portal started threads, so it can't be forked: {', '.join(threads)}")


def _run_forked(role, signals):
    """Run the role in the forked process, and then end the process. This function never returns."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        with suppress(OSError):
            Path("/proc/self/comm").write_text(f"portal {role.name.split()[0]}")
        threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
        opened = set()
        connection_created.connect(lambda connection, **_: opened.add(connection), weak=False)
        role.run()
        # When the last process closes its connections, SQLite also empties its write-ahead log.
        for used in opened:
            used.inc_thread_sharing()
            used.close()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _end_with(parent):
    """Stop this process as soon as its parent process has died."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
