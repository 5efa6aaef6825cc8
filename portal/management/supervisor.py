"""Run the portal's processes. When SIGUSR2 arrives, replace them without downtime.

The supervisor holds the listening socket. It never loads the portal, so it needs little memory and has no old
code after a reload. The process of `manage.py run` becomes the supervisor.
"""

import argparse
import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import NamedTuple

SECONDS_TO_START = 120
# How long the supervisor waits for the processes to finish before it kills them. The limit in processes.py is
# a little shorter.
SECONDS_TO_FINISH = 35


class Portal(NamedTuple):
    """The parent of the portal's processes, and the pipe in which the processes say that they are ready."""

    process: subprocess.Popen
    ready: int


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listener", type=int, required=True, help="the number of a listening socket")
    parser.add_argument(
        "--workers", type=int, required=True, help="how many web servers report that they are ready"
    )
    parser.add_argument("--welcome", default="", help="what to print when the portal answers")
    parser.add_argument("command", nargs="+", help="starts the portal's processes")
    options = parser.parse_args()
    return Supervisor(options).run()


class Supervisor:
    def __init__(self, options):
        self.command, self.workers, self.welcome = options.command, options.workers, options.welcome
        self.listener = socket.socket(fileno=options.listener)
        self.stop_signals = 0
        self.reload_wanted = False
        self.portal = None
        self.finishing = []  # The portals that were replaced and are still finishing their requests.

    def run(self):
        """Run the portal until a signal or a failure, and return the exit status."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), self._stop)
        signal.signal(signal.SIGUSR2, self._want_reload)
        self.portal = self._start()
        try:
            if self._is_ready(self.portal):
                print(self.welcome, flush=True)
            elif not self.stop_signals:
                return 1
            while not self.stop_signals:
                if self.portal.process.poll() is not None:
                    status = self.portal.process.returncode
                    _say(f"The portal stopped unexpectedly (status {status}). Its messages are above.")
                    return 1
                if self.reload_wanted:
                    self._reload()
                self.finishing = [portal for portal in self.finishing if portal.process.poll() is None]
                time.sleep(0.2)
        finally:
            self._end()
        return 0

    def _stop(self, *_):
        self.stop_signals += 1

    def _want_reload(self, *_):
        self.reload_wanted = True

    def _start(self):
        ready, report = os.pipe()
        # The process has its own session, so Ctrl-C reaches only the supervisor.
        process = subprocess.Popen(  # noqa: S603 (no shell)
            [*self.command, f"--ready={report}"],
            pass_fds=[self.listener.fileno(), report],
            start_new_session=True,
        )
        os.close(report)
        return Portal(process, ready)

    def _is_ready(self, portal):
        """Wait until all web servers of the portal accept connections, and return whether all do."""
        reports, deadline = 0, time.monotonic() + SECONDS_TO_START
        while reports < self.workers and not self.stop_signals and portal.process.poll() is None:
            if time.monotonic() > deadline:
                _say(f"The portal did not start within {SECONDS_TO_START} seconds.")
                break
            if select.select([portal.ready], [], [], 0.2)[0]:
                reports += len(os.read(portal.ready, self.workers))
        os.close(portal.ready)
        return reports == self.workers

    def _reload(self):
        """Start a new portal, and let the old one finish when the new one accepts connections."""
        self.reload_wanted = False
        try:
            new = self._start()
        except OSError as error:
            _say(f"The reload failed, so the portal keeps running the old code: {error}")
            return
        if self._is_ready(new):
            old, self.portal = self.portal, new
            self._finish(old)
            _say(
                "The reload succeeded. The old processes finish their requests. "
                "Environment variables stay as they were at the start. Restart to change them."
            )
        else:
            self._finish(new)
            if not self.stop_signals:
                _say(
                    "The reload failed, so the portal keeps running the old code. The messages above say why."
                )

    def _finish(self, portal):
        portal.process.terminate()
        self.finishing.append(portal)

    def _end(self):
        """Let all processes finish. A second signal kills them immediately."""
        self.listener.close()
        running = [portal.process for portal in [self.portal, *self.finishing]]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + SECONDS_TO_FINISH
        while running := [process for process in running if process.poll() is None]:
            if self.stop_signals > 1 or time.monotonic() > deadline:
                for process in running:
                    os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.05)


def _say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
