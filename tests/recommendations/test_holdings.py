"""Check where pages say that an item is kept, and the link to the catalog beside it."""

import re
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import LibraryCard
from portal.helpsessions.models import HelpSession
from recommendations.holdings import arrange
from recommendations.models import Holding, Place
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    recommend_in,
)

MINE, NORTH, SOUTH = Place(1, "Mine", "A", ""), Place(2, "North", "B", ""), Place(3, "South", "C", "")


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("places", "branch", "shown", "folded", "branches"),
    [
        ([], 1, [], [], 0),
        ([NORTH], 1, [NORTH], [], 0),
        ([NORTH, MINE, SOUTH], 1, [MINE], [NORTH, SOUTH], 2),
        ([NORTH, SOUTH], 1, [], [NORTH, SOUTH], 2),
        ([MINE, MINE], 1, [MINE, MINE], [], 0),
        ([MINE, NORTH, NORTH], 1, [MINE], [NORTH, NORTH], 1),
        ([MINE, NORTH], None, [], [MINE, NORTH], 2),
    ],
)
def test_places_at_the_own_branch_of_the_patron_are_shown_and_the_others_are_collapsed(
    places, branch, shown, folded, branches
):
    assert arrange(places, branch) == (shown, folded, branches)


@pytest.fixture
def here(library):
    """Return the branch of the visit. The item is also kept at the branches Alpha and Omega."""
    library.catalog_link = "https://cat.example.org/{isbn}"
    library.catalog_title_link = "https://cat.example.org/?q={title}"
    library.save()
    return BranchFactory(name="Harbor")


@pytest.fixture
def patron():
    return UserFactory()


@pytest.fixture
def recommendation(here, patron):
    [recommendation] = recommend_in(HelpSessionFactory(branch=here, patron=patron))
    Holding.objects.all().delete()
    for branch in (BranchFactory(name="Alpha"), here, BranchFactory(name="Omega")):
        Holding.objects.create(item=recommendation.item, branch=branch, call_number=f"Z {branch.name}")
    return recommendation


def places(page):
    """Return (the places that the page shows, the places that it collapses)."""
    card = re.search(r"<article.*?</article>", page.content.decode(), re.DOTALL)[0]
    folded = "".join(re.findall(r"<details>.*?</details>", card, re.DOTALL))
    shown = card.replace(folded, "")
    return [re.findall(r"<strong>(Z \w+)</strong>", part) for part in (shown, folded)]


def visit_of(recommendation):
    return HelpSession.objects.get(recommendation_links__recommendation=recommendation)


def test_visit_page_shows_the_branch_of_the_visit_first_if_the_patron_has_no_card(
    client, sign_in, recommendation, patron
):
    page = sign_in(client, patron).get(visit_of(recommendation).get_absolute_url())
    assert places(page) == [["Z Harbor"], ["Z Alpha", "Z Omega"]]
    assert "At 2 other branches" in page.content.decode()


def give_card(patron, branch):
    LibraryCard.objects.create(
        person=patron, ils_id="7", barcode="2", home_branch=branch, seen_at=timezone.now()
    )


def test_pages_show_the_home_branch_of_the_library_card_first(client, sign_in, recommendation, patron):
    give_card(patron, Holding.objects.get(branch__name="Omega").branch)
    SavedItemFactory(
        saved_list=SavedListFactory(patron=patron), item=recommendation.item, recommendation=recommendation
    )
    sign_in(client, patron)
    visit = visit_of(recommendation)
    for page in (
        visit.get_absolute_url(),
        reverse("saved"),
        reverse("verdict", args=[recommendation.public_id]),
    ):
        assert places(client.get(page)) == [["Z Omega"], ["Z Alpha", "Z Harbor"]], page


def test_page_collapses_all_branches_if_the_patrons_own_branch_lacks_the_item(
    client, sign_in, recommendation, patron
):
    give_card(patron, BranchFactory(name="Elsewhere"))
    page = sign_in(client, patron).get(visit_of(recommendation).get_absolute_url())
    assert places(page) == [[], ["Z Alpha", "Z Harbor", "Z Omega"]]
    assert "At 3 branches" in page.content.decode()


def test_visit_page_and_list_page_have_links_to_the_catalog(client, sign_in, recommendation, patron):
    recommendation.item.title, recommendation.item.isbn = "Snow & Ice", ""
    recommendation.item.save()
    SavedItemFactory(saved_list=SavedListFactory(patron=patron), item=recommendation.item)
    sign_in(client, patron)
    for address in (visit_of(recommendation).get_absolute_url(), reverse("saved")):
        page = client.get(address).content.decode()
        assert 'href="https://cat.example.org/?q=Snow%20%26%20Ice"' in page
        assert "See if it's available / place a hold" in unescape(page)


@pytest.mark.parametrize("rows", [1, 30])
def test_visit_page_runs_the_same_number_of_queries_for_one_and_thirty_items(
    client, sign_in, here, patron, rows, django_assert_num_queries
):
    visit = HelpSessionFactory(branch=here, patron=patron)
    other = BranchFactory()
    for recommendation in recommend_in(visit, rows):
        for branch in (here, other):
            Holding.objects.get_or_create(item=recommendation.item, branch=branch, call_number="Z")
    sign_in(client, patron)
    client.get(visit.get_absolute_url())
    with django_assert_num_queries(11):
        client.get(visit.get_absolute_url())


def test_pages_and_files_say_where_an_item_cannot_be_borrowed(client, sign_in, recommendation, patron):
    Holding.objects.exclude(branch__name="Harbor").delete()
    saved = SavedItemFactory(saved_list=SavedListFactory(patron=patron), item=recommendation.item)
    list_id = saved.saved_list.public_id
    pages = [
        visit_of(recommendation).get_absolute_url(),
        reverse("saved"),
        reverse("item", args=[recommendation.item.public_id]),
        reverse("print_list", args=[list_id]),
        reverse("export_list", args=[list_id]) + "?format=csv",
    ]
    sign_in(client, patron)

    def read(page):
        answer = client.get(page)
        text = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return unescape(text.decode())

    assert [page for page in pages if "can't be borrowed" in read(page)] == []
    Holding.objects.update(not_for_loan=True, location="Reference")
    assert [page for page in pages if "can't be borrowed" not in read(page)] == []


def test_item_page_shows_the_form_and_extent_and_audience_of_the_item(
    client, sign_in, recommendation, patron
):
    item, address = recommendation.item, reverse("item", args=[recommendation.item.public_id])
    sign_in(client, patron)
    assert "Audience:" not in client.get(address).content.decode()
    item.form, item.extent, item.audience = "large_print", "514 pages", "preteen"
    item.audience_note = "Ages 9-12"
    item.save()
    page = " ".join(re.sub(r"<[^>]*>", " ", client.get(address).content.decode()).split())
    assert "Book, large print" in page
    assert "514 pages Audience: children from 9 to 13 years · Ages 9-12" in page
