"""Collect the translatable texts from code and templates, and compile the translations.

Both django.po and django.mo in locale/<language>/LC_MESSAGES/ are committed. So an installation needs no
build step, no Babel and no gettext tools. The files contain no dates and no line numbers, so they change only
when a text changes.
"""

import ast
import io
import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation.template import templatize

# {name of a function: positions of the texts in its arguments}, in Babel's format. "c" means that the
# argument is a context and not a text.
FUNCTIONS = {
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
PLACEHOLDER = re.compile(r"%\([^)]*\)[a-z]|%[sd]|\{[a-zA-Z_]*\}")
SOURCES = [
    ("accounts", "*.py"),
    ("recommendations", "*.py"),
    ("portal", "*.py"),
    ("templates", "*.html"),
    ("templates", "*.txt"),
]


class MinimalCatalog(Catalog):
    """A Babel catalog that has only the headers that gettext needs."""

    def __init__(self, language=None):
        super().__init__(locale=language, header_comment="", charset="utf-8", fuzzy=False)

    def _headers(self):
        headers = [
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]
        if self.locale:
            headers = [("Language", str(self.locale)), ("Plural-Forms", self.plural_forms), *headers]
        return headers

    mime_headers = property(_headers, Catalog._set_mime_headers)


class Command(BaseCommand):
    help = "Collect the texts to translate, keep existing translations, and compile them."

    def add_arguments(self, parser):
        parser.add_argument(
            "--check",
            action="store_true",
            help="change nothing, and fail if a translation is missing, fuzzy, outdated or broken",
        )

    def handle(self, *, check, **options):
        languages = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
        locale = Path(settings.LOCALE_PATHS[0])
        problems = []
        for language in languages:
            if not check:
                update(settings.BASE_DIR, locale, language)
            problems += problems_in(settings.BASE_DIR, locale, language)
        for problem in problems:
            self.stderr.write(problem)
        if problems and check:
            raise CommandError(
                f"{len(problems)} problems in the translations. `make messages` collects the texts. Then add "
                "the translations to django.po in locale/ and run it again."
            )


def collect(root):
    """Return a catalog of all translatable texts under `root`. The catalog has no translations."""
    texts = MinimalCatalog()
    for folder, pattern in SOURCES:
        for path in sorted((root / folder).rglob(pattern)):
            if "migrations" in path.parts:
                continue
            for text, comments, context in texts_in(path):
                texts.add(
                    text,
                    locations=[(str(path.relative_to(root)), None)],
                    auto_comments=comments,
                    context=context,
                )
    return texts


def texts_in(path):
    """Yield (text, comments, context) for each translatable text in a file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        functions = _functions_used_by(source)
    else:
        # templatize() turns a template into Python calls but keeps the indentation of the template. Python
        # would reject that indentation, so it is removed.
        source = "\n".join(line.strip() for line in templatize(source, origin=str(path)).splitlines())
        functions = FUNCTIONS | {"_": None}
    for _, text, comments, context in extract(
        "python", io.BytesIO(source.encode()), functions, ("Translators:",)
    ):
        yield text, comments, context


def _functions_used_by(source):
    """Return FUNCTIONS, with further entries for functions that `source` imports under another name."""
    functions = dict(FUNCTIONS)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
            functions |= {
                alias.asname or alias.name: FUNCTIONS[alias.name]
                for alias in node.names
                if alias.name in FUNCTIONS
            }
    return functions


def update(root, locale, language):
    """Write all current texts and their existing translations to django.po, and compile the file."""
    texts, known = MinimalCatalog(language), read(locale, language)
    for message in collect(root):
        if message.id:
            old = known.get(message.id, message.context)
            translation = old.string if old and _same_kind(old, message) else None
            texts.add(
                message.id,
                translation,
                locations=message.locations,
                auto_comments=message.auto_comments,
                user_comments=old.user_comments if old else (),
                flags=(old.flags & {"fuzzy"}) if old and translation else (),
                context=message.context,
            )
    folder = locale / language / "LC_MESSAGES"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "django.po").write_bytes(po_bytes(texts))
    (folder / "django.mo").write_bytes(mo_bytes(texts))


def read(locale, language):
    """Return the catalog in django.po. If the file does not exist, return an empty catalog."""
    path = locale / language / "LC_MESSAGES" / "django.po"
    texts = MinimalCatalog(language)
    if path.exists():
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id:
                    texts.add(
                        message.id,
                        message.string,
                        message.locations,
                        message.flags,
                        message.auto_comments,
                        message.user_comments,
                        context=message.context,
                    )
    return texts


def po_bytes(texts):
    file = io.BytesIO()
    write_po(file, texts, width=120, include_lineno=False)
    # Remove the empty comment that Babel writes at the beginning of the file.
    return file.getvalue().lstrip(b"#\n")


def mo_bytes(texts):
    file = io.BytesIO()
    write_mo(file, texts)
    return file.getvalue()


def problems_in(root, locale, language):
    """Return one line for each problem in the translations of the language."""
    catalog = read(locale, language)
    used = {(message.id, message.context): message for message in collect(root) if message.id}
    known = {(message.id, message.context): message for message in catalog if message.id}
    problems = [f"{language}: not collected yet: {_name(key)}" for key in used if key not in known]
    problems += [f"{language}: no longer used: {_name(key)}" for key in known if key not in used]
    for key, message in known.items():
        if message.fuzzy:
            problems.append(f"{language}: fuzzy: {_name(key)}")
        elif not _is_translated(message):
            problems.append(f"{language}: not translated: {_name(key)}")
        elif not _placeholders_agree(message):
            problems.append(f"{language}: placeholders differ: {_name(key)}")
    path = locale / language / "LC_MESSAGES" / "django.mo"
    if not path.exists() or path.read_bytes() != mo_bytes(catalog):
        problems.append(f"{language}: django.mo does not match django.po")
    return problems


def _name(key):
    text, context = key
    text = text if isinstance(text, str) else text[0]
    return f"{text!r}" + (f" ({context})" if context else "")


def _same_kind(old, new):
    return isinstance(old.id, str) == isinstance(new.id, str)


def _is_translated(message):
    return all(message.string) if isinstance(message.string, (tuple, list)) else bool(message.string)


def _placeholders_agree(message):
    """Return whether the translation has the same placeholders as the text.

    The singular form may leave out the placeholder of the number.
    """
    if isinstance(message.id, str):
        return _placeholders(message.id) == _placeholders(message.string)
    singular, plural = (set(_placeholders(text)) for text in message.id)
    *other_forms, last_form = (set(_placeholders(text)) for text in message.string)
    return last_form == plural and all(form <= singular | plural for form in other_forms)


def _placeholders(text):
    return sorted(PLACEHOLDER.findall(text.replace("%%", "")))
