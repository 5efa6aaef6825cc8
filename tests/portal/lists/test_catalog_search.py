"""Check how patrons search the catalog for titles to add to a list. Nothing about the search is stored."""

import logging

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import RefusedPost
from portal.helpsessions.actions import record
from portal.limit_table import LIMITS, Limit
from portal.lists.models import MAX_ITEMS, SavedItem
from recommendations.actions import change_item
from recommendations.chosen_items import ChosenItem
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


def test_search_for_titles_to_add_finds_only_titles_of_the_catalog(me, winter):
    catalog("Snow country"), catalog("Snow crash")
    # Staff typed this item for one patron, so its title could reveal what that patron asked about.
    ItemFactory(title="Snow shelter for women")
    change_item(catalog("Snow white"), retired_at=timezone.now())
    assert sorted(found(me, winter, "SNOW")) == ["Snow country", "Snow crash"]
    assert found(me, winter, "snow writer") != []
    assert found(me, winter, "sand") == []


def test_title_search_shows_the_corrected_word_and_offers_a_search_for_the_typed_word(me, winter):
    catalog("Snow country")
    ItemFactory(title="Sanctuary for Dolores")
    page = me.post(search(winter), {"words": "cuontry"})
    assert "Showing results for <em>country</em>." in page.content.decode()
    assert 'name="words" value="cuontry"' in page.content.decode()
    page = me.post(search(winter), {"words": "cuontry", "as_typed": "1"})
    assert page.context["found"] == []
    # A search is never corrected to a word that occurs only in items added by hand.
    assert "dolores" not in text(me.post(search(winter), {"words": "dolorse"})).lower()


def test_search_page_says_that_searched_words_are_not_stored(me, winter):
    page = text(me.get(reverse("add_title", args=[winter.public_id])))
    assert "Nobody sees what you search for, and your words aren't kept." in page


def test_search_text_is_not_in_any_table_or_address_or_log_or_session(me, winter, caplog):
    caplog.set_level(logging.DEBUG)
    catalog("Compost city")
    me.post(search(winter), {"words": "compost"})
    before = me.session.items()
    with CaptureQueriesContext(connection) as queries:
        response = me.post(search(winter), {"words": "compost"})
    asked = [query["sql"].lstrip() for query in queries.captured_queries]
    written = [
        sql for sql in asked if not sql.startswith(("SELECT", "BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))
    ]
    assert {sql.partition("(")[0].strip().replace('"', "") for sql in written} == {
        "INSERT INTO portal_limitcount"
    }
    assert not [sql for sql in written if "compost" in sql]
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


def test_searched_words_are_not_stored_if_the_patron_must_sign_in_again(me, winter):
    me.get(reverse("saved"))
    me.session.flush()
    response = me.post(search(winter), {"words": "compost"}, HTTP_SEC_FETCH_SITE="same-origin")
    assert asks_to_sign_in(response)
    assert RefusedPost.objects.count() == 0


def test_opening_the_address_of_a_search_redirects_to_the_form(me, winter):
    assert me.get(search(winter))["Location"] == reverse("add_title", args=[winter.public_id])


def test_found_title_is_added_to_the_list_from_which_the_patron_searched(me, patron, winter):
    SavedListFactory(patron=patron, name="For summer")
    item = catalog("Snow country")
    answer = me.post(add(winter), {"item": item.public_id})
    saved = SavedItem.objects.get()
    assert (saved.item, saved.saved_list, saved.recommendation) == (item, winter, None)
    assert answer["Location"] == f"{winter.get_absolute_url()}#saved-{saved.public_id}"
    assert me.get(reverse("item", args=[item.public_id])).status_code == 200


def test_search_result_is_marked_after_its_title_is_added_by_htmx(me, winter):
    item = catalog("Snow country")
    answer = me.post(add(winter), {"item": item.public_id}, **HTMX)
    row = f"found-{item.public_id}"
    again = me.post(search(winter), {"words": "snow"})
    assert "This list has 1 title. It can have 500." in text(answer)
    assert "In this list" in part(answer, row)
    assert part(answer, row).replace(' tabindex="-1" autofocus', "") == part(again, row)


def test_patron_cannot_add_a_title_that_the_search_cannot_find(me, winter):
    for item in (ItemFactory(title="Snow shelter for women"), catalog("Gone", retired_at=timezone.now())):
        assert me.post(add(winter), {"item": item.public_id}).status_code == 404
    assert me.post(add(winter), {"item": "x"}).status_code == 404
    assert not SavedItem.objects.exists()


def test_refusal_to_add_a_title_to_a_full_list_states_the_limit(me, winter):
    SavedItem.objects.bulk_create(
        SavedItem(saved_list=winter, title=f"Title {n}", position=n, saved_at=timezone.now())
        for n in range(MAX_ITEMS)
    )
    page = me.post(add(winter), {"item": catalog("Snow country").public_id}, follow=True)
    assert "“For winter” has 500 titles, and that is the limit." in text(page)
    assert not SavedItem.objects.filter(item__isnull=False).exists()


@pytest.mark.parametrize("words", ["", " ", "a", "!?"])
def test_title_search_without_a_usable_word_is_refused_with_an_error(me, winter, words):
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
def test_title_search_runs_the_same_number_of_queries_for_1_and_30_rows(
    me, winter, rows, django_assert_num_queries
):
    for number in range(rows):
        item = catalog(f"Snow {number}")
        SavedItemFactory(saved_list=winter, item=item)
        Holding.objects.create(item=item, branch=BranchFactory(), call_number="Z")
    fields = {"words": "snow", "as_typed": "1"}
    me.post(search(winter), fields)
    with django_assert_num_queries(17):
        me.post(search(winter), fields)


def test_too_many_searches_are_refused_until_later_and_the_form_keeps_the_typed_words(
    me, winter, monkeypatch
):
    monkeypatch.setitem(LIMITS, "catalog_search", Limit("searches", person="2/m"))
    catalog("Snow country")
    pages = [me.post(search(winter), {"words": "snow"}) for _ in range(3)]
    assert [page.status_code for page in pages] == [200, 200, 429]
    refused = pages[2].content.decode()
    assert "You&#x27;ve searched very often in a short time. You can search again at " in refused
    assert 'value="snow"' in refused
    assert "Snow country" not in refused
    assert me.get(reverse("add_title", args=[winter.public_id])).status_code == 200


def test_patron_may_search_for_a_title_every_two_seconds():
    rates = LIMITS["catalog_search"].rates("person")
    assert [most for most, seconds in rates if most < seconds / 2] == []


def test_corrected_search_never_reveals_a_word_of_a_quiet_visit(me, winter, branch, staff):
    for number in range(8):
        catalog(f"Sheller handbook {number}", creators="")
    before = me.post(search(winter), {"words": "shelter"}).context
    record(
        by=staff,
        at=timezone.now(),
        branch=branch,
        happened_on=timezone.localdate(),
        hour=1,
        mode="in_person",
        question_type="reference",
        topic=None,
        read_level=None,
        minutes=None,
        people=1,
        language="en",
        question="Where can she stay?",
        summary="",
        quiet=True,
        note="",
        items=[ChosenItem(title="Shelter for women, Oak Street", kind="web_page")],
    )
    after = me.post(search(winter), {"words": "shelter"}).context
    assert after["corrected"] == before["corrected"] == "sheller"
    assert after["found"] == before["found"]


def test_search_for_the_typed_word_links_back_to_the_search_for_the_corrected_word(me, winter):
    catalog("Snow country")
    page = me.post(search(winter), {"words": "cuontry", "as_typed": "1"})
    assert "Show results for “country”" in text(page)
    page = me.post(search(winter), {"words": "zzqqxx", "as_typed": "1"})
    assert "Show results for" not in text(page)
