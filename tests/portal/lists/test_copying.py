import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.lists.links import address_of, end_link, make_link
from portal.lists.models import MAX_ITEMS, MAX_LISTS, SavedItem, SavedList
from portal.lists.own_words import add_title
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    recommend_in,
)
from tests.portal.pages import asks_to_sign_in, text


@pytest.fixture
def winter(patron):
    saved_list = SavedListFactory(patron=patron, name="For winter")
    SavedItemFactory(saved_list=saved_list, item__title="Snow", note="Lend it to Ana", reading="done")
    add_title(saved_list, title="By hand", creators="Somebody", at=timezone.now())
    return saved_list


@pytest.fixture
def visitor(library):
    return UserFactory(name="Vera Visitor", email="vera@example.org")


@pytest.fixture
def them(visitor, sign_in):
    return sign_in(Client(), visitor)


def copy_page(saved_list, **choices):
    link = make_link(saved_list, **{"with_notes": False, "at": timezone.now()} | choices)
    return f"{address_of(link)}copy/"


def rows(saved_list):
    """Return (title, author, note, reading status) of each title, in the order of the list."""
    found = saved_list.saved_items.in_lists().in_order().select_related("item")
    return [(row.shown.title, row.shown.creators, row.note, row.reading) for row in found]


def test_visitor_copies_the_titles_into_a_new_list_of_their_own(them, visitor, winter):
    page = copy_page(winter)
    assert them.get(page).context["form"]["name"].value() == "For winter"
    response = them.post(page, {"name": "From a friend"}, follow=True)
    made = SavedList.objects.get(patron=visitor)
    assert response.redirect_chain[-1][0] == made.get_absolute_url()
    assert "2 titles were copied into “From a friend”." in text(response)
    snow = SavedItem.objects.get(saved_list=winter, item__isnull=False).item
    assert rows(made) == [("By hand", "Somebody", "", ""), ("Snow", snow.creators, "", "")]
    assert not SavedItem.objects.filter(saved_list=made, recommendation__isnull=False).exists()
    assert len(rows(winter)) == 2


def test_titles_of_all_pages_are_copied(them, visitor, winter):
    for number in range(43):
        add_title(winter, title=f"Title {number}", at=timezone.now())
    page = copy_page(winter)
    assert "45 titles will be copied." in text(them.get(page))
    them.post(page, {"name": "Copy"})
    copied = rows(SavedList.objects.get(patron=visitor))
    assert [title for title, *_rest in copied] == [title for title, *_rest in rows(winter)]


@pytest.mark.parametrize("with_notes", [True, False])
def test_notes_are_copied_only_if_visitors_of_the_list_see_the_notes(them, visitor, winter, with_notes):
    page = copy_page(winter, with_notes=with_notes)
    assert ("The notes that you see are copied too." in text(them.get(page))) == with_notes
    them.post(page, {"name": "Copy"})
    notes = [note for _title, _by, note, _reading in rows(SavedList.objects.get(patron=visitor))]
    assert notes == ["", "Lend it to Ana" if with_notes else ""]


def test_copying_a_list_again_adds_only_its_new_titles(them, visitor, winter):
    page = copy_page(winter)
    for name in ("Copy", "COPY"):
        them.post(page, {"name": name})
    own = SavedList.objects.get(patron=visitor)
    assert len(rows(own)) == 2
    assert "“Copy” already has all these titles." in text(them.post(page, {"name": "Copy"}, follow=True))
    SavedItem.objects.filter(saved_list=own).update(note="My own words")
    for title in ("New 1", "New 2"):
        add_title(winter, title=title, at=timezone.now())
    them.post(page, {"name": "Copy"})
    assert [row[0] for row in rows(own)] == ["New 2", "New 1", "By hand", "Snow"]
    assert [row[2] for row in rows(own)] == ["", "", "My own words", "My own words"]


def test_copying_ones_own_list_does_not_change_the_list(client, patron, sign_in, winter):
    before = rows(winter)
    sign_in(client, patron).post(copy_page(winter), {"name": "For winter"})
    assert (rows(winter), SavedList.objects.count()) == (before, 1)


def test_signed_out_visitor_returns_to_the_copy_page_after_signing_in(winter):
    browser, page = Client(), copy_page(winter)
    path = page.removeprefix(page.partition("/shared/")[0])
    for response in (browser.get(path), browser.post(path, {"name": "Copy"})):
        assert asks_to_sign_in(response)
        assert response.url == f"{reverse('sign_in')}?next={path}"
    assert SavedList.objects.count() == 1


def test_nothing_is_copied_from_a_link_that_has_ended(them, visitor, winter):
    link = make_link(winter, with_notes=False, at=timezone.now())
    page = f"{address_of(link)}copy/"
    end_link(link, at=timezone.now())
    assert them.post(page, {"name": "Copy"}).status_code == 404
    assert not SavedList.objects.filter(patron=visitor).exists()


def test_nothing_is_copied_if_the_list_has_no_room_for_all_titles(them, visitor, winter):
    full = SavedListFactory(patron=visitor, name="Full")
    item = ItemFactory()
    SavedItem.objects.bulk_create(
        SavedItem(saved_list=full, title=f"Title {number}", position=number, saved_at=timezone.now())
        for number in range(MAX_ITEMS - 2)
    )
    page = copy_page(winter)
    assert them.post(page, {"name": "Full"}).status_code == 302
    assert len(rows(full)) == MAX_ITEMS
    SavedItemFactory(saved_list=winter, item=item)
    response = them.post(page, {"name": "Full"})
    assert response.status_code == 422
    assert "“Full” has no room for 1 more title. A list can have 500 titles." in text(response)
    assert len(rows(full)) == MAX_ITEMS


def test_patron_with_too_many_lists_can_copy_only_into_an_existing_list(them, visitor, winter):
    for number in range(MAX_LISTS):
        SavedListFactory(patron=visitor, name=f"List {number}")
    page = copy_page(winter)
    assert "You have 50 lists. You can have 50" in text(them.get(page))
    response = them.post(page, {"name": "Copy"})
    assert (response.status_code, "You have 50 lists, and that is the limit." in text(response)) == (
        422,
        True,
    )
    assert them.post(page, {"name": "List 7"}).status_code == 302
    assert len(rows(SavedList.objects.get(patron=visitor, name="List 7"))) == 2


@pytest.mark.parametrize("name", ["", " \u200b", "x" * 81])
def test_copying_into_a_list_with_an_invalid_name_is_refused(them, visitor, winter, name):
    assert them.post(copy_page(winter), {"name": name}).status_code == 422
    assert not SavedList.objects.filter(patron=visitor).exists()


def test_call_number_that_staff_typed_is_not_copied(them, visitor, winter, patron, branch, staff):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    typed = recommend_in(session, item__branch=branch, item__call_number="HOLD SHELF Rivera")[0]
    SavedItemFactory(saved_list=winter, item=typed.item, recommendation=typed)
    known = ItemFactory(source="marc", source_key="1", branch=branch, call_number="635 WRI")
    SavedItemFactory(saved_list=winter, item=known)
    page = copy_page(winter)
    them.post(page, {"name": "Copy"})
    own = SavedList.objects.get(patron=visitor)
    pages = [
        own.get_absolute_url(),
        reverse("print_list", args=[own.public_id]),
        f"{reverse('export_list', args=[own.public_id])}?format=csv",
        reverse("item", args=[typed.item.public_id]),
    ]
    shown = [b"".join(them.get(address)).decode() for address in pages]
    assert ["HOLD SHELF" in page for page in shown] == [False] * 4
    assert ["635 WRI" in page for page in shown] == [True] * 3 + [False]
    visited = Client().get(f"{page.removesuffix('copy/')}items/{typed.item.public_id}/").content.decode()
    assert typed.item.title in visited
    assert "HOLD SHELF" not in visited


def test_patron_reads_the_call_number_that_staff_typed_for_them(
    client, sign_in, winter, patron, branch, staff
):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    typed = recommend_in(session, item__branch=branch, item__call_number="HOLD SHELF Rivera")[0]
    SavedItemFactory(saved_list=winter, item=typed.item, recommendation=typed)
    browser = sign_in(client, patron)
    pages = [winter.get_absolute_url(), reverse("item", args=[typed.item.public_id])]
    assert ["HOLD SHELF" in browser.get(address).content.decode() for address in pages] == [True, True]
