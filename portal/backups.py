"""Back up and restore a portal with one archive.

The archive contains a copy of the database, the private files and a manifest. The portal can keep running
during a backup, because the copy of the database is consistent. A restore moves the private files aside and
replaces the database. On PostgreSQL, the restore first makes a copy of the database that it replaces. If a
restore fails, the old database and the old files are put back.
"""

import hashlib
import io
import json
import os
import secrets
import shutil
import sqlite3
import tarfile
import tempfile
import tomllib
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from accounts.models import Library, User
from portal import keys
from portal.data_folder import (
    MARK,
    MOUNT_THE_DISK,
    DataFolderInUse,
    is_another_private_folder,
    lock_data_folder,
    private_folder,
)
from portal.database_copies import BackupError, dump, load
from portal.imports.desk_logs import notes as desk_logs
from portal.notifications.actions import running_worker
from portal.notifications.models import Heartbeat
from portal.privacy import erased_list
from portal.right_database import ANOTHER_KEY, has_another_key, other_tables, remove_mark
from recommendations.covers import stored as covers

FORMAT = 1
KEY_PURPOSE = "backup"
WHAT_STOPS = (
    "everyone is signed out, and slips, code cards, account codes, PINs of shared desk computers and "
    "authenticator apps stop working"
)
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
SCRATCH = ".backup-"  # The beginning of the names of our temporary folders.


def make(target):
    """Write the archive to the path `target`, and return the manifest.

    Raises BackupError if the path exists, or has a name that `remove_old` in old_backups.py would not find.
    Also raises BackupError if the folder of the private files may be the empty mount point of a missing disk.
    """
    target = Path(target)
    if not target.name.endswith(".tar.gz"):
        raise BackupError(
            "The name must end in .tar.gz, so that later backups find the archive and remove it."
        )
    # Path.exists() would raise an error if this account may not open the folder.
    if os.path.exists(target):
        raise BackupError(f"{target} already exists. Choose another name, or delete it first.")
    if is_another_private_folder():
        raise BackupError(MOUNT_THE_DISK)
    unfinished = target.with_name(target.name + ".part")
    try:
        with _scratch_next_to(target) as scratch:
            copy = scratch / "database"
            dump(copy)
            salt = secrets.token_hex(16)
            manifest = {
                "format": FORMAT,
                "version": _version(),
                "database": connection.vendor,
                "migrations": _applied_migrations(),
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "sha256": _digest(copy),
                # With the salt and the fingerprint, a restore checks whether its own SECRET_KEY is the same.
                # Nobody can compute the SECRET_KEY from them.
                "key": {"salt": salt, "fingerprint": keys.fingerprint(KEY_PURPOSE, salt)},
            }
            with open(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as stream:
                with tarfile.open(fileobj=stream, mode="w:gz") as archive:
                    _add_text(archive, "manifest.json", json.dumps(manifest, indent=2))
                    archive.add(copy, "database")
                    if private_folder().exists():
                        archive.add(private_folder(), "private", filter=_belongs_in_backups)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(unfinished, target)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise BackupError(f"The backup could not be written to {target}: {reason}.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return manifest


def _belongs_in_backups(member):
    """Return the tar `member`, or None if backups leave it out.

    Backups leave out cover images, uploaded desk logs, the file `MARK` (see data_folder.py), and the
    temporary folder of a restore that was killed. The worker asks for missing cover images again, so they
    need no room in each night's archive. Desk logs can contain what people wrote, and are deleted after a
    day.
    """
    is_left_out = PurePosixPath(member.name).parts[1:2] in {(covers.FOLDER,), (desk_logs.FOLDER,), (MARK,)}
    return None if is_left_out or member.name.startswith(f"private/{SCRATCH}") else member


def restore(source, *, replace=False, other_key=False):
    """Restore the database and the private files from the archive `source`. Return the archive's manifest.

    Raises BackupError in these cases:
    - The portal runs.
    - The portal has data, and `replace` is False.
    - The archive or the database was made with another SECRET_KEY, and `other_key` is False.
    """
    with _portal_stopped():
        if not replace and _has_data():
            raise BackupError("This portal already has data. Add --replace to overwrite it with the backup.")
        if has_another_key() and not other_key:
            raise BackupError(f"{ANOTHER_KEY}, or add --other-key to replace it. Nothing was changed.")
        with _scratch_next_to(private_folder() / "database") as scratch:
            manifest = _unpack(source, scratch)
            _check(manifest, scratch / "database")
            if has_same_key(manifest) is False and not other_key:
                raise BackupError(
                    f"The backup was made with another SECRET_KEY. With the current one, {WHAT_STOPS}. "
                    "Set the SECRET_KEY that the portal had. If it is lost, add --other-key. "
                    "Nothing was changed."
                )
            with _files_swapped(scratch / "private", old=scratch / "old-private"):
                load(scratch / "database")
        if not has_same_key(manifest):
            remove_mark()
        _forget_heartbeats()
    return manifest


def has_same_key(manifest):
    """Return whether the backup was made with the current SECRET_KEY or a fallback key.

    Return None if that is unknown.
    """
    kept = manifest.get("key")
    if not isinstance(kept, dict):
        return None
    return kept.get("fingerprint") in keys.fingerprints(KEY_PURPOSE, str(kept.get("salt")))


@contextmanager
def _portal_stopped():
    """Prevent the portal from starting on this host during the `with` block.

    Raises BackupError if the portal already runs on this host or on another host.
    """
    try:
        lock = lock_data_folder("restore")
    except DataFolderInUse as error:
        raise BackupError(f"{error} Stop it first. Nothing was changed.") from error
    with lock:
        if tables := other_tables():
            raise BackupError(
                f"The database belongs to another application: it has the table {tables[0]}. "
                "Give the portal a database of its own, and correct DATABASE_URL. Nothing was changed."
            )
        if _has_table(Heartbeat) and (heartbeat := running_worker(at=timezone.now())):
            raise BackupError(
                f"A worker of this portal still runs: {heartbeat.worker} (host and process). "
                "Stop the portal on every host. If it was killed, wait a minute. Nothing was changed."
            )
        if hosts := _hosts_of_other_connections():
            raise BackupError(
                f"The portal is still connected to the database from {', '.join(hosts)}. Stop the portal on "
                "every host. Nothing was changed."
            )
        yield


def _hosts_of_other_connections():
    """Return the hosts from which other processes of the portal are connected to PostgreSQL.

    A web server that runs with --no-worker has no heartbeat, but connects with the same application_name.
    """
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT COALESCE(host(client_addr), 'this machine') FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND application_name <> '' AND application_name = current_setting('application_name') ORDER BY 1"
        )
        return [host for (host,) in cursor.fetchall()]


def _forget_heartbeats():
    """Delete the heartbeats of the workers that ran during the backup."""
    if _has_table(Heartbeat):
        Heartbeat.objects.all().delete()


def _has_table(model):
    return model._meta.db_table in connection.introspection.table_names()


def unapplied_migrations():
    """Return the (app, name) of each migration that this database still needs."""
    loader = MigrationLoader(connection)
    return sorted(set(loader.disk_migrations) - set(loader.applied_migrations))


def newer_migrations():
    """Return the (app, name) of each applied migration that this version doesn't have."""
    loader = MigrationLoader(connection)
    return sorted(set(loader.applied_migrations) - set(loader.disk_migrations))


def _version():
    return tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def _applied_migrations():
    return sorted(".".join(key) for key in MigrationRecorder(connection).applied_migrations())


@contextmanager
def _scratch_next_to(path):
    """Create a temporary folder next to `path`, on the same disk, so that renaming can move its files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as folder:
        yield Path(folder)


def _digest(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _add_text(archive, name, text):
    member = tarfile.TarInfo(name)
    member.size = len(text.encode())
    archive.addfile(member, io.BytesIO(text.encode()))


def _has_data():
    return any(_has_table(model) and model.objects.exists() for model in (Library, User))


def _unpack(source, folder):
    """Extract the archive into `folder`, and return its manifest.

    The archive may come from an untrusted source. So only plain files with the names that `make` uses are
    accepted.
    """
    (folder / "private").mkdir()
    try:
        with tarfile.open(source, mode="r:gz") as archive:
            for member in archive:
                if member.isfile():
                    _extract(archive, member, folder, source)
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        if not isinstance(manifest, dict):
            raise ValueError("its manifest is not a JSON object")
        return manifest
    except FileNotFoundError as error:
        raise BackupError(f"{error.filename} does not exist. Nothing was changed.") from error
    except PermissionError as error:
        raise BackupError(f"This account may not read {error.filename}. Nothing was changed.") from error
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        # An error of the system, such as a full disk, has an errno. The OSError for a file that is not in
        # gzip format has no errno.
        if isinstance(error, OSError) and error.errno:
            raise BackupError(
                f"{source} could not be unpacked in {folder.parent}: {error.strerror}. Nothing was changed."
            ) from error
        raise BackupError(f"{source} is not a complete backup: {error}. Nothing was changed.") from error


def _extract(archive, member, folder, source):
    path = PurePosixPath(member.name)
    is_expected = str(path) in {"manifest.json", "database"} or path.parts[:1] == ("private",)
    if not is_expected or ".." in path.parts:
        raise BackupError(
            f"{source} contains a file that no backup has: {member.name!r}. Nothing was changed."
        )
    if str(path) == "manifest.json" and member.size > MAX_MANIFEST_BYTES:
        raise ValueError("its manifest is too large")
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    with open(folder / path, "wb") as stream, archive.extractfile(member) as content:
        shutil.copyfileobj(content, stream)


def _check(manifest, copy):
    """Raise BackupError if the archive is damaged, or if this version of the portal can't restore it."""
    if manifest.get("format") != FORMAT:
        raise BackupError("This version can't read the format of the backup. Nothing was changed.")
    if missing := {"database", "sha256", "migrations", "version", "made_at"} - manifest.keys():
        names = ", ".join(sorted(missing))
        raise BackupError(
            f"These entries are missing from the backup's manifest: {names}. Nothing was changed."
        )
    if manifest["database"] != connection.vendor:
        raise BackupError(
            f"The backup was made on {manifest['database']}, but this portal runs on {connection.vendor}. "
            "Nothing was changed."
        )
    if not copy.exists() or _digest(copy) != manifest["sha256"]:
        raise BackupError("The database in the backup is damaged. Nothing was changed.")
    known = {".".join(key) for key in MigrationLoader(None, ignore_no_migrations=True).disk_migrations}
    if unknown := sorted(set(manifest["migrations"]) - known):
        raise BackupError(
            f"The backup was made by another version ({manifest['version']}), which has the migration "
            f"{unknown[0]}. Upgrade this portal first. Nothing was changed."
        )


@contextmanager
def _files_swapped(new, *, old):
    """Replace the private files with those in the folder `new`, and move the old files to the folder `old`.

    If the `with` block fails, move all files back. Only the content of the folder is moved, because the
    folder may be a mount, which can't be renamed. The list of erased records is not replaced, because it is
    newer than the list in the backup. The cover images and the file `MARK` stay, because no backup contains
    them.
    """
    old.mkdir()
    moves = []
    names = (erased_list.FOLDER, covers.FOLDER, MARK)
    stays = {name for name in names if (private_folder() / name).exists()}
    try:
        for source, target in ((private_folder(), old), (new, private_folder())):
            for path in sorted(source.iterdir()):
                if not path.name.startswith(SCRATCH) and path.name not in stays:
                    os.rename(path, target / path.name)
                    moves.append((path, target / path.name))
        yield
    except BaseException:
        for before, after in reversed(moves):
            os.rename(after, before)
        raise
