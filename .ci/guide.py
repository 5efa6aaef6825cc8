"""Install the portal on a clean clone by running the commands in README.md and docs/operations.md as written.

Usage: python3 .ci/guide.py

The script follows each document twice, with SQLite and with PostgreSQL, in one clone. After the command that
starts the portal, the script requests pages as the TLS proxy does, until they answer. After the commands that
restore a backup, the script starts the portal again.

The commands run as they are written, except that `Run.filled_in` replaces examples. The script ends if a
command fails, or if `Run.filled_in` doesn't know an example. SKIPPED has the blocks that aren't run, with
reasons. The script doesn't need root.

The script doesn't start systemd and nginx. If they are installed, they check the units and the configuration
in the guide.
"""

import os
import pty
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
DATABASE_URL = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1/test")
HOST, ADDRESS = "help.example.org", "sam@example.org"
# The answers to the questions of setup_library. An empty answer accepts the suggested answer.
ANSWERS = ["Example Library", "America/Chicago", "", ADDRESS, "Sam Okafor", ""]
# The settings that step 3 of docs/operations.md asks for. A block of the README sets them.
SETTINGS = {
    "BASE_URL": f"https://{HOST}",
    "ALLOWED_HOSTS": HOST,
    "MAIL_FROM": "help@example.org",
    "TRUSTED_PROXY_COUNT": "1",
}
# {beginning of a block: the reason why the block isn't run}
SKIPPED = {
    ".venv/bin/python manage.py ils_check": "it needs a library system",
    ".venv/bin/python manage.py sso_check": "it needs a provider of single sign-on",
    ".venv/bin/python manage.py mail_check": "it needs a mail server",
    ".venv/bin/python manage.py push_check": "it needs a phone",
    "curl http": "the portal has another port there",
    "useradd": "it needs root",
    "SECRET_KEY=…": "these are the lines of a file, which SETTINGS replaces",
    "sudo -u postgres": "it needs the account of PostgreSQL",
    "afterword() {": "it needs root and systemd",
    "[Unit]": "check_units reads it",
    "map $uri": "check_proxy reads it",
    "chown root:afterword": "it needs root",
    "#!/bin/sh": "it is a script that a mail server starts",
    "afterword unix": "these are lines of a file of Postfix",
    "recipient_delimiter": "these are lines of a file of Postfix",
    "journalctl": "it needs systemd and the portal's unit",
}
SECONDS_TO_START, SECONDS_FOR_ONE_COMMAND = 60, 600
# The maximum exposure of a unit, for the option --threshold of `systemd-analyze security`: from 0 (the best)
# to 100.
MAX_EXPOSURE = 15
# Finds each unit, and the name of its file in the paragraph above the unit.
UNIT = re.compile(
    r"`/etc/systemd/system/([\w.-]+)`(?:(?!/etc/systemd/system/|```).)*```ini\n(.*?)```", re.DOTALL
)
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Failed(Exception):
    """A command of a document failed, or the portal doesn't answer."""


def main():
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="afterword-guide-") as folder:
        try:
            for name, text in documents().items():
                follow(name, text, Path(folder) / name)
            clone = Path(folder) / name / "clone"
            check_units(text, clone, Path(folder))
            check_proxy(text, Path(folder))
        except Failed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(f"The commands of the README and the guide work ({time.monotonic() - started:.0f} s).")
    return 0


def documents():
    """Return {name of the document: the part of its text that has the commands}."""
    readme = (ROOT / "README.md").read_text("utf-8")
    install = readme[readme.index("## Run it for your library") :]
    return {
        "README.md": install[: install.index("\n## ", 1)],
        "operations.md": (ROOT / "docs/operations.md").read_text("utf-8"),
    }


def blocks(text):
    """Return the code blocks of a Markdown text, without the indentation of the list that they are in."""
    found = []
    for indent, _language, code in BLOCK.findall(text):
        found.append("".join(line.removeprefix(indent) for line in code.splitlines(keepends=True)))
    return found


def commands(block):
    """Return the commands of a block. A command is as many lines as bash needs to parse it."""
    found, lines = [], []
    for line in block.splitlines():
        lines.append(line)
        command = "\n".join(lines)
        if subprocess.run(["bash", "-n", "-c", command], capture_output=True).returncode == 0:
            if command.strip():
                found.append(command)
            lines = []
    if lines:
        raise Failed(f"This is not a command for a shell:\n{block}")
    return found


def to_run(text):
    """Return the commands of all blocks that aren't skipped."""
    found = []
    for block in blocks(text):
        if not block.startswith(tuple(SKIPPED)):
            found += commands(block)
    return found


def follow(name, text, folder):
    """Clone the repository into `folder`, and run the commands of the text with each database."""
    subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, folder / "clone"], check=True)
    databases = {"SQLite": ""}
    if has_postgres():
        databases["PostgreSQL"] = DATABASE_URL + "_guide"
    for database, url in databases.items():
        print(f"== {name} on {database}", flush=True)
        shutil.rmtree(folder / "clone/var", ignore_errors=True)
        run = Run(folder, url, settings={} if "export SECRET_KEY" in text else SETTINGS)
        try:
            run.empty_database()
            for command in to_run(text):
                run.step(command)
            if not run.has_answered:
                raise Failed("The text has no command that starts the portal.")
        finally:
            run.stop()
            run.drop_database()


def check_units(text, clone, folder):
    """Let systemd read the units of the guide, with the clone as the folder of the code."""
    units = {name: textwrap.dedent(content) for name, content in UNIT.findall(text)}
    if len(units) != text.count("[Unit]"):
        raise Failed(f"The guide does not say the file of each unit. These were found: {', '.join(units)}")
    if not shutil.which("systemd-analyze"):
        print("systemd is not installed, so the units of the guide were not read.")
        return
    for name, content in units.items():
        (folder / name).write_text(content.replace("/srv/afterword", str(clone)))
    checked("systemd-analyze", "verify", "--man=no", *(folder / name for name in units))
    services = [folder / name for name in units if name.endswith(".service")]
    checked(*["systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}"], *services)


def check_proxy(text, folder):
    """Let nginx read the configuration of the guide, with a temporary certificate and free ports."""
    if not (shutil.which("nginx") and shutil.which("openssl")):
        print("nginx or openssl is not installed, so the configuration of the proxy was not read.")
        return
    [block] = [block for block in blocks(text) if block.startswith("map $uri")]
    checked(
        *["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", f"/CN={HOST}"],
        *["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
    )
    block = re.sub(r"listen \d+", lambda found: f"listen {free_port()}", block)
    block = re.sub(r"/etc/ssl/\w+|/var/log/nginx", str(folder), block)
    configuration = f"pid {folder}/nginx.pid;\nevents {{}}\nhttp {{\n{block}\n}}\n"
    (folder / "nginx.conf").write_text(configuration)
    checked("nginx", "-t", "-e", folder / "nginx.log", "-p", folder, "-c", folder / "nginx.conf")


def checked(*command):
    """Run a program. Raises Failed if the program fails or prints a warning."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode or "[warn]" in done.stdout:
        raise Failed(f"{done.stdout}\nThis command failed: {' '.join(map(str, command))}")
    print(f"        {command[0]} reads its part of the guide.", flush=True)


def has_postgres():
    """Return whether a PostgreSQL server answers. Raises Failed if none answers in CI."""
    where = urlsplit(DATABASE_URL)
    try:
        socket.create_connection((where.hostname, where.port or 5432), timeout=5).close()
    except OSError as error:
        if os.environ.get("CI") == "true":
            raise Failed(f"No PostgreSQL answers at TEST_DATABASE_URL: {error}") from error
        print("No PostgreSQL answers at TEST_DATABASE_URL, so the documents are followed only with SQLite.")
        return False
    return True


class Run:
    """One terminal, which runs the commands of one document with one database."""

    def __init__(self, folder, database_url, settings):
        self.clone, self.backups = folder / "clone", folder / "backups"
        self.state, self.log = folder / "state", folder / "log"
        self.database_url, self.server, self.start_command = database_url, None, ""
        self.key, self.has_answered = secrets.token_urlsafe(60), False
        shutil.rmtree(self.backups, ignore_errors=True)
        self.backups.mkdir()
        write_catalog(self.clone / "catalog.mrc")
        typed = dict(settings)
        if settings:
            typed["SECRET_KEY"] = self.key
        if database_url:
            typed["DATABASE_URL"] = database_url
        self.environment = clean_environment() | typed
        # Before each command, bash reads from this file the variables that earlier commands exported.
        self.state.write_text("")

    def step(self, command):
        """Run one command. Raises Failed if the command fails."""
        line, started = command.splitlines()[0], time.monotonic()
        command = self.filled_in(command)
        if re.match(r"\S*python manage\.py run\b", command):
            self.start(command)
        else:
            is_restore = " restore " in command
            if is_restore:
                self.stop()
                self.make_empty()
            status, output = self.bash(command)
            if status:
                raise Failed(f"{output}\nThis command failed with status {status}:\n\n    {command}\n")
            if "token_urlsafe" in command:
                self.key = output.split()[-1]
            if is_restore:
                self.start(self.start_command)
        print(f"{time.monotonic() - started:5.1f} s  {line[:90]}", flush=True)

    def filled_in(self, command):
        """Replace the examples in the text: the ellipsis …, FILE, the folder and the day of a backup."""
        archive = f"{self.backups}/afterword-$(date +%F).tar.gz"
        command = command.replace("SECRET_KEY=…", f"SECRET_KEY={self.key}")
        command = command.replace("email='…'", f"email='{ADDRESS}'").replace(
            "slug='…'", "slug='main-library'"
        )
        command = command.replace(" FILE ", " catalog.mrc ")
        command = re.sub(
            r"/backups/afterword-\S+\.tar\.gz|/backups/afterword-\$\(.*?\)\.tar\.gz", archive, command
        )
        if "…" in command:
            raise Failed(f"The script does not know what to write for … in this command:\n\n    {command}\n")
        return command

    def bash(self, command):
        """Run a command in bash, and type ANSWERS into its terminal. Return (status, output)."""
        ours, terminal = pty.openpty()
        os.write(ours, "".join(f"{answer}\n" for answer in ANSWERS).encode())
        kept = f". '{self.state}'\n{command}\nstatus=$?\nexport -p > '{self.state}'\nexit $status"
        try:
            done = subprocess.run(
                ["bash", "-c", kept],
                cwd=self.clone,
                env=self.environment,
                stdin=terminal,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS_FOR_ONE_COMMAND,
                text=True,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"This command takes too long:\n\n    {command}\n") from error
        finally:
            os.close(ours)
            os.close(terminal)
        return done.returncode, done.stdout

    def start(self, command):
        """Start the portal, and wait until its pages answer."""
        port, self.start_command = 8000, command
        if not is_free(port):
            port = free_port()
            command = command.replace("manage.py run", f"manage.py run --port {port}")
            print(f"Port 8000 is taken, so the portal runs on port {port}.")
        with self.log.open("w") as log:
            self.server = subprocess.Popen(
                ["bash", "-c", f". '{self.state}'\n{command}"],
                cwd=self.clone,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_for_pages(port)
        self.has_answered = True

    def wait_for_pages(self, port):
        """Request pages until they answer: the sign-in page, a style sheet and the state of the worker."""
        deadline, answer = time.monotonic() + SECONDS_TO_START, "no answer"
        for path, words in (("/sign-in/", "Example Library"), ("/readyz", "")):
            while True:
                status, answer = requested(port, path)
                if status == 200 and words in answer:
                    break
                if self.server.poll() is not None or time.monotonic() > deadline:
                    problem = f"The portal does not answer at {path}: {status} {answer[:300]}"
                    raise Failed(f"{self.log.read_text()}\n{problem}")
                time.sleep(0.2)
            if style := re.search(r'href="(/static/[^"]+)"', answer):
                status, _text = requested(port, style[1])
                if status != 200:
                    raise Failed(f"The static file {style[1]} is missing: {status}")

    def stop(self):
        """Stop the portal, as Ctrl-C does."""
        if self.server is None:
            return
        if self.server.poll() is None:
            os.killpg(self.server.pid, signal.SIGINT)
        try:
            status = self.server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.server.pid, signal.SIGKILL)
            raise Failed("The portal does not stop.") from None
        self.server = None
        if status not in (0, 130, -signal.SIGINT):
            raise Failed(f"{self.log.read_text()}\nThe portal stopped with status {status}.")

    def make_empty(self):
        """Empty the portal, so that the guide can restore a backup. Keep the collected static files."""
        for path in (self.clone / "var").iterdir():
            if path.name == "private":
                shutil.rmtree(path)
            elif path.is_file() and path.name != "staticfiles.json":
                path.unlink()
        self.empty_database()

    def empty_database(self):
        """Make an empty database on PostgreSQL."""
        if self.database_url:
            self.drop_database()
            psql(f'CREATE DATABASE "{urlsplit(self.database_url).path[1:]}"')

    def drop_database(self):
        if self.database_url:
            psql(f'DROP DATABASE IF EXISTS "{urlsplit(self.database_url).path[1:]}" WITH (FORCE)')


def requested(port, path):
    """Return (status, text) of a page, requested as the TLS proxy does. The status is 0 without an answer."""
    headers = {"Host": HOST, "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")
    except OSError as error:
        return 0, str(error)


def psql(statement):
    command = [
        "psql",
        "--quiet",
        "--no-psqlrc",
        "--set",
        "ON_ERROR_STOP=1",
        "--command",
        statement,
        DATABASE_URL,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{done.stderr}\nThis statement failed: {statement}")


def clean_environment():
    """Return the variables that a new terminal has, and those that pip needs."""
    wanted = re.compile(r"PATH|HOME|USER|LANG|LC_\w+|TMPDIR|PIP_\w+|SSL_\w+|\w+_proxy|\w+_PROXY")
    return {name: value for name, value in os.environ.items() if wanted.fullmatch(name)}


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_catalog(path):
    """Write a MARC file with one book: its control number and its title."""
    fields = [("001", b"1\x1e"), ("245", b"00\x1faCompost City\x1e")]
    directory, body = b"", b""
    for tag, content in fields:
        directory += f"{tag}{len(content):04}{len(body):05}".encode()
        body += content
    base = 24 + len(directory) + 1
    leader = f"{base + len(body) + 1:05}nam a22{base:05} a 4500".encode()
    path.write_bytes(leader + directory + b"\x1e" + body + b"\x1d")


if __name__ == "__main__":
    sys.exit(main())
