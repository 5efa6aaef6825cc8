"""Run Dovecot, a real IMAP server, with one mailbox. Debian and Ubuntu call the package dovecot-imapd."""

import contextlib
import getpass
import imaplib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from tests.processes import MAX_WAIT

USER, PASSWORD = "reply", "not:a/secret"
# The path of Dovecot. Debian installs it in a folder that is only in root's PATH.
DOVECOT = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
CONFIGURATION = """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
auth_allow_cleartext = yes
default_internal_user = {user}
default_internal_group = {user}
default_login_user = {login_user}
first_valid_uid = 0
mail_driver = maildir
mail_path = {folder}/mail
passdb static {{
  password = {{PLAIN}}{password}
}}
userdb static {{
  fields {{
    uid = {user}
    gid = {user}
    home = {folder}/home
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
"""


class Mailbox:
    """The mailbox of the running server."""

    def __init__(self, port):
        self.port = port
        self.url = f"imap://{USER}:not%3Aa%2Fsecret@127.0.0.1:{port}/INBOX"

    @contextlib.contextmanager
    def open(self):
        imap = imaplib.IMAP4("127.0.0.1", self.port, timeout=MAX_WAIT)
        imap.login(USER, PASSWORD)
        imap.select("INBOX")
        try:
            yield imap
        finally:
            imap.logout()

    def put(self, *emails):
        with self.open() as imap:
            for raw in emails:
                assert imap.append("INBOX", None, None, raw)[0] == "OK"

    def flags(self):
        """Return the flags of each email that is still in the mailbox."""
        with self.open() as imap:
            numbers = imap.search(None, "ALL")[1][0].split()
            return [imap.fetch(number, "(FLAGS)")[1][0].decode() for number in numbers]


class SilentServer:
    """A server on `port` that sends a greeting and then nothing.

    After `recover()`, it passes bytes on to Dovecot.
    """

    def __init__(self, behind):
        self._behind = behind
        self._recovered = False
        self._silent = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.url = behind.url.replace(f":{behind.port}/", f":{self.port}/")
        # The number of connections that got only a greeting.
        self.kept_waiting = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def recover(self):
        """Close the waiting connections, and connect each later connection to Dovecot."""
        self._recovered = True
        while self._silent:
            self._silent.pop().close()

    def close(self):
        self._server.close()
        self.recover()

    def _accept(self):
        while True:
            try:
                client = self._server.accept()[0]
            except OSError:
                return
            if self._recovered:
                server = socket.create_connection(("127.0.0.1", self._behind.port))
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()
            else:
                self._silent.append(client)
                client.sendall(b"* OK ready\r\n")
                self.kept_waiting += 1

    def _pass_on(self, source, target):
        with contextlib.suppress(OSError):
            while some := source.recv(65536):
                target.sendall(some)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


# This text is added to CONFIGURATION if the server has a certificate. The server then accepts a password only
# after STARTTLS.
SECURE = """
ssl = required
auth_allow_cleartext = no
ssl_server_cert_file = {certificate}/certificate.pem
ssl_server_key_file = {certificate}/key.pem
"""


@contextlib.contextmanager
def imap_server(*, certificate=None):
    """Run the server on a free port, and give its Mailbox to the `with` block.

    `certificate` is a folder with key.pem and certificate.pem, or None for a server without TLS.
    """
    if DOVECOT is None:
        message = "Dovecot is missing. Debian and Ubuntu: apt-get install dovecot-imapd"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    folder = Path(tempfile.mkdtemp(prefix="imap-"))
    is_root = os.geteuid() == 0
    user = "dovecot" if is_root else getpass.getuser()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    login_user = "dovenull" if is_root else user
    values = {"folder": folder, "user": user, "login_user": login_user, "port": port, "password": PASSWORD}
    configuration = CONFIGURATION.format(**values)
    if certificate:
        configuration += SECURE.format(certificate=certificate)
    (folder / "dovecot.conf").write_text(configuration)
    folder.chmod(0o755)
    for name in ("mail", "home"):
        (folder / name).mkdir()
        if is_root:
            shutil.chown(folder / name, user)
    server = subprocess.Popen([DOVECOT, "-F", "-c", str(folder / "dovecot.conf")])
    try:
        _wait_for(port, server, folder)
        yield Mailbox(port)
    finally:
        server.terminate()
        server.wait(MAX_WAIT)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port, server, folder):
    until = time.monotonic() + MAX_WAIT
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    log = folder / "log"
    raise RuntimeError(f"Dovecot does not answer: {log.read_text() if log.exists() else ''}")
