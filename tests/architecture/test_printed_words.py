"""Check that the guides quote what the portal prints word for word, and that they explain each fault.

A person who searches a guide for the words of an error must find these words.
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
# Messages of SQLite and of the operating system, and the names of Python exceptions.
OF_OTHERS = {
    "attempt to write a readonly database",
    "database or disk is full",
    "No space left on device",
    "ConnectionRefusedError",
    "gaierror",
    "TimeoutError",
}
# If the first cell of a table's header has one of these words, the first column of the table quotes the
# portal.
QUOTING = re.compile(r"\b(?:says|you see)\b")
QUOTED = re.compile(r"`([^`]+)`|\"([^\"]+)\"")


def quotations(text):
    """Return the words that the tables of a guide quote. An ellipsis replaces what differs each time."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        firsts = [line.removeprefix("|").split(" | ")[0] for line in table.splitlines()]
        if QUOTING.search(firsts[0]):
            found += [one or other for first in firsts[1:] for one, other in QUOTED.findall(first)]
    return found


def pattern(quotation):
    """Return a pattern that finds these words with any values in place of "…"."""
    return re.compile(".*".join(map(re.escape, quotation.split("…"))))


def spoken(node):
    """Return the text of a string in the code, with "…" for each value. Return None for other code."""
    if isinstance(node, ast.JoinedStr):
        return "".join(spoken(part) or "…" for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%(?:\(\w+\))?[sd]", "…", node.value)
    return None


@cache
def trees(folder):
    paths = sorted((settings.BASE_DIR / folder).rglob("*.py"))
    return [ast.parse(path.read_text("utf-8")) for path in paths if "migrations" not in path.parts]


@cache
def all_that_is_printed():
    texts = []
    for folder in ("portal", "accounts", "recommendations"):
        for tree in trees(folder):
            texts += filter(None, map(spoken, ast.walk(tree)))
    texts += [path.read_text("utf-8") for path in (settings.BASE_DIR / "templates").rglob("*.html")]
    return "\n".join(" ".join(text.split()) for text in texts)


def is_printed(quotation):
    """Return whether the portal prints these words.

    A health check prints the part and its fault, as in "disk: files can't be written".
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
    """Return the name of a function with the names before its dots, such as "log.error"."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def unexplained(texts, guide):
    """Return the texts that the guide doesn't quote, not even in part."""
    quoted = [pattern(words) for words in quotations((DOCS / guide).read_text("utf-8"))]
    return [text for text in texts if not any(words.search(text) for words in quoted)]


@pytest.mark.parametrize("guide", GUIDES)
def test_words_that_a_guide_quotes_are_printed_by_the_portal(guide):
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


# Tests of the functions in this file.


def test_quotations_are_taken_only_from_tables_of_messages():
    text = (
        '| the log says | do |\n|---|---|\n| `a … b`, or "c" | `d` |\n\n| x | y |\n|---|---|\n| `e` | f |\n'
    )
    assert quotations(text) == ["a … b", "c"]


def test_check_recognizes_words_that_the_portal_never_prints():
    assert is_printed("disk: files can't be written")
    assert not is_printed("disk: files can't be eaten")
    assert not is_printed("That was tried too often")
