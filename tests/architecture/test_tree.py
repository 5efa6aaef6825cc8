"""Check that the code has the structure in docs/architecture.md, and that no file is unused."""

import re
import tomllib
from pathlib import Path

import allauth
import pytest
from django.conf import settings

from .guards import fail_if_any

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
MAX_LINE_LENGTH = 110
# Matches a line that contains only one template tag. Such a line may be longer than MAX_LINE_LENGTH, because
# Django's tags can't contain a line break.
LONE_TAG = re.compile(r"\s*\{%(?:(?!%\}).)*%\}")
REQUIREMENTS = {"requirements.txt": "5.2", "requirements-dev.txt": "5.2", "requirements-newest.txt": "6.1"}
FLOORS = {"django": (5, 2, 19), "django-allauth": (65, 21, 1), "django-htmx": (1, 29)}


def quoted_names():
    """Return all names in quotes in the code, templates, scripts and styles of the portal.

    "queue.html#row" counts as "queue.html", and "app.js?v=2" counts as "app.js".
    """
    files = [
        *MODULES,
        *(ROOT / "templates").rglob("*.*"),
        *(ROOT / "static").rglob("*.js"),
        *(ROOT / "static").rglob("*.css"),
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return set(re.findall(r"""["']([\w/.-]+)(?=(?:#\w+)?["'?])""", text))


QUOTED = quoted_names()


def names_of(template):
    """Yield the names that code may use for a template.

    The first name is the path of the template. The template "privacy/email/erased.html" has a second name,
    "privacy/erased". The template "account/email/login_code_message.html" of allauth has a second name,
    "account/email/login_code".
    """
    yield template
    if found := re.fullmatch(r"(\w+)/email/(\w+)\.(?:subject\.txt|txt|html)", template):
        yield f"{found[1]}/{found[2]}"
    if found := re.fullmatch(r"(\w+/email/\w+)_(?:subject\.txt|message\.txt|message\.html)", template):
        yield found[1]


def is_overriding(template):
    """Return whether allauth has a template with this path, or with this path and the suffix .txt."""
    theirs = Path(allauth.__file__).parent / "templates" / template
    return theirs.exists() or theirs.with_suffix(".txt").exists()


def test_every_template_is_used():
    fail_if_any(
        [
            f"templates/{template}"
            for template in TEMPLATES
            if QUOTED.isdisjoint(names_of(template)) and not is_overriding(template)
        ],
        "Delete the template, or name it in the code: the guard looks for its whole path in quotes.",
    )


def long_lines(text):
    """Return the numbers of the lines that are too long, except lines that can't be broken."""
    lines = enumerate(text.splitlines(), start=1)
    return [number for number, line in lines if len(line) > MAX_LINE_LENGTH and not LONE_TAG.fullmatch(line)]


def test_html_template_lines_have_at_most_110_characters():
    root = ROOT / "templates"
    fail_if_any(
        [
            f"templates/{template}:{number}"
            for template in TEMPLATES
            if template.endswith(".html")
            for number in long_lines((root / template).read_text(encoding="utf-8"))
        ],
        "Put the attributes of long tags on lines of their own.",
    )


def test_template_tags_end_on_the_line_on_which_they_begin():
    """Django doesn't recognize a tag with a line break, and writes it onto the page."""
    root = ROOT / "templates"
    fail_if_any(
        [
            f"templates/{template}:{number}"
            for template in TEMPLATES
            for number, line in enumerate((root / template).read_text("utf-8").splitlines(), start=1)
            if line.count("{%") != line.count("%}")
        ],
        "Remove the line break from the tag. A line with only one tag may be longer than the limit.",
    )


def test_every_static_file_is_used():
    fail_if_any(
        [f"static/{file}" for file in STATIC if not is_static_file_used(file)],
        "Delete the file, or name it in the code: the guard looks for its whole name in quotes.",
    )


def is_static_file_used(file):
    names = [file, Path(file).name, *([Path(file).stem] if file.startswith("icons/") else [])]
    return not QUOTED.isdisjoint(names)


def is_filled_init(path):
    """Return whether this is an __init__.py with code, in a package that isn't named "models"."""
    return path.name == "__init__.py" and path.parent.name != "models" and bool(path.read_text())


def test_init_files_are_empty():
    fail_if_any(
        [path.relative_to(ROOT) for path in MODULES if is_filled_init(path)],
        "Move the code into a module with a name, and import it from there.",
    )


def test_no_module_has_a_vague_name_such_as_utils_or_helpers():
    fail_if_any(
        [path for path in MODULES if {path.stem, *path.relative_to(ROOT).parts} & FORBIDDEN],
        "Name the module after what it holds.",
    )


def version(text):
    return tuple(int(part) for part in text.split("."))


@pytest.mark.parametrize("package", FLOORS)
def test_dependencies_exclude_releases_with_known_vulnerabilities(package):
    stated = " ".join(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    floor = re.search(rf"(?:^| ){package}(?:\[[\w,]+\])?>=([\d.]+)", stated)
    pin = re.search(rf"^{package}(?:\[[\w,]+\])?==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.M)
    fix = f"Older releases of {package} have security holes: raise it in pyproject.toml and run make lock."
    assert version(floor[1]) >= FLOORS[package], fix
    assert version(pin[1]) >= FLOORS[package], fix


def test_pinned_packages_have_hashes_and_are_not_urls():
    for name in REQUIREMENTS:
        text = (ROOT / name).read_text()
        unsafe = [
            pin
            for pin in re.split(r"\n(?=[a-zA-Z])", text)
            if "://" in pin or ("==" in pin.split("#")[0] and "--hash=sha256:" not in pin)
        ]
        fail_if_any(unsafe, f"Do not edit {name} by hand: run make lock.")


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_file_pins_one_django_version(name):
    """Pin Django's long-term release for the portal. Only `make test-newest` uses the newest Django."""
    pins = re.findall(r"^django==(\d+\.\d+)\.\d+(.*?) ?\\$", (ROOT / name).read_text(), re.M)
    assert pins == [(REQUIREMENTS[name], "")]


def test_newest_requirements_differ_from_requirements_dev_only_in_django_and_allauth():
    """Other packages keep their versions, so that only Django or allauth can break `make test-newest`."""
    supported, newest = (
        dict(re.findall(r"^([\w-]+)(==\S+)", (ROOT / name).read_text(), re.M))
        for name in ("requirements-dev.txt", "requirements-newest.txt")
    )
    changed = {name for name in {*supported, *newest} if supported.get(name) != newest.get(name)}
    assert "django" in changed
    assert changed <= {"django", "django-allauth"}


# Tests of the checks in this file.


def test_template_without_a_mention_in_the_code_counts_as_unused():
    assert "home/old.html" not in QUOTED
    assert {"base.html", "conversations/conversation.html"} <= QUOTED


def test_only_a_line_with_a_single_template_tag_may_be_too_long():
    condition = f"{{% if {' or '.join(['reader_asked'] * 9)} %}}"
    assert long_lines(f"<p>\n{condition}{{% endif %}}\n</p>") == [2]
    assert long_lines(f"<p>\n  {condition}\n  {{% endif %}}</p>") == []
    assert long_lines("x" * 111) == [1]
    assert long_lines("x" * 110) == []
