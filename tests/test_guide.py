"""Test how .ci/guide.py reads the documents, and that it fails if a command fails."""

import importlib.util
import re
from uuid import uuid4

import pytest
from django.conf import settings
from django.urls import reverse

from tests.architecture.routes import PUBLIC, routes

pytestmark = pytest.mark.one_database
# The names of the URLs that contain a code or a token that gives access.
WITH_A_KEY = {
    *("open_code_link", "how_it_went", "invitation", "stop_address", "unsubscribe"),
    *("shared_list", "copy_shared_list", "shared_item", "shared_cover"),
}

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
    run = guide.Run(tmp_path, "", {})
    yield run
    if run.server is not None:
        run.server.kill()
        run.server.wait()


def test_guide_runner_reads_the_commands_from_the_code_blocks(guide):
    assert guide.to_run(TEXT) == ["one && two   # a comment", 'shell -c "first\n    second"', "three"]


def test_readme_and_operations_guide_both_contain_the_command_that_starts_the_portal(guide):
    for text in guide.documents().values():
        assert any(command.split("#")[0].strip().endswith("manage.py run") for command in guide.to_run(text))


def test_every_code_block_listed_as_skipped_is_in_the_guide(guide):
    found = guide.blocks(guide.documents()["operations.md"])
    assert [words for words in guide.SKIPPED if not any(block.startswith(words) for block in found)] == []


@pytest.mark.parametrize("command", ["false", "false && true", "true && false", "(exit 3)   # a comment"])
def test_guide_runner_stops_at_a_failed_command_and_prints_the_command(guide, run, command):
    with pytest.raises(guide.Failed) as failure:
        run.step(command)
    assert f"    {command}\n" in str(failure.value)


def test_guide_runner_passes_exported_variables_to_later_commands(run):
    run.step("export NAME='two words'")
    assert run.bash('echo "$NAME"') == (0, "two words\n")


def test_guide_runner_fills_in_the_key_that_a_command_printed_and_answers_prompts(run):
    run.step("echo token_urlsafe made-key")
    assert run.filled_in("export SECRET_KEY=… BASE_URL=x") == "export SECRET_KEY=made-key BASE_URL=x"
    assert run.bash('test -t 0 && read -r name && echo "$name"') == (0, "Example Library\n")


def test_guide_runner_fails_at_a_placeholder_without_a_value(guide, run):
    with pytest.raises(guide.Failed, match="does not know what to write for …"):
        run.step("manage.py end_sign_ins --of …")


def test_guide_runner_fails_if_the_portal_does_not_start(guide, run, monkeypatch):
    monkeypatch.setattr(guide, "SECONDS_TO_START", 1)
    with pytest.raises(guide.Failed, match="does not answer at /sign-in/"):
        run.step("python manage.py run")


def test_backup_service_has_the_same_limits_as_the_portal_but_may_write_backups(guide):
    units = dict(guide.UNIT.findall(guide.documents()["operations.md"]))
    portal, backup = (
        [line.strip() for line in units[name].splitlines() if "=" in line and "#" not in line]
        for name in ("afterword.service", "afterword-backup.service")
    )
    limits = portal[portal.index("ProtectSystem=strict") : portal.index("WantedBy=multi-user.target")]
    folders = "ReadWritePaths=/srv/afterword/var"
    assert len(limits) > 20
    assert backup[backup.index("ProtectSystem=strict") :] == [
        f"{folders} /backups" if line == folders else line for line in limits
    ]


def test_proxy_log_contains_no_code_or_token_from_an_address(guide):
    """Check the guide's configuration of nginx. Anyone who reads a code or token in a log could use it."""
    [block] = [block for block in guide.blocks(guide.documents()["operations.md"]) if "map $uri" in block]
    key = re.compile(re.search(r"~\*(\S+)", block)[1].replace("(?<", "(?P<"), re.IGNORECASE)
    assert block.count("access_log ") == block.count("server {") == 2
    assert block.count("without_codes;") == block.count("access_log ")
    secret = "abcDEF_hiJKLmnoPQRst-1"
    of_item = {"shared_item", "shared_cover"}
    paths = {name: reverse(name, args=[secret, *[uuid4()] * (name in of_item)]) for name in WITH_A_KEY}

    logged = {
        name: f"/{found['door']}/..." if (found := key.match(path)) else path for name, path in paths.items()
    }

    assert logged == {
        "open_code_link": "/c/...",
        "how_it_went": "/how/...",
        "shared_list": "/shared/...",
        "copy_shared_list": "/shared/...",
        "shared_item": "/shared/...",
        "shared_cover": "/shared/...",
        "invitation": "/invitation/...",
        "stop_address": "/not-me/...",
        "unsubscribe": "/unsubscribe/...",
    }
    assert key.match("/HOW/abc")
    assert not key.match("/how-to/")


def test_every_public_address_with_a_code_or_token_is_tested():
    with_text = {route.name for route in routes() if "<str:" in route.path}
    assert with_text & set(PUBLIC) == WITH_A_KEY
