"""Check how translations are collected, updated and verified, on a small source tree."""

import gettext
import io

import pytest

from portal.management.commands import messages

MODULE = """
from django.utils.translation import gettext as _now, gettext_lazy as _, ngettext, pgettext_lazy as in_context
HELLO = _("Hello")
def f(n):
    return _now("Hello %(name)s") % {}, ngettext("%(n)d book", "%(n)d books", n), in_context("of a day", "second")
"""
PAGE = """{% extends "base.html" %}{% load i18n %}
    {% block main %}<h1 title="{% translate "It's 100% yours" %}">{{ _("Quick") }}</h1>
      {% blocktranslate trimmed with name=x count n=n %}One thing
         of {{ name }}{% plural %}{{ n }} things of {{ name }}{% endblocktranslate %}
  {% include "x.html" with title=_("Given away") %}{% endblock %}
"""
FOUND = {
    ("Hello", None),
    ("Hello %(name)s", None),
    (("%(n)d book", "%(n)d books"), None),
    ("second", "of a day"),
    ("It's 100%% yours", None),
    ("Quick", None),
    (("One thing of %(name)s", "%(n)s things of %(name)s"), None),
    ("Given away", None),
}


@pytest.fixture
def tree(tmp_path):
    for name, text in {
        "portal/module.py": MODULE,
        "templates/page.html": PAGE,
        "portal/migrations/0001.py": '_("never")',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    messages.update(tmp_path, tmp_path / "locale", "es")
    return tmp_path


@pytest.fixture
def po(tree):
    return tree / "locale/es/LC_MESSAGES/django.po"


def translate(tree, changes=()):
    """Translate every text as "¡" + text. `changes` is {text: (translation, flags)} for the exceptions."""
    changes = dict(changes)
    texts = messages.read(tree / "locale", "es")
    for message in texts:
        if message.id:
            message.string = (
                f"¡{message.id}" if isinstance(message.id, str) else tuple(f"¡{text}" for text in message.id)
            )
            if message.id in changes:
                message.string, flags = changes[message.id]
                message.flags |= set(flags)
    folder = tree / "locale/es/LC_MESSAGES"
    (folder / "django.po").write_bytes(messages.po_bytes(texts))
    (folder / "django.mo").write_bytes(messages.mo_bytes(texts))


def problems(tree):
    return messages.problems_in(tree, tree / "locale", "es")


def test_every_translatable_text_in_code_and_templates_is_collected(tree):
    assert {(message.id, message.context) for message in messages.collect(tree) if message.id} == FOUND


def test_every_untranslated_text_is_reported(tree):
    assert len(problems(tree)) == len(FOUND)


def test_collecting_texts_again_does_not_change_the_translation_file(tree, po):
    translate(tree)
    messages.update(tree, tree / "locale", "es")
    before = po.read_bytes()
    messages.update(tree, tree / "locale", "es")
    assert po.read_bytes() == before
    assert problems(tree) == []
    assert before.startswith(b'msgid ""\nmsgstr ""\n"Language: es\\n"')
    assert b"Date" not in before
    assert b"@" not in before


def test_compiled_translations_can_be_read_by_gettext(tree, po):
    translate(tree)
    catalog = gettext.GNUTranslations(io.BytesIO(po.with_suffix(".mo").read_bytes()))
    assert catalog.info()["content-type"] == "text/plain; charset=utf-8"
    assert catalog.gettext("Hello") == "¡Hello"
    assert catalog.ngettext("%(n)d book", "%(n)d books", 2) == "¡%(n)d books"
    assert catalog.pgettext("of a day", "second") == "¡second"


@pytest.mark.parametrize(
    ("text", "translation", "flags", "problem"),
    [
        ("Hello", "", [], "es: not translated: 'Hello'"),
        ("Hello", "Hola", ["fuzzy"], "es: fuzzy: 'Hello'"),
        ("Hello %(name)s", "Hola %(nombre)s", [], "es: placeholders differ: 'Hello %(name)s'"),
        (("%(n)d book", "%(n)d books"), ("un libro", "libros"), [], "es: placeholders differ: '%(n)d book'"),
        (("%(n)d book", "%(n)d books"), ("un libro", ""), [], "es: not translated: '%(n)d book'"),
    ],
)
def test_empty_or_fuzzy_translations_and_wrong_placeholders_are_reported(
    tree, text, translation, flags, problem
):
    translate(tree, {text: (translation, flags)})
    assert [found for found in problems(tree) if "django.mo" not in found] == [problem]


def test_translation_of_the_singular_may_omit_the_number(tree):
    translate(tree, {("%(n)d book", "%(n)d books"): (("un libro", "%(n)d libros"), [])})
    assert problems(tree) == []


def test_text_added_or_removed_after_the_last_collection_is_reported(tree):
    translate(tree)
    (tree / "portal/module.py").write_text(MODULE.replace('"Hello")', '"Good day")'))
    assert problems(tree) == ["es: not collected yet: 'Good day'", "es: no longer used: 'Hello'"]


def test_outdated_compiled_translation_file_is_reported(tree, po):
    translate(tree)
    po.write_text(po.read_text().replace('msgstr "¡Hello"', 'msgstr "Hola"'))
    assert problems(tree) == ["es: django.mo does not match django.po"]
