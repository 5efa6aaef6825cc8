"""Run the backup commands on separate portals, each with its own folder and database."""

import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import uuid
from unittest import mock
from urllib.parse import urlsplit, urlunsplit

import dj_database_url
import psycopg
import pytest
from django.conf import settings
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests import databases

ON_POSTGRES = "postgresql" in settings.DATABASES["default"]["ENGINE"]
# The mark django_db creates the test database. Each SeparatePortal copies this database.
pytestmark = [
    pytest.mark.sql,
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.skipif(ON_POSTGRES and not shutil.which("pg_dump"), reason="pg_dump is not installed"),
]

FILL = """
from accounts.models import Library, Branch
from django.core.files.base import ContentFile
library = Library.objects.create(pk=1, name="Harbour Library")
library.logo.save("logo.png", ContentFile(b"a picture"))
Branch.objects.create(name="Main", slug="main")
"""
NAME_AND_LOGO = "from accounts.models import Library; library = Library.objects.get(); print(library.name, library.logo.read())"


class SeparatePortal:
    """A portal with its own folder and database. It is empty, or it is a copy of the portal `like`."""

    def __init__(self, folder, *, like=None):
        self.folder = folder
        self.environment = os.environ | {"AFTERWORD_MODE": "test", "DATA_DIR": str(folder)}
        self.environment.pop("DJANGO_SETTINGS_MODULE", None)
        self.private = folder / "private"
        self.database = f"backup_{uuid.uuid4().hex}"
        if ON_POSTGRES:
            of = like.database if like else databases.postgres_template(os.environ["DATABASE_URL"])
            self.server(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(self.database), sql.Identifier(of)
                )
            )
            self.environment["DATABASE_URL"] = urlunsplit(
                urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{self.database}")
            )
        if like:
            shutil.copytree(like.folder, folder, dirs_exist_ok=True)

    def end(self):
        if ON_POSTGRES:
            self.server(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.database)))

    def server(self, statement):
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
            server.execute(statement)

    def manage(self, *arguments, status=0):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return (done.stdout + done.stderr).strip()

    def run(self, code):
        return self.manage("shell", "--no-imports", "-c", code)


@pytest.fixture(scope="module")
def empty(tmp_path_factory, request):
    portal = SeparatePortal(tmp_path_factory.mktemp("empty"))
    if not ON_POSTGRES:
        shutil.copy(request.getfixturevalue("migrated"), portal.folder / "afterword.sqlite3")
    yield portal
    portal.end()


@pytest.fixture(scope="module")
def filled(empty, tmp_path_factory):
    portal = SeparatePortal(tmp_path_factory.mktemp("filled"), like=empty)
    portal.run(FILL)
    yield portal
    portal.end()


@pytest.fixture(scope="module")
def archive_of_all(filled, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "a.tar.gz"
    filled.manage("backup", str(path))
    return path


@pytest.fixture
def new_portal(tmp_path, empty):
    portals = []

    def new_portal(name, like=empty):
        portals.append(SeparatePortal(tmp_path / name, like=like))
        return portals[-1]

    yield new_portal
    for portal in portals:
        portal.end()


@pytest.fixture
def old(new_portal, filled):
    return new_portal("old", like=filled)


@pytest.fixture
def archive(archive_of_all, tmp_path):
    """Return the path of a new backup of the portal in the fixture `old`."""
    return shutil.copy(archive_of_all, tmp_path / "b.tar.gz")


def test_backup_can_be_restored_on_another_machine(old, archive, new_portal):
    new = new_portal("new")
    assert "Restored the state of" in new.manage("restore", str(archive))
    assert new.run(NAME_AND_LOGO) == old.run(NAME_AND_LOGO) == "Harbour Library b'a picture'"


def test_backup_archive_is_readable_only_by_its_owner_and_has_a_manifest(archive_of_all):
    archive = archive_of_all
    assert archive.stat().st_mode & 0o077 == 0
    with tarfile.open(archive) as opened:
        manifest = json.load(opened.extractfile("manifest.json"))
    assert manifest["version"] == "0.1.0"
    assert "accounts.0001_initial" in manifest["migrations"]
    assert manifest["made_at"].endswith("+00:00")
    assert list(archive.parent.iterdir()) == [archive]


@pytest.mark.only_long
@pytest.mark.one_database
def test_restore_replaces_existing_data_only_if_the_replace_option_is_given(old, archive):
    old.run("from accounts.models import Library; Library.objects.update(name='Changed since')")
    (old.private / "later.txt").write_text("x")
    assert "--replace" in old.manage("restore", str(archive), status=1)
    assert old.run(NAME_AND_LOGO).startswith("Changed since")
    old.manage("restore", str(archive), "--replace")
    assert old.run(NAME_AND_LOGO) == "Harbour Library b'a picture'"
    assert not (old.private / "later.txt").exists()


@pytest.mark.only_long
def test_erase_again_erases_a_person_who_was_erased_after_the_backup(old, tmp_path):
    old.run("from accounts.models import User; User.objects.create(email='sam@example.org', name='Sam')")
    old.manage("backup", str(tmp_path / "c.tar.gz"))
    old.run("""
from django.utils import timezone
from accounts.models import User
from portal.privacy import erasure
erasure.erase(User.objects.get(), language="en", at=timezone.now())
""")
    old.manage("restore", str(tmp_path / "c.tar.gz"), "--replace")
    count = "from accounts.models import User; print(User.objects.count())"
    assert old.run(count) == "1"
    again = "Erased again: {} people, 0 conversations, 0 help sessions."
    assert old.manage("erase_again") == again.format(1)
    assert old.run(count) == "0"
    assert old.manage("erase_again") == again.format(0)


@pytest.mark.only_long
def test_restore_writes_private_files_to_a_disk_shared_by_several_hosts(old, archive, tmp_path):
    """The folder may be a link or a mount, so restore replaces its content and not the folder itself."""
    shared = tmp_path / "shared"
    old.private.rename(shared)
    old.private.symlink_to(shared)
    (shared / "later.txt").write_text("x")
    old.manage("restore", str(archive), "--replace")
    assert old.private.readlink() == shared
    assert old.run(NAME_AND_LOGO) == "Harbour Library b'a picture'"
    with tarfile.open(archive) as opened:
        files = {name.split("/")[1] for name in opened.getnames() if name.startswith("private/")}
    assert {path.name for path in shared.iterdir()} == files


@pytest.mark.only_long
def test_backup_does_not_contain_temporary_files_of_a_killed_restore(old, tmp_path):
    (old.private / ".backup-killed").mkdir()
    (old.private / ".backup-killed" / "old-private").write_text("x")
    old.manage("backup", str(tmp_path / "later.tar.gz"))
    with tarfile.open(tmp_path / "later.tar.gz") as opened:
        assert [name for name in opened.getnames() if "killed" in name] == []


@pytest.mark.only_long
def test_backup_contains_no_covers_or_desk_logs_and_restore_deletes_no_covers(old, tmp_path):
    covers = old.private / "covers"
    covers.mkdir()
    (covers / "9780141439600.webp").write_bytes(b"a cover")
    (old.private / "covers-of-a-report.pdf").write_bytes(b"a file")
    (old.private / "desk-logs").mkdir()
    (old.private / "desk-logs" / "covers.log").write_bytes(b"Date,Question")
    old.manage("backup", str(tmp_path / "later.tar.gz"))
    with tarfile.open(tmp_path / "later.tar.gz") as opened:
        assert [name for name in opened.getnames() if "covers" in name] == ["private/covers-of-a-report.pdf"]
    old.manage("restore", str(tmp_path / "later.tar.gz"), "--replace")
    assert (covers / "9780141439600.webp").read_bytes() == b"a cover"


@pytest.mark.only_long
def test_backup_is_refused_if_the_disk_of_the_private_files_is_missing(old, new_portal, tmp_path):
    old.manage("migrate", "--verbosity=0")
    mark = (old.private / "folder-mark").read_text()
    archive = tmp_path / "marked.tar.gz"
    old.manage("backup", str(archive))
    with tarfile.open(archive) as opened:
        assert "private/folder-mark" not in opened.getnames()
    old.manage("restore", str(archive), "--replace")
    assert (old.private / "folder-mark").read_text() == mark
    old.private.rename(old.folder / "disk")
    for is_empty_folder in (False, True):
        if is_empty_folder:
            old.private.mkdir(mode=0o700)
        said = old.manage("backup", str(tmp_path / "later.tar.gz"), status=1)
        assert said == (
            "CommandError: The folder of the private files is another one than before, so a disk may be "
            "missing. Mount the disk. If the folder is the right one, delete the file private-folder-mark in "
            "the data folder, and run: manage.py migrate"
        )
    assert sorted(path.name for path in tmp_path.glob("*.tar.gz*")) == ["marked.tar.gz"]


@pytest.mark.only_long
def test_restore_removes_the_tables_of_a_newer_version(old, archive):
    """Create a table of a newer version, which refers to a table that the archive contains too."""
    old.run("""
from django.db import connection
cursor = connection.cursor()
cursor.execute("CREATE TABLE later (id integer PRIMARY KEY, topic_id bigint REFERENCES recommendations_topic (id))")
cursor.execute("INSERT INTO later VALUES (1, NULL)")
""")
    old.manage("restore", str(archive), "--replace")
    assert old.run(NAME_AND_LOGO) == "Harbour Library b'a picture'"
    assert (
        old.run("from django.db import connection; print('later' in connection.introspection.table_names())")
        == "False"
    )


@pytest.mark.only_long
def test_restore_is_refused_while_the_portal_runs(old, archive):
    with (old.folder / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("123 run\n")
        lock.flush()
        assert old.manage("restore", str(archive), "--replace", status=1) == (
            f"CommandError: The portal already runs with the data folder {old.folder} (process 123). "
            "Stop it first. Nothing was changed."
        )
    assert "Restored the state of" in old.manage("restore", str(archive), "--replace")


HEARTBEAT = """
from django.utils import timezone
from portal.notifications.actions import beat
beat("web2:123", at=timezone.now())
"""


@pytest.mark.only_long
def test_running_worker_prevents_a_restore_but_the_heartbeat_in_a_backup_does_not(old, tmp_path, new_portal):
    old.run(HEARTBEAT)
    old.manage("backup", str(tmp_path / "c.tar.gz"))
    assert old.manage("restore", str(tmp_path / "c.tar.gz"), "--replace", status=1) == (
        "CommandError: A worker of this portal still runs: web2:123 (host and process). Stop the portal on "
        "every host. If it was killed, wait a minute. Nothing was changed."
    )
    new = new_portal("new")
    new.manage("restore", str(tmp_path / "c.tar.gz"))
    assert "Restored the state of" in new.manage("restore", str(tmp_path / "c.tar.gz"), "--replace")


@pytest.mark.only_long
@pytest.mark.skipif(not ON_POSTGRES, reason="SQLite has no server")
def test_restore_is_refused_even_if_only_a_web_server_is_connected_to_the_database(old, archive):
    with psycopg.connect(old.environment["DATABASE_URL"], application_name="afterword"):
        assert old.manage("restore", str(archive), "--replace", status=1) == (
            "CommandError: The portal is still connected to the database from 127.0.0.1. Stop the portal on "
            "every host. Nothing was changed."
        )
    with psycopg.connect(old.environment["DATABASE_URL"], application_name="psql"):
        pass
    assert "Restored the state of" in old.manage("restore", str(archive), "--replace")


@pytest.mark.only_long
@pytest.mark.one_database
def test_restore_with_another_secret_key_is_refused_unless_an_option_allows_it(old, tmp_path):
    old.environment["SECRET_KEY"] = "the first key"
    old.manage("backup", str(tmp_path / "c.tar.gz"))
    old.environment["SECRET_KEY"] = "the second key"
    said = old.manage("restore", str(tmp_path / "c.tar.gz"), "--replace", status=1)
    assert said.startswith(
        "CommandError: The backup was made with another SECRET_KEY. With the current one, everyone is signed "
    )
    assert said.endswith("If it is lost, add --other-key. Nothing was changed.")
    said = old.manage("restore", str(tmp_path / "c.tar.gz"), "--replace", "--other-key")
    assert "The backup was made with another SECRET_KEY, so everyone is signed out" in said
    old.environment["SECRET_KEY_FALLBACKS"] = "the first key"
    assert "SECRET_KEY" not in old.manage("restore", str(tmp_path / "c.tar.gz"), "--replace")


@pytest.mark.only_long
@pytest.mark.one_database
def test_restore_warns_if_the_secret_key_of_the_backup_is_unknown(old, archive):
    with tarfile.open(archive) as opened:
        manifest = json.load(opened.extractfile("manifest.json"))
    del manifest["key"]
    older = changed(archive, name="manifest.json", content=json.dumps(manifest).encode())
    said = old.manage("restore", str(older), "--replace")
    assert "doesn't say with which SECRET_KEY it was made. If it was not the current one, everyone" in said


@pytest.mark.only_long
def test_restore_refuses_a_database_of_another_application(tmp_path, archive, request):
    other = SeparatePortal(tmp_path / "other")
    request.addfinalizer(other.end)
    other.run("""
from django.db import connection
from portal.database_copies import drop_tables
drop_tables() if connection.vendor == "postgresql" else None
connection.cursor().execute("CREATE TABLE payroll (id integer)")
""")
    belongs = "The database belongs to another application: it has the table payroll."
    said = other.manage("restore", str(archive), "--replace", status=1)
    assert said.endswith(
        f"{belongs} Give the portal a database of its own, and correct DATABASE_URL. Nothing was changed."
    )
    assert belongs in other.manage("migrate", status=1)
    tables = other.run("from django.db import connection; print(connection.introspection.table_names())")
    assert tables == "['payroll']"


@pytest.mark.only_long
def test_backup_never_overwrites_an_existing_file(old, archive):
    before = archive.read_bytes()
    assert "already exists" in old.manage("backup", str(archive), status=1)
    assert archive.read_bytes() == before


@pytest.mark.only_long
@pytest.mark.one_database
def test_restore_refuses_an_archive_with_a_huge_manifest(old, archive):
    bomb = changed(archive, name="manifest.json", content=b" " * (17 * 1024 * 1024))
    said = old.manage("restore", str(bomb), "--replace", status=1)
    assert "is not a complete backup: its manifest is too large. Nothing was changed." in said
    assert "Traceback" not in said


def changed(archive, *, name, content):
    """Copy the archive, replace the file `name` in the copy, and return the path of the copy."""
    target = archive.with_name("changed.tar.gz")
    with tarfile.open(archive) as source, tarfile.open(target, "w:gz") as copy:
        for member in source:
            if member.name != name:
                copy.addfile(member, source.extractfile(member) if member.isfile() else None)
        member = tarfile.TarInfo(name)
        member.size = len(content)
        copy.addfile(member, io.BytesIO(content))
    return target


@pytest.mark.only_long
def test_invalid_backup_is_refused_and_changes_nothing(old, archive):
    with tarfile.open(archive) as opened:
        manifest = json.load(opened.extractfile("manifest.json"))
    half = archive.with_name("half.tar.gz")
    half.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    from_the_future = json.dumps(
        manifest | {"migrations": [*manifest["migrations"], "accounts.0999_later"]}
    ).encode()
    assert "not a complete backup" in old.manage("restore", str(half), "--replace", status=1)
    assert "does not exist" in old.manage(
        "restore", str(archive.with_name("absent.tar.gz")), "--replace", status=1
    )
    for name, content, said in [
        ("database", b"SQLite format 3\0 rubbish", "damaged"),
        ("../escaped", b"x", "no backup has"),
        (".", b"x", "no backup has"),
        ("database/x", b"x", "no backup has"),
        ("manifest.json", b"[]", "not a complete backup"),
        ("manifest.json", b'{"format": 1}', "missing from the backup"),
        ("manifest.json", from_the_future, "Upgrade this portal first"),
    ]:
        assert said in old.manage(
            "restore", str(changed(archive, name=name, content=content)), "--replace", status=1
        )
    assert old.run(NAME_AND_LOGO) == "Harbour Library b'a picture'"


@pytest.mark.skipif(not ON_POSTGRES, reason="SQLite is copied only after the archive was checked")
def test_failed_restore_leaves_the_database_and_the_files_unchanged(old, archive):
    rubbish = b"PGDMP rubbish"
    with tarfile.open(archive) as opened:
        manifest = json.load(opened.extractfile("manifest.json"))
    manifest["sha256"] = hashlib.sha256(rubbish).hexdigest()
    half = changed(archive, name="database", content=rubbish).rename(archive.with_name("half.tar.gz"))
    whole = changed(half, name="manifest.json", content=json.dumps(manifest).encode())
    assert "pg_restore failed" in old.manage("restore", str(whole), "--replace", status=1)
    assert old.run(NAME_AND_LOGO) == "Harbour Library b'a picture'"


@pytest.mark.only_long
def test_backup_made_during_writes_is_consistent(old, new_portal, tmp_path):
    """Add pairs of branches, one transaction per pair. Check that the backup contains only whole pairs."""
    writer = """
import itertools, sys
from django.db import transaction
from accounts.models import Branch
for n in itertools.count():
    with transaction.atomic():
        Branch.objects.create(name=f"left {n}", slug=f"left-{n}")
        Branch.objects.create(name=f"right {n}", slug=f"right-{n}")
    if n == 0:
        print("writing", flush=True)
"""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", writer]
    with subprocess.Popen(
        command, cwd=settings.BASE_DIR, env=old.environment, stdout=subprocess.PIPE, text=True
    ) as writing:
        try:
            assert writing.stdout.readline() == "writing\n"
            old.manage("backup", str(tmp_path / "busy.tar.gz"))
            assert writing.poll() is None
        finally:
            writing.kill()
    new = new_portal("new")
    new.manage("restore", str(tmp_path / "busy.tar.gz"))
    lefts, rights = new.run(
        "from accounts.models import Branch; print(*(Branch.objects.filter(name__startswith=side).count() for side in ('left', 'right')))"
    ).split()
    assert lefts == rights
    assert int(lefts) > 0


def test_error_about_a_missing_pg_dump_says_how_to_install_the_program(monkeypatch, tmp_path):
    from portal import database_copies

    monkeypatch.setattr(database_copies.shutil, "which", lambda program: None)
    with pytest.raises(database_copies.BackupError, match="apt-get install postgresql-client"):
        database_copies._run_postgres("pg_dump")


@pytest.mark.only_long
def test_backup_on_a_full_disk_fails_with_one_sentence_and_leaves_no_files(old, tmp_path):
    folder = tmp_path / "backups"
    # Let no file grow larger than 16 KB. A nearly full disk has the same effect.
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({16 * 1024}, {16 * 1024}))"
    program = f"{limit}; from django.core.management import call_command; call_command('backup', '{folder}/a.tar.gz')"
    last_line = old.manage("shell", "--no-imports", "-c", program, status=1).splitlines()[-1]
    too_large = "pg_dump was stopped, because a file became larger than this account may write."
    assert (
        too_large if ON_POSTGRES else f"The backup could not be written to {folder}/a.tar.gz: "
    ) in last_line
    assert list(folder.iterdir()) == []


@pytest.mark.only_long
@pytest.mark.skipif(not ON_POSTGRES, reason="SQLite has no server")
def test_backup_and_restore_fail_with_one_sentence_if_the_database_is_unreachable(old, archive, tmp_path):
    old.environment["DATABASE_URL"] = "postgres://postgres@127.0.0.1:1/test"
    said = old.manage("backup", str(tmp_path / "c.tar.gz"), status=1)
    assert said.startswith("CommandError: pg_dump failed: pg_dump: error: connection to server")
    said = old.manage("restore", str(archive), status=1)
    assert said.startswith("CommandError: The database can't be reached: connection")
    assert "Traceback" not in said


def test_pg_dump_gets_the_options_of_the_database_url(monkeypatch):
    """Check that sslmode, certificates and search paths are used, and that no password is on the command line."""
    from portal import database_copies

    url = "postgres://sam:zqxpassword@db.example:6543/help?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20jit%3Don"
    other = DatabaseWrapper(dj_database_url.parse(url) | {"TIME_ZONE": None})
    ran = []

    def run(command, *, env, **options):
        ran.append((command, env["PGPASSWORD"]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(database_copies, "connection", other)
    monkeypatch.setattr(database_copies.subprocess, "run", run)
    monkeypatch.setattr(database_copies.shutil, "which", lambda program: program)
    database_copies._run_postgres("pg_dump", "--format=custom")
    [([program, database, option], password)] = ran
    assert (program, option, password) == ("pg_dump", "--format=custom", "zqxpassword")
    assert conninfo_to_dict(database.removeprefix("--dbname=")) == {
        "host": "db.example",
        "port": "6543",
        "user": "sam",
        "dbname": "help",
        "sslmode": "verify-full",
        "sslrootcert": "/ca.pem",
        "options": "-c jit=on",
        "client_encoding": "UTF8",
    }


def test_backup_and_restore_fail_with_one_sentence_in_a_folder_without_permission(monkeypatch, tmp_path):
    from portal import backups

    refused = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/root/a.tar.gz")
    monkeypatch.setattr(backups, "_scratch_next_to", mock.Mock(side_effect=refused))
    monkeypatch.setattr(backups.tarfile, "open", mock.Mock(side_effect=refused))
    with pytest.raises(backups.BackupError, match=r"could not be written to /root/a\.tar\.gz: Permission"):
        backups.make("/root/a.tar.gz")
    with pytest.raises(backups.BackupError, match=r"may not read /root/a\.tar\.gz\. Nothing was changed"):
        backups._unpack("/root/a.tar.gz", tmp_path)


def test_backup_refuses_a_file_name_that_does_not_end_in_tar_gz(tmp_path):
    from portal import backups

    with pytest.raises(backups.BackupError, match=r"must end in \.tar\.gz"):
        backups.make(tmp_path / "afterword.tgz")
    assert list(tmp_path.iterdir()) == []


def test_restore_on_a_full_disk_says_that_the_disk_is_full(monkeypatch, tmp_path):
    from portal import backups

    source = tmp_path / "whole.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("database"), io.BytesIO())
    monkeypatch.setattr(
        backups.shutil, "copyfileobj", mock.Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    )
    with pytest.raises(backups.BackupError) as refused:
        backups._unpack(source, tmp_path)
    assert str(refused.value) == (
        f"{source} could not be unpacked in {tmp_path.parent}: No space left on device. Nothing was changed."
    )
