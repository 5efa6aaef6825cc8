import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import LibraryCard
from portal.lists.actions import remove
from portal.lists.links import address_of, end_link, make_link
from portal.lists.models import SavedItem
from portal.lists.own_words import add_title
from recommendations.models import Holding, Item
from tests.factories import BranchFactory, ItemFactory, SavedItemFactory, SavedListFactory
from tests.portal.pages import asks_to_sign_in, part, text


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def saved_list(patron):
    return SavedListFactory(patron=patron, name="For winter")


@pytest.fixture
def north(branch):
    return BranchFactory(name="Northfield", slug="northfield")


@pytest.fixture
def put(saved_list):
    """Return put(title, branch, call_number, …), which adds a title held at `branch` to the list."""

    def put(title, branch=None, call_number="", *, location="", note="", **fields):
        item = ItemFactory(title=title, **{"creators": "", **fields})
        if branch:
            Holding.objects.create(item=item, branch=branch, call_number=call_number, location=location)
        return SavedItemFactory(saved_list=saved_list, item=item, note=note)

    return put


def address(saved_list):
    return reverse("print_list", args=[saved_list.public_id])


def open_page(me, saved_list, **choices):
    response = me.get(address(saved_list), choices)
    assert response.status_code == 200
    return response


def paper(response):
    """Return the printed lines: each heading, and each title with the details that are printed about it."""
    content = re.search(r'<article class="paper.*?</article>', response.content.decode(), re.DOTALL)[0]
    content = re.sub(r'(?s)<span class="cover.*?</span></span>|<header>.*?</header>', "", content)
    lines = re.findall(r"(?s)<h3[^>]*>.*?</h3>|<li>.*?</li>", content)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", line)).split()) for line in lines]


def chosen(response, name):
    return response.context["choices"][name]


def test_titles_on_a_shelf_are_printed_first_and_in_shelf_order(me, saved_list, put, branch, north):
    put("Fiction", branch, "FIC LEE", creators="Lee, Harper")
    add_title(saved_list, title="Zebra by hand", creators="", at=timezone.now())
    put("Second", branch, "QA76.9 .B5 1990")
    put("Website", url="https://soil.example/test", kind="web_page")
    put("First", branch, "QA9 .B5 1990", year="1990")
    put("Far", north, "599.7 SIM", location="Upstairs", creators="Simon")
    put("Dewey", branch, "631.875 LOU", url="https://compost.example/")
    put("Unknown", branch)
    put("Withdrawn", branch, "001", retired_at=timezone.now())
    add_title(saved_list, title="Apple by hand", creators="", at=timezone.now())

    assert paper(open_page(me, saved_list)) == [
        "631.875 LOU Dewey",
        "QA9 .B5 1990 First 1990",
        "QA76.9 .B5 1990 Second",
        "FIC LEE Fiction Lee, Harper",
        "No call number Unknown",
        "Not on the shelves at Harbour Main",
        "Far Simon Northfield: 599.7 SIM (Upstairs)",
        "Website Web page https://soil.example/test",
        "Withdrawn No longer in the catalog",
        "Added by you",
        "Apple by hand",
        "Zebra by hand",
    ]
    assert paper(open_page(me, saved_list, paper="a4", branch=north.pk))[:2] == [
        "Upstairs",
        "599.7 SIM Far Simon",
    ]


def test_titles_are_printed_below_the_name_of_their_location(me, saved_list, put, branch):
    put("Cookbook", branch, "641.5 ADA", location="Second floor")
    put("Picture book", branch, "599 BEA", location="Children")
    put("Atlas", branch, "912 ATL", location="Second floor")
    put("Tales", branch, "398.2 GRI", location="Children")
    put("Novel", branch, "FIC LEE")
    assert paper(open_page(me, saved_list)) == [
        "FIC LEE Novel",
        "Children",
        "398.2 GRI Tales",
        "599 BEA Picture book",
        "Second floor",
        "641.5 ADA Cookbook",
        "912 ATL Atlas",
    ]


def test_title_with_several_call_numbers_is_printed_once(me, saved_list, put, branch, north):
    saved = put("Poems", branch, "REF 811 DIC", location="Reference")
    Holding.objects.create(item=saved.item, branch=branch, call_number="811 DIC", location="First floor")
    Holding.objects.create(item=saved.item, branch=north, call_number="811.4 DIC")
    assert paper(open_page(me, saved_list)) == ["First floor", "811 DIC REF 811 DIC Reference Poems"]


def test_titles_with_the_same_call_number_are_sorted_by_author_and_title(me, saved_list, put, branch):
    for title, creators in [("B", "Zola"), ("Z", "Álvarez"), ("A", "Zola"), ("Middle", "")]:
        put(title, branch, "FIC", creators=creators)
        put(f"{title} 2", creators=creators)
    assert paper(open_page(me, saved_list)) == [
        *["FIC Z Álvarez", "FIC Middle", "FIC A Zola", "FIC B Zola"],
        "Not on the shelves at Harbour Main",
        *["Z 2 Álvarez", "Middle 2", "A 2 Zola", "B 2 Zola"],
    ]


def test_titles_at_other_branches_are_printed_first_if_no_title_is_at_the_chosen_branch(
    me, saved_list, put, north
):
    put("Far", north, "599")
    assert paper(open_page(me, saved_list)) == [
        "Not on the shelves at Harbour Main",
        "Far Northfield: 599",
    ]


def test_own_branch_is_preselected_and_closed_branches_cannot_be_chosen(me, patron, saved_list, put, north):
    put("Far", north, "599")
    closed = BranchFactory(name="Annex", slug="annex", closed_at=timezone.now())
    names = [name for _pk, name in open_page(me, saved_list).context["form"].fields["branch"].choices]
    assert names == ["Harbour Main", "Northfield"]
    LibraryCard.objects.create(
        person=patron, ils_id="7", barcode="7", home_branch=north, seen_at=timezone.now()
    )
    page = open_page(me, saved_list)
    names = [name for _pk, name in page.context["form"].fields["branch"].choices]
    assert names == ["Northfield", "Harbour Main"]
    assert paper(page) == ["599 Far"]
    for unknown in [closed.pk, "0", "x", ""]:
        assert paper(open_page(me, saved_list, paper="a4", branch=unknown)) == ["599 Far"]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("America/Chicago", "letter"), ("Europe/Madrid", "a4"), ("Pacific/Honolulu", "letter"), ("UTC", "a4")],
)
def test_preselected_paper_size_fits_the_time_zone_of_the_library(
    me, library, saved_list, put, zone, expected
):
    put("Any")
    library.time_zone = zone
    library.save()
    assert chosen(open_page(me, saved_list), "paper") == expected
    assert chosen(open_page(me, saved_list, paper="no such paper"), "paper") == expected


def test_patron_can_print_a_list_without_covers_and_notes(me, saved_list, put, branch):
    put("Compost City", branch, "631", note="Ask about flies.\n\nAnd worms")
    page = open_page(me, saved_list)
    assert paper(page) == ["631 Compost City Ask about flies. And worms"]
    assert 'class="cover' in page.content.decode()
    page = open_page(me, saved_list, paper="a4", branch=branch.pk)
    assert paper(page) == ["631 Compost City"]
    assert 'class="cover' not in page.content.decode()
    page = open_page(
        me, saved_list, paper="receipt", branch=branch.pk, covers="on", with_notes="on", large="on"
    )
    assert 'class="paper receipt large"' in page.content.decode()
    assert 'class="cover' in page.content.decode()
    assert paper(page) == ["631 Compost City Ask about flies. And worms"]


def test_printed_list_has_no_reading_state_and_no_patron_name(me, patron, saved_list, put, branch):
    saved = put("Compost City", branch, "631")
    SavedItem.objects.filter(pk=saved.pk).update(reading="stopped")
    page = text(open_page(me, saved_list))
    assert "topped" not in page
    assert patron.name not in part(open_page(me, saved_list), "main")


def test_removed_titles_are_not_printed(me, saved_list, put):
    put("Stays")
    remove(put("Goes"), at=timezone.now())
    assert paper(open_page(me, saved_list))[-1] == "Stays"


def test_printed_shared_list_has_the_qr_code_and_address_of_its_link(me, saved_list, put):
    put("Any")
    assert '<svg class="qr"' not in open_page(me, saved_list).content.decode()
    link = make_link(saved_list, with_notes=False, at=timezone.now())
    shared = address_of(link)
    page = open_page(me, saved_list)
    assert page.content.decode().count('<svg class="qr"') == 1
    assert shared in text(page)
    page = open_page(me, saved_list, paper="a4", code="on")
    assert shared in text(page)
    page = open_page(me, saved_list, paper="a4")
    assert shared not in text(page)
    assert '<svg class="qr"' not in page.content.decode()
    end_link(link, at=timezone.now())
    assert '<svg class="qr"' not in open_page(me, saved_list).content.decode()


def test_printed_list_has_only_the_newest_of_its_links(me, saved_list, put, patron):
    put("Any")
    other = SavedListFactory(patron=patron, name="Other")
    older, newer, _of_other = (
        make_link(each, with_notes=False, at=timezone.now()) for each in (saved_list, saved_list, other)
    )
    page = text(open_page(me, saved_list))
    assert [address_of(link) in page for link in (older, newer, _of_other)] == [False, True, False]


def test_printed_list_prefers_a_link_that_shows_neither_notes_nor_a_name(me, saved_list, put):
    put("Any")
    bare, named, with_notes = (
        make_link(saved_list, at=timezone.now(), **choices)
        for choices in (
            {"with_notes": False},
            {"with_notes": False, "name": "Sam"},
            {"with_notes": True},
        )
    )
    page = text(open_page(me, saved_list))
    assert [address_of(link) in page for link in (bare, named, with_notes)] == [True, False, False]
    end_link(bare, at=timezone.now())
    assert address_of(named) in text(open_page(me, saved_list))


def test_page_for_printing_an_empty_list_links_back_to_the_list(me, saved_list):
    page = open_page(me, saved_list)
    assert "Nothing to print yet" in text(page)
    assert f'href="{saved_list.get_absolute_url()}"' in part(page, "main")


@pytest.mark.few_cases
@pytest.mark.parametrize("rows", [1, 30, 500])
@pytest.mark.parametrize("chosen_paper", ["a4", "receipt"])
def test_page_for_printing_runs_the_same_number_of_queries_for_1_30_and_500_titles(
    me, saved_list, branch, north, django_assert_num_queries, rows, chosen_paper
):
    items = Item.objects.bulk_create(
        [
            Item(title=f"Title {number}", creators="A. Writer", added_at=timezone.now())
            for number in range(rows)
        ]
    )
    for place in (branch, north):
        Holding.objects.bulk_create(
            [
                Holding(item=item, branch=place, call_number=f"{number + 100} ABC")
                for number, item in enumerate(items)
            ]
        )
    SavedItem.objects.bulk_create(
        [
            SavedItem(
                saved_list=saved_list, item=item, position=number, saved_at=timezone.now(), note="n" * 2000
            )
            for number, item in enumerate(items)
        ]
    )
    me.get(address(saved_list))
    with django_assert_num_queries(10):
        page = open_page(me, saved_list, paper=chosen_paper, with_notes="on", branch=branch.pk)
    assert len(paper(page)) == rows


def test_only_the_patron_can_print_the_list(client, me, saved_list, sign_in, staff):
    strangers = SavedListFactory()
    SavedItemFactory(saved_list=strangers)
    assert me.get(address(strangers)).status_code == 404
    client.logout()
    assert asks_to_sign_in(client.get(address(saved_list)))
