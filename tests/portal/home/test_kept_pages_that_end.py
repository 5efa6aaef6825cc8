"""Test that a phone learns at its next contact which kept pages it must delete or fetch again."""

import datetime
from dataclasses import replace

import pytest
from django.utils import timezone

from portal.conversations import desk_actions
from portal.home.kept_pages import kept_pages
from portal.lists.actions import save
from portal.privacy import sharing, wrong_patron
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SharedSessionFactory,
    UserFactory,
    recommend_in,
)
from tests.portal.privacy.test_correcting import change, chosen

pytestmark = pytest.mark.django_db
OVERVIEWS = {"/", "/sessions/", "/messages/", "/lists/"}


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def visit(branch, staff, patron, now):
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=now, handed_over_at=now)


def versions(person, library):
    """Return {path: version} of the pages that a device of the person may keep."""
    return {page.path: page.version for page in kept_pages(person, library, at=timezone.now())}


def fill_with_newer_visits(visit):
    """Give the patron so many newer visits that the page of this visit is no longer kept."""
    for _number in range(20):
        HelpSessionFactory(
            branch=visit.branch,
            patron=visit.patron,
            kept_at=visit.kept_at,
            happened_on=visit.happened_on + datetime.timedelta(days=1),
        )


@pytest.mark.parametrize(
    "end",
    [
        lambda visit, staff, at: wrong_patron.remove_wrong_patron(visit, visit.patron, by=staff, at=at),
        lambda visit, staff, at: change(visit, at=at, quiet=True),
        lambda visit, staff, at: sharing.stop_keeping(visit, by=visit.patron, at=at),
    ],
    ids=["removed from a wrong patron", "made quiet", "let go"],
)
def test_device_must_delete_the_page_of_a_visit_that_the_patron_may_no_longer_open(
    visit, staff, patron, library, now, end
):
    before = versions(patron, library)
    assert visit.get_absolute_url() in before
    end(visit, staff, now)
    after = versions(patron, library)
    assert set(after) == OVERVIEWS
    assert {path for path in OVERVIEWS if after[path] == before[path]} == set()


@pytest.mark.parametrize("end", ["taken out", "sharing ended"])
def test_device_must_delete_a_shared_visit_that_the_child_or_adult_may_no_longer_open(
    branch, staff, library, now, end
):
    child, adult = ChildFactory(), UserFactory(email="adult@example.org")
    visit = SharedSessionFactory(branch=branch, staff=staff, patron=child, shared_with=adult, shared_at=now)
    assert visit.get_absolute_url() in versions(adult, library)
    if end == "taken out":
        sharing.take_out(visit, adult, by=staff, at=now)
    else:
        sharing.keep_alone(visit, by=child, at=now)
    assert set(versions(adult, library)) == OVERVIEWS
    assert visit.get_absolute_url() in versions(child, library)
    sharing.take_out(visit, child, by=staff, at=now)
    assert set(versions(child, library)) == OVERVIEWS


def test_device_must_delete_the_page_of_an_erased_conversation(visit, staff, patron, library, now):
    conversation = MessageFactory(conversation=ConversationFactory(help_session=visit)).conversation
    assert conversation.get_absolute_url() in versions(patron, library)
    desk_actions.erase(conversation, by=staff, at=now)
    assert set(versions(patron, library)) == {*OVERVIEWS, visit.get_absolute_url()}


@pytest.mark.parametrize("is_old", [False, True], ids=["latest visit", "older visit"])
@pytest.mark.parametrize("what", ["reason", "item"])
def test_pages_with_a_corrected_item_are_fetched_again(visit, patron, library, now, what, is_old):
    """Lists show the item's reason and Home shows the item, even if the visit is too old to be kept."""
    [given] = recommend_in(visit)
    save(given.item, patron=patron, at=now, recommendation=given)
    if is_old:
        fill_with_newer_visits(visit)
    # The first correction of a visit also stores the day of correction. Make this correction here, so that
    # the second one changes only the items.
    change(visit, summary="Corrected.")
    visit.refresh_from_db()
    before = versions(patron, library)
    assert (visit.get_absolute_url() in before) is not is_old
    [item] = chosen(visit)
    change(visit, items=[replace(item, reason="Another reason.")] if what == "reason" else [])
    after = versions(patron, library)
    changed = OVERVIEWS if is_old else {*OVERVIEWS, visit.get_absolute_url()}
    assert {path for path in after if after[path] != before[path]} == changed


@pytest.mark.parametrize("shown", ["saved item", "starred item", "check-in"])
def test_overview_pages_are_fetched_again_after_an_old_visit_is_removed_from_the_account(
    visit, patron, library, now, shown
):
    """Home can ask how any visit turned out, even one without items."""
    if shown != "check-in":
        [given] = recommend_in(visit)
        if shown == "saved item":
            save(given.item, patron=patron, at=now, recommendation=given)
    fill_with_newer_visits(visit)
    before = versions(patron, library)
    sharing.stop_keeping(visit, by=patron, at=now)
    after = versions(patron, library)
    assert {path for path in after if after[path] != before[path]} == OVERVIEWS


def test_overview_pages_are_fetched_again_after_an_old_conversation_is_erased(
    staff, patron, branch, library, now
):
    """The version of an overview depends on all conversations, and not only on the latest 20."""
    [old, *_newer] = [
        MessageFactory(
            conversation=ConversationFactory(help_session=None, patron=patron, branch=branch)
        ).conversation
        for _number in range(21)
    ]
    before = versions(patron, library)
    assert old.get_absolute_url() not in before
    desk_actions.erase(old, by=staff, at=now)
    after = versions(patron, library)
    assert {path for path in after if after[path] != before[path]} == OVERVIEWS
