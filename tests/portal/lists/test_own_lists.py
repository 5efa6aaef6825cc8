import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format

from portal.lists import own_lists
from portal.lists.actions import save
from portal.lists.models import MAX_LISTS, RESTORE_FOR, SavedItem, SavedList
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import HTMX, heading, part, text

SAVED, REMOVED, NEW = reverse("saved"), reverse("removed_from_lists"), reverse("new_list")


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def winter(patron):
    return SavedListFactory(patron=patron, name="For winter")


@pytest.fixture
def recommendation(patron, branch):
    return recommend_in(HelpSessionFactory(patron=patron, branch=branch))[0]


def url(name, each):
    return reverse(name, args=[each.public_id])


def names():
    return set(SavedList.objects.filter(removed_at=None).values_list("name", flat=True))


def test_patron_makes_a_list(me, patron):
    assert "You can have 50 lists, with up to 500 titles each." in text(me.get(NEW))
    response = me.post(NEW, {"name": "  For \u202ewinter "})
    made = SavedList.objects.get()
    assert (made.patron, made.name, response.url) == (patron, "For winter", made.get_absolute_url())
    assert heading(me.get(response.url)) == "For winter"


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", "Give the list a name."),
        (" \u200b ", "Give the list a name."),
        ("for WINTER", "You have another list with this name."),
        ("your list", "You have another list with this name."),
        ("x" * 81, "at most 80 characters"),
    ],
)
def test_list_name_is_required_and_unique_among_the_patrons_lists(me, patron, winter, name, error):
    SavedListFactory(patron=patron)
    SavedListFactory(patron=UserFactory(), name="Of somebody else")
    for address in (NEW, url("change_list", SavedListFactory(patron=patron, name="Third"))):
        response = me.post(address, {"name": name})
        assert (response.status_code, error in text(response)) == (422, True)
    assert names() == {"", "For winter", "Third", "Of somebody else"}


def test_list_form_accepts_the_unchanged_name_and_a_new_name(me, winter):
    for name in ("For winter", "FOR WINTER", "Of somebody else"):
        assert me.post(url("change_list", winter), {"name": name}).url == winter.get_absolute_url()
        winter.refresh_from_db()
        assert winter.name == name


def test_default_name_of_the_first_list_is_in_the_language_of_the_page(me, patron):
    first = save(ItemFactory(), patron=patron, at=timezone.now()).saved_list
    SavedListFactory(patron=patron, name="For winter")
    assert "Your list" in part(me.get(SAVED), "lists")
    with translation.override("es"):
        assert first.title == "Su lista"


def test_patron_reads_how_many_lists_are_allowed_and_cannot_make_more(me, patron):
    for number in range(MAX_LISTS - 6):
        SavedListFactory(patron=patron, name=f"List {number}")
    assert "You can have 50." not in text(me.get(SAVED))
    SavedListFactory(patron=patron, name="The 45th")
    assert "You have 45 lists. You can have 50." in text(me.get(SAVED))
    for number in range(45, MAX_LISTS):
        SavedListFactory(patron=patron, name=f"List {number}")
    response = me.post(NEW, {"name": "One more"})
    assert "You have 50 lists, and that is the limit. Remove a list first." in text(response)
    assert SavedList.objects.count() == MAX_LISTS


def test_removed_list_can_be_restored_with_everything_in_it(me, winter):
    saved = SavedItemFactory(saved_list=winter)
    before = SavedItem.objects.values().get(), SavedList.objects.values().get()
    until = date_format(timezone.localdate() + RESTORE_FOR, "F j, Y")
    page = text(me.post(url("remove_list", winter), follow=True))
    assert f"“For winter” is removed. You can restore it until {until}." in page
    assert saved.item.title not in text(me.get(SAVED))
    assert me.get(winter.get_absolute_url()).status_code == 404
    assert f"You can restore it until {until}." in text(me.get(REMOVED))
    # The items of a removed list come back only with their list.
    assert saved.item.title not in text(me.get(REMOVED))
    assert me.post(url("restore_saved", saved)).status_code == 404
    page = text(me.post(url("restore_list", winter), follow=True))
    assert "“For winter” is back in your lists." in page
    assert saved.item.title in page
    assert (SavedItem.objects.values().get(), SavedList.objects.values().get()) == before


def test_restored_list_gets_a_new_name_if_its_name_is_taken(patron):
    now = timezone.now()
    for number in range(3):
        made = own_lists.make_list(patron, name="Winter", at=now)
        if number < 2:
            own_lists.remove_list(made, at=now)
    for removed in SavedList.objects.filter(removed_at__isnull=False):
        own_lists.restore_list(removed)
    first = SavedListFactory(patron=patron)
    own_lists.remove_list(first, at=now)
    SavedListFactory(patron=patron)
    own_lists.restore_list(first)
    assert names() == {"Winter", "Winter (2)", "Winter (3)", "", "Your list (2)"}


def test_removed_list_can_be_deleted_immediately(me, winter):
    assert me.post(url("delete_list", winter)).status_code == 404  # The list has not been removed yet.
    me.post(url("remove_list", winter))
    assert "“For winter” is deleted." in text(me.post(url("delete_list", winter), follow=True))
    assert "Nothing to restore" in text(me.get(REMOVED))
    assert me.post(url("restore_list", winter)).status_code == 404


def test_removed_list_cannot_be_restored_after_the_last_day_for_restoring(me, winter):
    own_lists.remove_list(winter, at=timezone.now() - RESTORE_FOR - timedelta(days=2))
    assert "Nothing to restore" in text(me.get(REMOVED))
    assert me.post(url("restore_list", winter)).status_code == 404


@pytest.mark.parametrize("who", ["nobody", "another patron", "staff of the branch"])
def test_strangers_cannot_see_or_change_a_list(client, winter, staff, sign_in, who):
    if who != "nobody":
        sign_in(client, staff if who == "staff of the branch" else UserFactory())
    status = 302 if who == "nobody" else 404
    for name in ("saved_list", "change_list"):
        assert client.get(url(name, winter)).status_code == status
    for name in ("remove_list", "restore_list", "delete_list"):
        assert client.post(url(name, winter)).status_code == status
    assert "For winter" not in text(client.get(SAVED, follow=True))
    assert SavedList.objects.filter(pk=winter.pk, removed_at=None, name="For winter").exists()


def test_save_button_names_the_list_with_the_item_and_links_to_the_other_lists(
    me, patron, winter, recommendation
):
    visit = HelpSessionFactory._meta.model.objects.get().get_absolute_url()
    button = f"saving-{recommendation.public_id}"
    data = {"recommendation": str(recommendation.public_id), "back": visit}
    response = me.post(url("save_item", recommendation.item), data, **HTMX)
    assert "In “For winter”" in part(response, button)
    assert part(response, button) == part(me.get(visit), button)
    choose = url("choose_lists", recommendation)
    assert choose in part(response, button)
    other = SavedListFactory(patron=patron, name="Other")
    assert 'aria-pressed="true"' in part(me.get(choose), "lists")
    me.post(url("save_item", recommendation.item), {**data, "back": choose, "list": str(other.public_id)})
    assert part(me.get(choose), "lists").count('aria-pressed="true"') == 2
    # A button that removes the item from one of several lists would be ambiguous.
    assert "In 2 lists" in part(me.get(visit), button)
    assert "aria-pressed" not in part(me.get(visit), button)


def test_saving_an_item_in_a_list_does_not_change_the_order_of_lists(me, patron, recommendation):
    lists = [SavedListFactory(patron=patron, name=name) for name in ("winter", "Autumn", "Spring")]
    choose = url("choose_lists", recommendation)
    for saved_list in [*lists, None]:
        shown = re.findall(r'<span dir="auto">([^<]+)</span>', part(me.get(choose), "lists"))
        assert shown == ["Autumn", "Spring", "winter"]
        if saved_list:
            data = {"recommendation": str(recommendation.public_id), "list": str(saved_list.public_id)}
            me.post(url("save_item", recommendation.item), data)
    assert SavedItem.objects.count() == 3


def test_new_list_can_be_made_while_choosing_lists_for_an_item(me, patron, recommendation):
    choose = url("choose_lists", recommendation)
    assert me.post(choose, {"name": ""}).status_code == 422
    assert me.post(choose, {"name": "For winter"}).url == choose
    assert me.post(choose, {"name": "For winter"}).status_code == 422
    saved = SavedItem.objects.get()
    assert (saved.saved_list.name, saved.item, saved.recommendation) == (
        "For winter",
        recommendation.item,
        recommendation,
    )


def test_page_for_choosing_lists_returns_404_for_another_patrons_recommendation(me, branch):
    [strangers] = recommend_in(HelpSessionFactory(patron=UserFactory(), branch=branch))
    choose = url("choose_lists", strangers)
    assert me.get(choose).status_code == me.post(choose, {"name": "Mine"}).status_code == 404
    assert not SavedList.objects.exists()


def test_items_of_a_quiet_visit_cannot_be_saved_in_any_list(me, branch, show_code, winter):
    quiet = QuietSessionFactory(branch=branch)
    [recommendation] = recommend_in(quiet)
    show_code(me, code_for(quiet))
    choose = url("choose_lists", recommendation)
    assert me.get(choose).url == me.post(choose, {"name": "Mine"}).url == quiet.get_absolute_url()
    me.post(url("save_item", recommendation.item), {"list": str(winter.public_id)})
    assert not SavedItem.objects.exists()
    assert names() == {"For winter"}


def test_saving_an_item_in_a_full_list_redirects_to_the_page_for_choosing_a_list(
    me, winter, recommendation, monkeypatch
):
    monkeypatch.setattr("portal.lists.actions.MAX_ITEMS", 0)
    data = {"recommendation": str(recommendation.public_id)}
    response = me.post(url("save_item", recommendation.item), data)
    assert response.url.startswith(url("choose_lists", recommendation))
    assert "“For winter” has 500 titles, and that is the limit." in text(me.get(response.url))
    response = me.post(url("save_item", recommendation.item), data, **HTMX)
    assert response["HX-Redirect"].startswith(url("choose_lists", recommendation))


@pytest.mark.parametrize("rows", [2, 30])
def test_page_of_lists_runs_the_same_number_of_queries_for_2_and_30_lists(
    me, patron, django_assert_num_queries, rows
):
    for number in range(rows):
        SavedItemFactory.create_batch(2, saved_list=SavedListFactory(patron=patron, name=f"List {number}"))
    with django_assert_num_queries(6):
        page = me.get(SAVED)
    assert part(page, "lists").count("2 titles") == rows


@pytest.mark.parametrize("rows", [1, 30])
def test_page_for_choosing_lists_runs_the_same_number_of_queries_for_1_and_30_lists(
    me, patron, recommendation, django_assert_num_queries, rows
):
    for number in range(rows):
        SavedListFactory(patron=patron, name=f"List {number}")
    with django_assert_num_queries(9):
        me.get(url("choose_lists", recommendation))


def test_page_of_lists_shows_the_cover_of_the_first_item_of_each_list(me, patron, winter):
    SavedItemFactory(saved_list=winter)
    first = SavedItemFactory(saved_list=winter, saved_at=timezone.now() - timedelta(days=2))
    SavedItemFactory(saved_list=winter, removed_at=timezone.now())
    SavedListFactory(patron=patron, name="Empty")
    lists = me.get(SAVED).context["lists"]
    assert [(each.name, each.count, each.first and each.first.pk) for each in lists] == [
        ("Empty", 0, None),
        ("For winter", 2, first.pk),
    ]


def test_patron_without_lists_can_make_a_list(client, sign_in, library):
    me = sign_in(client, UserFactory())
    page = me.get(reverse("saved")).content.decode()
    assert f'id="new-list" href="{reverse("new_list")}"' in page
    assert "You can have 50 lists, with up to 500 titles each." in text(me.get(reverse("new_list")))
    assert me.post(reverse("new_list"), {"name": "For winter"}).status_code == 302
    assert "You have 1 list. You can have 50" in text(me.get(reverse("new_list")))
