import random
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.lists.actions import ListFull, remove, restore, save
from portal.lists.models import SavedItem
from portal.lists.ordering import copy_to_list, move_to_list, place
from portal.lists.own_words import add_title
from tests.extent import times
from tests.factories import ItemFactory, SavedItemFactory, SavedListFactory, UserFactory
from tests.portal.pages import HTMX, part, text


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def four(patron):
    """Return a list with the titles D, C, B and A. The title that was saved last is the first."""
    saved_list = SavedListFactory(patron=patron)
    for title in "ABCD":
        save(ItemFactory(title=title), patron=patron, at=timezone.now(), saved_list=saved_list)
    return saved_list


def row(title):
    return SavedItem.objects.in_lists().get(item__title=title)


def order(saved_list):
    return "".join(str(saved) for saved in saved_list.saved_items.in_lists().in_order())


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("title", "to", "expected"),
    [
        ("B", "up", "DBCA"),
        ("B", "down", "DCAB"),
        ("B", "top", "BDCA"),
        ("C", "bottom", "DBAC"),
        ("D", "up", "DCBA"),
        ("A", "down", "DCBA"),
        ("D", "top", "DCBA"),
        ("A", "bottom", "DCBA"),
    ],
)
def test_title_moves_up_or_down_or_to_the_top_or_bottom(four, title, to, expected):
    place(row(title), to=to)
    assert order(four) == expected


@pytest.mark.parametrize(
    ("title", "side", "other", "expected"),
    [
        ("A", "before", "D", "ADCB"),
        ("D", "after", "B", "CBDA"),
        ("D", "after", "A", "CBAD"),
        ("D", "before", "D", "DCBA"),
    ],
)
def test_title_moves_next_to_another_title(four, title, side, other, expected):
    place(row(title), **{side: row(other)})
    assert order(four) == expected


def test_title_cannot_be_placed_next_to_a_removed_title_or_a_title_of_another_list(four, patron):
    elsewhere = SavedItemFactory(saved_list=SavedListFactory(patron=patron, name="Other"))
    removed, moved = row("C"), row("A")
    remove(removed, at=timezone.now())
    for other in (elsewhere, removed):
        place(moved, before=other)
    place(removed, to="top")
    assert order(four) == "DBA"


def test_restored_title_returns_to_its_place_even_if_other_titles_were_moved(four):
    removed = row("C")
    remove(removed, at=timezone.now())
    place(row("A"), to="top")
    save(ItemFactory(title="E"), patron=four.patron, at=timezone.now(), saved_list=four)
    restore(removed, at=timezone.now())
    assert order(four) == "EADCB"


@pytest.mark.few_cases
@pytest.mark.parametrize("seed", range(times(5, 100)))
def test_random_moves_give_the_same_order_as_in_a_python_list(patron, seed):
    chance, at = random.Random(seed), timezone.now()
    saved_list, expected, removed = SavedListFactory(patron=patron), [], []
    for number in range(60):
        action = chance.choice(["add", "place", "place", "to", "remove", "restore"])
        if action == "add" or len(expected) < 3:
            expected.insert(0, add_title(saved_list, title=f"{number}", at=at))
        elif action == "place":
            moved, other = chance.sample(expected, 2)
            side = chance.choice(["before", "after"])
            place(moved, **{side: other})
            expected.remove(moved)
            expected.insert(expected.index(other) + (side == "after"), moved)
        elif action == "to":
            moved, to = chance.choice(expected), chance.choice(["up", "down", "top", "bottom"])
            place(moved, to=to)
            old = expected.index(moved)
            new = {"up": max(old - 1, 0), "down": old + 1, "top": 0, "bottom": len(expected)}[to]
            expected.remove(moved)
            expected.insert(new, moved)
        elif action == "remove":
            removed.append(chance.choice(expected))
            remove(removed[-1], at=at)
            expected.remove(removed[-1])
        elif removed:
            restore(back := removed.pop(), at=at)
            found = list(saved_list.saved_items.in_lists().in_order())
            assert [saved for saved in found if saved != back] == expected
            expected = found
        assert list(saved_list.saved_items.in_lists().in_order()) == expected
    positions = list(saved_list.saved_items.values_list("position", flat=True))
    assert len(set(positions)) == len(positions)


def test_title_moved_to_another_list_keeps_its_note_and_reading_state(four, patron):
    other = SavedListFactory(patron=patron, name="Other")
    SavedItemFactory(saved_list=other, item__title="X")
    moved = row("B")
    SavedItem.objects.filter(pk=moved.pk).update(note="Mine", reading="done")
    before = SavedItem.objects.filter(pk=moved.pk).values().get()
    later = timezone.now() + timedelta(minutes=1)
    move_to_list(moved, other, at=later)
    after = SavedItem.objects.filter(pk=moved.pk).values().get()
    assert after == before | {"saved_list_id": other.pk, "position": after["position"]}
    assert (order(four), order(other)) == ("DCA", "BX")
    other.refresh_from_db()
    assert other.used_at == later


def test_copied_title_has_the_same_note_as_the_original(four, patron):
    other = SavedListFactory(patron=patron, name="Other")
    SavedItem.objects.filter(pk=row("B").pk).update(note="Mine", reading="done")
    for _again in range(2):
        copy_to_list(
            row("B") if not order(other) else four.saved_items.get(item__title="B"), other, at=timezone.now()
        )
    assert (order(four), order(other)) == ("DCBA", "B")
    copied = other.saved_items.get()
    assert (copied.note, copied.reading) == ("Mine", "done")


def test_moving_a_title_to_a_list_with_the_same_title_combines_the_notes(four, patron):
    other = SavedListFactory(patron=patron, name="Other")
    there = SavedItemFactory(saved_list=other, item=row("B").item, note="There")
    moved = four.saved_items.get(item__title="B")
    SavedItem.objects.filter(pk=moved.pk).update(note="Here", reading="want")
    move_to_list(moved, other, at=timezone.now())
    there.refresh_from_db()
    assert (there.note, there.reading) == ("There\n\nHere", "want")
    assert (order(four), order(other)) == ("DCA", "B")
    assert SavedItem.objects.restorable(timezone.now()).get() == moved


def test_title_cannot_be_moved_or_copied_to_a_full_list(four, patron, monkeypatch):
    monkeypatch.setattr("portal.lists.ordering.MAX_ITEMS", 0)
    other = SavedListFactory(patron=patron, name="Other")
    for change in (move_to_list, copy_to_list):
        with pytest.raises(ListFull):
            change(row("B"), other, at=timezone.now())
    assert (order(four), order(other)) == ("DCBA", "")


# Tests of the pages.


@pytest.mark.parametrize("htmx", [True, False])
def test_buttons_and_dragging_change_the_order(me, four, htmx):
    page, extra = reverse("order_list", args=[four.public_id]), HTMX if htmx else {}
    for command, expected in (("up", "DBCA"), (f"after {row('A').public_id}", "DCAB")):
        response = me.post(page, {"move": f"{row('B').public_id} {command}"}, **extra)
        assert order(four) == expected
        if htmx:
            assert part(response, "order") == part(me.get(page), "order")
        else:
            assert response.url == f"{page}#order-{row('B').public_id}"
    if htmx:
        assert "number 4 of 4" in response["HX-Trigger"].encode().decode("unicode_escape")


@pytest.mark.few_cases
@pytest.mark.parametrize("command", ["sideways", "", "before", "after nothing", f"before {'0' * 32}"])
def test_unknown_command_for_moving_a_title_changes_nothing(me, four, command):
    page = reverse("order_list", args=[four.public_id])
    assert me.post(page, {"move": f"{row('B').public_id} {command}"}).status_code == 302
    assert me.post(page, {"move": command}).status_code == 404
    assert order(four) == "DCBA"


def test_order_page_hides_buttons_that_would_not_move_a_title(me, four):
    page = me.get(reverse("order_list", args=[four.public_id])).content.decode()
    first, last = row("D").public_id, row("A").public_id
    assert f'id="up-{first}"' not in page
    assert f'id="down-{last}"' not in page
    assert (page.count('id="up-'), page.count('id="down-'), page.count('id="top-')) == (3, 3, 2)


@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize("page", ["order_list", "saved_list"])
def test_pages_of_a_list_run_the_same_number_of_queries_for_1_and_30_rows(
    me, patron, django_assert_num_queries, page, rows
):
    saved_list = SavedListFactory(patron=patron)
    for number in range(rows):
        add_title(saved_list, title=f"{number}", at=timezone.now())
    with django_assert_num_queries({"order_list": 6, "saved_list": 8}[page]):
        me.get(reverse(page, args=[saved_list.public_id]))


def test_pages_for_ordering_a_long_list_show_each_title_once(me, patron):
    saved_list = SavedListFactory(patron=patron)
    for number in range(60):
        add_title(saved_list, title=f"{number}", at=timezone.now())
    page = reverse("order_list", args=[saved_list.public_id])
    first = me.get(page)
    second = me.get(page, {"after": first.context["more"]})
    shown = [*first.context["rows"], *second.context["rows"]]
    assert shown == list(saved_list.saved_items.in_order())
    assert second.context["more"] is None


@pytest.mark.parametrize("button", ["move", "copy"])
def test_patron_moves_and_copies_a_title_to_other_lists(me, four, patron, button):
    saved = row("B")
    assert 'id="move"' not in me.get(reverse("saved_title", args=[saved.public_id])).content.decode()
    other = SavedListFactory(patron=patron, name="Other")
    SavedListFactory(name="Of somebody else")
    page = me.get(reverse("saved_title", args=[saved.public_id]))
    assert ("Other" in text(page), "Of somebody else" in text(page)) == (True, False)
    response = me.post(
        reverse("move_saved", args=[saved.public_id]), {"list": str(other.public_id), button: ""}
    )
    assert response.url == other.get_absolute_url()
    assert "“B” is in “Other” now." in text(me.get(response.url))
    assert (order(four), order(other)) == ("DCA" if button == "move" else "DCBA", "B")


@pytest.mark.parametrize("who", ["nobody", "another patron"])
def test_strangers_cannot_sort_a_list_or_move_its_titles(client, four, patron, sign_in, who):
    mine = SavedListFactory(patron=UserFactory(), name="Of the stranger")
    if who != "nobody":
        sign_in(client, mine.patron)
    status = 302 if who == "nobody" else 404
    page = reverse("order_list", args=[four.public_id])
    assert client.get(page).status_code == status
    assert client.post(page, {"move": f"{row('B').public_id} up"}).status_code == status
    fields = {"list": str(mine.public_id), "copy": ""}
    assert client.post(reverse("move_saved", args=[row("B").public_id]), fields).status_code == status
    if who != "nobody":
        own = reverse("order_list", args=[mine.public_id])
        SavedItemFactory(saved_list=mine, item__title="Y")
        assert client.post(own, {"move": f"{row('B').public_id} up"}).status_code == 404
        client.post(own, {"move": f"{row('Y').public_id} before {row('B').public_id}"})
        theirs = reverse("move_saved", args=[row("Y").public_id])
        assert client.post(theirs, {"list": str(four.public_id)}).status_code == 404
    assert (order(four), order(mine)) == ("DCBA", "" if who == "nobody" else "Y")
