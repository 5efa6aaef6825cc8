"""Check that a failed restore on PostgreSQL never loses the old database."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from portal import database_copies
from portal.database_copies import BackupError, load


@pytest.fixture
def postgres(monkeypatch, settings, tmp_path):
    """Replace the functions that use PostgreSQL.

    Return an empty list. A test adds names of files to this list, and pg_restore then refuses these files.
    """
    refused = []

    def restore(copy):
        if copy.name in refused:
            raise BackupError(f"pg_restore failed: no space for {copy.name}")

    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()
    no_connection = SimpleNamespace(vendor="postgresql", close=lambda: None)
    monkeypatch.setattr(database_copies, "connection", no_connection)
    monkeypatch.setattr(database_copies, "dump", lambda copy: copy.write_bytes(b"the old database"))
    monkeypatch.setattr(database_copies, "drop_tables", lambda: None)
    monkeypatch.setattr(database_copies, "_pg_restore", restore)
    return refused


def test_failed_restore_brings_back_the_old_database_and_deletes_the_copy(postgres, settings, tmp_path):
    postgres.append("database")
    with pytest.raises(BackupError, match="^pg_restore failed: no space for database$"):
        load(tmp_path / "database")
    assert list(settings.DATA_DIR.iterdir()) == []


def test_copy_of_the_old_database_remains_if_a_failed_restore_cannot_be_undone(postgres, settings, tmp_path):
    postgres += ["database", "before"]
    with pytest.raises(BackupError) as raised:
        load(tmp_path / "database")
    [kept] = settings.DATA_DIR.iterdir()
    assert kept.read_bytes() == b"the old database"
    said = str(raised.value)
    assert said.startswith(
        "pg_restore failed: no space for database. Then the old database could not be put back"
    )
    assert Path(said.rpartition(" ")[2]) == kept
