"""Test .ci/words.py with small trees of files."""

import runpy

import pytest
from django.conf import settings

ADVICE = "Instead of these words"


@pytest.fixture(scope="module")
def main():
    return runpy.run_path(str(settings.BASE_DIR / ".ci/words.py"))["main"]


@pytest.fixture
def run(main, tmp_path, capsys):
    """Return run({file name: text}), which returns what .ci/words.py prints about these files."""

    def run(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        status = main(tmp_path)
        *problems, advice = capsys.readouterr().out.splitlines() or [""]
        assert (bool(status), advice.startswith(ADVICE)) == (bool(problems), bool(problems))
        return problems

    return run


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("portal/a.py", "x = 1  # it is for whoever asks\n", "portal/a.py:1: whoever"),
        (
            "portal/a.py",
            'def f():\n    """Return what\n    becomes of it."""\n',
            "portal/a.py:2: what becomes of",
        ),
        ("portal/a.py", "# those of\n# whom we know\n", "portal/a.py:1: of whom"),
        ("portal/a.py", "x = 1  # noqa: E501\n", "portal/a.py:1: write the reason after noqa: E501"),
        ("docs/a.md", "# A\n\nThe patron is told.\n", "docs/a.md:3: is told"),
        ("static/js/a.js", "f();  // it stands here\n", "static/js/a.js:1: stands"),
        ("static/css/a.css", "a { }\n/* By what? */\n", "static/css/a.css:2: by what"),
        ("templates/a.html", "<p>{# That which is. #}</p>\n", "templates/a.html:1: that which"),
        ("Makefile", "# Whomever\n", "Makefile:1: whomever"),
    ],
)
def test_word_check_reports_a_banned_word_with_its_line_number(run, name, text, problem):
    assert run({name: text}) == [problem]


def test_banned_word_in_a_translation_file_is_reported_with_its_source_file(run):
    po = '#: portal/a.py\nmsgid "For whoever asks"\nmsgstr ""\n'
    problem = "portal/a.py: whoever, in the text 'For whoever asks'"
    assert run({"locale/es/LC_MESSAGES/django.po": po}) == [problem]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("portal/a.py", 'said = "whoever"\n'),
        ("portal/a.py", "# words: the name of a column in SIP2\nx = 1  # whoever\n"),
        ("portal/a.py", '# Not `whoever`, not “is told” and not "stands".\n'),
        ("portal/a.py", "x = 1  # noqa: E501  an address that can't be split\n"),
        ("docs/a.md", "```\nwhoever\n```\nThe word `stands` <!-- words: an example --> stands here.\n"),
        ("portal/migrations/0001_initial.py", "# whoever\n"),
        ("static/htmx.js", "// whoever\n"),
    ],
)
def test_word_check_allows_banned_words_in_quotes_or_with_a_reason_or_in_excluded_files(run, name, text):
    assert run({name: text}) == []
