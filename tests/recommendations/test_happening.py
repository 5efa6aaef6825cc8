import datetime

import pytest
import time_machine
from django.db import IntegrityError
from django.utils import timezone

from portal.happening import call_address, happening
from recommendations.models import Item
from recommendations.search.finding import find_items
from tests.factories import ItemFactory

MAY_3, MAY_5 = datetime.date(2027, 5, 3), datetime.date(2027, 5, 5)


@pytest.mark.parametrize(
    ("kind", "first", "last", "today", "words"),
    [
        ("event", MAY_3, None, "2027-05-03", "on May 3, 2027"),
        ("event", MAY_3, None, "2027-05-04", "was on May 3, 2027"),
        ("event", MAY_3, MAY_3, "2027-05-03", "on May 3, 2027"),
        ("event", MAY_3, MAY_5, "2027-05-05", "from May 3, 2027 to May 5, 2027"),
        ("course", MAY_3, MAY_5, "2027-05-06", "was from May 3, 2027 to May 5, 2027"),
        ("course", MAY_3, None, "2028-01-01", "from May 3, 2027"),
        ("event", None, None, "2027-05-03", ""),
    ],
)
def test_event_is_described_in_the_past_tense_after_its_last_day(kind, first, last, today, words):
    item = Item(kind=kind, title="Seed swap", starts_on=first, ends_on=last)
    with time_machine.travel(f"{today}T18:00:00+00:00"):
        assert happening(item) == words


def test_event_that_is_over_is_not_offered_at_the_desk(db):
    today = timezone.localdate()
    yesterday = today - datetime.timedelta(days=1)
    ItemFactory(title="Seed swap of last week", kind="event", starts_on=yesterday)
    ItemFactory(title="Seed course of last week", kind="course", starts_on=yesterday, ends_on=yesterday)
    still = ItemFactory(title="Seed swap", kind="event", starts_on=yesterday, ends_on=today)
    group = ItemFactory(title="Seed group", kind="course", starts_on=yesterday)
    book = ItemFactory(title="Seed book")
    assert set(find_items("seed")) == {still, group, book}


def test_events_that_are_over_do_not_count_toward_the_limit_of_found_items(db):
    yesterday = timezone.localdate() - datetime.timedelta(days=1)
    for number in range(12):
        ItemFactory(title=f"Seed {number}", kind="event", starts_on=yesterday)
    books = [ItemFactory(title=f"Seed book number {number}") for number in range(3)]
    assert find_items("seed", limit=2) == books[:2]


@pytest.mark.parametrize("first", [None, MAY_5])
def test_database_refuses_an_event_that_ends_before_it_begins(db, first):
    with pytest.raises(IntegrityError):
        ItemFactory(kind="event", starts_on=first, ends_on=MAY_3)


@pytest.mark.parametrize(
    ("phone", "address"),
    [
        ("414-555-0134", "tel:4145550134"),
        ("+1 414 555 0134 ext. 7", "tel:+14145550134;ext=7"),
        ("", ""),
        ("ask", ""),
    ],
)
def test_phone_number_of_a_person_becomes_a_link_that_starts_a_call(phone, address):
    assert call_address(Item(kind="person", title="Ada", phone=phone)) == address
