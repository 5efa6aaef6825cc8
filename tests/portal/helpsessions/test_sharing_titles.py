import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.lists.actions import remove
from recommendations.actions import record_verdict
from recommendations.models import Holding
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SessionNoteFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import asks_to_sign_in

PRIVATE = ["balcony compost", "three books", "Sam Okafor", "because you rent", "STAFF ONLY", "It rained"]
TITLES = """Worms Eat My Garbage, Mary Appelhof
631.8 APP at Harbour Main
https://example.org/worms

Compost City

From Harbour Library"""


@pytest.fixture
def session(patron, staff, branch):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    worms = ItemFactory(
        title="Worms Eat My Garbage", creators="Mary Appelhof", url="https://example.org/worms"
    )
    Holding.objects.create(item=worms, branch=branch, call_number="631.8 APP")
    Holding.objects.create(item=worms, branch=BranchFactory(name="Far"), call_number="FAR")
    [recommendation] = recommend_in(session, item=worms, reason="because you rent")
    recommend_in(session, item=ItemFactory(title="Compost City", creators=""))
    record_verdict(recommendation, verdict="partly", comment="It rained", at=timezone.now())
    SessionNoteFactory(help_session=session)
    return session


def shared(response):
    """Return the text that the page offers to share."""
    return html.unescape(
        re.search(r"<textarea[^>]*>\n(.*?)</textarea>", response.content.decode(), re.DOTALL)[1]
    )


def address(session):
    return reverse("share_titles", args=[session.public_id])


@pytest.mark.parametrize("who", ["patron", "viewer by code"])
def test_shared_text_of_a_visit_contains_the_titles_and_nothing_private(
    client, patron, sign_in, show_code, session, who
):
    if who == "patron":
        sign_in(client, patron)
    else:
        session.patron = None
        session.save()
        show_code(client, code_for(session))
    response = client.get(address(session))
    assert shared(response) == TITLES
    assert [words for words in PRIVATE if words in response.content.decode()] == []
    assert f'href="{address(session)}"' in client.get(session.get_absolute_url()).content.decode()


def test_patron_can_add_the_question_and_the_summary_to_the_shared_text(client, patron, sign_in, session):
    sign_in(client, patron)
    response = client.get(f"{address(session)}?words=1")
    about = "How do I start a balcony compost bin?\n\nWe found three books and a course."
    assert shared(response) == f"{about}\n\n{TITLES}"


def test_shared_text_does_not_contain_items_that_staff_removed(client, patron, sign_in, session):
    session.recommendation_links.filter(recommendation__item__title="Compost City").update(
        removed_at=timezone.now()
    )
    sign_in(client, patron)
    assert "Compost City" not in shared(client.get(address(session)))


def test_titles_of_a_quiet_visit_cannot_be_shared(client, branch, show_code):
    quiet = QuietSessionFactory(branch=branch)
    recommend_in(quiet)
    show_code(client, code_for(quiet))
    assert client.get(quiet.get_absolute_url()).status_code == 200
    assert "share" not in client.get(quiet.get_absolute_url()).content.decode().split("<main")[1]
    assert asks_to_sign_in(client.get(address(quiet)))


@pytest.mark.parametrize("rows", [1, 30])
def test_share_page_runs_the_same_number_of_queries_for_1_and_30_items(
    client, patron, sign_in, branch, django_assert_num_queries, rows
):
    session = HelpSessionFactory(patron=patron, branch=branch)
    recommend_in(session, rows)
    sign_in(client, patron)
    client.get(address(session))
    with django_assert_num_queries(6):
        client.get(address(session))


def test_patron_can_share_a_saved_title_without_its_reason(client, patron, sign_in, session):
    recommendation = session.recommendation_links.first().recommendation
    saved = SavedItemFactory(
        saved_list__patron=patron, item=recommendation.item, recommendation=recommendation
    )
    sign_in(client, patron)
    page = reverse("share_saved", args=[saved.public_id])
    assert f'href="{page}"' in client.get(reverse("saved")).content.decode()
    response = client.get(page)
    assert shared(response) == (
        "Worms Eat My Garbage, Mary Appelhof\nhttps://example.org/worms\n\nFrom Harbour Library"
    )
    assert "because you rent" not in response.content.decode()
    remove(saved, at=timezone.now())
    assert client.get(page).status_code == 404


def test_stranger_cannot_share_a_saved_title(client, patron, sign_in, session):
    saved = SavedItemFactory(
        saved_list__patron=patron, item=session.recommendation_links.first().recommendation.item
    )
    sign_in(client, UserFactory())
    assert client.get(reverse("share_saved", args=[saved.public_id])).status_code == 404
    assert client.get(address(session)).status_code == 404
