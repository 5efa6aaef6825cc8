"""Test what patrons who have a withdrawn item see, and what the desk shows."""

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.imports.withdrawing import withdraw_and_return
from recommendations.actions import place_item, record_verdict
from recommendations.models import Item, Recommendation
from recommendations.search.finding import find_items
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    recommend_in,
)

pytestmark = pytest.mark.django_db

GONE, GONE_IN_SPANISH = "No longer in the catalog", "Ya no está en el catálogo"


@pytest.fixture
def world(library, branch, staff, patron):
    """Return a withdrawn and a current title. The patron has both in a visit and in a list."""
    library.catalog_link = "https://catalog.library.example/?q={isbn}"
    library.save()
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    saved_list = SavedListFactory(patron=patron)
    for title, isbn in (("Gone away", "9780306406157"), ("Still there", "9780141439600")):
        item = ItemFactory(title=title, source="catalogue", source_key=title, isbn=isbn, summary="A summary.")
        place_item(item, branch=branch, call_number=f"CALL {title}")
        [recommendation] = recommend_in(visit, item=item, reason=f"Because of {title}")
        record_verdict(recommendation, verdict="helped", why="", comment="Good", at=timezone.now())
        SavedItemFactory(saved_list=saved_list, item=item)
    gone = Item.objects.get(title="Gone away")
    assert withdraw_and_return([gone.pk], [], at=timezone.now()) == (1, 0)
    gone.refresh_from_db()
    return {"visit": visit, "list": saved_list, "gone": gone}


def pages(world):
    return {
        "visit": world["visit"].get_absolute_url(),
        "list": world["list"].get_absolute_url(),
        "item": reverse("item", args=[world["gone"].public_id]),
        "recommendations": reverse("recommendations"),
    }


@pytest.mark.few_cases
@pytest.mark.parametrize("shown_on", ["visit", "list", "item", "recommendations"])
@pytest.mark.parametrize(("language", "words"), [("en", GONE), ("es", GONE_IN_SPANISH)])
def test_patron_reads_that_a_withdrawn_item_is_no_longer_in_the_catalog(
    client, sign_in, patron, world, shown_on, language, words
):
    patron.language = language
    patron.save()
    text = sign_in(client, patron).get(pages(world)[shown_on]).content.decode()
    assert text.count(words) == 1
    assert "Gone away" in text
    assert "CALL Gone away" not in text
    assert "9780306406157" not in text.replace("ISBN 9780306406157", "")
    if shown_on in ("visit", "list"):
        assert "CALL Still there" in text
        assert "?q=9780141439600" in text


def test_withdrawn_item_keeps_its_text_and_reason_and_verdict(client, sign_in, patron, world):
    client = sign_in(client, patron)
    text = client.get(pages(world)["item"]).content.decode()
    assert "A summary." in text
    assert "Because of Gone away" in text
    recommendation = Recommendation.objects.get(item=world["gone"])
    assert (recommendation.verdict, recommendation.comment) == ("helped", "Good")


def test_desk_search_omits_a_withdrawn_item_and_visit_pages_mark_the_item_as_withdrawn(
    client, sign_in, staff, world
):
    desk = sign_in(client, staff)
    assert find_items("gone away") == []
    assert "Gone away" not in desk.get(reverse("desk_items"), {"q": "gone away"}).content.decode()
    session = desk.get(reverse("desk_session", args=[world["visit"].public_id])).content.decode()
    assert session.count(GONE) == 1
    assert "CALL Gone away" not in session
    assert "CALL Still there" in session
    page = desk.get(reverse("desk_item", args=[world["gone"].public_id])).content.decode()
    assert GONE in page
    assert "CALL Gone away" not in page


def test_export_and_shared_text_of_a_withdrawn_item_have_no_call_number(client, sign_in, patron, world):
    client = sign_in(client, patron)
    address = reverse("export_list", args=[world["list"].public_id])
    text = client.get(address, {"format": "csv"}).content.decode("utf-8-sig")
    assert "CALL Still there" in text
    assert "Gone away" in text
    assert "CALL Gone away" not in text


def test_item_that_comes_back_is_the_same_as_before_it_was_withdrawn(client, sign_in, patron, world):
    gone = world["gone"]
    assert withdraw_and_return([], [gone.pk], at=timezone.now()) == (0, 1)
    text = sign_in(client, patron).get(pages(world)["visit"]).content.decode()
    assert GONE not in text
    assert "CALL Gone away" in text
    assert [item.pk for item in find_items("gone away")] == [gone.pk]


def test_withdrawing_an_item_twice_changes_it_once(world):
    first = world["gone"].retired_at
    assert withdraw_and_return([world["gone"].pk], [], at=timezone.now()) == (0, 0)
    assert Item.objects.get(pk=world["gone"].pk).retired_at == first


def test_stranger_cannot_open_a_withdrawn_item(client, sign_in, world):
    assert sign_in(client, UserFactory()).get(pages(world)["item"]).status_code == 404
