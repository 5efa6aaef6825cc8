"""One archive with everything a library would miss: a consistent copy of the database, the private files, and a manifest.

The copy may be made while people write. Restoring is all or nothing as far as two stores allow: the files are put aside,
the database is replaced in one transaction, and if that fails the files come back.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import tomllib
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import Library, User

FORMAT = 1


class BackupError(Exception):
    """What went wrong and what to do about it, in one sentence."""


def make(target):
    """Write the archive to `target`, which must not exist yet, and return its manifest."""
    target = Path(target)
    if target.exists():
        raise BackupError(f"{target} exists already. Give another name, or delete it first.")
    unfinished = target.with_name(target.name + ".part")
    try:
        with _scratch_beside(target) as scratch:
            copy = scratch / "database"
            _dump(copy)
            manifest = {
                "format": FORMAT,
                "version": _version(),
                "database": connection.vendor,
                "migrations": sorted(
                    ".".join(name) for name in MigrationRecorder(connection).applied_migrations()
                ),
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "sha256": _digest(copy),
            }
            with open(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as stream:
                with tarfile.open(fileobj=stream, mode="w:gz") as archive:
                    _add_text(archive, "manifest.json", json.dumps(manifest, indent=2))
                    archive.add(copy, "database")
                    if _private().exists():
                        archive.add(_private(), "private")
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(unfinished, target)
    except OSError as error:
        raise BackupError(
            f"The backup could not be written to {target}: {error.strerror or error}."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def remove_old(beside, *, at):
    """Remove the archives beside this new one that are older than the privacy page says; only what is one of ours by its manifest.
    The new one stays, whatever a clock says. Returns their paths."""
    others = [
        path for path in sorted(Path(beside).absolute().parent.glob("*.tar.gz")) if not path.samefile(beside)
    ]
    old = [path for path in others if (made_at := _made_at(path)) and made_at < at - settings.BACKUPS_KEPT]
    for path in old:
        path.unlink()
    return old


def _made_at(path):
    """When an archive of ours was made; None for anything else."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
            stream = (
                archive.extractfile(first)
                if first and first.name == "manifest.json" and first.size < 1_000_000
                else None
            )
            manifest = json.load(stream) if stream else {}
        return (
            datetime.fromisoformat(manifest["made_at"]).astimezone(UTC)
            if {"format", "sha256", "made_at"} <= set(manifest)
            else None
        )
    except (tarfile.TarError, OSError, EOFError, ValueError, TypeError):
        return None


def restore(source, *, replace=False):
    """Put back what `make` wrote, and return its manifest. Refuses a portal that holds something, unless `replace`."""
    if not replace and _holds_something():
        raise BackupError("This portal holds data already. Add --replace to overwrite it with the backup.")
    with _scratch_beside(_private()) as scratch:
        manifest = _unpack(source, scratch)
        _check(manifest, scratch / "database")
        put_aside = scratch / "put-aside"
        with _files_swapped(scratch / "private", put_aside):
            _load(scratch / "database")
    return manifest


def unapplied_migrations():
    loader = MigrationLoader(connection)
    return sorted(set(loader.disk_migrations) - set(loader.applied_migrations))


def _private():
    return Path(storages["private"].location)  # type: ignore[attr-defined]  # files on this machine's disk


def _version():
    return tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]["version"]


@contextmanager
def _scratch_beside(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as folder:
        yield Path(folder)


def _digest(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _add_text(archive, name, text):
    member = tarfile.TarInfo(name)
    member.size = len(text.encode())
    archive.addfile(member, io.BytesIO(text.encode()))


def _holds_something():
    tables = connection.introspection.table_names()
    return any(model._meta.db_table in tables and model.objects.exists() for model in (Library, User))


def _unpack(source, folder):
    """Only the three things that `make` writes, and only plain files: an archive may come from anywhere."""
    (folder / "private").mkdir()
    try:
        with tarfile.open(source, mode="r:gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if not member.isfile():
                    continue
                if ".." in path.parts or not (
                    str(path) in {"manifest.json", "database"} or path.parts[:1] == ("private",)
                ):
                    raise BackupError(
                        f"{source} holds a file that no backup has: {member.name!r}. Nothing was changed."
                    )
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                with open(folder / path, "wb") as stream, archive.extractfile(member) as content:  # type: ignore[union-attr]  # it is a file
                    shutil.copyfileobj(content, stream)
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        if not isinstance(manifest, dict):
            raise ValueError("its manifest is not one of ours")
        return manifest
    except FileNotFoundError as error:
        raise BackupError(f"{error.filename} does not exist. Nothing was changed.") from error
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        raise BackupError(f"{source} is not a complete backup: {error}. Nothing was changed.") from error


def _check(manifest, copy):
    if manifest.get("format") != FORMAT:
        raise BackupError(
            "The backup was written in a format that this version does not know. Nothing was changed."
        )
    if missing := {"database", "sha256", "migrations", "version", "made_at"} - manifest.keys():
        raise BackupError(
            f"The manifest of the backup says nothing of: {', '.join(sorted(missing))}. Nothing was changed."
        )
    if manifest["database"] != connection.vendor:
        raise BackupError(
            f"The backup is of {manifest['database']}, this portal runs on {connection.vendor}. Nothing was changed."
        )
    if not copy.exists() or _digest(copy) != manifest["sha256"]:
        raise BackupError("The database in the backup is damaged. Nothing was changed.")
    known = {".".join(name) for name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations}
    if newer := sorted(set(manifest["migrations"]) - known):
        raise BackupError(
            f"The backup comes from another version ({manifest['version']}), which has {newer[0]}. Upgrade first. Nothing was changed."
        )


@contextmanager
def _files_swapped(new, put_aside):
    """The private files are `new` from now on; after an error they are what they were."""
    private = _private()
    if private.exists():
        os.rename(private, put_aside)
    try:
        os.rename(new, private)
        yield
    except BaseException:
        shutil.rmtree(private, ignore_errors=True)
        if put_aside.exists():
            os.rename(put_aside, private)
        raise


def _dump(copy):
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(_sqlite_file())) as live, closing(sqlite3.connect(copy)) as target:
            live.backup(target)  # in one step, so that it is one moment's state whoever writes meanwhile
    else:
        _run_postgres("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={copy}")


def _load(copy):
    connection.close()
    if connection.vendor == "sqlite":
        with (
            closing(sqlite3.connect(copy)) as source,
            closing(sqlite3.connect(_sqlite_file(), timeout=20)) as live,
        ):
            if not _is_sound(source):
                raise BackupError("The database in the backup is damaged. Nothing was changed.")
            source.backup(live)
    else:
        _run_postgres(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--no-owner",
            "--no-privileges",
            "--single-transaction",
            "--exit-on-error",
            str(copy),
        )


def _is_sound(database):
    try:
        return database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError:  # not even one
        return False


def _sqlite_file():
    return str(connection.settings_dict["NAME"])


def _run_postgres(program, *options):
    if not shutil.which(program):
        raise BackupError(
            f"{program} was not found. Install PostgreSQL's client programs (Debian and Ubuntu: apt-get install postgresql-client)."
        )
    where = connection.settings_dict
    variables = {
        "PGHOST": where["HOST"],
        "PGPORT": where["PORT"],
        "PGUSER": where["USER"],
        "PGPASSWORD": where["PASSWORD"],
    }
    environment = os.environ | {name: str(value) for name, value in variables.items() if value}
    destination = [f"--dbname={where['NAME']}"]
    done = subprocess.run([program, *destination, *options], env=environment, capture_output=True, text=True)  # noqa: S603 (our own words)
    if done.returncode:
        raise BackupError(f"{program} failed: {done.stderr.strip() or done.returncode}")
