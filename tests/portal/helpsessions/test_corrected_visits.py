"""Test what a patron sees of a visit that staff have corrected."""

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from recommendations.models import Recommendation
from tests.factories import HelpSessionFactory, UserFactory, code_for, recommend_in
from tests.portal.pages import text
from tests.portal.privacy.test_correcting import change, chosen

pytestmark = pytest.mark.django_db
NOW = timezone.now()
QUERIES = 10


@pytest.fixture
def visit(library, branch, staff, patron):
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=NOW, handed_over_at=NOW)


@pytest.fixture
def theirs(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Corrected on May 3"), ("es", "3 de mayo")], ids=["English", "Spanish"]
)
def test_visit_page_says_on_which_day_the_visit_was_corrected(theirs, visit, patron, language, words):
    assert "Corrected on" not in text(theirs.get(visit.get_absolute_url()))
    patron.language = language
    patron.save()
    visit.corrected_on = datetime.date(2026, 5, 3)
    visit.save()
    assert words in text(theirs.get(visit.get_absolute_url()))


def test_visit_page_shows_the_corrected_text_and_not_the_earlier_text(theirs, visit):
    [given] = recommend_in(visit, reason="Zqx old reason")
    visit.summary = "Zqx old summary"
    visit.save()
    change(visit, summary="New summary", items=[])
    page = theirs.get(visit.get_absolute_url()).content.decode()
    assert "New summary" in page
    assert "Zqx" not in page
    assert given.item.title not in page


def test_visit_page_shows_a_removed_item_with_a_verdict_until_the_patron_hides_it(theirs, visit):
    [given] = recommend_in(visit, verdict="helped", comment="Read it twice", decided_at=NOW, reason="Zqx")
    change(visit, items=[])
    address = f"/sessions/dismiss/{given.public_id}/"
    page = theirs.get(visit.get_absolute_url())
    assert "Removed from this visit" in text(page)
    assert "You said: helped" in text(page)
    assert "Read it twice" in text(page)
    assert "Zqx" not in page.content.decode()
    assert "We didn't recommend anything" not in text(page)
    hidden = theirs.post(address, follow=True)
    assert "is hidden" in text(hidden)
    assert "Removed from this visit" not in text(hidden)
    assert "This visit has no items now." in text(hidden)
    assert f"{address}?undo=1" in hidden.content.decode()
    assert "Removed from this visit" in text(theirs.post(f"{address}?undo=1", follow=True))


def test_visit_page_does_not_show_remaining_items_as_removed(theirs, visit):
    staying, _ = recommend_in(visit), recommend_in(visit, verdict="helped", decided_at=NOW)
    change(visit, items=chosen(visit)[:1])
    page = text(theirs.get(visit.get_absolute_url()))
    assert "Removed from this visit" in page
    assert f"Save {staying[0].item.title}" in page
    assert "Removed from your list" not in page


def test_only_the_patron_of_the_visit_can_hide_a_removed_item(visit, sign_in, library):
    [given] = recommend_in(visit, verdict="helped", decided_at=NOW)
    change(visit, items=[])
    for browser in (Client(), sign_in(Client(), UserFactory())):
        assert browser.post(f"/sessions/dismiss/{given.public_id}/").status_code in {302, 404}
    assert not visit.recommendation_links.get().is_dismissed


def test_item_that_is_still_recommended_cannot_be_hidden(theirs, visit):
    [given] = recommend_in(visit, verdict="helped", decided_at=NOW)
    assert theirs.post(f"/sessions/dismiss/{given.public_id}/").status_code == 302
    assert not visit.recommendation_links.get().is_dismissed


def test_patron_is_not_asked_about_a_removed_item(theirs, visit):
    recommend_in(visit)
    change(visit, items=[])
    assert not Recommendation.objects.exists()
    assert "Did it work out?" not in text(theirs.get("/"))


def test_all_helped_button_does_not_mark_a_removed_item(theirs, visit):
    kept, removed = recommend_in(visit, 2)
    removed.verdict, removed.decided_at = "not_tried", NOW
    removed.save()
    items = [row for row in chosen(visit) if row.item == kept.item]
    change(visit, items=items)
    theirs.post(f"/sessions/{visit.public_id}/all-helped/")
    removed.refresh_from_db()
    assert removed.verdict == "not_tried"


def test_visit_code_still_opens_a_corrected_visit(library, branch, staff, show_code):
    visit = HelpSessionFactory(branch=branch, staff=staff, handed_over_at=NOW)
    browser = show_code(Client(), code_for(visit))
    change(visit, question="New question")
    assert "New question" in text(browser.get(visit.get_absolute_url()))


@pytest.mark.parametrize("count", [1, 15])
def test_visit_page_runs_no_additional_query_for_removed_items(
    theirs, visit, count, django_assert_num_queries
):
    recommend_in(visit, count, verdict="helped", decided_at=NOW)
    theirs.get(visit.get_absolute_url())
    with django_assert_num_queries(QUERIES):
        theirs.get(visit.get_absolute_url())
    change(visit, items=[])
    with django_assert_num_queries(QUERIES - 1):
        theirs.get(visit.get_absolute_url())
