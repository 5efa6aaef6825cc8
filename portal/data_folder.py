"""Make the folder for the database file, the private files and the collected static files."""

import os
from contextlib import suppress

FIX = (
    "Create the folder and let the user that runs the portal write to it, or set DATA_DIR to another folder."
)


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
