"""Test what a patron reads about an item that they couldn't get, on every page that shows the item."""

import datetime
from html import unescape

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from portal.conversations import next_steps, verdicts
from portal.conversations.models import Conversation
from portal.conversations.next_steps import Step
from recommendations.models import NextStep, Recommendation
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import text as escaped_text

pytestmark = [pytest.mark.django_db]
NOW = datetime.datetime(2026, 3, 3, 15, 0, tzinfo=datetime.UTC)
FRIDAY = datetime.date(2026, 3, 6)
ORDERED = Step("ordered", FRIDAY)
SENTENCE = "We've ordered it. You can expect it by Friday, March 6."


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def visit(patron, staff, branch):
    return HelpSessionFactory(
        patron=patron, staff=staff, branch=branch, created_at=NOW - datetime.timedelta(days=1)
    )


@pytest.fixture
def missed(visit, staff):
    return promised(visit, staff)


def promised(visit, staff, step=ORDERED, **fields):
    """Return a recommendation that the patron couldn't get, with `step` as its next step."""
    [missed] = recommend_in(visit, **fields)
    verdicts.take_verdict(
        missed, verdict="could_not_get_it", why="", comment="", by=visit.patron, at=timezone.now()
    )
    row = Conversation.objects.get(recommendation=missed)
    next_steps.record(row, missed, step, by=staff, at=timezone.now())
    return missed


def text(response):
    return unescape(escaped_text(response))


def pages_of(missed, visit):
    return {
        "home": "/",
        "visit": visit.get_absolute_url(),
        "item": reverse("item", args=[missed.item.public_id]),
        "recommendations": reverse("recommendations"),
        "verdict": reverse("verdict", args=[missed.public_id]),
    }


def test_every_page_that_shows_the_item_shows_a_new_next_step_without_delay(
    client, sign_in, patron, missed, visit
):
    sign_in(client, patron)
    for name, address in pages_of(missed, visit).items():
        words = text(client.get(address))
        assert (name, SENTENCE in words) == (name, True)
        assert "Shall we write to you about it?" not in words
    assert missed.item.title not in text(client.get(reverse("conversations")))


@pytest.mark.parametrize("who", ["stranger", "quiet"])
def test_home_shows_no_next_step_of_another_patron_or_of_a_quiet_visit(
    client, sign_in, show_code, staff, branch, missed, who
):
    if who == "stranger":
        sign_in(client, UserFactory())
    else:
        quiet = QuietSessionFactory(branch=branch, staff=staff)
        promised(quiet, staff)
        show_code(client, code_for(quiet))
        assert SENTENCE in text(client.get(quiet.get_absolute_url()))
    assert SENTENCE not in text(client.get("/"))


def test_child_and_adult_of_a_shared_visit_both_read_the_next_step(client, sign_in, staff, branch, patron):
    visit = SharedSessionFactory(
        patron=UserFactory(email=None), shared_with=patron, staff=staff, branch=branch, kept_at=NOW
    )
    missed = promised(visit, staff)
    for person in (visit.patron, patron):
        sign_in(client, person)
        assert SENTENCE in text(client.get(visit.get_absolute_url()))
        assert client.get(reverse("item", args=[missed.item.public_id])).status_code == 200


@pytest.mark.parametrize(
    ("kind", "item_kind", "sentence"),
    [
        ("reserved", "book", "We've reserved it for you. You can expect it by Friday, March 6."),
        (
            "reserved",
            "course",
            "We've reserved a place for you. You can expect your place by Friday, March 6.",
        ),
        ("on_its_way", "book", "It's on its way from another branch. You can expect it by Friday, March 6."),
        ("on_loan", "book", "It's on loan until Friday, March 6. You can expect it then."),
    ],
)
def test_sentence_about_a_next_step_depends_on_the_step_and_the_kind_of_item(
    client, sign_in, patron, staff, visit, kind, item_kind, sentence
):
    promised(visit, staff, Step(kind, FRIDAY), item=ItemFactory(kind=item_kind))
    sign_in(client, patron)
    assert sentence in text(client.get(visit.get_absolute_url()))


def test_patron_can_open_the_item_that_staff_recommend_instead(client, sign_in, patron, staff, visit):
    other = ItemFactory(title="Half of a Yellow Sun")
    sign_in(client, patron)
    address = reverse("item", args=[other.public_id])
    assert client.get(address).status_code == 404
    promised(visit, staff, Step("other_item", FRIDAY, other))
    page = client.get(visit.get_absolute_url())
    assert "You can have this instead by Friday, March 6: Half of a Yellow Sun" in text(page)
    assert address in page.content.decode()
    assert client.get(address).status_code == 200
    assert other.title in text(client.get("/"))


def test_patron_reads_that_the_promised_day_has_passed_even_before_the_worker_runs(
    client, sign_in, patron, visit, missed, clock
):
    clock.move_to(datetime.datetime(2026, 3, 7, 12, tzinfo=datetime.UTC))
    sign_in(client, patron)
    words = text(client.get(visit.get_absolute_url()))
    assert "It's taking longer than we promised. We have not forgotten you." in words
    assert "Shall we write to you about it?" in words
    assert SENTENCE not in words


def test_patron_reads_that_the_item_has_arrived(client, sign_in, patron, staff, visit, missed, branch):
    row = Conversation.objects.get(recommendation=missed)
    next_steps.mark_arrived(row, missed, by=staff, at=timezone.now())
    sign_in(client, patron)
    assert f"It's ready for you. Ask for it at {branch}." in text(client.get("/"))


def test_patron_can_say_that_they_have_got_the_item_that_staff_promised(
    client, sign_in, patron, visit, missed
):
    sign_in(client, patron)
    assert f'id="got-{missed.public_id}"' in client.get(visit.get_absolute_url()).content.decode()
    client.post(reverse("got_it", args=[missed.public_id]))
    assert not NextStep.objects.exists()
    row = Recommendation.objects.get(pk=missed.pk)
    assert (row.verdict, row.got_at) == ("not_tried", NOW)
    assert Conversation.objects.get(recommendation=missed).status == "closed"


def test_patron_reads_the_next_step_of_an_item_in_the_conversation(
    client, sign_in, patron, staff, missed, clock
):
    row = Conversation.objects.get(recommendation=missed)
    client = sign_in(client, patron)
    client.post(
        reverse("ask_about_item", args=[missed.public_id]),
        {"body": "Thank you", "client_token": "0b8f6f5e-0000-4000-8000-000000000001"},
    )
    clock.shift(60)
    words = text(client.get(row.get_absolute_url()))
    assert f"We ordered “{missed.item.title}”. You can expect it by Friday, March 6" in words


@pytest.mark.parametrize("rows", [1, 30])
def test_home_runs_the_same_number_of_queries_for_1_and_30_items_to_come(
    client, sign_in, patron, staff, branch, visit, rows, django_assert_num_queries
):
    for number in range(rows):
        promised(visit, staff, Step("other_item", FRIDAY, ItemFactory(title=f"Other {number}")))
    client = sign_in(client, patron)
    client.get("/")
    with django_assert_num_queries(9):
        page = client.get("/")
    assert ("See all these items" in text(page)) == (rows > 3)
