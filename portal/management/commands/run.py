import io
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import qrcode
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from portal.backups import unapplied_migrations
from portal.management import web_server
from portal.management.late_database import wait_for_database
from portal.management.web_server import SECONDS_TO_FINISH

EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 (only compared)
# The worker is restarted at most this many times in a row. If it runs for a minute, the count starts again.
MAX_RESTARTS = 5


class Command(BaseCommand):
    help = "Run the web server and the worker in this terminal. Ctrl-C stops both."

    def add_arguments(self, parser):
        parser.add_argument(
            "--host",
            default="127.0.0.1",
            help="with 0.0.0.0, other devices on the network can open the portal",
        )
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=2, help="processes of the web server")
        parser.add_argument("--threads", type=int, default=4, help="threads in each")
        parser.add_argument(
            "--no-worker", action="store_true", help="don't run the worker, because another machine runs it"
        )
        parser.add_argument(
            "--access-log",
            action="store_true",
            help="also write the web server's access log, which contains claim codes",
        )

    def handle(self, *, host, port, workers, threads, no_worker, access_log, **options):
        _check_port_is_free(host, port)
        wait_for_database(self.stderr.write)
        _check_preparations()
        address = _address(host, port)
        self.stop_signals = 0
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), self._stop)

        environment = _environment(host, address)
        web_command = web_server.command(
            "portal.wsgi:application", bind=_bind(host, port), workers=workers, threads=threads
        )
        web_command += ["--access-logfile=-"] if access_log else []
        worker_command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"]

        web = _start(web_command, environment)
        self.worker = None if no_worker else _start(worker_command, environment)
        try:
            self._wait_for_server(web, host, port)
            if not self.stop_signals:
                self._show_address(host, address)
            self._watch(web, worker_command, environment)
        finally:
            self._end_processes([process for process in (web, self.worker) if process])

    def _stop(self, number, frame):
        self.stop_signals += 1

    def _wait_for_server(self, web, host, port):
        for _attempt in range(300):
            if self.stop_signals or web.poll() is not None:
                return
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                if probe.connect_ex(("127.0.0.1" if host == "0.0.0.0" else host, port)) == 0:  # noqa: S104 (only compared)
                    return
            time.sleep(0.1)

    def _show_address(self, host, address):
        self.stdout.write(f"\n  {address}/\n")
        if host in EVERY_ADDRESS and settings.LOCAL:
            self.stdout.write("  To open it on a phone in the same network:\n")
            self._show_qr_code(f"{address}/")
        if settings.DEMO:
            self.stdout.write(f"  Sign in as anyone with one click: {address}/demo/\n")
            self.stdout.write(f"  Read every email that was sent: {address}/demo/mail/\n")
        self.stdout.write("  Press Ctrl-C to stop.\n")
        self.stdout.flush()

    def _show_qr_code(self, text):
        code = qrcode.QRCode(border=2)
        code.add_data(text)
        picture = io.StringIO()
        code.print_ascii(out=picture, invert=True)
        try:
            self.stdout.write(picture.getvalue())
        except UnicodeEncodeError:
            self.stdout.write("  (This terminal can't show a QR code.)")

    def _watch(self, web, worker_command, environment):
        """Wait until a signal stops the command. If the worker dies, start the worker again.

        Raises CommandError if the web server dies, or if the worker dies too often.
        """
        restarts, started = 0, time.monotonic()
        while not self.stop_signals:
            if web.poll() is not None:
                raise CommandError(
                    f"The web server stopped unexpectedly (status {web.returncode}). Its messages are above. "
                    "The worker is stopped too."
                )
            if self.worker and self.worker.poll() is not None:
                restarts = 1 if time.monotonic() - started > 60 else restarts + 1
                if restarts > MAX_RESTARTS:
                    raise CommandError(
                        f"The worker stopped {restarts} times in a row. Its messages are above. "
                        "The web server is stopped too."
                    )
                self.stderr.write(
                    f"The worker stopped unexpectedly (status {self.worker.returncode}) and is started again."
                )
                self.worker, started = _start(worker_command, environment), time.monotonic()
            time.sleep(0.2)

    def _end_processes(self, processes):
        """Stop the processes, and wait until they have finished. A second Ctrl-C kills them immediately."""
        running = [process for process in processes if process.poll() is None]
        for process in running:
            process.terminate()
        signals, deadline = self.stop_signals, time.monotonic() + SECONDS_TO_FINISH
        while (
            any(process.poll() is None for process in running)
            and self.stop_signals <= max(signals, 1)
            and time.monotonic() < deadline
        ):
            time.sleep(0.1)
        for process in running:
            if process.poll() is None:
                process.kill()
            process.wait()


def _start(command, environment):
    # The process has its own session, so Ctrl-C does not reach it. Only this command receives Ctrl-C, and
    # then stops both processes in the right order.
    return subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, start_new_session=True)  # noqa: S603 (no shell)


def _bind(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_preparations():
    """Raise CommandError if a step of the installation was left out. Every page would be an error."""
    if unapplied_migrations():
        raise CommandError("The database is not up to date. Run first: manage.py migrate")
    if settings.CACHES["default"]["LOCATION"] not in connection.introspection.table_names():
        raise CommandError("The cache table is missing. Run first: manage.py createcachetable")
    storage: Any = staticfiles_storage  # mypy doesn't know the attributes of the storage with a manifest
    if hasattr(storage, "manifest_storage") and not (
        os.path.isdir(storage.location) and storage.manifest_storage.exists(storage.manifest_name)
    ):
        raise CommandError("The static files are missing. Run first: manage.py collectstatic --noinput")


def _check_port_is_free(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Can't listen on {_bind(host, port)}: {error}. If the portal isn't already running, "
                "choose another port, such as --port 8080."
            ) from error


def _address(host, port):
    """Return the address that a person types into a browser."""
    if not settings.LOCAL or "BASE_URL" in os.environ:
        return settings.BASE_URL
    if host in EVERY_ADDRESS:
        host = _own_network_address()
    elif host == "127.0.0.1":
        host = "localhost"
    return f"http://{_bind(host, port)}"


def _own_network_address():
    """Return this machine's address on the network.

    Connecting a datagram socket sends nothing. It only makes the system choose a network interface.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "localhost"
        return probe.getsockname()[0]


def _environment(host, address):
    """Return the environment variables for the web server and the worker.

    In development and in the demo, --host and --port decide the links in emails and the allowed hosts.
    """
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    if settings.LOCAL:
        environment["BASE_URL"] = address
        if "ALLOWED_HOSTS" not in os.environ and host in EVERY_ADDRESS:
            environment["ALLOWED_HOSTS"] = ",".join(
                [*settings.ALLOWED_HOSTS, _own_network_address(), socket.gethostname().lower()]
            )
    return environment
