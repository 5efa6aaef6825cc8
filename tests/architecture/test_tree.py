"""The house is as docs/architecture.md says, and nothing lies about unused."""

import re
import tomllib
from pathlib import Path

import allauth
import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
APPS = [ROOT / name for name in ("accounts", "recommendations", "portal")]
MODULES = sorted(path for app in APPS for path in app.rglob("*.py"))
TEMPLATES = sorted(
    str(path.relative_to(ROOT / "templates")) for path in (ROOT / "templates").rglob("*") if path.is_file()
)
STATIC = sorted(
    str(path.relative_to(ROOT / "static")) for path in (ROOT / "static").rglob("*") if path.is_file()
)
FORBIDDEN = {"services", "selectors", "utils", "helpers", "managers", "signals", "mixins"}
LONGEST_LINE = 110  # characters
LONE_TAG = re.compile(r"\s*\{%(?:(?!%\}).)*%\}")  # Django's tags can't contain a newline
FLOORS = {"django": (5, 2, 19), "django-allauth": (65, 21, 1), "django-htmx": (1, 29)}


def words_of_the_code():
    """All our code, templates, scripts and styles in one text."""
    files = [
        *MODULES,
        *(ROOT / "templates").rglob("*.*"),
        *(ROOT / "static").rglob("*.js"),
        *(ROOT / "static").rglob("*.css"),
    ]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


WORDS = words_of_the_code()


def names_of(template):
    """How code may name a template: its path, a mail's kind, or the prefix that allauth completes."""
    yield template
    if found := re.fullmatch(r"(\w+)/email/(\w+)\.(?:subject\.txt|txt|html)", template):
        yield f"{found[1]}/{found[2]}"
    if found := re.fullmatch(r"(\w+/email/\w+)_(?:subject\.txt|message\.txt|message\.html)", template):
        yield found[1]


def is_overriding(template):
    """It stands in for a template of allauth, or beside one whose name allauth completes with .txt and .html."""
    theirs = Path(allauth.__file__).parent / "templates" / template
    return theirs.exists() or theirs.with_suffix(".txt").exists()


def is_named(name, words):
    return bool(re.search(rf"""["']{re.escape(name)}(?:#\w+)?["'?]""", words))


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_template_is_unused(template):
    assert any(is_named(name, WORDS) for name in names_of(template)) or is_overriding(template)


def long_lines(text):
    """Return the numbers of the lines that are too long and could be broken."""
    lines = enumerate(text.splitlines(), start=1)
    return [number for number, line in lines if len(line) > LONGEST_LINE and not LONE_TAG.fullmatch(line)]


def test_lines_of_html_templates_have_at_most_110_characters():
    root = ROOT / "templates"
    found = [
        f"{template}:{number}"
        for template in TEMPLATES
        if template.endswith(".html")
        for number in long_lines((root / template).read_text(encoding="utf-8"))
    ]
    assert found == [], "Put the attributes of long tags on lines of their own"


@pytest.mark.parametrize("file", STATIC)
def test_no_static_file_is_unused(file):
    assert (
        is_named(file, WORDS)
        or is_named(Path(file).name, WORDS)
        or (file.startswith("icons/") and is_named(Path(file).stem, WORDS))
    )


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.name == "__init__.py" and path.parent.name != "models"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_init_files_are_empty(path):
    assert path.read_text() == ""


def test_no_module_has_a_name_that_says_nothing():
    assert [str(path) for path in MODULES if {path.stem, *path.relative_to(ROOT).parts} & FORBIDDEN] == []


def version(text):
    return tuple(int(part) for part in text.split("."))


@pytest.mark.parametrize("package", FLOORS)
def test_dependencies_are_above_the_floors_that_close_known_holes(package):
    stated = " ".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    floor = re.search(rf"(?:^| ){package}(?:\[[\w,]+\])?>=([\d.]+)", stated)
    pin = re.search(rf"^{package}(?:\[[\w,]+\])?==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.M)
    assert version(floor[1]) >= FLOORS[package]
    assert version(pin[1]) >= FLOORS[package]


def test_every_pinned_package_has_a_hash_and_no_address():
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        for pin in re.split(r"\n(?=[a-zA-Z])", text):
            assert "==" not in pin.split("#")[0] or "--hash=sha256:" in pin


# The guards are seen to fail.


def test_an_unused_file_is_found():
    assert not is_named("home/old.html", WORDS)
    assert is_named("base.html", WORDS)


def test_a_long_line_is_found_but_a_tag_that_alone_is_long_may_stay():
    condition = f"{{% if {' or '.join(['reader_asked'] * 9)} %}}"
    assert long_lines(f"<p>\n{condition}{{% endif %}}\n</p>") == [2]
    assert long_lines(f"<p>\n  {condition}\n  {{% endif %}}</p>") == []
    assert long_lines("x" * 111) == [1]
    assert long_lines("x" * 110) == []
