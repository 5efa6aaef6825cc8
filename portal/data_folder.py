"""Make the folder for the database file, the private files and the collected static files."""

import os
from contextlib import suppress

FIX = "Make the folder for the user that runs the portal, or set DATA_DIR to another folder."


def make_data_folder(folder):
    """Make the data folder if it doesn't exist. Only its owner may read it.

    Return "", or the problem with its path if the folder can't be made or written.
    """
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return ""
    return f"The data folder {folder} can't be made, or this user can't write to it."
