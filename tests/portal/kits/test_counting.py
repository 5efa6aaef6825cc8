import random
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.kits.counting import (
    STEP,
    Outcome,
    Row,
    count_now,
    count_what_helped,
    may_publish,
    outcomes_of,
    wilson_lower_bound,
)
from portal.kits.models import GotCount, ItemCount, Kit, KitCount
from recommendations.actions import record_verdict
from recommendations.models import Recommendation
from tests.extent import times
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    RecommendationFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
AT = datetime(2026, 5, 4, 8, tzinfo=UTC)
NUMBER = count(1)


@pytest.fixture
def topic():
    return TopicFactory()


@pytest.fixture
def item():
    return ItemFactory()


def verdicts(item, topic, *values, number=None, **fields):
    """Create a recommendation for each verdict.

    Each recommendation has a different visit number, unless `number` is given. Each was made by a different
    staff member, unless `by` is given.
    """
    by = fields.pop("by", None)
    at = fields.pop("at", AT)
    session = fields.pop("help_session", None) or HelpSessionFactory()
    return [
        RecommendationFactory(
            help_session=session,
            item=item,
            topic=topic,
            verdict=value,
            decided_at=at if value else None,
            recommended_at=at + timedelta(minutes=place),
            visit_number=number or next(NUMBER),
            recommended_by=by or StaffFactory(),
            **fields,
        )
        for place, value in enumerate(values)
    ]


def published():
    return {
        (row.item_id, row.topic_id, row.question_type): (row.helped, row.visits)
        for row in ItemCount.objects.all()
    }


@pytest.mark.parametrize(
    ("helped", "visits", "bound"),
    # These are the worked examples of docs/what-helped.md.
    [(8, 10, 0.490), (5, 5, 0.566), (4, 5, 0.376), (40, 50, 0.670), (0, 5, 0.0)],
)
def test_wilson_lower_bound_is_right_for_the_examples_in_the_documentation(helped, visits, bound):
    assert wilson_lower_bound(helped, visits) == pytest.approx(bound, abs=0.001)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_wilson_lower_bound_is_never_above_the_share(visits, share):
    helped = round(visits * share)
    assert -1e-9 <= wilson_lower_bound(helped, visits) <= helped / visits + 1e-9


def row(number, verdict, *, visit, day=0, patron=None, staff=1, was_added=False):
    return Row(AT, AT + timedelta(days=day), number, verdict, visit, patron, staff, was_added)


def outcomes_by(*staff):
    return [Outcome(True, AT.date(), frozenset(each), ()) for each in staff]


@pytest.mark.parametrize(
    ("staff", "may"),
    # These are the worked examples of docs/what-helped.md. Each set is about one visit, and has the staff
    # members who recorded it. The set has None if nobody knows who recorded the visit.
    [
        ([{1}] * 30, False),
        ([{1}] * 5 + [{2}] * 4, False),
        ([{1}] * 5 + [{2}] * 5, True),
        ([{1}, {2}, {3}, {4}, {5}], False),
        ([{1}, {2}, {3}, {4}, {5}, {6}], True),
        ([{1}] * 5 + [{None}] * 30 + [{2}] * 4, False),
        ([{1, 2}] * 5 + [{1}] * 5, False),
    ],
)
def test_numbers_are_published_only_with_five_visits_that_the_reader_did_not_record(staff, may):
    assert may_publish(outcomes_by(*staff)) is may


@given(st.lists(st.sampled_from([None, 1, 2, 3]), max_size=40))
def test_published_numbers_always_include_five_visits_that_the_reader_did_not_record(staff):
    if may_publish(outcomes_by(*[{person} for person in staff])):
        for observer in (1, 2, 3):
            assert sum(person not in (None, observer) for person in staff) >= STEP


def test_each_visit_is_counted_once_with_its_latest_verdict():
    rows = [
        row(1, "helped", visit=7),
        row(2, "did_not_help", visit=7, day=2),
        row(3, "helped", visit=7, day=1),
        row(4, "helped", visit=8),
    ]
    assert [outcome.is_good for outcome in outcomes_of(rows)] == [False, True]


def test_each_patron_is_counted_once_with_their_latest_visit():
    rows = [
        row(1, "did_not_help", visit=7, patron=3, staff=1),
        row(2, "helped", visit=8, patron=3, staff=2, day=1),
        # This verdict has lost its patron, because its visit was forgotten. The visit number 7 still shows
        # that the verdict belongs to the first visit.
        row(3, "did_not_help", visit=7, staff=None),
    ]
    assert outcomes_of(rows) == [Outcome(True, AT.date(), frozenset({2}), (1, 2, 3))]


def test_patron_whose_visit_is_already_published_is_not_counted_again():
    rows = [
        row(1, "helped", visit=7, patron=3, was_added=True),
        row(2, "helped", visit=8, patron=3),
        row(3, "helped", visit=7),
    ]
    assert outcomes_of(rows) == []


def test_numbers_of_an_item_are_published_after_visits_with_six_different_staff(item, topic):
    verdicts(item, topic, *["helped"] * 4, "partly")
    verdicts(item, topic, "helped", "helped", number=10_000)
    count_now(at=AT)
    assert published() == {(item.pk, topic.pk, "reference"): (5, 6)}


def test_numbers_of_an_item_with_verdicts_from_only_four_visits_are_not_published(item, topic):
    for number in (1, 2, 3, 4):
        verdicts(item, topic, *["helped"] * 5, number=number)
    count_now(at=AT)
    assert published() == {}


def test_verdicts_are_counted_separately_for_each_topic_and_question_type(item, topic):
    other = TopicFactory()
    verdicts(item, topic, *["helped"] * 6)
    verdicts(item, other, *["did_not_help"] * 6)
    verdicts(item, topic, *["partly"] * 5, question_type="readers_advisory")
    verdicts(item, None, *["helped"] * 6)
    count_now(at=AT)
    assert published() == {
        (item.pk, topic.pk, "reference"): (6, 6),
        (item.pk, other.pk, "reference"): (0, 6),
    }


def test_items_that_the_patron_did_not_try_are_not_counted(item, topic):
    verdicts(item, topic, *["helped"] * 5, "could_not_get_it", "not_tried", "")
    count_now(at=AT)
    assert published() == {}


def test_quiet_visits_never_count_for_what_helped(item, topic):
    verdicts(item, topic, *["helped"] * 5)
    verdicts(item, topic, "helped", never_counted=True)
    count_now(at=AT)
    assert published() == {}


def test_forgotten_verdicts_still_count_for_what_helped(item, topic):
    rows = verdicts(item, topic, *["helped"] * 5)
    forgotten = Recommendation.objects.filter(pk__in=[row.pk for row in rows])
    forgotten.update(patron=None, recommended_by=None)
    count_now(at=AT)
    # Nobody knows who recorded these visits. So they are not published until there are enough visits with a
    # known recorder.
    assert published() == {}
    verdicts(item, topic, *["helped"] * 6)
    count_now(at=AT)
    assert published() == {(item.pk, topic.pk, "reference"): (11, 11)}


def test_visits_of_one_patron_count_as_one(item, topic):
    patron = UserFactory()
    rows = verdicts(item, topic, *["helped"] * 9, patron=patron)
    count_now(at=AT)
    assert published() == {}
    verdicts(item, topic, *["did_not_help"] * 5)
    count_now(at=AT)
    assert published() == {(item.pk, topic.pk, "reference"): (1, 6)}
    verdicts(item, topic, *["helped"] * 9, patron=patron)
    verdicts(item, topic, "helped", number=rows[0].visit_number)
    verdicts(item, topic, *["helped"] * 4)
    count_now(at=AT)
    assert published() == {(item.pk, topic.pk, "reference"): (1, 6)}


def test_staff_cannot_deduce_the_verdict_about_a_colleagues_visit_from_published_numbers(item, topic, staff):
    verdicts(item, topic, *["helped"] * 4, "did_not_help", by=StaffFactory())
    verdicts(item, topic, *["helped"] * 4, by=staff)
    count_now(at=AT)
    assert published() == {}
    verdicts(item, topic, "helped", by=staff)
    count_now(at=AT)
    assert published() == {(item.pk, topic.pk, "reference"): (9, 10)}
    verdicts(item, topic, "did_not_help", by=StaffFactory())
    verdicts(item, topic, *["helped"] * 20, by=staff)
    count_now(at=AT)
    assert published() == {(item.pk, topic.pk, "reference"): (9, 10)}


def _make_quiet(rows):
    rows.update(never_counted=True)


def _match(rows):
    rows.update(item=ItemFactory())


def _erase(rows):
    rows.update(patron=None, reason="", visit_number=-(10**15) - 1)


@pytest.mark.parametrize("change", [_make_quiet, _match, _erase, lambda rows: rows.delete()])
def test_published_number_does_not_change_if_its_visits_become_quiet_or_are_deleted(item, topic, change):
    others = verdicts(item, topic, *["helped"] * 6)
    mine = verdicts(item, topic, *["helped"] * 6)
    count_now(at=AT)
    number = {(item.pk, topic.pk, "reference"): (12, 12)}
    assert published() == number
    record_verdict(others[2], verdict="did_not_help", at=AT)
    rows = Recommendation.objects.filter(pk__in=[row.pk for row in mine])
    change(rows)
    count_now(at=AT)
    assert published() == number
    rows.update(never_counted=False, item=item)
    count_now(at=AT)
    assert published() == number


def test_visit_counts_once_for_a_kit_if_any_item_of_the_kit_helped(topic):
    kit = Kit.objects.create(changed_at=AT)
    first, second = ItemFactory.create_batch(2)
    for number in range(1, 6):
        verdicts(first, topic, "did_not_help", number=number, from_kit=kit.public_id)
        verdicts(second, topic, "helped", number=number, from_kit=kit.public_id)
    count_now(at=AT)
    assert not KitCount.objects.exists()
    verdicts(first, topic, "partly", from_kit=kit.public_id)
    verdicts(first, topic, *["helped"] * 9, from_kit=uuid4())
    count_now(at=AT)
    assert [(row.kit, row.helped, row.visits) for row in KitCount.objects.all()] == [(kit, 5, 6)]


def test_item_counts_as_hard_to_get_only_if_five_patrons_could_not_get_it(item, topic):
    other = ItemFactory()
    verdicts(item, topic, *["could_not_get_it"] * 5, *["helped"] * 5)
    verdicts(other, topic, *["could_not_get_it"] * 4, *["helped"] * 6)
    count_now(at=AT)
    marks = {row.item_id: row.is_hard_to_get for row in GotCount.objects.all()}
    assert marks == {item.pk: True, other.pk: False}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(times(4, 20)))
def test_single_verdict_never_changes_a_published_number(seed):
    """Change one verdict before each night. A published number may change only after five such changes."""
    chance = random.Random(seed)
    items, topics = ItemFactory.create_batch(2), TopicFactory.create_batch(2)
    kit = Kit.objects.create(changed_at=AT)
    rows = [
        verdicts(item, topic, "", from_kit=kit.public_id)[0]
        for item in items
        for topic in topics
        for _visit in range(12)
    ]
    changes, shown = {}, {}
    for _night in range(times(120, 400)):
        row = chance.choice(rows)
        record_verdict(
            row, verdict=chance.choice(["helped", "helped", "did_not_help", "could_not_get_it", ""]), at=AT
        )
        names = [(row.item_id, row.topic_id, row.question_type), "kit", row.item_id]
        for name in names:
            changes.setdefault(name, set()).add(row.pk)
        count_now(at=AT)
        now = published()
        for each in KitCount.objects.all():
            now["kit"] = each.helped, each.visits
        now |= {each.item_id: (each.is_hard_to_get, each.visits) for each in GotCount.objects.all()}
        for name in {*now, *shown}:
            if now.get(name) != shown.get(name):
                assert len(changes.pop(name)) >= STEP
        shown = now


def test_worker_counts_verdicts_once_a_night(item, topic, library):
    verdicts(item, topic, *["helped"] * 6)
    # 15:00 in Chicago, where the library is.
    count_what_helped(at=datetime(2026, 5, 4, 20, tzinfo=UTC))
    assert published() == {}
    night = datetime(2026, 5, 4, 7, tzinfo=UTC)
    count_what_helped(at=night)
    assert published() == {(item.pk, topic.pk, "reference"): (6, 6)}
    verdicts(item, topic, *["helped"] * 6)
    count_what_helped(at=night + timedelta(hours=1))
    assert published() == {(item.pk, topic.pk, "reference"): (6, 6)}
    count_what_helped(at=night + timedelta(days=1))
    assert published() == {(item.pk, topic.pk, "reference"): (12, 12)}
