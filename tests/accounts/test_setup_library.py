import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import Branch, Library, User
from recommendations.topics import STARTING, Topic

pytestmark = pytest.mark.django_db
OPTIONS = {
    "name": "Lakeside Public Library",
    "time_zone": "America/Chicago",
    "branch": "Main",
    "coordinator_email": "Ana@Example.org",
    "coordinator_name": "Ana",
    "language": "es",
    "interactive": False,
}


def test_setup_library_creates_the_library_and_its_first_branch_and_coordinator(capsys):
    call_command("setup_library", **OPTIONS)
    library = Library.current()
    assert (library.name, library.time_zone, library.language, library.default_branch.name) == (
        "Lakeside Public Library",
        "America/Chicago",
        "es",
        "Main",
    )
    assert User.objects.get(email="ana@example.org").is_coordinator
    assert library.default_branch.opening_hours.count() == 5
    assert Topic.objects.count() == len(STARTING)
    assert "/sign-in/" in capsys.readouterr().out


def test_setup_library_refuses_to_run_twice():
    call_command("setup_library", **OPTIONS)
    with pytest.raises(CommandError, match="already set up"):
        call_command("setup_library", **{**OPTIONS, "name": "Another"})
    assert Library.current().name == "Lakeside Public Library"


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("time_zone", "Chicago", "There is no time zone"),
        ("coordinator_email", "ana", "full email address"),
        ("name", "", "required"),
        ("language", "xx", "has no language"),
        ("branch", "x" * 121, "At most 120"),
    ],
)
def test_setup_library_with_an_invalid_option_creates_nothing(option, value, says):
    with pytest.raises(CommandError, match=says):
        call_command("setup_library", **{**OPTIONS, option: value})
    assert not Library.objects.exists()
    assert not Branch.objects.exists()


def test_setup_library_on_an_unmigrated_database_says_to_run_migrate():
    last = MigrationRecorder.Migration.objects.filter(app="recommendations").order_by("name").last()
    last.delete()
    with pytest.raises(CommandError, match="manage.py migrate"):
        call_command("setup_library", **OPTIONS)
