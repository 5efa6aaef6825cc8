"""Check that the guides quote the portal's messages word for word, and that they explain each fault.

A person who searches a guide for an error message must find the message.
"""

import ast
import re
from functools import cache

import pytest
from django.conf import settings

from .guards import fail_if_any

pytestmark = pytest.mark.slow

DOCS = settings.BASE_DIR / "docs"
GUIDES = ["operations.md", "importing.md"]
# Messages that the guides quote but the portal doesn't write: those of SQLite and of the operating system,
# and the names of Python exceptions.
OF_OTHERS = {
    "attempt to write a readonly database",
    "database or disk is full",
    "No space left on device",
    "ConnectionRefusedError",
    "gaierror",
    "TimeoutError",
}
# Commands whose faults the guide need not explain: {path: reason}.
EXPLAIN_THEMSELVES = {
    "portal/management/commands/messages.py": "developers run it",
    "portal/management/commands/check_templates.py": "developers run it",
    "portal/privacy/management/commands/policy_docs.py": "developers run it",
    "portal/demo/management/commands/build_demo.py": "developers run it",
    "portal/management/commands/mail_check.py": "it says for each fault what to correct",
    "portal/management/commands/push_check.py": "it says for each fault what to correct",
    "accounts/management/commands/ils_check.py": "it says for each fault what to correct",
    "accounts/management/commands/sso_check.py": "it says for each fault what to correct",
    "portal/management/commands/setup_library.py": "it asks again, and says what to enter",
    "portal/imports/management/commands/import_items.py": "docs/importing.md is its guide",
    "portal/imports/management/commands/harvest.py": "docs/importing.md is its guide",
    "portal/imports/management/commands/import_help_sessions.py": "docs/importing.md is its guide",
}
# The calls that print a sentence and end the command.
ENDING = {"CommandError", "BackupError", "DataFolderInUse", "SystemExit", "ImproperlyConfigured", "_say"}
# In these modules, functions return the sentences that other functions print.
SENTENCES_OF = [
    "portal/right_database.py",
    "portal/data_folder.py",
    "portal/management/late_database.py",
    "portal/management/plain_errors.py",
    "portal/management/preparations.py",
    "portal/management/processes.py",
    "portal/management/supervisor.py",
]
A_SENTENCE = re.compile(r"(?:[A-Z]|…) ?\S+(?: \S+){3}")
# {text that the guide need not explain: the reason}. Such a text is no fault, or only part of a sentence.
NO_FAULTS = {
    "CommandError: …": "it only passes on the sentence",
    "… …": "it only joins two sentences",
    "… Stop it first, or set DATA_DIR to another folder.": "the end of another sentence",
    "… Stop it first. Nothing was changed.": "the end of another sentence",
    "… the data folder … (process …).": "the end of another sentence",
    "…. If the key was changed on purpose, run: manage.py accept_key": "the end of another sentence",
    "Then run this again.": "the end of another sentence",
    "Closed to other accounts: …": "it says what `migrate` has corrected",
    "The reload succeeded. The old processes finish their requests. Environment variables stay as they were at "
    "the start. Restart to change them.": "it is good news",
    "…, or add --other-key to replace it. Nothing was changed.": "the end of another sentence",
}
# A table whose first header cell matches this pattern quotes messages of the portal in its first column.
QUOTING = re.compile(r"\b(?:says|you see)\b")
QUOTED = re.compile(r"`([^`]+)`|\"([^\"]+)\"")


def quotations(text):
    """Return the messages that the tables of a guide quote. A "…" in a message replaces a varying value."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        firsts = [line.removeprefix("|").split(" | ")[0] for line in table.splitlines()]
        if QUOTING.search(firsts[0]):
            found += [one or other for first in firsts[1:] for one, other in QUOTED.findall(first)]
    return found


def pattern(quotation):
    """Return a pattern that finds this message with any value in place of each "…"."""
    return re.compile(".*".join(map(re.escape, quotation.split("…"))))


def spoken(node):
    """Return the string in this syntax node, with "…" for each value. Return None if it isn't a string."""
    if isinstance(node, ast.JoinedStr):
        return "".join(spoken(part) or "…" for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%(?:\(\w+\))?[sd]", "…", node.value)
    return None


@cache
def parsed(path):
    return ast.parse(path.read_text("utf-8"))


def trees(folder):
    return [parsed(path) for path in sorted(_code(folder))]


@cache
def all_that_is_printed():
    texts = []
    for folder in ("portal", "accounts", "recommendations"):
        for tree in trees(folder):
            texts += filter(None, map(spoken, ast.walk(tree)))
    texts += [path.read_text("utf-8") for path in (settings.BASE_DIR / "templates").rglob("*.html")]
    return "\n".join(" ".join(text.split()) for text in texts)


def is_printed(quotation):
    """Return whether the portal prints this message.

    A health check prints a part of the portal and the fault of this part, as in "disk: files can't be
    written".
    """
    part, _colon, fault = quotation.partition(": ")
    texts = all_that_is_printed()
    return bool(pattern(quotation).search(texts)) or all(
        words and pattern(words).search(texts) for words in (part, fault)
    )


def said_by_calls(folder, *names):
    """Return the texts that the code in this folder passes to these functions, such as log.error."""
    found = []
    for tree in trees(folder):
        constants = {
            target.id: spoken(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in names:
                for argument in node.args:
                    found.append(spoken(argument) or constants.get(getattr(argument, "id", "")))
    return sorted({" ".join(text.split()) for text in found if text})


def _name(node):
    """Return the name of a called function as the code writes it, such as "log.error"."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults_of_commands():
    """Return the error messages that end a command or the start of the portal."""
    found = set()
    for path in sorted(
        path for folder in ("portal", "accounts", "recommendations") for path in _code(folder)
    ):
        name = str(path.relative_to(settings.BASE_DIR))
        if name not in EXPLAIN_THEMSELVES:
            tree = parsed(path)
            calls = [
                node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) in ENDING
            ]
            for argument in (argument for call in calls for argument in call.args):
                parts = [text for text in _texts(argument) if A_SENTENCE.match(text)]
                found |= {spoken(argument), *parts}
            if name in SENTENCES_OF:
                found |= {text for text in _texts(tree) if A_SENTENCE.match(text)}
    return sorted({" ".join(text.split()) for text in found if text} - set(NO_FAULTS))


def _code(folder):
    paths = (settings.BASE_DIR / folder).rglob("*.py")
    return [path for path in paths if "migrations" not in path.parts]


def _texts(tree):
    """Return all strings in the code, except docstrings and parts of other strings."""
    documented = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    parts = [part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values]
    left_out = set(map(id, documented + parts))
    return [text for node in ast.walk(tree) if id(node) not in left_out and (text := spoken(node))]


def unexplained(texts, guide):
    """Return the texts that the guide doesn't quote, not even in part."""
    quoted = [pattern(words) for words in quotations((DOCS / guide).read_text("utf-8"))]
    return [text for text in texts if not any(words.search(text) for words in quoted)]


@pytest.mark.parametrize("guide", GUIDES)
def test_portal_prints_every_message_that_a_guide_quotes(guide):
    quoted = [words for words in quotations((DOCS / guide).read_text("utf-8")) if words not in OF_OTHERS]
    assert len(quoted) > 10
    fail_if_any(
        [words for words in quoted if not is_printed(words)],
        f"docs/{guide} quotes words that the portal doesn't print. Write what it prints, with … for values.",
    )


def test_guide_explains_each_fault_of_an_imported_record():
    texts = said_by_calls("portal/imports", "Fault", "Refused", "tally.faults.add")
    assert len(texts) > 15
    fail_if_any(
        unexplained(texts, "importing.md"),
        "Add these faults of records to the table in docs/importing.md, and say what to do.",
    )


def test_guide_explains_each_warning_and_error_in_the_log():
    texts = [
        text
        for folder in ("portal", "accounts")
        for text in said_by_calls(folder, "log.warning", "log.error")
    ]
    assert len(texts) > 15
    fail_if_any(
        unexplained(texts, "operations.md"),
        "Add these lines of the log to a table in docs/operations.md, and say what to do.",
    )


def test_guide_explains_each_error_that_ends_a_command():
    texts = faults_of_commands()
    assert len(texts) > 40
    fail_if_any(
        unexplained(texts, "operations.md"),
        "Add these faults to a table in docs/operations.md, and say what to do. Or add them to NO_FAULTS or "
        "EXPLAIN_THEMSELVES here, with the reason.",
    )


def test_lists_of_exceptions_contain_only_existing_commands_and_sentences():
    assert [
        path for path in (*EXPLAIN_THEMSELVES, *SENTENCES_OF) if not (settings.BASE_DIR / path).exists()
    ] == []
    assert [text for text in NO_FAULTS if not pattern(text).search(all_that_is_printed())] == []


# Tests of the functions in this file.


def test_guide_check_reads_quoted_messages_only_in_tables_of_messages():
    text = (
        '| the log says | do |\n|---|---|\n| `a … b`, or "c" | `d` |\n\n| x | y |\n|---|---|\n| `e` | f |\n'
    )
    assert quotations(text) == ["a … b", "c"]


def test_guide_check_finds_a_message_that_the_portal_never_prints():
    assert is_printed("disk: files can't be written")
    assert not is_printed("disk: files can't be eaten")
    assert not is_printed("That was tried too often")
