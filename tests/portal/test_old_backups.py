"""Check that backups are deleted as the privacy page says."""

import io
import json
import tarfile
from datetime import UTC, datetime, timedelta

from django.conf import settings

from portal.old_backups import remove_old

AT = datetime(2026, 11, 20, tzinfo=UTC)


def archive(path, *, days_ago, **manifest):
    text = json.dumps(
        {"format": 1, "sha256": "0", "made_at": (AT - timedelta(days=days_ago)).isoformat(), **manifest}
    ).encode()
    with tarfile.open(path, "w:gz") as stream:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(text)
        stream.addfile(member, io.BytesIO(text))
    return path


def test_only_old_backups_are_deleted(tmp_path):
    days = settings.BACKUPS_KEPT.days
    old = archive(tmp_path / "old.tar.gz", days_ago=days + 1)
    archive(tmp_path / "young.tar.gz", days_ago=days - 1)
    archive(tmp_path / "elsewhere.tar.gz", days_ago=900, made_at="soon")
    archive(tmp_path / "no-moment.tar.gz", days_ago=900, made_at=7)
    archive(tmp_path / "naked.tgz", days_ago=900)
    (tmp_path / "photos.tar.gz").write_bytes(b"no archive at all")
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
        pass
    before = set(tmp_path.iterdir())
    assert remove_old(tmp_path / "young.tar.gz", at=AT) == [old]
    assert set(tmp_path.iterdir()) == before - {old}


def test_backup_just_made_is_not_deleted_even_if_its_date_is_old(tmp_path):
    new = archive(tmp_path / "new.tar.gz", days_ago=900)
    assert remove_old(new, at=AT) == []
    assert new.exists()
