"""Check where pages say that an item is kept, and the link to the catalog beside it."""

import re

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
def test_places_at_my_branch_are_shown_and_the_others_folded(places, branch, shown, folded, branches):
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
    """Return (the places that the page shows, the places that it folds)."""
    card = re.search(r"<article.*?</article>", page.content.decode(), re.DOTALL)[0]
    folded = "".join(re.findall(r"<details>.*?</details>", card, re.DOTALL))
    shown = card.replace(folded, "")
    return [re.findall(r"<strong>(Z \w+)</strong>", part) for part in (shown, folded)]


def visit_of(recommendation):
    return HelpSession.objects.get(recommendation_links__recommendation=recommendation)


def test_visit_shows_its_own_branch_first_if_the_patron_has_no_card(client, sign_in, recommendation, patron):
    page = sign_in(client, patron).get(visit_of(recommendation).get_absolute_url())
    assert places(page) == [["Z Harbor"], ["Z Alpha", "Z Omega"]]
    assert "At 2 other branches" in page.content.decode()


def give_card(patron, branch):
    LibraryCard.objects.create(
        person=patron, ils_id="7", barcode="2", home_branch=branch, seen_at=timezone.now()
    )


def test_pages_show_the_home_branch_of_the_card_first(client, sign_in, recommendation, patron):
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


def test_page_folds_all_branches_if_the_own_branch_does_not_have_the_item(
    client, sign_in, recommendation, patron
):
    give_card(patron, BranchFactory(name="Elsewhere"))
    page = sign_in(client, patron).get(visit_of(recommendation).get_absolute_url())
    assert places(page) == [[], ["Z Alpha", "Z Harbor", "Z Omega"]]
    assert "At 3 branches" in page.content.decode()


def test_visit_and_list_link_to_the_catalog(client, sign_in, recommendation, patron):
    recommendation.item.title, recommendation.item.isbn = "Snow & Ice", ""
    recommendation.item.save()
    SavedItemFactory(saved_list=SavedListFactory(patron=patron), item=recommendation.item)
    sign_in(client, patron)
    for address in (visit_of(recommendation).get_absolute_url(), reverse("saved")):
        page = client.get(address).content.decode()
        assert 'href="https://cat.example.org/?q=Snow%20%26%20Ice"' in page
        assert "See if it&#x27;s in / place a hold" in page or "See if it's in / place a hold" in page


@pytest.mark.parametrize("rows", [1, 30])
def test_visit_with_many_items_at_many_branches_asks_once_for_the_own_branch(
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
