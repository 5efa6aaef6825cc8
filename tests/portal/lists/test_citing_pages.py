import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from portal.lists.own_words import add_title
from tests.factories import ItemFactory, SavedItemFactory, SavedListFactory
from tests.portal.pages import part, text


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def saved_list(patron):
    return SavedListFactory(patron=patron, name="For winter")


@pytest.fixture
def saved(saved_list):
    item = ItemFactory(
        title="The craft of research", creators="Booth, Wayne C.", year="2016", language="eng", source="marc"
    )
    return SavedItemFactory(saved_list=saved_list, item=item, note="My note")


def cited(client, saved_list, **query):
    return client.get(reverse("cite_list", args=[saved_list.public_id]), query)


def test_each_title_links_to_its_citations_in_three_styles(me, saved):
    page = me.get(reverse("saved_title", args=[saved.public_id]))
    address = reverse("cite_title", args=[saved.public_id])
    assert f'href="{address}"' in page.content.decode()
    citations = me.get(address)
    for style, words in (
        ("apa", "Booth, W. C. (2016). <i>The craft of research</i>."),
        ("mla", "Booth, Wayne C. <i>The Craft of Research</i>. 2016."),
        ("chicago", "Booth, Wayne C. <i>The Craft of Research</i>. 2016."),
    ):
        assert words in part(citations, f"citation-{style}")
    assert "My note" not in citations.content.decode()


def test_citations_are_in_the_chosen_language_or_else_in_the_language_of_the_page(me, saved):
    address = reverse("cite_title", args=[saved.public_id])
    item = saved.item
    item.year = ""
    item.save()
    assert "(n.d.)" in part(me.get(address), "citation-apa")
    assert "(s. f.)" in part(me.get(address, {"in": "es"}), "citation-apa")
    me.cookies["django_language"] = "es"
    assert "(n.d.)" in part(me.get(address, {"in": "en"}), "citation-apa")


def test_list_is_cited_in_the_order_of_authors_and_titles(me, saved_list):
    for title, creators in (("Zebra", ""), ("Beta", "Ono, Yoko"), ("Alpha", "Zola, Émile"), ("Álamo", "")):
        add_title(saved_list, title=title, creators=creators, at=timezone.now())
    page = cited(me, saved_list, style="mla")
    texts = [part(page, f"citation-{number}") for number in (1, 2, 3, 4)]
    assert [next(word for word in ("Álamo", "Beta", "Zebra", "Alpha") if word in each) for each in texts] == [
        "Álamo",
        "Beta",
        "Zebra",
        "Alpha",
    ]
    assert "Zola, Émile. Alpha." in page.content.decode()


def test_removed_titles_and_other_lists_are_not_cited(me, patron, saved_list, saved):
    SavedItemFactory(saved_list__patron=patron, item__title="In another list")
    SavedItemFactory(saved_list=saved_list, item__title="Removed", removed_at=timezone.now())
    page = cited(me, saved_list).content.decode()
    assert "The craft of research" in page
    assert "Removed" not in page
    assert "In another list" not in page


@pytest.mark.parametrize(
    "query", [{"style": "x", "in": "xx", "page": "-1"}, {"page": "99"}, {"page": "²"}, {"page": "9" * 5000}]
)
def test_unknown_style_or_language_or_page_causes_no_error(me, saved_list, saved, query):
    page = cited(me, saved_list, **query)
    assert "Booth, W. C. (2016)." in part(page, "citation-1")


def test_pages_of_a_long_list_cite_each_title_once(me, saved_list):
    for number in range(60):
        add_title(saved_list, title=f"Title {number:02}", at=timezone.now())
    found = []
    for number, count in ((1, 25), (2, 25), (3, 10)):
        page = cited(me, saved_list, style="mla", page=number).content.decode()
        assert page.count('class="citation"') == count
        found += [f"Title {title:02}" for title in range(60) if f"<i>Title {title:02}</i>" in page]
        assert f"Page {number} of 3" in page
    assert found == [f"Title {number:02}" for number in range(60)]


def test_empty_list_says_how_to_cite_titles(me, saved_list):
    assert "Save a title in this list. Then you can cite it here." in text(cited(me, saved_list))


@pytest.mark.parametrize("count", [1, 20])
def test_citing_a_list_runs_the_same_number_of_queries_for_1_and_20_titles(
    count, me, saved_list, django_assert_num_queries
):
    SavedItemFactory.create_batch(count, saved_list=saved_list)
    cited(me, saved_list)
    with django_assert_num_queries(6):
        assert cited(me, saved_list).status_code == 200


def test_hostile_title_is_escaped_in_its_citation(me, saved_list):
    add_title(saved_list, title='<script>alert("x")</script> & </textarea>', at=timezone.now())
    page = cited(me, saved_list).content.decode()
    assert "<script>alert" not in page
    assert page.count("</textarea>") == 1
    assert "&lt;script&gt;alert(&quot;x&quot;)" in page


@pytest.mark.only_long
@pytest.mark.slow
def test_portal_starts_without_loading_the_packages_that_format_citations():
    code = (
        "import django, sys; django.setup(); import portal.urls;"
        "print([name for name in ('lxml', 'citeproc') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )  # fmt: skip
    assert run.stdout.strip() == "[]"
