"""Delete old archives of the portal."""

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings


def remove_old(new, *, at):
    """Delete the archives next to `new` that are older than settings.BACKUPS_KEPT, and return their paths.

    Only archives from `backups.make` are deleted. The archive `new` is never deleted, even if the clock was
    wrong during its backup.
    """
    archives = sorted(Path(new).absolute().parent.glob("*.tar.gz"))
    old = [
        path for path in archives if not path.samefile(new) and _is_older(path, at - settings.BACKUPS_KEPT)
    ]
    for path in old:
        path.unlink()
    return old


def _is_older(path, moment):
    made_at = _made_at(path)
    return made_at is not None and made_at < moment


def _made_at(path):
    """Return when this archive was made, or None if the file is not an archive from `backups.make`."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
            if first is None or first.name != "manifest.json" or first.size >= 1_000_000:
                return None
            manifest = json.load(archive.extractfile(first))  # type: ignore[arg-type]  # None only for a folder
        if not {"format", "sha256", "made_at"} <= set(manifest):
            return None
        return datetime.fromisoformat(manifest["made_at"]).astimezone(UTC)
    except (tarfile.TarError, OSError, EOFError, ValueError, TypeError, AttributeError):
        return None
