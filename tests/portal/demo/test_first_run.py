"""Test that build_demo works in an empty database and refuses to run while the demo is off."""

import datetime

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounts.models import Library
from portal.demo import build as demo_build
from portal.demo.management.commands.build_demo import Command
from portal.demo.visits import SESSIONS, tick_sheets
from portal.helpsessions.models import HelpSession
from portal.notifications.push.keys import private_key

pytestmark = pytest.mark.slow

NEW_YEARS_NIGHT = datetime.datetime(2027, 1, 1, 3, tzinfo=datetime.UTC)


@pytest.mark.only_long
@pytest.mark.one_database
def test_demo_can_be_built_while_the_library_is_closed(db, settings, tmp_path, monkeypatch, capsys):
    settings.DEMO = True
    settings.DEMO_PUSH_KEY_FILE = tmp_path / "demo-push-key"
    monkeypatch.setattr(demo_build, "CODES_FILE", tmp_path / "codes.json")
    with time_machine.travel(NEW_YEARS_NIGHT, tick=False):
        call_command(Command())
    assert "is built." in capsys.readouterr().out
    past = HelpSession.objects.filter(forgotten_on__lt=NEW_YEARS_NIGHT - datetime.timedelta(days=1))
    story = HelpSession.objects.filter(imported_row=None).exclude(pk__in=past)
    assert story.count() == SESSIONS + sum(sum(numbers) for _days_ago, numbers in tick_sheets())
    assert HelpSession.objects.filter(happened_on__gt=NEW_YEARS_NIGHT - datetime.timedelta(days=7)).exists()


def test_build_demo_creates_a_push_key_once_and_does_not_replace_it(library, settings, tmp_path):
    settings.DEMO, settings.DEMO_PUSH_KEY_FILE = True, tmp_path / "demo" / "demo-push-key"
    call_command(Command())
    key = settings.DEMO_PUSH_KEY_FILE.read_text()
    private_key(key)  # This raises an error if the key is invalid.
    call_command(Command())
    assert settings.DEMO_PUSH_KEY_FILE.read_text() == key


@pytest.mark.parametrize("options", [{}, {"reset": True}])
def test_build_demo_changes_nothing_while_the_demo_is_off(library, settings, options):
    settings.DEMO = False
    with pytest.raises(CommandError, match="not a demo"):
        call_command(Command(), **options)
    assert Library.objects.get().name == "Harbour Library"
