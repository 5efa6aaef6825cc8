"""Make the data folder, lock it, and keep its contents private.

The folder has the database file, the private files and the collected static files. Only the account that runs
the portal may read the database file and the private files.
"""

import fcntl
import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import storages

FIX = (
    "Create the folder and let the user that runs the portal write to it, or set DATA_DIR to another folder."
)
# The permission bits that other accounts must not have. If the bits NOTHING are off, other accounts can do
# nothing with the path. If the bits ONLY_ENTER are off, they can enter the folder, but not read or change it.
# ONLY_ENTER is for the data folder, because a proxy may serve static/ in it.
NOTHING, ONLY_ENTER = 0o077, 0o066
# The name of the mark, which is a file with a random id in the folder of the private files. With the mark,
# the portal notices if another folder is in its place.
MARK = "folder-mark"
ANOTHER_FOLDER = "the folder of the private files is another one than before, so a disk may be missing"
MOUNT_THE_DISK = (
    "The folder of the private files is another one than before, so a disk may be missing. Mount the disk. "
    "If the folder is the right one, delete the file private-folder-mark in the data folder, and run: "
    "manage.py migrate"
)
# {purpose of a lock: beginning of the error that another process gets}
PURPOSES = {"run": "The portal already runs with", "restore": "A backup is being restored into"}


def make_data_folder(folder):
    """Make the data folder, if it is missing, so that only its owner can read it.

    Return "", or a message if the folder can't be made or written.
    """
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Path.is_dir() would raise an error if this user may not open a parent folder.
    if os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return ""
    return f"The data folder {folder} can't be made, or this user can't write to it."


def make_private_folder(**kwargs):
    """Make the folder of the private files, and its mark (see `MARK`). This is a receiver of post_migrate.

    The data folder has a copy of the mark. If the mark is missing but the copy exists, no new mark is made.
    The folder may then be the empty mount point of a missing disk.
    """
    mark, copy = private_folder() / MARK, _copy_of_mark()
    with suppress(OSError):
        private_folder().mkdir(mode=0o700, exist_ok=True)
        if not copy.exists():
            if not mark.exists():
                mark.write_text(f"{uuid.uuid4()}\n")
            copy.write_text(mark.read_text())


def is_another_private_folder():
    """Return whether the mark in the folder of the private files is missing or differs from its copy.

    If there is no copy of the mark, return False.
    """
    mark, copy = private_folder() / MARK, _copy_of_mark()
    return copy.exists() and not (mark.exists() and mark.read_text() == copy.read_text())


def private_folder():
    storage: Any = storages["private"]  # mypy doesn't know the attributes of a storage in the file system
    return Path(storage.location)


def _copy_of_mark():
    return private_folder().with_name("private-folder-mark")


class DataFolderInUse(Exception):
    """Another process has locked the data folder. The text of the exception says what that process does."""


def lock_data_folder(purpose):
    """Return an open file that locks the data folder until the file is closed. Raises DataFolderInUse.

    `purpose` is a key of PURPOSES.
    """
    folder = settings.DATA_DIR
    file = (folder / "run.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        with file:
            file.seek(0)
            process, _space, purpose = file.read().strip().partition(" ")
        raise DataFolderInUse(
            f"{PURPOSES.get(purpose, PURPOSES['run'])} the data folder {folder} (process {process})."
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()} {purpose}\n")
    file.flush()
    return file


def open_paths():
    """Return {path: the mode it should have} for each private path that other accounts can read or change."""
    modes = {}
    for path, forbidden in _private_paths().items():
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & forbidden:
                modes[path] = mode & ~forbidden
    return modes


def close_open_paths(*, verbosity=1, stdout=None, **kwargs):
    """Remove other accounts' permissions for private paths of this account.

    This is a receiver of post_migrate.
    """
    for path, mode in open_paths().items():
        with suppress(PermissionError):
            path.chmod(mode)
            if verbosity:
                print(f"Closed to other accounts: {path}", file=stdout)


def _private_paths():
    """Return {path: the permission bits that other accounts must not have}.

    Files inside a private folder are left out, because other accounts can't reach them.
    """
    paths = {settings.DATA_DIR: ONLY_ENTER}
    paths |= dict.fromkeys((settings.DATA_DIR / "private", settings.MAIL_FOLDER), NOTHING)
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        paths |= {Path(f"{database['NAME']}{suffix}"): NOTHING for suffix in ("", "-wal", "-shm")}
    return paths
