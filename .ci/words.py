"""Check comments, docstrings, documents and translatable texts for the words that docs/style.md bans.

Usage: .venv/bin/python .ci/words.py [FOLDER]

Code in Markdown and everything in double quotes is skipped, because it can be a quoted example. Test data is
skipped, because it is neither a comment nor a docstring. A banned word is allowed if its line or the line
before gives a reason: `# words: REASON` in code, `<!-- words: REASON -->` in Markdown.

Ruff checks the length of lines. This script only checks that each `noqa: E501` is followed by its reason.
"""

import ast
import io
import re
import sys
import tokenize
from pathlib import Path

from babel.messages.pofile import read_po

WORDS = [
    "whoever",
    "whomever",
    "that which",
    "of whom",
    "is told",
    "stands",
    "what becomes of",
    "by what",
    "there is that",
]
# A space in a phrase also matches a line break, because a phrase can continue on the next line.
SPACE = r"(?: +| *\n *)"
PATTERN = re.compile(rf"\b(?:{'|'.join(word.replace(' ', SPACE) for word in WORDS)})\b", re.IGNORECASE)
QUOTED = re.compile(r'```.*?```|`[^`\n]*`|"[^"\n]*"|“[^”]*”', re.DOTALL)
EXCEPTION = re.compile(r"\bwords: \w")
LONG_LINE_WITHOUT_REASON = re.compile(r"# noqa: E501\s*$")

FOLDERS = ["accounts", "bench", "docs", "portal", "recommendations", "static", "templates", "tests", ".ci"]
FILES = ["Makefile", "README.md", "pyproject.toml"]
SKIPPED = re.compile(r"/migrations/|/__pycache__/|^static/(?!css/|js/)")
COMMENTS = {
    ".css": re.compile(r"/\*.*?\*/", re.DOTALL),
    ".html": re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL),
    ".js": re.compile(r"(?<![:\"'`])//[^\n]*"),
    "": re.compile(r"(?:^|(?<=\s))#[^\n]*", re.MULTILINE),
}


def main(root):
    problems = []
    for path in files(root):
        name = path.relative_to(root).as_posix()
        problems += [f"{name}:{problem}" for problem in check(name, path.read_text("utf-8"))]
    for path in sorted(root.glob("locale/*/LC_MESSAGES/django.po")):
        problems += check_texts(path)
    for problem in problems:
        print(problem)
    if problems:
        print("Instead of these words, name the person or the thing (docs/style.md).")
    return bool(problems)


def files(root):
    paths = [root / name for name in FILES]
    for folder in FOLDERS:
        paths += (root / folder).rglob("*")
    names = [path.relative_to(root).as_posix() for path in paths if path.is_file()]
    return [root / name for name in sorted(names) if _is_checked(name)]


def _is_checked(name):
    has_comments = Path(name).suffix in {".css", ".html", ".js", ".md", ".py"}
    return (has_comments or name in FILES or name.startswith(".ci/")) and not SKIPPED.search(name)


def check(name, text):
    """Yield "line number: problem" for each problem in a file."""
    lines = text.split("\n")
    prose = QUOTED.sub(_blank, _prose(name, text))
    for match in PATTERN.finditer(prose):
        number = prose.count("\n", 0, match.start()) + 1
        if not any(EXCEPTION.search(line) for line in lines[max(0, number - 2) : number]):
            yield f"{number}: {_joined(match)}"
    for number, line in enumerate(lines, 1):
        if LONG_LINE_WITHOUT_REASON.search(line):
            yield f"{number}: write the reason after noqa: E501"


def check_texts(path):
    """Return one problem for each banned word in the texts of a django.po file.

    Translations are not checked.
    """
    with path.open("rb") as file:
        catalog = read_po(file)
    problems = []
    for message in catalog:
        place = message.locations[0][0] if message.locations else path.name
        for text in [message.id] if isinstance(message.id, str) else message.id:
            matches = PATTERN.finditer(QUOTED.sub(_blank, text))
            problems += [f"{place}: {_joined(match)}, in the text {text!r}" for match in matches]
    return problems


def _prose(name, text):
    """Return the text with spaces in place of everything that is not a comment, a docstring or Markdown."""
    suffix = Path(name).suffix
    if suffix == ".md":
        return text
    if suffix == ".py":
        return _keep(text, [*_comments(text), *_docstrings(text)])
    pattern = COMMENTS.get(suffix, COMMENTS[""])
    return _keep(text, [match.span() for match in pattern.finditer(text)])


def _comments(text):
    starts = _line_starts(text)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            start = starts[token.start[0] - 1] + token.start[1]
            yield start, start + len(token.string)


def _docstrings(text):
    starts = _line_starts(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            first, last = node.body[0].lineno, node.body[0].end_lineno
            # The quotes around a docstring are not quotation marks.
            yield text.index('"""', starts[first - 1]) + 3, text.rindex('"""', 0, starts[last])


def _line_starts(text):
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _keep(text, spans):
    kept = list(re.sub(r"[^\n]", " ", text))
    for start, end in spans:
        # A phrase can continue on the next line of a comment, so # and // become spaces.
        kept[start:end] = text[start:end].replace("#", " ").replace("//", "  ")
    return "".join(kept)


def _blank(match):
    return re.sub(r"[^\n]", " ", match[0])


def _joined(match):
    return " ".join(match[0].split()).lower()


if __name__ == "__main__":
    root = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent
    sys.exit(main(Path(root).absolute()))
