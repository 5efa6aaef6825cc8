import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from portal.lists.actions import ListFull, remove, restore
from portal.lists.models import SavedItem
from portal.lists.own_words import add_title
from recommendations.models import Item, Recommendation, SearchEntry
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    recommend_in,
)
from tests.portal.pages import part, text


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def saved(patron):
    return SavedItemFactory(saved_list__patron=patron)


def page_of(saved):
    return reverse("saved_title", args=[saved.public_id])


def note_and_reading():
    return SavedItem.objects.values_list("note", "reading").get()


def test_patron_can_write_and_change_and_delete_a_note(me, saved):
    for note in ("Page 12 <b>first</b>\nthen 40", "Only page 12", ""):
        response = me.post(page_of(saved), {"note": f"{note}\u202e\n"})
        assert response.url == f"{saved.saved_list.get_absolute_url()}#saved-{saved.public_id}"
        assert note_and_reading() == (note, "")
        assert (note.partition("<")[0] in text(me.get(reverse("saved")))) is True
    assert "<b>first" not in me.get(reverse("saved")).content.decode()


def test_too_long_note_is_refused_and_remains_in_the_form(me, saved):
    response = me.post(page_of(saved), {"note": "x" * 2001})
    assert response.status_code == 422
    assert "x" * 2001 in text(response)
    assert note_and_reading() == ("", "")
    assert me.post(page_of(saved), {"note": "x" * 2000}).status_code == 302


def test_patron_chooses_and_clears_the_reading_state_of_a_title(me, saved):
    for reading, label in (
        ("want", "Want to start"),
        ("reading", "Reading"),
        ("done", "Done"),
        ("stopped", "Stopped"),
    ):
        assert me.post(page_of(saved), {"reading": reading}).url == page_of(saved)
        assert note_and_reading() == ("", reading)
        row = part(me.get(reverse("saved")), f"saved-{saved.public_id}")
        assert f'<span class="tag">{label}</span>' in row
        button = part(me.get(page_of(saved)), f"reading-{reading}")
        assert 'aria-pressed="true"' in button
        assert 'value=""' in button
    # The page must not ask for a verdict as well, because that question has the same buttons.
    assert text(me.get(page_of(saved))).count(" Stopped ") == 1
    me.post(page_of(saved), {"reading": "burned"})
    assert note_and_reading() == ("", "stopped")
    me.post(page_of(saved), {"reading": ""})
    assert note_and_reading() == ("", "")


def test_restored_title_still_has_its_note_and_reading_state(me, saved):
    SavedItem.objects.update(note="Mine", reading="done")
    remove(saved, at=timezone.now())
    assert me.get(page_of(saved)).status_code == 404
    assert me.post(page_of(saved), {"note": "Changed"}).status_code == 404
    restore(saved, at=timezone.now())
    assert note_and_reading() == ("Mine", "done")


def test_list_shows_its_notes_but_no_reason_after_the_visit_was_forgotten(me, patron, branch):
    [recommendation] = recommend_in(HelpSessionFactory(patron=patron, branch=branch))
    Recommendation.objects.update(reason="the reason of the staff")
    saved = SavedItemFactory(
        saved_list__patron=patron, item=recommendation.item, recommendation=recommendation, note="my note"
    )
    for page in (reverse("saved"), page_of(saved)):
        shown = text(me.get(page))
        assert ("the reason of the staff" in shown, "my note" in shown) == (True, True)
    Recommendation.objects.update(patron=None)
    for page in (reverse("saved"), page_of(saved)):
        shown = text(me.get(page))
        assert ("the reason of the staff" in shown, "my note" in shown) == (False, True)


def test_patron_adds_a_title_by_hand(me, patron, saved):
    add = reverse("add_title", args=[saved.saved_list.public_id])
    assert "This list has 1 title. It can have 500." in text(me.get(add))
    items = Item.objects.count(), SearchEntry.objects.count()
    for _again in range(2):
        response = me.post(add, {"title": " A \u202ePrivate Title", "creators": "My aunt"})
    added = SavedItem.objects.get(item=None)
    assert (added.title, added.creators, added.saved_list) == ("A Private Title", "My aunt", saved.saved_list)
    assert response.url == f"{saved.saved_list.get_absolute_url()}#saved-{added.public_id}"
    row = text(me.get(reverse("saved")))
    assert all(words in row for words in ("A Private Title", "My aunt", "added by you"))
    # Nobody else can find the title, for example with the search at the desk.
    assert (Item.objects.count(), SearchEntry.objects.count()) == items
    shared = me.get(reverse("share_saved", args=[added.public_id]))
    assert "A Private Title, My aunt" in text(shared)


def test_titles_added_by_hand_can_be_removed_and_restored(patron):
    saved_list = SavedListFactory(patron=patron)
    one, other = (add_title(saved_list, title=title, at=timezone.now()) for title in ("One", "Other"))
    remove(one, at=timezone.now())
    restore(one, at=timezone.now())
    assert set(SavedItem.objects.in_lists()) == {one, other}


def test_title_added_by_hand_needs_a_title(me, saved):
    add = reverse("add_title", args=[saved.saved_list.public_id])
    for fields in ({"title": "", "creators": "My aunt"}, {"title": "x" * 401}):
        assert me.post(add, fields).status_code == 422
    with pytest.raises(IntegrityError), transaction.atomic():
        SavedItem.objects.create(saved_list=saved.saved_list, saved_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        SavedItemFactory(saved_list=saved.saved_list, item=ItemFactory(), title="Both")
    assert SavedItem.objects.get() == saved


def test_title_cannot_be_added_by_hand_to_a_full_list(me, saved, monkeypatch):
    monkeypatch.setattr("portal.lists.own_words.MAX_ITEMS", 1)
    add = reverse("add_title", args=[saved.saved_list.public_id])
    assert "This list has 500 titles, and that is the limit." in text(me.post(add, {"title": "One more"}))
    with pytest.raises(ListFull):
        add_title(saved.saved_list, title="One more", at=timezone.now())
    assert SavedItem.objects.get() == saved


@pytest.mark.parametrize("who", ["nobody", "another patron", "staff of the branch"])
def test_strangers_cannot_read_or_write_notes_and_titles(client, saved, staff, sign_in, who):
    SavedItem.objects.update(note="my note")
    if who != "nobody":
        sign_in(client, staff if who == "staff of the branch" else UserFactory())
    status = 302 if who == "nobody" else 404
    add = reverse("add_title", args=[saved.saved_list.public_id])
    for page in (page_of(saved), add):
        assert client.get(page).status_code == status
    assert client.post(page_of(saved), {"note": "theirs"}).status_code == status
    assert client.post(page_of(saved), {"reading": "done"}).status_code == status
    assert client.post(add, {"title": "Theirs"}).status_code == status
    assert note_and_reading() == ("my note", "")
