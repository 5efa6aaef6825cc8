"""Test how the time to the first answer is measured, when an answer counts, and what the figure shows."""

import datetime

import pytest

from accounts.models import ClosedDay, OpeningHours
from portal.counts.answers import BANDS, LONGER, band_of, count_answers
from portal.counts.models import AnswerCount
from portal.desk.figures import workload
from portal.desk.figures.charts import sentence_of
from portal.desk.figures.periods import Period
from portal.privacy import erasure, holds, retention
from tests.factories import BranchFactory, ConversationFactory, MessageFactory, UserFactory

pytestmark = [pytest.mark.sql, pytest.mark.django_db]

# Monday, 10 a.m. in the library's time zone.
MONDAY = datetime.datetime(2026, 3, 2, 16, tzinfo=datetime.UTC)
HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
MARCH = Period.of_month(datetime.date(2026, 3, 1))


def answered(branch, *, after, asked=MONDAY, **fields):
    """Make a conversation that staff answered some time after the patron's message."""
    conversation = ConversationFactory(branch=branch, opened_at=asked, **fields)
    for side, at in (("patron", asked), ("staff", asked + after), ("staff", asked + after + DAY)):
        MessageFactory(conversation=conversation, side=side, sent_at=at, shown_from=at)
    conversation.last_message_at = asked + after
    conversation.save(update_fields=["last_message_at"])
    return conversation


@pytest.fixture
def opened(branch):
    """Open the branch from 9 a.m. to 5 p.m. on each day. It promises answers within 8 hours."""
    for weekday in range(7):
        OpeningHours.objects.create(
            branch=branch, weekday=weekday, opens=datetime.time(9), closes=datetime.time(17)
        )
    branch.promise_hours = 8
    branch.save(update_fields=["promise_hours"])
    return branch


def rows():
    counted = AnswerCount.objects.order_by("month", "branch", "up_to")
    return [*counted.values_list("branch", "up_to", "is_late", "answers")]


def test_time_to_the_first_answer_counts_only_opening_hours(opened):
    ClosedDay.objects.create(branch=opened, day=datetime.date(2026, 3, 3))
    answered(opened, after=2 * HOUR)
    # Each of these answers took 7 opening hours on Monday, and 1 or 2 on Wednesday. The branch was closed on
    # Tuesday.
    answered(opened, after=2 * DAY)
    answered(opened, after=2 * DAY + HOUR)
    count_answers(at=MONDAY + 3 * DAY)
    assert rows() == [(opened.pk, 120, False, 1), (opened.pk, 480, False, 1), (opened.pk, 600, True, 1)]


def test_answer_is_counted_once_and_only_when_the_patron_can_see_it(opened):
    answered(opened, after=2 * HOUR)
    count_answers(at=MONDAY + HOUR)
    assert rows() == []
    for _time in range(2):
        count_answers(at=MONDAY + 3 * HOUR)
        assert rows() == [(opened.pk, 120, False, 1)]


def test_conversation_that_staff_began_has_no_time_to_the_first_answer(opened):
    answered(opened, after=-HOUR)
    count_answers(at=MONDAY + DAY)
    assert rows() == []


@pytest.mark.parametrize("erased", ["forgotten", "erased", "person"])
def test_answer_still_counts_after_its_conversation_is_forgotten_or_erased(opened, coordinator, erased):
    patron = UserFactory()
    closed = {"status": "closed", "closed_at": MONDAY + DAY}
    conversation = answered(opened, after=HOUR, patron=patron, **closed)
    at = MONDAY + 500 * DAY
    if erased == "forgotten":
        retention.forget(at=at)
    elif erased == "erased":
        holds.erase_conversation(conversation, by=coordinator, at=at)
    else:
        erasure.erase(patron, language="en", at=at)
    assert not conversation.messages.exists()
    count_answers(at=at)
    assert rows() == [(opened.pk, 60, False, 1)]


def test_figure_contains_the_median_and_the_90th_percentile_and_the_number_of_answers_in_time(opened):
    for minutes in (4, 20, 55, 110, 170, 230, 290, 310, 350, 8 * 60 * 3):
        answered(opened, after=datetime.timedelta(minutes=minutes) if minutes < 400 else 3 * DAY)
    answered(BranchFactory(name="West"), after=HOUR)
    count_answers(at=MONDAY + 5 * DAY)
    figure = workload.figure(MARCH, [opened.pk], "answers")
    assert figure.total.numbers == (10, 9)
    assert [row.label for row in figure.rows][:3] == ["Up to 5 min", "Up to 20 min", "Up to 1 h"]
    assert "half of the patrons waited up to 3 h, and 90% waited up to 6 h." in sentence_of(figure)
    assert "10 new conversations in the portal were answered, 9 of them in the promised time" in sentence_of(
        figure
    )


@pytest.mark.parametrize(
    ("longer", "says"),
    [
        (1, "half of the patrons waited up to 1 h, and 90% waited up to 1 h."),
        (3, "half of the patrons waited up to 1 h, and more than 10% waited longer than 1600 h."),
        (30, "More than half of the patrons waited longer than 1600 h of opening hours."),
    ],
)
def test_figure_contains_how_many_patrons_waited_longer_than_the_last_band(opened, longer, says):
    for up_to, answers in ((60, 9), (LONGER, longer)):
        AnswerCount.objects.create(
            month=MARCH.first, branch=opened, up_to=up_to, is_late=False, answers=answers
        )
    assert says in sentence_of(workload.figure(MARCH, [opened.pk], "answers"))


def test_every_time_to_the_first_answer_belongs_to_a_band():
    assert [band_of(datetime.timedelta(minutes=end)) for end in BANDS] == list(BANDS)
    assert band_of(datetime.timedelta(minutes=BANDS[-1] + 1)) == LONGER
    assert all(after <= before * 2 for before, after in zip(BANDS, BANDS[1:], strict=False))
