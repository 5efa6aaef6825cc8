"""Test how .ci/guide.py reads the documents, and that it fails if a command fails."""

import importlib.util

import pytest
from django.conf import settings

pytestmark = pytest.mark.one_database

TEXT = """\
Install:

1. Get the packages:
   ```sh
   one && two   # a comment
   shell -c "first
       second"
   ```
2. Start this unit:

   ```ini
   [Unit]
   Description=Afterword
   ```

```
three
```
"""


@pytest.fixture(scope="module")
def guide():
    spec = importlib.util.spec_from_file_location("guide", settings.BASE_DIR / ".ci/guide.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(guide, tmp_path):
    (tmp_path / "clone").mkdir()
    return guide.Run(tmp_path, "", {})


def test_commands_are_read_from_the_blocks_as_they_are_written(guide):
    assert guide.to_run(TEXT) == ["one && two   # a comment", 'shell -c "first\n    second"', "three"]


def test_readme_and_guide_start_the_portal(guide):
    for text in guide.documents().values():
        assert any(command.split("#")[0].strip().endswith("manage.py run") for command in guide.to_run(text))


def test_every_skipped_block_is_still_in_the_guide(guide):
    found = guide.blocks(guide.documents()["operations.md"])
    assert [words for words in guide.SKIPPED if not any(block.startswith(words) for block in found)] == []


@pytest.mark.parametrize("command", ["false", "false && true", "true && false", "(exit 3)   # a comment"])
def test_failed_command_ends_the_script_and_is_named(guide, run, command):
    with pytest.raises(guide.Failed) as failure:
        run.step(command)
    assert f"    {command}\n" in str(failure.value)


def test_exported_variables_are_known_to_later_commands(run):
    run.step("export NAME='two words'")
    assert run.bash('echo "$NAME"') == (0, "two words\n")


def test_commands_get_the_printed_key_and_the_answers(run):
    run.step("echo token_urlsafe made-key")
    assert run.filled_in("export SECRET_KEY=… BASE_URL=x") == "export SECRET_KEY=made-key BASE_URL=x"
    assert run.bash('test -t 0 && read -r name && echo "$name"') == (0, "Example Library\n")


def test_unknown_example_in_a_command_is_an_error(guide, run):
    with pytest.raises(guide.Failed, match="does not know what to write for …"):
        run.step("manage.py end_sign_ins --of …")


def test_portal_that_does_not_answer_is_an_error(guide, run, monkeypatch):
    monkeypatch.setattr(guide, "SECONDS_TO_START", 1)
    with pytest.raises(guide.Failed, match="does not answer at /sign-in/"):
        run.step("python manage.py run")
