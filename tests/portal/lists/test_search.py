"""Test the field that searches in one long list."""

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.conversations.viewer import BrowserViewer
from portal.lists import search
from portal.lists.models import MAX_ITEMS, NOTE_MAX, SavedItem
from portal.lists.own_words import add_title, write_note
from portal.lists.search import MAX_READ, find_titles
from portal.own_search import MAX_FOUND
from tests.factories import SavedItemFactory, SavedListFactory, UserFactory
from tests.portal.pages import HTMX, part, text


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def summer(patron):
    """Return a list of 30 titles. The titles 29, 28 and so on are at the top."""
    summer = SavedListFactory(patron=patron, name="For summer")
    for number in range(30):
        add_title(summer, title=f"Novel {number:02}", creators="Olga Ivanova", at=timezone.now())
    return summer


def address(saved_list):
    return reverse("search_list", args=[saved_list.public_id])


def found_in(client, saved_list, words, **more):
    """Return the titles that a search in this list shows."""
    page = client.post(address(saved_list), {"words": words, **more})
    return [str(row) for row in page.context["saved_items"]]


@pytest.mark.few_cases
@pytest.mark.parametrize("count", [1, 19, 20, 21, 40])
def test_list_of_at_least_20_titles_has_a_search_field(me, patron, count):
    saved_list = SavedListFactory(patron=patron)
    SavedItemFactory.create_batch(count, saved_list=saved_list)
    SavedItemFactory.create_batch(3, saved_list=saved_list, removed_at=timezone.now())
    for path in (reverse("saved"), saved_list.get_absolute_url()):
        assert ('role="search"' in me.get(path).content.decode()) == (count >= 20)


def test_search_in_a_list_finds_only_its_titles_in_the_order_of_the_list(me, patron, summer):
    other = SavedListFactory(patron=patron, name="Novel")
    add_title(other, title="Novel elsewhere", at=timezone.now())
    SavedItemFactory(saved_list=summer, item__title="Novel removed", removed_at=timezone.now())
    SavedItemFactory(saved_list__patron=UserFactory(), item__title="Novel of a stranger")
    write_note(SavedItem.objects.get(title="Novel 03"), note="Granny's pick")
    assert found_in(me, summer, "novel 2") == [f"Novel {number}" for number in range(29, 19, -1)]
    assert found_in(me, summer, "OLGA granny") == ["Novel 03"]
    assert found_in(me, summer, "summer") == []


@pytest.mark.parametrize("extra", [HTMX, {}], ids=["htmx", "no JavaScript"])
def test_search_results_have_the_same_buttons_as_the_list(me, summer, extra):
    page = me.post(address(summer), {"words": "novel 07"}, **extra)
    assert "1 title found" in text(page)
    saved = SavedItem.objects.get(title="Novel 07")
    row = part(page, f"saved-{saved.public_id}")
    assert reverse("remove_saved", args=[saved.public_id]) in row
    assert reverse("saved_title", args=[saved.public_id]) in row
    assert f'href="{summer.get_absolute_url()}"' in part(page, "whole-list")
    assert part(page, "saved").count("<article") == 1


def test_search_by_htmx_shows_what_the_page_shows_without_javascript(me, summer):
    for words in ("novel 07", "novel", "volcano", "%"):
        swapped, whole = (me.post(address(summer), {"words": words}, **extra) for extra in (HTMX, {}))
        assert part(swapped, "saved") == part(whole, "saved")


def test_list_page_says_that_nothing_was_found_or_that_words_are_too_short(me, summer):
    page = me.post(address(summer), {"words": "volcano"})
    assert "Nothing found" in text(page)
    assert "Try fewer words, or check how they are spelled." in text(page)
    assert "Nothing saved yet" not in text(page)
    page = me.post(address(summer), {"words": "_"})
    assert page.status_code == 422
    assert "Type at least two letters or digits." in text(page)
    assert len(page.context["saved_items"]) == 20
    assert page.context["older"] is None


def test_opening_the_address_of_a_search_redirects_to_the_whole_list(me, summer):
    assert me.get(address(summer)).url == summer.get_absolute_url()


def test_strangers_cannot_search_in_a_list(client, summer, sign_in):
    sign_in(client, UserFactory())
    for answer in (client.get(address(summer)), client.post(address(summer), {"words": "novel"})):
        assert answer.status_code == 404


def test_show_more_button_shows_up_to_100_titles(me, patron, summer):
    for number in range(30, MAX_FOUND + 3):
        add_title(summer, title=f"Novel {number:02}", at=timezone.now())
    pages = [me.post(address(summer), {"words": "novel", "show": show}) for show in ("", "40", "100")]
    assert [len(page.context["saved_items"]) for page in pages] == [20, 40, MAX_FOUND]
    assert f"More than {MAX_FOUND} titles found" in text(pages[0])
    assert [page.content.decode().count("autofocus") for page in pages] == [1, 1, 1]
    assert ['id="show-more"' in page.content.decode() for page in pages] == [True, True, False]
    assert "Add a word to narrow the search." in text(pages[2])


@pytest.mark.parametrize("rows", [1, 30])
def test_search_in_a_list_runs_the_same_number_of_queries_for_1_and_30_rows(
    me, patron, django_assert_num_queries, rows
):
    saved_list = SavedListFactory(patron=patron)
    for _number in range(rows):
        SavedItemFactory(saved_list=saved_list, item__title="Novel")
        SavedItemFactory(saved_list=saved_list, item__title="Novel", note="wet")
        add_title(saved_list, title="Novel", at=timezone.now())
    with django_assert_num_queries(10):
        page = me.post(address(saved_list), {"words": "novel"})
    assert len(page.context["saved_items"]) == min(2 * rows + 1, 20)


def test_pages_of_lists_state_the_same_limits_as_the_code(me, patron, summer):
    assert "restore it for 30 days" in text(me.get(reverse("change_list", args=[summer.public_id])))
    assert "stay here for 30 days" in text(me.get(reverse("removed_from_lists")))
    saved = summer.saved_items.first()
    assert "At most 2,000 characters." in text(me.get(reverse("saved_title", args=[saved.public_id])))
    assert MAX_ITEMS == 500


def test_search_in_all_lists_reads_only_the_newest_notes(patron, summer, monkeypatch):
    """A patron can fill 50 lists with long notes. Reading all of them took more than a minute."""
    for title in ("Oldest", "Older", "Newer"):
        SavedItemFactory(saved_list=summer, item__title=title, note="A note with the word zebra. " * 10)

    def found(word):
        keys = find_titles(BrowserViewer(patron, []), [word])
        return [str(SavedItem.objects.get(pk=key)) for key in keys]

    assert found("zebra") == ["Newer", "Older", "Oldest"]
    monkeypatch.setattr(search, "MAX_READ", 600)
    assert found("zebra") == ["Newer", "Older"]
    assert found("oldest") == ["Oldest"]


def test_search_reads_every_word_of_a_full_list():
    longest = {name: SavedItem._meta.get_field(name).max_length for name in ("title", "creators")}
    assert MAX_ITEMS * (NOTE_MAX + sum(longest.values())) <= MAX_READ
