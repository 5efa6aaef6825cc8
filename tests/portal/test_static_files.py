"""Test how static files are collected."""

from django.conf import settings
from django.core.files.base import ContentFile

from portal.static_files import StaticFiles, as_collected

SCRIPT = b"""// What the file does.
(() => {
  // Why.
  const address = "https://example.org/";  // stays
})();
"""
STYLE = b"""/* What the file does. */
.one > .two { margin: 0; }  /* Why. */
"""


def test_scripts_and_style_sheets_are_collected_without_comments(tmp_path):
    storage = StaticFiles(location=tmp_path)
    for name, body in (("js/app.js", SCRIPT), ("css/portal.css", STYLE), ("js-of-others/app.js", SCRIPT)):
        storage.save(name, ContentFile(body))
        list(storage.post_process({name: (storage, name)}))
        hashed = storage.stored_name(name)
        assert hashed != name
        assert (tmp_path / name).read_bytes() == (tmp_path / hashed).read_bytes() == as_collected(name, body)


def test_only_comment_lines_and_indentation_are_removed_from_scripts():
    assert as_collected("js/app.js", SCRIPT).decode().splitlines() == [
        "(() => {",
        'const address = "https://example.org/";  // stays',
        "})();",
    ]


def test_no_string_in_a_script_has_several_lines():
    """Collecting a script removes the indentation of every line, even of a line inside a string."""
    several_lines = [
        f"{path.name}:{number}: write this string in one line, or join its lines: {line.strip()}"
        for path in sorted((settings.BASE_DIR / "static" / "js").glob("*.js"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.count("`") % 2
    ]
    assert several_lines == []


def test_style_sheets_are_minified():
    assert as_collected("css/portal.css", STYLE) == b".one>.two{margin:0}"


def test_files_of_other_packages_are_collected_unchanged():
    assert as_collected("js-of-others/app.js", SCRIPT) == SCRIPT
