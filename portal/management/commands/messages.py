"""Translations without the gettext tools: every text in code and templates into locale/<language>/LC_MESSAGES/django.po, compiled to .mo.

Both files are committed, so that a running portal needs no build step and no Babel. Nothing in them changes by itself: no dates,
no line numbers.
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

# Which arguments hold the text, as Babel writes it.
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


class Texts(Catalog):
    """A catalogue whose header says only what gettext needs."""

    def __init__(self, language=None):
        super().__init__(locale=language, header_comment="", charset="utf-8", fuzzy=False)

    def _headers(self):
        headers = [
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]
        return (
            [("Language", str(self.locale)), ("Plural-Forms", self.plural_forms), *headers]
            if self.locale
            else headers
        )

    mime_headers = property(_headers, Catalog._set_mime_headers)


class Command(BaseCommand):
    help = "Gathers the texts to be translated, keeps their translations, and compiles them."

    def add_arguments(self, parser):
        parser.add_argument(
            "--check",
            action="store_true",
            help="change nothing; fail when a translation is missing, doubtful, outdated or broken",
        )

    def handle(self, *, check, **options):
        languages = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
        locale = Path(settings.LOCALE_PATHS[0])
        faults = []
        for language in languages:
            if not check:
                update(settings.BASE_DIR, locale, language)
            faults += faults_in(settings.BASE_DIR, locale, language)
        for fault in faults:
            self.stderr.write(fault)
        if faults and check:
            raise CommandError(
                f"{len(faults)} faults in the translations. `manage.py messages` gathers the texts; the translations go into locale/."
            )


def gather(root):
    """All texts under `root`, as a catalogue without translations."""
    texts = Texts()
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
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        functions = _functions_used_by(source)
    else:
        # Django turns a template into calls between rows of X; leading space would read as wrong indentation.
        source = "\n".join(line.strip() for line in templatize(source, origin=str(path)).splitlines())
        functions = FUNCTIONS | {"_": None}
    for _, text, comments, context in extract(
        "python", io.BytesIO(source.encode()), functions, ("Translators:",)
    ):
        yield text, comments, context


def _functions_used_by(source):
    """The gettext functions by the names this module imports them under."""
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
    """Gather the texts into the language's file, keep the translations of those that are still there, and compile."""
    texts, known = Texts(language), read(locale, language)
    for message in gather(root):
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
    (folder / "django.po").write_bytes(written(texts))
    (folder / "django.mo").write_bytes(compiled(texts))


def read(locale, language):
    """The language's file as it is; empty when there is none."""
    path = locale / language / "LC_MESSAGES" / "django.po"
    texts = Texts(language)
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


def written(texts):
    file = io.BytesIO()
    write_po(file, texts, width=120, include_lineno=False)
    return file.getvalue().lstrip(
        b"#\n"
    )  # an empty comment; every entry begins with a letter or, after it, with "#:"


def compiled(texts):
    file = io.BytesIO()
    write_mo(file, texts)
    return file.getvalue()


def faults_in(root, locale, language):
    """What is wrong with the language's translations, a line each."""
    texts, known = gather(root), read(locale, language)
    wanted = {(message.id, message.context): message for message in texts if message.id}
    there = {(message.id, message.context): message for message in known if message.id}
    faults = [f"{language}: not gathered yet: {_name(key)}" for key in wanted if key not in there]
    faults += [f"{language}: no longer used: {_name(key)}" for key in there if key not in wanted]
    for key, message in there.items():
        if message.fuzzy:
            faults.append(f"{language}: doubtful (fuzzy): {_name(key)}")
        elif not _is_translated(message):
            faults.append(f"{language}: not translated: {_name(key)}")
        elif not _placeholders_agree(message):
            faults.append(f"{language}: placeholders differ: {_name(key)}")
    path = locale / language / "LC_MESSAGES" / "django.mo"
    if not path.exists() or path.read_bytes() != compiled(known):
        faults.append(f"{language}: django.mo is not what django.po says")
    return faults


def _name(key):
    text, context = key
    text = text if isinstance(text, str) else text[0]
    return f"{text!r}" + (f" ({context})" if context else "")


def _same_kind(old, new):
    return isinstance(old.id, str) == isinstance(new.id, str)


def _is_translated(message):
    return all(message.string) if isinstance(message.string, (tuple, list)) else bool(message.string)


def _placeholders_agree(message):
    """The forms for many hold the same placeholders as the text; the one for a single thing may leave the number out."""
    if isinstance(message.id, str):
        return _placeholders(message.id) == _placeholders(message.string)
    one, many = (set(_placeholders(text)) for text in message.id)
    *few, last = (set(_placeholders(text)) for text in message.string)
    return last == many and all(form <= one | many for form in few)


def _placeholders(text):
    return sorted(PLACEHOLDER.findall(text.replace("%%", "")))
