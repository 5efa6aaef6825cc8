"""Matching of an item by hand with an imported record, and undoing it."""

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from portal.imports.matching import CannotMatch, NothingToUndo, match, undo_match
from portal.lists.models import SavedItem
from recommendations.actions import record_verdict
from recommendations.models import ItemMatch, Recommendation
from recommendations.search import find_items
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    SavedItemFactory,
    SavedListFactory,
    StaffFactory,
    UserFactory,
    recommend_in,
)

pytestmark = pytest.mark.sql


@pytest.fixture
def by_hand(branch):
    return ItemFactory(title="Physics (typed)", creators="Newton", branch=branch, call_number="530 NEW")


@pytest.fixture
def record(db):
    return ItemFactory(title="Physics", creators="Newton, Isaac", source="marc", source_key="1")


@pytest.fixture
def given(by_hand, staff, branch, patron):
    """Return a recommendation of the item by hand, with a verdict and a comment."""
    session = HelpSessionFactory(patron=patron, branch=branch, staff=staff)
    [recommendation] = recommend_in(session, item=by_hand, reason="Clear from the first page")
    return record_verdict(recommendation, verdict="helped", comment="Thanks", at=timezone.now())


def rows(model, **fields):
    """Return {primary key: all columns except the item} of the rows."""
    return {
        row["id"]: {name: value for name, value in row.items() if name != "item_id"}
        for row in model.objects.filter(**fields).values()
    }


def items_of(*objects):
    return [type(each).objects.get(pk=each.pk).item for each in objects]


def test_match_and_its_undoing_lose_no_verdict_reason_note_or_place(by_hand, record, given, staff):
    saved = SavedItemFactory(item=by_hand, recommendation=given, note="For the bus", reading="want")
    removed = SavedItemFactory(item=by_hand, note="Removed", removed_at=timezone.now())
    before = rows(Recommendation), rows(SavedItem)
    match(by_hand, record, by=staff, at=timezone.now())
    assert items_of(given, saved, removed) == [record] * 3
    assert (rows(Recommendation), rows(SavedItem)) == before
    undo_match(by_hand, by=staff, at=timezone.now())
    assert items_of(given, saved, removed) == [by_hand] * 3
    assert (rows(Recommendation), rows(SavedItem)) == before


def test_item_is_not_offered_while_it_is_matched(by_hand, record, staff):
    assert set(find_items("physics")) == {by_hand, record}
    match(by_hand, record, by=staff, at=timezone.now())
    assert find_items("physics") == [record]
    undo_match(by_hand, by=staff, at=timezone.now())
    assert set(find_items("physics")) == {by_hand, record}


def test_undoing_moves_back_only_what_was_moved(by_hand, record, given, staff, branch):
    session = HelpSessionFactory(branch=branch, staff=staff)
    [earlier] = recommend_in(session, item=record)
    own = SavedItemFactory(item=record)
    match(by_hand, record, by=staff, at=timezone.now())
    [later] = recommend_in(HelpSessionFactory(branch=branch, staff=staff), item=record)
    undo_match(by_hand, by=staff, at=timezone.now())
    assert items_of(given, earlier, later, own) == [by_hand, record, record, record]


def test_list_with_both_keeps_both_entries(by_hand, record, staff):
    saved_list = SavedListFactory(patron=UserFactory())
    mine = SavedItemFactory(saved_list=saved_list, item=by_hand, note="typed")
    theirs = SavedItemFactory(saved_list=saved_list, item=record, note="imported")
    match(by_hand, record, by=staff, at=timezone.now())
    assert items_of(mine, theirs) == [by_hand, record]
    undo_match(by_hand, by=staff, at=timezone.now())
    assert items_of(mine, theirs) == [by_hand, record]


def test_what_the_patron_did_after_the_match_stays(by_hand, record, given, staff):
    saved = SavedItemFactory(item=by_hand)
    match(by_hand, record, by=staff, at=timezone.now())
    moved = Recommendation.objects.get(pk=given.pk)
    record_verdict(moved, verdict="did_not_help", why="too_hard", at=timezone.now())
    SavedItem.objects.filter(pk=saved.pk).update(note="Later")
    undo_match(by_hand, by=staff, at=timezone.now())
    given.refresh_from_db()
    assert (given.item, given.verdict, given.why, given.comment) == (
        by_hand,
        "did_not_help",
        "too_hard",
        "Thanks",
    )
    assert SavedItem.objects.get(pk=saved.pk).note == "Later"


def test_verdict_from_a_page_that_was_opened_before_the_match_is_saved(by_hand, record, given, staff):
    opened = Recommendation.objects.get(pk=given.pk)
    match(by_hand, record, by=staff, at=timezone.now())
    record_verdict(opened, verdict="partly", at=timezone.now())
    given.refresh_from_db()
    assert (given.item, given.verdict) == (record, "partly")


def test_match_and_undoing_are_in_the_audit_trail(by_hand, record, staff):
    match(by_hand, record, by=staff, at=timezone.now())
    undo_match(by_hand, by=staff, at=timezone.now())
    events = AuditEvent.objects.order_by("pk").values_list("action", "by", "subject")
    assert list(events) == [
        ("matched_item", staff.pk, str(by_hand.public_id)),
        ("undid_match_of_item", staff.pk, str(by_hand.public_id)),
    ]


def test_item_can_be_matched_again_after_undoing(by_hand, record, given, staff):
    match(by_hand, record, by=staff, at=timezone.now())
    undo_match(by_hand, by=staff, at=timezone.now())
    by_hand.refresh_from_db()
    match(by_hand, record, by=staff, at=timezone.now())
    assert items_of(given) == [record]
    assert ItemMatch.objects.current().count() == 1


def test_only_an_item_by_hand_is_matched_with_a_record_of_the_catalog(by_hand, record, staff):
    gone = ItemFactory(title="Gone", source="marc", source_key="2", retired_at=timezone.now())
    for item, other in [(record, by_hand), (by_hand, ItemFactory()), (by_hand, gone)]:
        with pytest.raises(CannotMatch):
            match(item, other, by=staff, at=timezone.now())
    match(by_hand, record, by=staff, at=timezone.now())
    with pytest.raises(CannotMatch):
        match(by_hand, record, by=staff, at=timezone.now())


def test_match_is_undone_only_once(by_hand, record, staff):
    match(by_hand, record, by=staff, at=timezone.now())
    undo_match(by_hand, by=StaffFactory(), at=timezone.now())
    with pytest.raises(NothingToUndo):
        undo_match(by_hand, by=staff, at=timezone.now())
