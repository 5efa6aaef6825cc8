"""Check that other accounts of the machine can't read the files that the portal stores."""

import os
import stat
import subprocess
import sys

import pytest
from django.conf import settings as configured

from portal.checks import private_paths_are_closed
from portal.data_folder import close_open_paths
from tests.portal.test_settings import SAFE, manage


def modes(folder):
    """Return {relative path: permissions} of everything in the folder, and of the folder itself."""
    paths = [folder, *folder.rglob("*")]
    return {str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode)) for path in paths}


@pytest.fixture
def opened(tmp_path, settings):
    """Return a data folder that an earlier version made. Every account can read this folder."""
    folder = tmp_path / "data"
    for path in (folder, folder / "private", folder / "mail"):
        path.mkdir()
        path.chmod(0o755)
    database = folder / "afterword.sqlite3"
    for path in (database, folder / "private" / "letter.pdf"):
        path.touch()
        path.chmod(0o644)
    settings.DATA_DIR, settings.MAIL_FOLDER = folder, folder / "mail"
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(database)}}
    return folder


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_warning_about_a_readable_path_has_the_command_that_makes_the_path_private(opened):
    found = [(warning.msg, warning.hint) for warning in private_paths_are_closed()]
    assert found == [
        (f"Other accounts of this machine can read or change {path}.", f"Run: chmod {mode} {path}")
        for path, mode in [
            (opened, "711"),
            (opened / "private", "700"),
            (opened / "mail", "700"),
            (opened / "afterword.sqlite3", "600"),
        ]
    ]
    for _problem, hint in found:
        subprocess.run(hint.removeprefix("Run: "), shell=True, check=True)  # noqa: S602  the command of the hint
    assert private_paths_are_closed() == []


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_migrate_makes_readable_paths_private_and_prints_them(opened, capsys):
    close_open_paths(verbosity=1)
    assert private_paths_are_closed() == []
    assert capsys.readouterr().out.splitlines() == [
        f"Closed to other accounts: {path}"
        for path in (opened, opened / "private", opened / "mail", opened / "afterword.sqlite3")
    ]


@pytest.mark.only_long
@pytest.mark.slow
def test_files_written_by_commands_are_private_except_for_static_files(tmp_path):
    folder = tmp_path / "afterword"
    # A shell's usual mask lets every account read new files.
    before = os.umask(0o022)
    try:
        # Migrating one app creates the database. All migrations would take 18 seconds.
        for command in (["migrate", "contenttypes"], ["createcachetable"], ["collectstatic", "--noinput"]):
            done = manage(*command, DATA_DIR=str(folder), **SAFE)
            assert (done.returncode, done.stderr) == (0, "")
    finally:
        os.umask(before)
    seen = modes(folder)
    assert seen.pop(".") == "0o700"
    assert seen.pop("afterword.sqlite3") == "0o600"
    assert seen.pop("private") == "0o700"
    assert seen.pop("private-folder-mark") == seen.pop("private/folder-mark") == "0o600"
    assert seen.pop("staticfiles.json") == "0o644"
    assert set(seen.values()) == {"0o755", "0o644"}
    assert {name.split("/")[0] for name in seen} == {"static"}
    assert any(name.endswith(".gz") for name in seen)


KEEP_A_FILE = """
import django
django.setup()
import portal.wsgi
from django.core.files.base import ContentFile
from django.core.files.storage import storages
storages["private"].save("exports/copy.zip", ContentFile(b"private"))
"""


@pytest.mark.slow
def test_only_the_account_of_the_web_server_can_read_its_files(tmp_path):
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "afterword"), **SAFE}
    environment["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    command = [sys.executable, "-c", f"import os\nos.umask(0)\n{KEEP_A_FILE}"]
    subprocess.run(command, cwd=configured.BASE_DIR, env=environment, check=True)
    assert modes(tmp_path / "afterword") == {
        ".": "0o700",
        "private": "0o700",
        "private/exports": "0o700",
        "private/exports/copy.zip": "0o600",
    }
