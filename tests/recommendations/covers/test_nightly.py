"""Check on which night the portal asks the cover source for each ISBN, and what it stores."""

import os
import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages

from recommendations.covers import nightly, stored
from recommendations.covers.nightly import Batch, isbns_of
from recommendations.models import Cover, Item
from tests.cover_source import picture
from tests.factories import HelpSessionFactory, ItemFactory, LibraryFactory, SavedItemFactory, recommend_in

NIGHT = date(2026, 11, 28)
AT = datetime(2026, 11, 28, 2, 30, tzinfo=UTC)
ISBN = "9780141439600"

pytestmark = pytest.mark.django_db


def nights(first=NIGHT, count=nightly.NIGHTS):
    return [first + timedelta(days=number) for number in range(count)]


def night_of(isbn, first=NIGHT):
    """Return the first night, from `first` on, on which the portal asks the source for this ISBN."""
    return next(night for night in nights(first) if isbn in isbns_of(night))


def morning(night):
    return datetime(night.year, night.month, night.day, 2, tzinfo=UTC)


def ask_all(night):
    """Ask the source about all ISBNs that are due on this night, and return the Batch."""
    batch = Batch()
    while batch.has_more(morning(night)):
        batch.ask_next()
    return batch


@pytest.fixture
def library():
    return LibraryFactory(time_zone="UTC")


def make_items(count, first=0):
    return [ItemFactory(isbn=f"978{number:010}") for number in range(first, first + count)]


def test_source_is_asked_about_each_isbn_of_the_catalog_once_in_28_nights(library):
    items = make_items(60)
    asked = [isbns_of(night) for night in nights()]
    assert sorted(isbn for batch in asked for isbn in batch) == [item.isbn for item in items]
    assert sum(bool(batch) for batch in asked) > 10


def test_recommending_or_saving_an_item_does_not_change_the_night_of_its_cover_request(
    library, patron, branch, staff
):
    items = make_items(40)
    before = [sorted(isbns_of(night)) for night in nights()]
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    recommendation = recommend_in(session)[0]
    recommendation.item = items[7]
    recommendation.save()
    SavedItemFactory(saved_list__patron=patron, item=items[9])
    assert [sorted(isbns_of(night)) for night in nights()] == before


def test_night_of_a_cover_request_does_not_reveal_when_staff_added_the_item(library):
    """Otherwise the source could tell on which day staff added a title for a patron."""
    ItemFactory(isbn=ISBN)
    its_night = night_of(ISBN)
    for days in range(1, nightly.NIGHTS):
        # On whichever day the item was added, the source is asked on the same night.
        first = its_night - timedelta(days=days)
        assert night_of(ISBN, first) == its_night


def test_server_with_a_different_secret_key_asks_for_covers_on_different_nights(library, settings):
    make_items(40)
    before = [sorted(isbns_of(night)) for night in nights()]
    settings.SECRET_KEY = "another key"
    assert [sorted(isbns_of(night)) for night in nights()] != before


def test_source_is_asked_about_the_isbns_of_one_night_in_random_order(library, monkeypatch):
    monkeypatch.setattr(nightly, "NIGHTS", 1)
    items = make_items(20)
    orders = [isbns_of(NIGHT) for _ in range(5)]
    assert len({tuple(isbns) for isbns in orders}) > 1
    assert all(sorted(isbns) == [item.isbn for item in items] for isbns in orders)


def test_two_workers_choose_the_same_isbns_if_too_many_are_due_in_one_night(library, monkeypatch):
    make_items(12)
    monkeypatch.setattr(nightly, "NIGHTS", 2)
    monkeypatch.setattr(nightly, "MAX_PER_NIGHT", 3)
    first, again = isbns_of(NIGHT), isbns_of(NIGHT)
    assert len(first) == 3
    assert sorted(first) == sorted(again), "two workers must choose the same"


@pytest.mark.parametrize(
    "item",
    [
        {"isbn": ""},
        {"isbn": "978014143960X"},
        {"isbn": "../../secret"},
        {"isbn": ISBN, "retired_at": AT},
    ],
)
def test_source_is_never_asked_for_a_retired_item_or_an_invalid_isbn(library, item):
    made = ItemFactory()
    Item.objects.filter(pk=made.pk).update(**item)
    assert [isbns_of(night) for night in nights()] == [[]] * nightly.NIGHTS


@pytest.mark.parametrize(("found", "after"), [(False, 180), (True, 360)])
def test_source_is_asked_for_the_same_isbn_again_only_after_several_months(library, found, after):
    ItemFactory(isbn=ISBN)
    its_night = night_of(ISBN)
    Cover.objects.create(isbn=ISBN, found=found, asked_on=its_night)
    its_nights = nights(its_night, 400)[:: nightly.NIGHTS]
    asked = next(night for night in its_nights if isbns_of(night))
    assert (asked - its_night).days == -(-after // nightly.NIGHTS) * nightly.NIGHTS


def test_cover_is_stored_for_every_item_with_the_isbn(library, source):
    items = [ItemFactory(isbn=ISBN), ItemFactory(isbn=ISBN), ItemFactory(isbn="9780000000002")]
    source.answers[f"/b/{ISBN}.jpg"] = (200, {}, picture())
    night = night_of(ISBN)
    ask_all(night)
    assert source.paths.count(f"/b/{ISBN}.jpg") == 1
    assert Cover.objects.filter(isbn=ISBN).values_list("found", "asked_on").get() == (True, night)
    assert [Item.objects.get(pk=item.pk).has_cover for item in items] == [True, True, False]
    assert stored.read_cover(ISBN)[:4] == b"RIFF"
    path = Path(storages["private"].location) / stored.name_of(ISBN)
    assert oct(stat.S_IMODE(path.stat().st_mode)) == "0o600"
    assert oct(stat.S_IMODE(path.parent.stat().st_mode)) == "0o700"


@pytest.mark.parametrize(
    "answer", [(404, {}, b""), (200, {}, b"<html>no cover</html>"), (302, {"Location": "http://x.org/"}, b"")]
)
def test_item_keeps_its_drawn_cover_if_the_source_sends_no_cover(library, source, answer):
    ItemFactory(isbn=ISBN)
    source.answers[f"/b/{ISBN}.jpg"] = answer
    night = night_of(ISBN)
    ask_all(night)
    assert Cover.objects.values_list("isbn", "found", "asked_on").get() == (ISBN, False, night)
    assert not Item.objects.get().has_cover
    assert stored.read_cover(ISBN) is None


def test_stored_cover_remains_if_the_source_no_longer_has_the_cover(library, source):
    ItemFactory(isbn=ISBN)
    stored.save_cover(ISBN, b"RIFF", on=NIGHT - timedelta(days=500))
    night = night_of(ISBN)
    ask_all(night)
    assert Cover.objects.values_list("found", "asked_on").get() == (True, night)
    assert stored.read_cover(ISBN) == b"RIFF"


def test_newer_picture_replaces_the_stored_picture(library):
    ItemFactory(isbn=ISBN)
    stored.save_cover(ISBN, b"RIFF old", on=NIGHT)
    stored.save_cover(ISBN, b"RIFF new", on=NIGHT)
    assert stored.read_cover(ISBN) == b"RIFF new"
    folder = Path(storages["private"].location) / stored.FOLDER
    assert [name for name in os.listdir(folder) if name.startswith(ISBN)] == [f"{ISBN}.webp"]


def test_after_three_failures_the_source_is_not_asked_again_until_the_next_night(
    library, source, monkeypatch
):
    monkeypatch.setattr(nightly, "NIGHTS", 1)
    for item in make_items(9):
        source.answers[f"/b/{item.isbn}.jpg"] = (503, {}, b"")
    ask_all(NIGHT)
    assert len(source.requests) == 3
    assert not Cover.objects.exists()
    ask_all(NIGHT + timedelta(days=1))
    assert len(source.requests) == 6


def test_source_is_asked_only_at_night_in_the_librarys_time_zone(library):
    library.time_zone = "America/New_York"
    library.save()
    ItemFactory(isbn=ISBN)
    its_night = night_of(ISBN)
    batch = Batch()
    hours = [
        hour
        for hour in range(24)
        if batch.has_more(datetime(its_night.year, its_night.month, its_night.day, hour, 30, tzinfo=UTC))
    ]
    # In New York, 1 to 5 a.m. is 6 to 10 a.m. UTC in winter, and 5 to 9 a.m. UTC in summer.
    assert hours in ([6, 7, 8, 9], [5, 6, 7, 8])


def test_worker_skips_an_isbn_if_another_worker_has_already_asked_for_the_cover(library, source):
    ItemFactory(isbn=ISBN)
    night = night_of(ISBN)
    batch = Batch()
    assert batch.has_more(morning(night))
    Cover.objects.create(isbn=ISBN, found=False, asked_on=night)
    batch.ask_next()
    assert source.requests == []
    assert not batch.has_more(morning(night))


def test_tidying_deletes_covers_without_an_item_and_corrects_the_field_has_cover(library, time_machine):
    time_machine.move_to(AT, tick=False)
    kept, changed, lost, new = make_items(4)
    for item in (kept, changed, lost):
        stored.save_cover(item.isbn, b"RIFF", on=NIGHT)
    Cover.objects.create(isbn="9789999999999", found=False, asked_on=NIGHT)
    storages["private"].delete(stored.name_of(lost.isbn))
    Item.objects.filter(pk=changed.pk).update(isbn="9781111111111")
    Item.objects.filter(pk=new.pk).update(isbn=kept.isbn)
    folder = Path(storages["private"].location) / stored.FOLDER
    (folder / "9782222222222.webp").write_bytes(b"RIFF")
    old = (AT - timedelta(hours=2)).timestamp()
    for path in folder.iterdir():
        os.utime(path, (old, old))
    young = folder / "9783333333333.webp"
    young.write_bytes(b"RIFF")
    os.utime(young, (AT.timestamp(), AT.timestamp()))
    stored.tidy_covers(at=AT)
    assert list(Cover.objects.values_list("isbn", "found")) == [(kept.isbn, True)]
    mine = {f"{kept.isbn}.webp", young.name}
    assert mine <= set(os.listdir(folder))
    assert not {f"{changed.isbn}.webp", "9782222222222.webp"} & set(os.listdir(folder))
    assert dict(Item.objects.values_list("pk", "has_cover")) == {
        kept.pk: True,
        changed.pk: False,
        lost.pk: False,
        new.pk: True,
    }
    young.unlink()


def test_tidying_works_if_the_folder_of_covers_does_not_exist(library):
    ItemFactory(isbn=ISBN)
    stored.tidy_covers(at=AT)
    assert not Cover.objects.exists()
