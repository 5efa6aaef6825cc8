"""Make the data folder, lock it, and keep its contents private.

The folder has the database file, the private files and the collected static files. Only the account that runs
the portal may read the database file and the private files.
"""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from django.conf import settings

FIX = (
    "Create the folder and let the user that runs the portal write to it, or set DATA_DIR to another folder."
)
# The permission bits that other accounts must not have. With NOTHING, they can do nothing. With ONLY_ENTER,
# they can only enter a folder. The data folder has ONLY_ENTER, because a proxy may serve static/ in it.
NOTHING, ONLY_ENTER = 0o077, 0o066
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
