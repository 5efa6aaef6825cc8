"""Test the page that shows the harvests to coordinators."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from portal.imports.lock import catalog_lock
from portal.imports.models import Harvest

pytestmark = pytest.mark.django_db

PAGE = "/desk/settings/catalog/"
AT = datetime(2026, 5, 4, 1, 0, tzinfo=UTC)


def make(number=0, **fields):
    at = AT + timedelta(days=number)
    common = {
        "server": "https://a.example/oai",
        "prefix": "marc21",
        "source": "catalogue",
        "is_full": False,
        "state": "complete",
    }
    return Harvest.objects.create(**{**common, "started_at": at, "run_at": at, "ended_at": at, **fields})


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.mark.parametrize("harvests", [1, 30])
def test_catalog_page_runs_the_same_number_of_queries_for_1_and_30_harvests(
    desk, harvests, django_assert_num_queries
):
    for number in range(harvests):
        make(number)
    with django_assert_num_queries(6):
        assert desk.get(PAGE).status_code == 200


def test_catalog_page_shows_what_a_harvest_changed_and_why_records_have_faults(desk, settings):
    settings.OAI_URL = "https://catalog.library.example/oai"
    make(
        is_full=True,
        read=1200,
        added=30,
        changed=20,
        withdrawn=10,
        returned=5,
        faults=2,
        first_faults=[["oai:town:1", "it has no title <b>"], ["", "its header is damaged"]],
        problem="The list lacks 90 records.",
    )
    page = " ".join(desk.get(PAGE).content.decode().split())
    assert "catalog.library.example" in page
    assert "Records read: 1,200 · added: 30 · changed: 20 · withdrawn: 10 · came back: 5" in page
    assert "2 records have faults" in page
    assert "<bdi>oai:town:1</bdi>: it has no title &lt;b&gt;" in page
    assert "The list lacks 90 records." in page
    overview = " ".join(desk.get(reverse("settings")).content.decode().split())
    assert " · added: 30 · changed: 20 · withdrawn: 10 <" in overview
    assert "The last harvest had problems. See the harvests." in overview


def test_catalog_page_shows_how_far_an_unfinished_harvest_is(desk):
    make(state="unfinished", read=1200, listed=200, list_size=4000, ended_at=None)
    page = " ".join(desk.get(PAGE).content.decode().split())
    assert "not finished" in page
    assert "Records read: 1,200" in page
    assert "The server has 5,000 records." in page


def test_catalog_page_shows_which_import_is_running(desk):
    with catalog_lock("import_items <b>.mrc"):
        page = " ".join(desk.get(PAGE).content.decode().split())
    assert "Running since" in page
    assert "import_items &lt;b&gt;.mrc" in page
    assert "Running since" not in desk.get(PAGE).content.decode()


def test_catalog_page_says_that_the_catalog_comes_from_files_if_there_is_no_server(desk, settings):
    settings.OAI_URL = ""
    assert "comes from files" in desk.get(PAGE).content.decode()
    settings.OAI_URL = "https://catalog.library.example/oai"
    assert "No harvest yet" in desk.get(PAGE).content.decode()


def test_staff_who_are_not_coordinators_cannot_open_the_catalog_page(client, staff, sign_in):
    assert sign_in(client, staff).get(PAGE).status_code == 404
