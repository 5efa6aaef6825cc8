"""Test matching an item added by hand with an imported record, and undoing the match."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.asserts import assertRedirects

from accounts.models import AuditEvent
from accounts.viewer import Viewer
from portal.conversations import next_steps, step_history
from portal.conversations.models import Conversation
from portal.conversations.next_steps import Step
from portal.conversations.verdicts import take_verdict
from portal.imports.matching import CannotMatch, NothingToUndo, match, undo_match
from portal.lists.links import address_of
from portal.lists.models import SavedItem, StaffLinkItem
from portal.lists.staff_links import make_staff_link
from recommendations.actions import record_verdict
from recommendations.models import Item, ItemMatch, NextStep, Recommendation
from recommendations.search.finding import find_items
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
    """Return a recommendation of the item added by hand, with a verdict and a comment."""
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


def test_match_changes_only_the_item_of_recommendations_and_saved_items(by_hand, record, given, staff):
    saved = SavedItemFactory(item=by_hand, recommendation=given, note="For the bus", reading="want")
    removed = SavedItemFactory(item=by_hand, note="Removed", removed_at=timezone.now())
    before = rows(Recommendation), rows(SavedItem)
    match(by_hand, record, by=staff, at=timezone.now())
    assert items_of(given, saved, removed) == [record] * 3
    assert (rows(Recommendation), rows(SavedItem)) == before
    undo_match(by_hand, by=staff, at=timezone.now())
    assert items_of(given, saved, removed) == [by_hand] * 3
    assert (rows(Recommendation), rows(SavedItem)) == before


def test_search_does_not_find_an_item_added_by_hand_after_its_match(by_hand, record, staff):
    assert set(find_items("physics")) == {by_hand, record}
    match(by_hand, record, by=staff, at=timezone.now())
    assert find_items("physics") == [record]
    undo_match(by_hand, by=staff, at=timezone.now())
    assert set(find_items("physics")) == {by_hand, record}


def test_undoing_a_match_changes_only_rows_that_the_match_changed(by_hand, record, given, staff, branch):
    session = HelpSessionFactory(branch=branch, staff=staff)
    [earlier] = recommend_in(session, item=record)
    own = SavedItemFactory(item=record)
    match(by_hand, record, by=staff, at=timezone.now())
    [later] = recommend_in(HelpSessionFactory(branch=branch, staff=staff), item=record)
    undo_match(by_hand, by=staff, at=timezone.now())
    assert items_of(given, earlier, later, own) == [by_hand, record, record, record]


def test_list_with_both_the_item_added_by_hand_and_the_record_is_unchanged_by_a_match(by_hand, record, staff):
    saved_list = SavedListFactory(patron=UserFactory())
    mine = SavedItemFactory(saved_list=saved_list, item=by_hand, note="typed")
    theirs = SavedItemFactory(saved_list=saved_list, item=record, note="imported")
    match(by_hand, record, by=staff, at=timezone.now())
    assert items_of(mine, theirs) == [by_hand, record]
    undo_match(by_hand, by=staff, at=timezone.now())
    assert items_of(mine, theirs) == [by_hand, record]


def test_next_step_names_the_record_as_replacement_until_the_match_is_undone(
    by_hand, record, staff, branch, patron
):
    visit = HelpSessionFactory(patron=patron, branch=branch, staff=staff)
    [missed] = recommend_in(visit)
    take_verdict(missed, verdict="could_not_get_it", why=None, comment=None, by=patron, at=timezone.now())
    step = Step("other_item", timezone.localdate(), by_hand)
    next_steps.record(
        Conversation.objects.get(recommendation=missed), missed, step, by=staff, at=timezone.now()
    )
    match(by_hand, record, by=staff, at=timezone.now())
    assert NextStep.objects.get().other_item == record
    # `restore` makes the next step again from its events. So the next assertion proves that the events also
    # name the record.
    step_history.restore(missed)
    assert NextStep.objects.get().other_item == record
    assert belonging_to(patron) == {missed.item, record}
    undo_match(by_hand, by=staff, at=timezone.now())
    assert NextStep.objects.get().other_item == by_hand
    assert belonging_to(patron) == {missed.item, by_hand}


def test_link_that_staff_share_shows_the_record_after_a_match(by_hand, record, staff, branch, client):
    link = make_staff_link([by_hand], branch=branch, by=staff, at=timezone.now())
    both = make_staff_link([by_hand, record], branch=branch, by=staff, at=timezone.now())
    match(by_hand, record, by=staff, at=timezone.now())
    page = client.get(address_of(link)).content.decode()
    assert ("Physics (typed)" in page, "Newton, Isaac" in page) == (False, True)
    assert items_in(link, both) == [{record}, {by_hand, record}]
    undo_match(by_hand, by=staff, at=timezone.now())
    assert items_in(link, both) == [{by_hand}, {by_hand, record}]


def test_address_of_a_matched_item_leads_patrons_to_the_record(
    by_hand, record, given, staff, patron, client, sign_in
):
    address = reverse("item", args=[by_hand.public_id])
    match(by_hand, record, by=staff, at=timezone.now())
    assertRedirects(sign_in(client, patron).get(address), reverse("item", args=[record.public_id]))
    stranger = sign_in(Client(), UserFactory())
    assert stranger.get(address).status_code == 404


def belonging_to(person):
    return set(Item.objects.belonging_to(Viewer(person), timezone.now()))


def items_in(*links):
    return [{row.item for row in StaffLinkItem.objects.filter(link=link)} for link in links]


def test_undoing_a_match_does_not_delete_a_later_verdict_or_note(by_hand, record, given, staff):
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


def test_verdict_is_saved_if_the_item_was_matched_after_the_page_was_opened(by_hand, record, given, staff):
    opened = Recommendation.objects.get(pk=given.pk)
    match(by_hand, record, by=staff, at=timezone.now())
    record_verdict(opened, verdict="partly", at=timezone.now())
    given.refresh_from_db()
    assert (given.item, given.verdict) == (record, "partly")


def test_audit_trail_lists_a_match_and_its_undoing(by_hand, record, staff):
    match(by_hand, record, by=staff, at=timezone.now())
    undo_match(by_hand, by=staff, at=timezone.now())
    events = AuditEvent.objects.order_by("pk").values_list("action", "by", "subject")
    assert list(events) == [
        ("matched_item", staff.pk, str(by_hand.public_id)),
        ("undid_match_of_item", staff.pk, str(by_hand.public_id)),
    ]


def test_item_can_be_matched_again_after_its_match_is_undone(by_hand, record, given, staff):
    match(by_hand, record, by=staff, at=timezone.now())
    undo_match(by_hand, by=staff, at=timezone.now())
    by_hand.refresh_from_db()
    match(by_hand, record, by=staff, at=timezone.now())
    assert items_of(given) == [record]
    assert ItemMatch.objects.current().count() == 1


def test_only_an_unmatched_item_added_by_hand_can_be_matched_with_a_current_record(by_hand, record, staff):
    gone = ItemFactory(title="Gone", source="marc", source_key="2", retired_at=timezone.now())
    for item, other in [(record, by_hand), (by_hand, ItemFactory()), (by_hand, gone)]:
        with pytest.raises(CannotMatch):
            match(item, other, by=staff, at=timezone.now())
    match(by_hand, record, by=staff, at=timezone.now())
    with pytest.raises(CannotMatch):
        match(by_hand, record, by=staff, at=timezone.now())


def test_match_cannot_be_undone_twice(by_hand, record, staff):
    match(by_hand, record, by=staff, at=timezone.now())
    undo_match(by_hand, by=StaffFactory(), at=timezone.now())
    with pytest.raises(NothingToUndo):
        undo_match(by_hand, by=staff, at=timezone.now())
