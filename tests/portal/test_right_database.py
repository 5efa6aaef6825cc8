"""Check that the portal recognizes a database of another application or of another portal."""

import contextlib
import shutil
import sqlite3

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from accounts.models import Library
from portal.management.preparations import check_database
from portal.right_database import has_another_key, mark_database
from tests.portal.test_settings import SAFE, manage

ANOTHER_KEY = (
    "The database belongs to a portal with another SECRET_KEY. Correct DATABASE_URL or SECRET_KEY. If the key "
    "was changed on purpose, run: manage.py accept_key"
)
OTHER_KEY = "another secret that is long enough, and of many letters: 9876543210"


@pytest.fixture
def marked(library, settings):
    """Mark the database with the current key, as the worker of a portal in production mode does."""
    settings.LOCAL = False
    mark_database(at=timezone.now())
    return library


def mark():
    return Library.objects.get().key_mark


def test_portal_refuses_a_database_marked_with_another_key(marked, settings):
    check_database()
    settings.SECRET_KEY = OTHER_KEY
    with pytest.raises(CommandError) as refused:
        check_database()
    assert str(refused.value) == ANOTHER_KEY


def test_worker_does_not_replace_a_database_mark_made_with_another_key(marked, settings):
    before = mark()
    settings.SECRET_KEY = OTHER_KEY
    mark_database(at=timezone.now())
    assert mark() == before


def test_portal_starts_with_a_new_key_if_the_earlier_key_is_a_fallback(marked, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = OTHER_KEY
    assert not has_another_key()
    mark_database(at=timezone.now())
    # The worker has marked the database with the new key, so the fallback can be removed.
    settings.SECRET_KEY_FALLBACKS = []
    assert not has_another_key()


def test_marking_the_database_again_with_the_same_key_changes_nothing(marked):
    before = mark()
    mark_database(at=timezone.now())
    assert mark() == before != ""


def test_accept_key_command_makes_the_portal_accept_a_changed_key(marked, settings, capsys):
    settings.SECRET_KEY = OTHER_KEY
    call_command("accept_key")
    assert "belongs to the portal with the current SECRET_KEY" in capsys.readouterr().out
    check_database()


def test_portal_accepts_a_database_in_which_no_library_is_set_up_yet(db, settings):
    settings.LOCAL = False
    mark_database(at=timezone.now())
    assert not has_another_key()


def test_only_portals_in_production_mode_mark_their_database(library):
    mark_database(at=timezone.now())
    assert mark() == ""


MARK = """
import django
django.setup()
from django.utils import timezone
from accounts.library import set_up
from portal.right_database import mark_database
at = timezone.now()
set_up(
    at=at, name="Example", time_zone="UTC", language="en", branch="Main",
    coordinator_email="ines@example.org", coordinator_name="Ines",
)
mark_database(at=at)
"""


def content(database):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


@pytest.mark.only_long
@pytest.mark.parametrize("owner", ["portal", "application"])
def test_commands_do_not_change_a_database_that_is_not_the_portals_own(collected, tmp_path, owner):
    folder = shutil.copytree(collected, tmp_path / "data")
    database = folder / "afterword.sqlite3"
    if owner == "portal":
        marked = manage("shell", "--no-imports", "-c", MARK, DATA_DIR=str(folder), **SAFE)
        assert (marked.returncode, marked.stderr) == (0, "")
        sentence = ANOTHER_KEY
    else:
        database.unlink()
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("CREATE TABLE payroll (id integer)")
        database.chmod(0o600)
        sentence = (
            "The database belongs to another application: it has the table payroll. "
            "Give the portal a database of its own, and correct DATABASE_URL."
        )
    before = content(database)
    for command in (["run", "--port=0"], ["worker"], ["migrate"]):
        done = manage(*command, DATA_DIR=str(folder), **SAFE | {"SECRET_KEY": OTHER_KEY})
        assert done.returncode == 1
        assert done.stderr.count(sentence) == 1
        assert "Traceback" not in done.stderr
        if command != ["migrate"]:
            assert done.stderr.strip().removeprefix("CommandError: ") == sentence
    if owner == "portal":
        command = ["restore", str(tmp_path / "backup.tar.gz"), "--replace"]
        done = manage(*command, DATA_DIR=str(folder), **SAFE | {"SECRET_KEY": OTHER_KEY})
        assert (done.returncode, done.stderr) == (
            1,
            "CommandError: The database belongs to a portal with another SECRET_KEY. Correct DATABASE_URL or "
            "SECRET_KEY, or add --other-key to replace it. Nothing was changed.\n",
        )
    assert content(database) == before
