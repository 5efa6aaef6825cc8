"""Check the references in the pages of docs/, and the list of ASVS requirements in docs/asvs.md."""

import ast
import re
from functools import cache

import pytest
from django.conf import settings

from .guards import fail_if_any

PAGES = sorted((settings.BASE_DIR / "docs").glob("*.md"))
ASVS = settings.BASE_DIR / "docs" / "asvs.md"
A_TEST = re.compile(r"\btests/[\w/]*(?:\.py(?:::(\w+))?)?")
A_FILE = re.compile(
    r"`((?:accounts|portal|recommendations|static|templates|components)/[\w/.]+|pyproject\.toml|requirements\.txt)`"
)
# The documentation names files relative to these folders.
FOLDERS = [settings.BASE_DIR, settings.BASE_DIR / "templates"]
A_LINK = re.compile(r"\]\((?P<page>[\w-]+\.md)?(?:#(?P<heading>[\w-]+))?\)")

# {section of ASVS 5.0.0: the levels of its requirements, one digit for each requirement}
LEVELS = {
    **{"1.1": "22", "1.2": "1111122223", "1.3": "112222222223", "1.4": "222", "1.5": "123"},
    **{"2.1": "122", "2.2": "112", "2.3": "12223", "2.4": "23"},
    **{
        "3.1": "3",
        "3.2": "113",
        "3.3": "12223",
        "3.4": "11222233",
        "3.5": "11122333",
        "3.6": "3",
        "3.7": "22333",
    },
    **{"4.1": "12233", "4.2": "23333", "4.3": "22", "4.4": "1222"},
    **{"5.1": "2", "5.2": "112333", "5.3": "113", "5.4": "222"},
    **{
        "6.1": "122",
        "6.2": "111111112222",
        "6.3": "11223333",
        "6.4": "112233",
        "6.5": "22222333",
        "6.6": "2223",
        "6.7": "33",
        "6.8": "2222",
    },
    **{"7.1": "222", "7.2": "1111", "7.3": "22", "7.4": "11222", "7.5": "223", "7.6": "22"},
    **{"8.1": "1233", "8.2": "1123", "8.3": "133", "8.4": "23"},
    **{"9.1": "111", "9.2": "1222"},
    **{
        "10.1": "22",
        "10.2": "223",
        "10.3": "22223",
        "10.4": "1111122222233333",
        "10.5": "22222",
        "10.6": "22",
        "10.7": "222",
    },
    **{
        "11.1": "2233",
        "11.2": "22233",
        "11.3": "11233",
        "11.4": "1222",
        "11.5": "23",
        "11.6": "23",
        "11.7": "33",
    },
    **{"12.1": "12233", "12.2": "11", "12.3": "22223"},
    **{"13.1": "2333", "13.2": "222223", "13.3": "2233", "13.4": "1222233"},
    **{"14.1": "22", "14.2": "12223333", "14.3": "122"},
    **{"15.1": "12233", "15.2": "12233", "15.3": "1222222", "15.4": "3333"},
    **{"16.1": "2", "16.2": "22222", "16.3": "2222", "16.4": "222", "16.5": "2223"},
    **{"17.1": "23", "17.2": "22223333", "17.3": "22"},
}
ANSWERS = {"met", "not met", "does not apply"}


def requirements(level):
    return {
        f"{section}.{number}"
        for section, levels in LEVELS.items()
        for number, one in enumerate(levels, 1)
        if one == level
    }


def rows():
    """Return (numbers of requirements, subject, answer, evidence) for each table row in docs/asvs.md."""
    lines = [line for line in ASVS.read_text("utf-8").splitlines() if re.match(r"\| \**\d", line)]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


@cache
def functions_of(path):
    tree = ast.parse((settings.BASE_DIR / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def missing_references(text):
    """Return the references in the text to tests and files that don't exist."""
    missing = []
    for found in A_TEST.finditer(text):
        path, _, name = found[0].partition("::")
        if not (settings.BASE_DIR / path).exists() or (name and name not in functions_of(path)):
            missing.append(found[0])
    return missing + [
        path for path in A_FILE.findall(text) if not any((folder / path).exists() for folder in FOLDERS)
    ]


def headings(page):
    found = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_tests_named_in_the_docs_exist(page):
    fail_if_any(
        missing_references(page.read_text("utf-8")),
        f"docs/{page.name} names tests or files that don't exist. Name the ones that replaced them.",
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_docs_contain_no_broken_links(page):
    for found in A_LINK.finditer(page.read_text("utf-8")):
        target = page.parent / (found["page"] or page.name)
        fix = f"{found[0]} in docs/{page.name} is a broken link: correct the page or the heading."
        assert target.exists(), fix
        assert found["heading"] is None or found["heading"] in headings(target), fix


def test_number_of_asvs_requirements_per_level_matches_the_standard():
    assert [len(requirements(level)) for level in "123"] == [70, 183, 92]


def test_asvs_page_answers_each_requirement_of_levels_1_and_2_once():
    numbers = [number.strip() for row in rows() for number in row[0].split(",")]
    assert sorted(number.strip("*") for number in numbers) == sorted(requirements("1") | requirements("2"))
    assert {number.strip("*") for number in numbers if number.startswith("**")} == requirements("1")


def test_every_asvs_answer_gives_evidence_or_a_reason():
    for numbers, subject, answer, by in rows():
        assert subject
        assert answer in ANSWERS
        named = A_TEST.search(by) or A_FILE.search(by) or A_LINK.search(by) or by.startswith("the same")
        assert named if answer == "met" else len(by) > 10, (
            f"{numbers}: name the test, file or page that shows it in docs/asvs.md, or say why not."
        )


def test_asvs_page_lists_unmet_requirements_at_the_top():
    numbers = {
        number for row in rows() if row[2] == "not met" for number in row[0].replace("*", "").split(", ")
    }
    top = ASVS.read_text("utf-8").partition("\n## ")[0]
    assert set(re.findall(r"\b\d+\.\d+\.\d+\b", top)) - {"5.0.0"} == numbers, (
        "Name every requirement that is not met above the first heading of docs/asvs.md, and no other."
    )


# Tests of the checks in this file.


def test_docs_check_finds_references_to_missing_tests_and_files():
    gone = [
        *("tests/nowhere/test_x.py", "tests/architecture/test_tree.py::test_gone"),
        *("portal/gone.py", "components/gone.html"),
    ]
    named = [*gone, "tests/architecture/test_tree.py::test_init_files_are_empty", "components/field.html"]
    assert missing_references(" ".join(f"`{name}`" for name in named)) == gone
