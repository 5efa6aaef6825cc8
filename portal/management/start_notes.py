"""Tell the person who starts the portal what they must still do. Nothing here prevents the start."""

from accounts.models import Library
from accounts.sign_in.authenticator_apps import OTHER_KEY, is_key_missing
from portal.data_folder import MOUNT_THE_DISK, is_another_private_folder


def start_notes():
    """Return one line for each thing that the person who starts the portal must still do."""
    lines = []
    if not Library.objects.exists():
        lines.append("No library is set up yet. Run: manage.py setup_library")
    if is_key_missing():
        lines.append(OTHER_KEY)
    if is_another_private_folder():
        lines.append(MOUNT_THE_DISK)
    return [f"LOOK  {line}" for line in lines]
