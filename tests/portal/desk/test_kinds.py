"""Test each kind of item that staff add by hand: the values that staff type, and what the patron reads."""

import datetime

import pytest

from recommendations.models import Item, Recommendation
from tests.factories import HelpSessionFactory, ItemFactory, SavedItemFactory, UserFactory, recommend_in
from tests.portal.desk.test_record import RECORD, press, rows, shown

pytestmark = pytest.mark.usefixtures("at_noon")
KEPT = ("kind", "form", "title", "doi", "starts_on", "ends_on", "phone")


def values(item):
    return {name: getattr(item, name) for name in KEPT if getattr(item, name)}


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (
            {"kind": "event", "title": "Seed swap", "starts_on": "2026-05-03", "ends_on": "2026-05-05"},
            {"starts_on": datetime.date(2026, 5, 3), "ends_on": datetime.date(2026, 5, 5)},
        ),
        (
            {"kind": "course", "title": "English circle", "starts_on": "2026-05-03"},
            {"starts_on": datetime.date(2026, 5, 3)},
        ),
        (
            {"kind": "person", "title": "Ada, data librarian", "phone": "(414) 555-0134"},
            {"phone": "(414) 555-0134"},
        ),
        (
            {"kind": "article", "title": "PRISMA 2020", "doi": "https://doi.org/10.1136/bmj.n71"},
            {"doi": "10.1136/bmj.n71"},
        ),
        ({"kind": "book", "title": "Emma", "form": "large_print"}, {"form": "large_print"}),
        ({"kind": "database", "title": "Statista"}, {}),
        ({"kind": "web_page", "title": "Seeds"}, {}),
    ],
)
@pytest.mark.parametrize("is_added_first", [True, False])
def test_item_added_by_hand_is_saved_with_the_fields_of_its_kind(desk, typed, written, kept, is_added_first):
    by_hand = {f"new-{name}": value for name, value in written.items()}
    fields = typed(**by_hand)
    if is_added_first:
        [row] = press(desk, "add_item", fields).context["picker"].rows
        fields = typed(**rows(row))
    assert desk.post(RECORD, fields).status_code == 302
    item = Recommendation.objects.get().item
    assert values(item) == {"kind": written["kind"], "title": written["title"], **kept}


def test_item_added_by_hand_is_saved_without_the_fields_of_other_kinds(desk, typed):
    written = {"new-kind": "web_page", "new-title": "Seeds", "new-doi": "nonsense", "new-form": "disc"}
    others = {"new-starts_on": "soon", "new-ends_on": "2026-01-01", "new-call_number": "641 SEE"}
    assert desk.post(RECORD, typed(**written, **others)).status_code == 302
    item = Recommendation.objects.get().item
    assert values(item) == {"kind": "web_page", "title": "Seeds"}
    assert not item.holdings.exists()


def test_item_of_the_kind_person_is_never_stored_as_fiction(desk, typed):
    desk.post(RECORD, typed(**{"new-kind": "person", "new-title": "Ada", "new-is_fiction": "on"}))
    assert Recommendation.objects.get().item.is_fiction is False


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ({"kind": "event", "starts_on": "2026-05-03", "ends_on": "2026-05-02"}, "ends_on"),
        ({"kind": "event", "ends_on": "2026-05-02"}, "starts_on"),
        ({"kind": "course", "starts_on": "May 3"}, "starts_on"),
        ({"kind": "event", "starts_on": "9999-12-31"}, "starts_on"),
        ({"kind": "person", "phone": "ask at the desk"}, "phone"),
        ({"kind": "article", "doi": "10.1"}, "doi"),
    ],
)
def test_invalid_value_is_shown_again_in_its_field_with_an_error(desk, typed, written, wrong):
    fields = {f"new-{name}": value for name, value in {"title": "Seeds", **written}.items()}
    page = desk.post(RECORD, typed(**fields))
    assert page.status_code == 422
    assert list(page.context["picker"].written.errors) == [wrong]
    if wrong in written:
        assert f'value="{written[wrong]}"' in shown(page)
    assert not Item.objects.exists()


def test_item_row_with_an_invalid_value_is_refused(desk, typed):
    row = {"kind": "event", "title": "Seed swap", "starts_on": "2026-05-03", "ends_on": "2026-05-02"}
    assert desk.post(RECORD, typed(**rows(row))).status_code == 422
    assert not Item.objects.exists()


def test_record_form_shows_the_day_of_an_added_event(desk, typed):
    by_hand = {"new-kind": "event", "new-title": "Seed swap", "new-starts_on": "2026-02-03"}
    assert "was on February 3, 2026" in shown(press(desk, "add_item", typed(**by_hand)))


@pytest.fixture
def given(branch, staff):
    """Return a visit with a past event, a person and an article."""
    patron = UserFactory()
    session = HelpSessionFactory(patron=patron, branch=branch, staff=staff)
    event = ItemFactory(kind="event", title="Seed swap", starts_on=datetime.date(2026, 2, 3))
    person = ItemFactory(kind="person", title="Ada, data librarian", phone="414-555-0134")
    article = ItemFactory(kind="article", title="PRISMA 2020", doi="10.1136/bmj.n71")
    for item in (event, person, article):
        recommend_in(session, item=item)
    return session


def test_visit_page_shows_the_day_of_an_event_and_has_links_for_a_phone_number_and_a_doi(
    client, sign_in, given
):
    page = shown(sign_in(client, given.patron).get(given.get_absolute_url()))
    assert "was on February 3, 2026" in page
    assert '<a href="tel:4145550134"><bdi>414-555-0134</bdi></a>' in page
    assert '<a class="link-button" href="https://doi.org/10.1136/bmj.n71">' in page


def test_desk_page_and_share_page_show_the_day_of_an_event(client, sign_in, desk, given):
    paper = shown(desk.get(f"/desk/sessions/{given.public_id}/"))
    assert "was on February 3, 2026" in paper
    page = shown(sign_in(client, given.patron).get(f"{given.get_absolute_url()}share/"))
    assert "Was on February 3, 2026" in page
    assert "414-555-0134" in page
    assert "https://doi.org/10.1136/bmj.n71" in page


def test_saved_list_shows_the_day_of_an_event_and_a_phone_number_on_its_page_and_on_paper(
    client, sign_in, library
):
    me = UserFactory()
    event = ItemFactory(kind="event", title="Seed swap", starts_on=datetime.date(2026, 4, 3))
    person = ItemFactory(kind="person", title="Ada, data librarian", phone="414-555-0134")
    saved = SavedItemFactory(saved_list__patron=me, item=event)
    SavedItemFactory(saved_list=saved.saved_list, item=person)
    browser = sign_in(client, me)
    address = saved.saved_list.get_absolute_url()
    for page in (shown(browser.get(address)), shown(browser.get(f"{address}print/"))):
        assert "on April 3, 2026" in page
        assert "414-555-0134" in page
