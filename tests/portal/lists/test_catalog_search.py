"""Check how patrons search the catalog for titles to add to a list. Nothing about the search is kept."""

import logging

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import RefusedPost
from portal.lists.models import MAX_ITEMS, SavedItem
from recommendations.actions import change_item
from recommendations.models import Holding
from tests.factories import BranchFactory, ItemFactory, SavedItemFactory, SavedListFactory, UserFactory
from tests.portal.pages import HTMX, asks_to_sign_in, part, text


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def winter(patron):
    return SavedListFactory(patron=patron, name="For winter")


def catalog(title, **facts):
    return ItemFactory(title=title, source="catalog", source_key=title, **facts)


def search(saved_list):
    return reverse("find_in_catalog", args=[saved_list.public_id])


def add(saved_list):
    return reverse("add_found", args=[saved_list.public_id])


def found(browser, saved_list, words):
    page = browser.post(search(saved_list), {"words": words})
    return [str(item) for item in page.context["found"]]


def test_search_finds_titles_of_the_catalog_only(me, winter):
    catalog("Snow country"), catalog("Snow crash")
    # Staff have typed this for one patron, and the name can say why.
    ItemFactory(title="Snow shelter for women")
    change_item(catalog("Snow white"), retired_at=timezone.now())
    assert sorted(found(me, winter, "SNOW")) == ["Snow country", "Snow crash"]
    assert found(me, winter, "snow writer") != []
    assert found(me, winter, "sand") == []


def test_page_says_that_nothing_about_the_search_is_kept(me, winter):
    page = text(me.get(reverse("add_title", args=[winter.public_id])))
    assert "Nobody sees what you search for, and nothing about it is kept." in page


def test_search_writes_nothing_and_its_words_are_in_no_address_log_or_session(me, winter, caplog):
    caplog.set_level(logging.DEBUG)
    catalog("Compost city")
    me.post(search(winter), {"words": "compost"})
    before = me.session.items()
    with CaptureQueriesContext(connection) as queries:
        response = me.post(search(winter), {"words": "compost"})
    written = [
        query["sql"] for query in queries.captured_queries if not query["sql"].lstrip().startswith("SELECT")
    ]
    assert written == []
    assert me.session.items() == before
    assert response["Cache-Control"] == "no-store"
    assert set(response.cookies) <= {"csrftoken"}
    caplog.clear()
    me.post(search(winter), {"words": "compost"})
    lines = [
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name[:6] == "portal"
    ]
    assert lines
    assert not [line for line in lines if "compost" in line]
    addresses = [line for line in response.content.decode().split('"') if line.startswith(("/", "?"))]
    assert not [address for address in addresses if "compost" in address]


def test_words_of_a_refused_search_are_not_kept_until_the_next_sign_in(me, winter):
    me.get(reverse("saved"))
    me.session.flush()
    response = me.post(search(winter), {"words": "compost"}, HTTP_SEC_FETCH_SITE="same-origin")
    assert asks_to_sign_in(response)
    assert RefusedPost.objects.count() == 0


def test_opening_the_address_of_a_search_leads_to_the_form(me, winter):
    assert me.get(search(winter))["Location"] == reverse("add_title", args=[winter.public_id])


def test_found_title_is_added_to_this_list(me, patron, winter):
    SavedListFactory(patron=patron, name="For summer")
    item = catalog("Snow country")
    answer = me.post(add(winter), {"item": item.public_id})
    saved = SavedItem.objects.get()
    assert (saved.item, saved.saved_list, saved.recommendation) == (item, winter, None)
    assert answer["Location"] == f"{winter.get_absolute_url()}#saved-{saved.public_id}"
    assert me.get(reverse("item", args=[item.public_id])).status_code == 200


def test_adding_by_htmx_shows_the_title_as_added_and_keeps_the_results(me, winter):
    item = catalog("Snow country")
    answer = me.post(add(winter), {"item": item.public_id}, **HTMX)
    row = f"found-{item.public_id}"
    again = me.post(search(winter), {"words": "snow"})
    assert "This list has 1 title. It can have 500." in text(answer)
    assert "In this list" in part(answer, row)
    assert part(answer, row).replace(' tabindex="-1" autofocus', "") == part(again, row)


def test_title_that_the_search_does_not_find_cannot_be_added(me, winter):
    for item in (ItemFactory(title="Snow shelter for women"), catalog("Gone", retired_at=timezone.now())):
        assert me.post(add(winter), {"item": item.public_id}).status_code == 404
    assert me.post(add(winter), {"item": "x"}).status_code == 404
    assert not SavedItem.objects.exists()


def test_full_list_says_so(me, winter):
    SavedItem.objects.bulk_create(
        SavedItem(saved_list=winter, title=f"Title {n}", position=n, saved_at=timezone.now())
        for n in range(MAX_ITEMS)
    )
    page = me.post(add(winter), {"item": catalog("Snow country").public_id}, follow=True)
    assert "“For winter” has 500 titles, and that is the limit." in text(page)
    assert not SavedItem.objects.filter(item__isnull=False).exists()


@pytest.mark.parametrize("words", ["", " ", "a", "!?"])
def test_search_for_nothing_asks_for_words(me, winter, words):
    page = me.post(search(winter), {"words": words})
    assert page.status_code == 422
    assert 'id="id_words_error"' in page.content.decode()


@pytest.mark.parametrize("path", [search, add])
def test_strangers_cannot_use_somebody_elses_list(me, path):
    item, theirs = catalog("Snow country"), SavedListFactory(patron=UserFactory())
    fields = {"words": "snow", "item": item.public_id}
    assert me.post(path(theirs), fields).status_code == 404
    assert asks_to_sign_in(Client().post(path(theirs), fields))
    assert not SavedItem.objects.exists()


@pytest.mark.parametrize("rows", [1, 30])
def test_search_runs_the_same_number_of_queries_for_1_and_30_rows(
    me, winter, rows, django_assert_num_queries
):
    for number in range(rows):
        item = catalog(f"Snow {number}")
        SavedItemFactory(saved_list=winter, item=item)
        Holding.objects.create(item=item, branch=BranchFactory(), call_number="Z")
    me.post(search(winter), {"words": "snow"})
    with django_assert_num_queries(12):
        me.post(search(winter), {"words": "snow"})
