import io
import os
import signal
import socket
import subprocess
import sys
import time

import qrcode
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.backups import unapplied_migrations
from portal.management import web_server
from portal.management.web_server import SECONDS_TO_FINISH

EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 (compared with, not bound to)
MOST_RESTARTS = 5  # of the worker, in a row; one that lived for a minute begins a new row


class Command(BaseCommand):
    help = "Runs the web server and the worker in this terminal. Ctrl-C ends both."

    def add_arguments(self, parser):
        parser.add_argument(
            "--host", default="127.0.0.1", help="0.0.0.0 lets other devices on the network in"
        )
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=2, help="processes of the web server")
        parser.add_argument("--threads", type=int, default=4, help="threads in each")
        parser.add_argument(
            "--no-worker", action="store_true", help="run no worker here: another machine runs it"
        )
        parser.add_argument(
            "--access-log",
            action="store_true",
            help="also write the web server's own log, which does not hide claim codes",
        )

    def handle(self, *, host, port, workers, threads, no_worker, access_log, **options):
        _refuse_a_taken_port(host, port)
        if unapplied_migrations():
            raise CommandError("The database is not up to date. Run first: manage.py migrate")
        address = _address(host, port)
        self.stopping = 0
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
            self._wait_until_it_answers(web, host, port)
            if not self.stopping:
                self._say_where(host, address)
            self._watch(web, worker_command, environment)
        finally:
            self._end([process for process in (web, self.worker) if process])

    def _stop(self, number, frame):
        self.stopping += 1

    def _wait_until_it_answers(self, web, host, port):
        for _attempt in range(300):
            if self.stopping or web.poll() is not None:
                return
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                if probe.connect_ex(("127.0.0.1" if host == "0.0.0.0" else host, port)) == 0:  # noqa: S104 (compared with)
                    return
            time.sleep(0.1)

    def _say_where(self, host, address):
        self.stdout.write(f"\n  {address}/\n")
        if host in EVERY_ADDRESS and settings.LOCAL:
            self.stdout.write("  From a phone on the same network:\n")
            self._show_qr_code(f"{address}/")
        if settings.DEMO:
            self.stdout.write(
                f"  Sign in as anybody of the demo library with one click: {address}/demo/\n  Every mail that was sent: {address}/demo/mail/\n"
            )
        self.stdout.write("  Ctrl-C ends it.\n")
        self.stdout.flush()

    def _show_qr_code(self, text):
        code = qrcode.QRCode(border=2)
        code.add_data(text)
        picture = io.StringIO()
        code.print_ascii(out=picture, invert=True)
        try:
            self.stdout.write(picture.getvalue())
        except UnicodeEncodeError:
            self.stdout.write("  (this terminal can't show a QR code)")

    def _watch(self, web, worker_command, environment):
        """Until told to stop. A worker that dies is started again; without the web server there is nothing to keep up."""
        restarts, started = 0, time.monotonic()
        while not self.stopping:
            if web.poll() is not None:
                raise CommandError(
                    f"The web server ended by itself (status {web.returncode}); what it said stands above. Everything is stopped."
                )
            if self.worker and self.worker.poll() is not None:
                restarts = 1 if time.monotonic() - started > 60 else restarts + 1
                if restarts > MOST_RESTARTS:
                    raise CommandError(
                        f"The worker ended {restarts} times in a row; what it said stands above. Everything is stopped."
                    )
                self.stderr.write(
                    f"The worker ended by itself (status {self.worker.returncode}); it is started again."
                )
                self.worker, started = _start(worker_command, environment), time.monotonic()
            time.sleep(0.2)

    def _end(self, processes):
        """Both get time to finish what they are at; a second Ctrl-C takes it from them."""
        living = [process for process in processes if process.poll() is None]
        for process in living:
            process.terminate()
        asked, deadline = self.stopping, time.monotonic() + SECONDS_TO_FINISH
        while (
            any(process.poll() is None for process in living)
            and self.stopping <= max(asked, 1)
            and time.monotonic() < deadline
        ):
            time.sleep(0.1)
        for process in living:
            if process.poll() is None:
                process.kill()
            process.wait()


def _start(command, environment):
    # A session of its own: Ctrl-C reaches this command alone, which then ends the others in order.
    return subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, start_new_session=True)  # noqa: S603 (our own words)


def _bind(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _refuse_a_taken_port(host, port):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"Can't listen on {_bind(host, port)}: {error}. Is it running already? Otherwise choose another port, such as --port 8080."
            ) from error


def _address(host, port):
    """What to type into a browser."""
    if not settings.LOCAL or "BASE_URL" in os.environ:
        return settings.BASE_URL
    return f"http://{_bind(_own_network_address() if host in EVERY_ADDRESS else 'localhost' if host == '127.0.0.1' else host, port)}"


def _own_network_address():
    """This machine's address on the network. Nothing is sent: connecting a datagram socket only chooses the way out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "localhost"
        return probe.getsockname()[0]


def _environment(host, address):
    """On one's own machine the links in mails and the allowed hosts follow the address that was chosen."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    if settings.LOCAL:
        environment["BASE_URL"] = address
        if "ALLOWED_HOSTS" not in os.environ and host in EVERY_ADDRESS:
            environment["ALLOWED_HOSTS"] = ",".join(
                [*settings.ALLOWED_HOSTS, _own_network_address(), socket.gethostname().lower()]
            )
    return environment
