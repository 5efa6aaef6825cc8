"""Test the chart of the director's page, and which branches its answer times leave out."""

import datetime
import html
import re

import pytest
from django.urls import reverse

from portal.counts.actions import rebuild
from portal.counts.models import AnswerCount
from tests.factories import BranchFactory, HelpSessionFactory, StaffFactory
from tests.portal.pages import part, text

MARCH = datetime.date(2026, 3, 1)


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def contacts(branch, staff):
    for year, count in ((2025, 4), (2026, 7)):
        HelpSessionFactory.create_batch(
            count, branch=branch, staff=staff, happened_on=datetime.date(year, 3, 5)
        )
    rebuild()


def table_of_chart(desk, month):
    """Follow the link to the table of the chart. Return (the director's page, the page of figures)."""
    page = desk.get(reverse("director"), {"dates": month})
    address = re.search(r'href="([^"]+)"', part(page, "chart-table"))[1]
    return page, desk.get(html.unescape(address))


def test_director_report_links_to_the_table_of_its_chart(desk, contacts):
    page, table = table_of_chart(desk, "2026-03")
    assert table.context["chart"] == page.context["chart"]
    assert table.context["figure"].table() == page.context["figure"].table()
    assert table_of_chart(desk, "2025-03")[1].context["figure"].earlier is None


def test_director_report_leaves_out_answer_times_of_branches_where_few_people_work(desk, contacts, branch):
    west = BranchFactory(name="West")
    for place, answers in ((branch, 3), (west, 4)):
        AnswerCount.objects.create(month=MARCH, branch=place, up_to=60, is_late=False, answers=answers)
    few = text(desk.get(reverse("director"), {"dates": "2026-03"}))
    assert "March 2026: 3 " in few
    assert "t include branches where fewer than three people work." in few
    StaffFactory.create_batch(3, branch=west)
    many = text(desk.get(reverse("director"), {"dates": "2026-03"}))
    assert "March 2026: 7 " in re.sub(r"March 2026: 7 contacts", "", many)
    assert "leave out branches" not in many
