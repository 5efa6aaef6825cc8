"""The gathering, keeping and checking of translations, on a small tree."""

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
    """Give every text a translation, then those of `changes`: text → (translation, flags)."""
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


def faults(tree):
    return messages.problems_in(tree, tree / "locale", "es")


def test_every_text_of_code_and_templates_is_found(tree):
    assert {(message.id, message.context) for message in messages.collect(tree) if message.id} == FOUND


def test_what_is_not_translated_is_a_fault(tree):
    assert len(faults(tree)) == len(FOUND)


def test_gathering_again_keeps_the_translations_and_changes_no_byte(tree, po):
    translate(tree)
    messages.update(tree, tree / "locale", "es")
    before = po.read_bytes()
    messages.update(tree, tree / "locale", "es")
    assert po.read_bytes() == before
    assert faults(tree) == []
    assert before.startswith(b'msgid ""\nmsgstr ""\n"Language: es\\n"')
    assert b"Date" not in before
    assert b"@" not in before


def test_the_compiled_file_is_read_by_gettext(tree, po):
    translate(tree)
    catalogue = gettext.GNUTranslations(io.BytesIO(po.with_suffix(".mo").read_bytes()))
    assert catalogue.info()["content-type"] == "text/plain; charset=utf-8"
    assert catalogue.gettext("Hello") == "¡Hello"
    assert catalogue.ngettext("%(n)d book", "%(n)d books", 2) == "¡%(n)d books"
    assert catalogue.pgettext("of a day", "second") == "¡second"


@pytest.mark.parametrize(
    ("text", "translation", "flags", "fault"),
    [
        ("Hello", "", [], "es: not translated: 'Hello'"),
        ("Hello", "Hola", ["fuzzy"], "es: fuzzy: 'Hello'"),
        ("Hello %(name)s", "Hola %(nombre)s", [], "es: placeholders differ: 'Hello %(name)s'"),
        (("%(n)d book", "%(n)d books"), ("un libro", "libros"), [], "es: placeholders differ: '%(n)d book'"),
        (("%(n)d book", "%(n)d books"), ("un libro", ""), [], "es: not translated: '%(n)d book'"),
    ],
)
def test_a_translation_that_would_not_do_is_a_fault(tree, text, translation, flags, fault):
    translate(tree, {text: (translation, flags)})
    assert [found for found in faults(tree) if "django.mo" not in found] == [fault]


def test_the_form_for_one_may_leave_the_number_out(tree):
    translate(tree, {("%(n)d book", "%(n)d books"): (("un libro", "%(n)d libros"), [])})
    assert faults(tree) == []


def test_a_text_that_is_new_or_gone_is_a_fault(tree):
    translate(tree)
    (tree / "portal/module.py").write_text(MODULE.replace('"Hello")', '"Good day")'))
    assert faults(tree) == ["es: not collected yet: 'Good day'", "es: no longer used: 'Hello'"]


def test_a_compiled_file_of_yesterday_is_a_fault(tree, po):
    translate(tree)
    po.write_text(po.read_text().replace('msgstr "¡Hello"', 'msgstr "Hola"'))
    assert faults(tree) == ["es: django.mo does not match django.po"]
