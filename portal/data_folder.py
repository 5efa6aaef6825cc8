"""Make the data folder, lock it, and keep what it contains private.

The folder has the database file, the private files and the collected static files. Only the account that runs
the portal may read the first two, because other accounts of the machine have no business with them.
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
# What the group and everybody else may not have. The data folder may be entered: a proxy may serve static/.
NOTHING, ONLY_ENTER = 0o077, 0o066
# What a process does while it has locked the data folder.
PURPOSES = {"run": "The portal already runs with", "restore": "A backup is being restored into"}


def make_data_folder(folder):
    """Make the data folder, if it is missing, so that only its owner can read it.

    Return "", or a message if the folder can't be made or written.
    """
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Path.is_dir() would raise an error if a parent folder is closed to this user.
    if os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return ""
    return f"The data folder {folder} can't be made, or this user can't write to it."


class DataFolderInUse(Exception):
    """Another process has locked the data folder. The text says what it does."""


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
    """Close the private paths that this account owns. This is a receiver of Django's post_migrate signal."""
    for path, mode in open_paths().items():
        with suppress(PermissionError):
            path.chmod(mode)
            if verbosity:
                print(f"Closed to other accounts: {path}", file=stdout)


def _private_paths():
    """Return {path: the permissions that nobody else may have}.

    What lies in a closed folder is closed too, so the files in these folders are left out.
    """
    paths = {settings.DATA_DIR: ONLY_ENTER}
    paths |= dict.fromkeys((settings.DATA_DIR / "private", settings.MAIL_FOLDER), NOTHING)
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        paths |= {Path(f"{database['NAME']}{suffix}"): NOTHING for suffix in ("", "-wal", "-shm")}
    return paths
