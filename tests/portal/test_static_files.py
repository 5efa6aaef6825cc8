"""Test how static files are collected."""

from django.core.files.base import ContentFile

from portal.static_files import StaticFiles, without_comments

SCRIPT = b"""// What the file does.
(() => {
  // Why.
  const address = "https://example.org/";  // stays
  const words = `one
    two`;
})();
"""


def test_scripts_are_collected_without_comment_lines(tmp_path):
    storage = StaticFiles(location=tmp_path)
    storage.save("js/app.js", ContentFile(SCRIPT))
    storage.save("css/portal.css", ContentFile(SCRIPT))
    list(storage.post_process({"js/app.js": (storage, "js/app.js")}))
    hashed = storage.stored_name("js/app.js")
    assert hashed != "js/app.js"
    for name in ("js/app.js", hashed):
        assert (tmp_path / name).read_bytes() == without_comments(SCRIPT)
    assert (tmp_path / "css" / "portal.css").read_bytes() == SCRIPT


def test_only_comment_lines_are_removed_from_scripts():
    assert without_comments(SCRIPT).decode().splitlines() == [
        "(() => {",
        '  const address = "https://example.org/";  // stays',
        "  const words = `one",
        "    two`;",
        "})();",
    ]
