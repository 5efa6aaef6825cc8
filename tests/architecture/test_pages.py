"""Check every page for untranslated words and missing template variables."""

import pytest
from django.apps import apps
from django.conf import settings
from django.conf.locale import LANG_INFO
from django.db import models
from django.template import engines

from portal.conversations.starter_templates import STARTERS
from portal.lists.links import address_of
from portal.surveys.presets import PRESETS

from .guards import sweep
from .pages import mark_translations, plain_literals
from .routes import both_owners, owned
from .world import address

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


class Missing(str):
    """The text that templates print for a missing variable. It is false, so `if` and `default` skip it."""

    __slots__ = ()

    def __bool__(self):
        return False


MISSING = Missing("‼")
# The words that pages show untranslated in every language.
NAMES = {
    "Afterword",
    "s•••@example.org",
    "s•••@example.net",
    "English",
    "Español",
    "Spanish",
    "Inglés",
    "ISBN",
    "DOI",
    "RIS",
    "BibTeX",
    "CSL JSON",
    "APA 7",
    "MLA 9",
    "Chicago 18",
    "READ",
    "QR",
    "PIN",
    "UTC",
    "Alt",
    "Ctrl",
    "Enter",
    "Esc",
}


def texts_of_the_data():
    """Return every text in the database, and the names that are never translated."""
    texts = (
        NAMES
        | {settings.SSO["name"]}
        | {name for name, _ in apps.get_model("accounts.Library")._meta.get_field("time_zone").choices}
    )
    texts |= {line for starter in STARTERS for line in (starter.name, starter.body)}
    texts |= {post.words for post in apps.get_model("accounts.RefusedPost").objects.all()}
    texts |= {
        f"{question.number} {question.name}" for each in PRESETS.values() for question in each.questions
    }
    # The database has the addresses of links only in encrypted form, so the loop at the end doesn't find
    # them.
    for model in ("lists.ListLink", "lists.StaffLink"):
        texts |= {address_of(link) for link in apps.get_model(model).objects.all()}
    texts |= {
        form
        for info in LANG_INFO.values()
        if "name_local" in info
        for form in (info["name_local"], info["name_local"].capitalize())
    }
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, (models.CharField, models.TextField)):
                texts |= {
                    line.strip()
                    for text in model._base_manager.values_list(field.name, flat=True)
                    for line in (text or "").splitlines()
                }
    return {text for text in texts if len(text) > 1}


@pytest.mark.slow
@both_owners
def test_every_word_on_a_page_can_be_translated(for_staff, world, owner, monkeypatch):
    browser, texts = owner(for_staff), texts_of_the_data()
    mark_translations(monkeypatch)

    def check(browser, route):
        answer = browser.get(address(route, world))
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            assert plain_literals(answer.content.decode(), texts) == []

    sweep(
        owned(for_staff),
        "get",
        check,
        browser=browser,
        fix="Translate these words with {% translate %} or gettext, and run make messages. If the text comes"
        " from a cached function, add the function to CACHED_FUNCTIONS in tests/architecture/pages.py. Add"
        " names that are the same in every language to NAMES here.",
    )


@pytest.mark.slow
@both_owners
def test_templates_use_no_missing_variables(for_staff, world, owner, monkeypatch):
    browser = owner(for_staff)
    monkeypatch.setattr(engines["django"].engine, "string_if_invalid", MISSING)

    def check(browser, route):
        page = b"".join(browser.get(address(route, world))).decode(errors="replace")
        before_each = [part[-80:] for part in page.split(MISSING)[:-1]]
        assert before_each == []

    sweep(
        owned(for_staff),
        "get",
        check,
        browser=browser,
        fix="After these words, the template uses a variable that the view doesn't pass. Correct or pass it.",
    )


# Tests of the checks in this file.


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("<p>⟦Hello⟧</p><p>Plain</p>", ["Plain"]),
        (
            '<input type="submit" value="Send"><img alt="Cover"><a title="⟦ok⟧">⟦on ⟦Monday⟧⟧</a>',
            ["Send", "Cover"],
        ),
        ("<p>⟦until <time>⟦today⟧</time>⟧</p><p>⟦until⟧ <time>today</time></p>", ["today"]),
        ('<p translate="no">Cited <i>as it</i> is</p><p>Plain</p>', ["Plain"]),
        ("<p>Rosa ⟦replied⟧ 14:02</p><style>.x{color:red}</style><script>var x</script>", []),
    ],
)
def test_page_check_finds_an_untranslated_word(html, left):
    assert plain_literals(html, {"Rosa"}) == left


def test_template_check_finds_a_missing_variable(monkeypatch):
    monkeypatch.setattr(engines["django"].engine, "string_if_invalid", MISSING)
    assert (
        engines["django"]
        .from_string("{% if nothing %}no{% endif %}{{ nothing.at_all }}{{ nothing|default:'' }}")
        .render({})
        == "‼"
    )


def test_names_of_the_portals_languages_do_not_count_as_untranslated():
    assert {str(name) for _, name in settings.LANGUAGES} <= NAMES
