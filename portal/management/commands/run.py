import io
import os
import signal
import socket
import sys

import qrcode
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.data_folder import DataFolderInUse, lock_data_folder
from portal.management import processes
from portal.management.late_database import wait_for_database

EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 (only compared)
BACKLOG = 1024  # connections that wait until a process accepts them


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
            help="also write the web server's access log, which contains claim codes and secret links",
        )

    def handle(self, *, host, port, workers, threads, no_worker, access_log, **options):
        for name, number in (("workers", workers), ("threads", threads)):
            if number < 1:
                raise CommandError(f"--{name} {number} is too small. Use 1 or more, such as --{name} 2.")
        # Ignore this signal until the supervisor has installed its handler. By default, the signal ends the
        # process.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        lock = _lock()
        wait_for_database(self.stderr.write)
        listener = _listen(host, port)
        address = _address(host, port)
        portal = processes.command(
            "portal.wsgi:application", listener=listener.fileno(), workers=workers, threads=threads
        )
        portal += [] if no_worker else ["--worker"]
        portal += ["--access-log"] if access_log else []
        supervisor = [sys.executable, "-m", "portal.management.supervisor"]
        supervisor += [f"--listener={listener.fileno()}", f"--workers={workers}"]
        supervisor += [f"--welcome={self._welcome(host, port, address)}", "--", *portal]
        os.environ.update(_environment(host, address))
        os.chdir(settings.BASE_DIR)
        for file in (lock, listener):
            os.set_inheritable(file.fileno(), True)
        sys.stdout.flush()
        # The supervisor replaces this process and everything that it has loaded. The lock is held until the
        # supervisor ends.
        os.execv(sys.executable, supervisor)  # noqa: S606 (no shell)

    def _welcome(self, host, port, address):
        """Return the text that says at which addresses people can open the portal."""
        lines = ["", f"  {address}/"]
        if not settings.LOCAL:
            lines.append(f"  Your proxy reaches it at http://{_bind(host, port)}")
        if host in EVERY_ADDRESS and settings.LOCAL:
            lines += ["  To open it on a phone on the same network:", self._qr_code(f"{address}/")]
        if settings.DEMO:
            lines.append(f"  Sign in as anyone with one click: {address}/demo/")
            lines.append(f"  Read every email that was sent: {address}/demo/mail/")
        return "\n".join([*lines, "  Press Ctrl-C to stop."])

    def _qr_code(self, text):
        code = qrcode.QRCode(border=2)
        code.add_data(text)
        picture = io.StringIO()
        code.print_ascii(out=picture, invert=True)
        try:
            picture.getvalue().encode(sys.stdout.encoding)
        except UnicodeEncodeError:
            return "  (This terminal can't show a QR code.)"
        return picture.getvalue().rstrip("\n")


def _lock():
    """Return an open file that locks the data folder. Raises CommandError if the folder is in use."""
    try:
        return lock_data_folder("run")
    except DataFolderInUse as error:
        raise CommandError(f"{error} Stop it first, or set DATA_DIR to another folder.") from error


def _bind(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen(host, port):
    """Return a listening socket. Raises CommandError if the address can't be used."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"Can't listen on {_bind(host, port)}: {error}. If the portal isn't already running, "
            "choose another port, such as --port 8080."
        ) from error
    return listener


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
    """Return the environment variables of the portal's processes.

    In development and in the demo, --host and --port decide the links in emails and the allowed hosts.
    """
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "DATA_DIR": str(settings.DATA_DIR.resolve())}
    if settings.LOCAL:
        environment["BASE_URL"] = address
        if "ALLOWED_HOSTS" not in os.environ and host in EVERY_ADDRESS:
            environment["ALLOWED_HOSTS"] = ",".join(
                [*settings.ALLOWED_HOSTS, _own_network_address(), socket.gethostname().lower()]
            )
    return environment
