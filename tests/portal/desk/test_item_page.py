"""Test the page of an item at the desk."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from recommendations.models import Holding
from tests.factories import BranchFactory, HelpSessionFactory, UserFactory, recommend_in
from tests.portal.pages import heading, text


def address(item):
    return reverse("desk_item", args=[item.public_id])


def test_item_page_at_the_desk_shows_the_call_number_of_the_staff_members_branch_first(
    desk, item, branch, library
):
    library.catalog_title_link = "https://cat.example.org/?q={title}"
    library.save()
    for name in ("Alpha", "Omega"):
        Holding.objects.create(item=item, branch=BranchFactory(name=name), call_number=f"FIC {name}")
    item.source, item.source_key, item.summary = "catalog", "b1234567", "Scout grows up."
    item.save()
    page = desk.get(address(item))
    assert heading(page) == "To Kill a Mockingbird"
    for words in ("Harper Lee", "Scout grows up.", "b1234567"):
        assert words in text(page)
    html = page.content.decode()
    folded = re.search(r"<details>.*?</details>", html, re.DOTALL)[0]
    assert re.findall(r"<strong>(FIC \w+)</strong>", html.replace(folded, "")) == ["FIC LEE"]
    assert re.findall(r"<strong>(FIC \w+)</strong>", folded) == ["FIC Alpha", "FIC Omega"]
    assert 'href="https://cat.example.org/?q=To%20Kill%20a%20Mockingbird"' in html


def test_item_page_at_the_desk_says_nothing_about_patrons(desk, item, branch, staff):
    patron = UserFactory(name="Ana Alvarez")
    visit = HelpSessionFactory(patron=patron, branch=branch, staff=staff, question="About the divorce")
    before = desk.get(address(item)).content.decode()
    recommend_in(
        visit, 3, item=item, reason="Because of the divorce", verdict="helped", decided_at=timezone.now()
    )
    after = desk.get(address(item)).content.decode()
    without_tokens = [re.sub(r'(nonce|value|content|data-\w+)="[^"]*"', "", page) for page in (before, after)]
    assert without_tokens[0] == without_tokens[1]
    assert [word for word in ("Ana Alvarez", "divorce", "court") if word in after] == []


@pytest.mark.parametrize(("who", "status"), [("patron", 404), ("nobody", 302)])
def test_only_staff_can_open_the_item_page_of_the_desk(client, sign_in, item, who, status):
    if who == "patron":
        sign_in(client, UserFactory())
    assert client.get(address(item)).status_code == status


def test_items_of_a_recorded_visit_link_to_their_pages(desk, branch, staff, item):
    visit = HelpSessionFactory(branch=branch, staff=staff)
    recommend_in(visit, item=item)
    page = desk.get(reverse("desk_session", args=[visit.public_id])).content.decode()
    assert f'href="{address(item)}"' in page


def test_only_the_page_of_an_item_added_by_hand_has_a_link_for_matching(desk, item):
    match = reverse("match_item", args=[item.public_id])
    assert f'href="{match}"' in desk.get(address(item)).content.decode()
    item.source = "catalog"
    item.save()
    assert match not in desk.get(address(item)).content.decode()
