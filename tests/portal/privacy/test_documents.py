"""Test that the tables in the privacy documents match the code."""

import pytest
from django.core.management import CommandError, call_command

from portal.privacy import documents
from portal.privacy.policy import POLICY
from portal.privacy.policy_lines.line import Group
from portal.privacy.who_sees_what import SEEN_BY, Role


def test_policy_documents_are_up_to_date():
    call_command("policy_docs", check=True)


def test_policy_docs_command_reports_an_outdated_document(monkeypatch):
    monkeypatch.setitem(SEEN_BY[Group.LISTS], Role.STAFF, "yes")
    with pytest.raises(CommandError, match="who-sees-what.md"):
        call_command("policy_docs", check=True)


def test_policy_documents_cover_every_model_and_every_policy_group():
    [table, matrix] = documents.documents().values()
    assert [label for label in POLICY if table.count(f"| `{label}` |") != 1] == []
    assert set(SEEN_BY) == set(Group) - {Group.PARTS, Group.LIBRARY}
    assert [group for group in SEEN_BY if matrix.count(f"| **{group.value}** |") != 1] == []


def test_policy_documents_say_how_long_backups_are_kept(settings):
    [table, _matrix] = documents.documents().values()
    assert f"are kept {settings.BACKUPS_KEPT.days} days" in table
