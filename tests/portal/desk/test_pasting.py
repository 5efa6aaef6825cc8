"""Test how staff add several items in one step by pasting a list of them."""

import pytest

from portal.conversations.models import Draft
from portal.desk.item_picker import MAX_ITEMS
from portal.helpsessions.models import HelpSession
from portal.imports.pasting.reading import MAX_PASTED
from recommendations.models import Item, Recommendation
from tests.factories import ConversationFactory, HelpSessionFactory, ItemFactory, MessageFactory
from tests.portal.desk.test_record import RECORD, press, rows, shown
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")
PASTED = "0-306-40615-2\nEmma | Jane Austen\n\n10.1000\nSeed swap | 2026-05-03"


@pytest.fixture
def physics():
    return ItemFactory(
        title="Physics", creators="Isaac Newton", isbn="9780306406157", source="marc", source_key="1"
    )


def previewed(response):
    """Return the preview as [(line number, title or None, whether the item can be added, error text)]."""
    return [
        (each.number, each.item and each.item.title, bool(each.row), each.words)
        for each in response.context["picker"].pasted.preview
    ]


def test_preview_of_pasted_lines_shows_the_recognized_item_or_the_error_for_each_line(desk, typed, physics):
    part = press(desk, "read_pasted", typed(**{"new-pasted": PASTED}))
    wrong = "This is not a DOI. A DOI looks like 10.1000/182. Copy the DOI again from the article."
    assert previewed(part) == [
        (1, "Physics", True, ""),
        (2, "Emma", True, ""),
        (4, None, False, wrong),
        (5, "Seed swap", True, ""),
    ]
    words = text(part)
    for shown_words in ("Line 1 · in the catalog", "Line 2 · new", "on May 3, 2026", wrong, "Add 3 items"):
        assert shown_words in words
    assert part.context["picker"].rows == []
    assert Item.objects.count() == 1


def test_recognized_items_are_added_and_the_other_lines_stay_in_the_field(desk, typed, physics):
    part = press(desk, "add_pasted", typed(**{"new-pasted": PASTED}))
    picker = part.context["picker"]
    assert [(row["item"], row.get("title", "")) for row in picker.rows] == [
        (str(physics.public_id), ""),
        ("", "Emma"),
        ("", "Seed swap"),
    ]
    assert picker.pasted_text == "10.1000"
    assert previewed(part)[0][1:3] == (None, False)


@pytest.mark.parametrize("has_javascript", [True, False])
def test_pasted_items_are_saved_with_the_visit(desk, typed, physics, has_javascript):
    pasted = typed(**{"new-pasted": "0306406152\nPRISMA 2020 | doi:10.1136/bmj.n71\nRosa | 414-555-0134"})
    if has_javascript:
        picker = press(desk, "add_pasted", pasted).context["picker"]
    else:
        page = desk.post(RECORD, {**pasted, "action": "read_pasted"}, follow=True)
        assert [each[1] for each in previewed(page)] == ["Physics", "PRISMA 2020", "Rosa"]
        picker = desk.post(RECORD, {**pasted, "action": "add_pasted"}, follow=True).context["picker"]
    assert desk.post(RECORD, {**pasted, **rows(*picker.rows), "new-pasted": ""}).status_code == 302
    given = [recommendation.item for recommendation in Recommendation.objects.order_by("pk")]
    assert [(item.kind, item.title, item.doi, item.phone) for item in given] == [
        ("book", "Physics", "", ""),
        ("article", "PRISMA 2020", "10.1136/bmj.n71", ""),
        ("person", "Rosa", "", "414-555-0134"),
    ]
    assert given[0] == physics


def test_pasted_ris_record_is_saved_with_its_publisher_year_and_series(desk, typed):
    ris = "TY  - JOUR\nTI  - PRISMA 2020\nAU  - Page, M.\nJO  - BMJ\nPY  - 2021\nPB  - BMJ Group\nER  -"
    picker = press(desk, "add_pasted", typed(**{"new-pasted": ris})).context["picker"]
    desk.post(RECORD, typed(**rows(*picker.rows)))
    item = Recommendation.objects.get().item
    assert (item.creators, item.series, item.year, item.publisher) == ("Page, M.", "BMJ", "2021", "BMJ Group")


def test_visit_is_not_saved_if_pasted_items_were_not_added(desk, typed):
    page = desk.post(RECORD, typed(**{"new-pasted": "Emma"}))
    assert page.status_code == 422
    assert "You pasted items, but didn't add them." in shown(page)
    assert previewed(page) == [(1, "Emma", True, "")]
    assert not HelpSession.objects.recorded().exists()


def test_item_that_is_already_in_the_form_cannot_be_added_again_by_pasting(desk, typed, physics):
    fields = typed(**rows({"item": str(physics.public_id)}), **{"new-pasted": "0306406152\n9780306406157"})
    part = press(desk, "read_pasted", fields)
    words = "This item is already chosen. Remove the line."
    assert previewed(part) == [(1, "Physics", False, words), (2, "Physics", False, words)]


def test_doi_that_was_pasted_twice_makes_only_one_item(desk, typed):
    words = "This item is already chosen. Remove the line."
    part = press(desk, "add_pasted", typed(**{"new-pasted": "10.1000/ab\nPRISMA | doi:10.1000/AB\nEmma"}))
    picker = part.context["picker"]
    assert [row.get("doi", "") for row in picker.rows] == ["10.1000/ab", ""]
    assert previewed(part) == [(1, "PRISMA", False, words)]
    again = typed(**rows(*picker.rows), **{"new-pasted": "https://doi.org/10.1000/ab"})
    part = press(desk, "add_pasted", again)
    assert len(part.context["picker"].rows) == 2
    assert previewed(part) == [(1, "10.1000/ab", False, words)]


def test_pasted_items_beyond_the_maximum_are_not_added_and_stay_in_the_field(desk, typed):
    lines = "\n".join(f"Book {number}" for number in range(MAX_ITEMS + 2))
    part = press(desk, "add_pasted", typed(**rows({"title": "First"}), **{"new-pasted": lines}))
    picker = part.context["picker"]
    assert len(picker.rows) == MAX_ITEMS
    assert picker.pasted_text.split() == ["Book", "19", "Book", "20", "Book", "21"]
    assert "There is no room for this item." in shown(part)


def test_pasted_text_that_is_too_long_gets_an_error_and_no_preview(desk, typed):
    part = press(desk, "read_pasted", typed(**{"new-pasted": "x" * (MAX_PASTED + 1)}))
    assert "This text is too long. Paste less text at a time." in shown(part)
    assert part.context["picker"].pasted.preview == []


def test_html_in_pasted_text_is_escaped(desk, typed):
    part = press(desk, "read_pasted", typed(**{"new-pasted": "<script>alert(1)</script> | <b>x"}))
    assert "<script>alert" not in shown(part)
    assert "<b>x" not in shown(part)


def test_preview_of_pasted_lines_runs_the_same_number_of_queries_for_1_and_20_items(
    desk, typed, django_assert_num_queries
):
    from portal.desk.pasted import Pasted

    dois = [f"10.1000/{number}" for number in range(20)]
    for doi in dois:
        ItemFactory(doi=doi)
    for asked in (dois[:1], dois):
        with django_assert_num_queries(2):
            assert len(Pasted("\n".join(asked), chosen=[], room=20).rows) == len(asked)


def test_pasted_items_can_be_added_to_an_answer(desk, staff, branch, patron):
    conversation = ConversationFactory(
        help_session=HelpSessionFactory(staff=staff, branch=branch, patron=patron)
    )
    MessageFactory(conversation=conversation)
    address = f"/desk/conversations/{conversation.public_id}/"
    fields = {"client_token": "c0ffee00-0000-4000-8000-000000000000", "sequence": "1", "body": "See these."}
    desk.post(f"{address}draft/", {**fields, "language": "en", "new-pasted": "Emma"})
    assert Draft.objects.get().typed["new-pasted"] == "Emma"
    part = desk.post(
        f"{address}reply/",
        {**fields, "action": "add_pasted", "new-pasted": "Emma"},
        headers={"HX-Request": "true"},
    )
    assert [row["title"] for row in part.context["picker"].rows] == ["Emma"]
    assert shown(part).lstrip().startswith('<section id="items"')
