"""Test the pages on which staff match an item added by hand with an imported record."""

import pytest
from django.utils import timezone

from portal.imports.matching import match
from recommendations.models import ItemMatch, Recommendation
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    SavedItemFactory,
    recommend_in,
)
from tests.portal.desk.test_record import RECORD, rows
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")
BY_HAND = "/desk/items/by-hand/"


@pytest.fixture
def by_hand(branch):
    return ItemFactory(title="Physics", creators="Newton", isbn="9780306406157")


@pytest.fixture
def record(branch):
    return ItemFactory(
        title="Physics for all",
        creators="Newton",
        isbn="9780306406157",
        source="marc",
        source_key="1",
        year="1990",
    )


def address(item, part="match"):
    return f"/desk/items/{item.public_id}/{part}/"


def test_matching_page_lists_unmatched_items_added_by_hand_and_the_latest_matches(
    desk, staff, by_hand, record
):
    matched = ItemFactory(title="Matched before")
    match(matched, record, by=staff, at=timezone.now())
    page = desk.get(BY_HAND)
    assert page.context["items"] == [by_hand]
    assert [found.item for found in page.context["matches"]] == [matched]


@pytest.mark.parametrize("many", [1, 30])
def test_matching_page_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, staff, record, many, django_assert_num_queries
):
    for number in range(many):
        ItemFactory(title=f"By hand {number}")
        match(ItemFactory(), record, by=staff, at=timezone.now())
    desk.get(BY_HAND)
    with django_assert_num_queries(7):
        desk.get(BY_HAND)


def test_imported_record_with_the_same_isbn_is_offered_first(desk, by_hand, record):
    similar = ItemFactory(title="Physics", source="marc", source_key="2")
    ItemFactory(title="Physics by another hand")
    assert desk.get(address(by_hand)).context["found"] == [record, similar]
    assert desk.get(address(by_hand), {"q": "for all"}).context["found"] == [record]


def test_matching_page_compares_the_item_with_the_imported_record_before_staff_match_them(
    desk, by_hand, record
):
    page = desk.get(address(by_hand), {"record": record.public_id})
    assert [(fact.label, fact.item, fact.record, fact.differs) for fact in page.context["facts"]] == [
        ("Kind", "Book", "Book", False),
        ("Title", "Physics", "Physics for all", True),
        ("Author or creator", "Newton", "Newton", False),
        ("Year", "", "1990", True),
        ("ISBN", "9780306406157", "9780306406157", False),
    ]


def test_staff_can_match_an_item_and_undo_the_match(desk, staff, branch, by_hand, record):
    recommend_in(HelpSessionFactory(staff=staff, branch=branch), item=by_hand)
    SavedItemFactory(item=by_hand)
    page = desk.post(address(by_hand), {"record": record.public_id}, follow=True)
    assert "Matched. Recommendations and lists now show the imported record." in text(page)
    assert "Matched today" in text(page)
    assert record.recommendations.count() == 1
    page = desk.post(address(by_hand, "undo-match"), follow=True)
    assert "Undone. Recommendations and lists again show the item that was added by hand." in text(page)
    assert (record.recommendations.count(), by_hand.recommendations.count()) == (0, 1)
    page = desk.post(address(by_hand, "undo-match"), follow=True)
    assert "This match is already undone." in text(page)


def test_matching_page_does_not_count_recommendations_in_quiet_visits(desk, staff, branch, by_hand):
    recommend_in(HelpSessionFactory(staff=staff, branch=branch), item=by_hand)
    quiet = QuietSessionFactory(staff=staff, branch=branch)
    recommend_in(quiet, item=by_hand, never_counted=True)
    assert "This item was recommended 1 time." in text(desk.get(address(by_hand)))


def test_matching_an_item_that_is_already_matched_is_refused_with_the_reason(desk, staff, by_hand, record):
    match(by_hand, record, by=staff, at=timezone.now())
    page = desk.post(address(by_hand), {"record": record.public_id}, follow=True)
    assert "Not matched, because somebody changed one of the two items." in text(page)
    assert ItemMatch.objects.count() == 1


def test_match_requires_an_item_added_by_hand_and_an_imported_record(desk, by_hand, record):
    assert desk.get(address(record)).status_code == 404
    other = ItemFactory()
    assert desk.get(address(by_hand), {"record": other.public_id}).context["record"] is None
    assert desk.post(address(by_hand), {"record": other.public_id}).status_code == 404
    assert desk.post(address(by_hand), {"record": "nonsense"}).status_code == 404
    assert not ItemMatch.objects.exists()


def test_record_form_recommends_the_imported_record_if_the_item_was_matched_meanwhile(
    desk, staff, typed, by_hand, record
):
    fields = typed(**rows({"item": str(by_hand.public_id), "reason": "Clear"}))
    match(by_hand, record, by=staff, at=timezone.now())
    assert desk.post(RECORD, fields).status_code == 302
    assert [(found.item, found.reason) for found in Recommendation.objects.all()] == [(record, "Clear")]
