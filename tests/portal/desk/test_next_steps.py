"""Test the desk's pages on which staff record the next step for an item that a patron couldn't get."""

import datetime
from html import unescape

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from portal.conversations import next_steps, verdicts
from portal.conversations.models import Conversation
from portal.conversations.next_steps import Step
from portal.helpsessions.models import SessionRecommendation
from recommendations.models import NextStep
from tests.conversations import ask, now_of, say
from tests.factories import HelpSessionFactory, ItemFactory, UserFactory, recommend_in, recommend_in_message
from tests.portal.pages import text as escaped_text

pytestmark = [pytest.mark.django_db]
NOW = datetime.datetime(2026, 3, 3, 15, 0, tzinfo=datetime.UTC)
FRIDAY = datetime.date(2026, 3, 6)
ORDERED = {"kind": "ordered", "promised_on": "2026-03-06"}
DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def missed(patron, staff, branch, clock):
    return miss(patron, staff, branch, clock)


def miss(patron, staff, branch, clock, **fields):
    """Return a recommendation of an item that the patron couldn't get. The queue already shows it."""
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch, created_at=NOW - DAY)
    [recommendation] = recommend_in(visit, **fields)
    verdicts.take_verdict(
        recommendation,
        verdict="could_not_get_it",
        why="checked_out",
        comment="",
        by=patron,
        at=timezone.now(),
    )
    clock.shift(120)
    return recommendation


def row_of(recommendation):
    return Conversation.objects.get(recommendation=recommendation)


def page_of(conversation, name="desk_next_step"):
    return reverse(name, args=[conversation.public_id])


def text(response):
    return unescape(escaped_text(response))


def test_queue_row_links_to_the_next_step_form_and_shows_the_recorded_step(desk, missed):
    link = page_of(row_of(missed)) + "?queue="
    assert link in desk.get("/desk/").content.decode()
    page = desk.post(page_of(row_of(missed)) + "?queue=tab%3D", ORDERED, follow=True)
    assert page.redirect_chain[-1][0] == "/desk/"
    assert "If the promised day passes, the conversation comes back to the queue." in text(page)
    assert link not in page.content.decode()
    snoozed = desk.get("/desk/?tab=snoozed")
    assert "Ordered, promised by Fri, Mar 6 ·" in text(snoozed)
    assert link.replace("?queue=", "?queue=tab%3Dsnoozed") in snoozed.content.decode()


def test_queue_row_of_an_ordinary_question_has_no_link_to_the_next_step_form(desk, patron, staff, branch):
    ask(patron, help_session=HelpSessionFactory(patron=patron, staff=staff, branch=branch))
    assert "next-step" not in desk.get("/desk/").content.decode()


def test_staff_can_record_on_the_conversation_page_that_an_item_arrived_or_was_given(desk, missed):
    conversation = row_of(missed)
    assert "Nothing is promised yet." in text(desk.get(page_of(conversation, "desk_conversation")))
    page = desk.post(page_of(conversation), ORDERED, follow=True)
    assert "Ordered. Promised by Friday, March 6." in text(page)
    assert "Rosa Lindqvist recorded about “" in text(page)
    seen = page.context["items_to_get"][0].seen
    page = desk.post(page_of(conversation), {"do": "arrived", "seen": seen}, follow=True)
    assert "The item has arrived for the patron." in text(page)
    done = row_of(missed).changed_at.isoformat().replace("+", "%2B")
    desk.post(f"{page_of(conversation, 'desk_undo')}?done={done}")
    assert NextStep.objects.get().arrived_at is None
    page = desk.post(page_of(conversation), {"do": "given"}, follow=True)
    assert "Recorded: the patron has the item." in text(page)
    assert not NextStep.objects.exists()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "Choose what happens next."),
        ({"kind": "ordered"}, "Choose the day by which the patron can expect the item."),
        ({"kind": "lost", "promised_on": "2026-03-06"}, "Choose what happens next."),
        ({"kind": "ordered", "promised_on": "soon"}, "Enter a day such as 2027-01-31."),
        ({"kind": "ordered", "promised_on": "2026-03-02"}, "This day has passed."),
        ({"kind": "ordered", "promised_on": "9999-12-31"}, "This is more than a year away."),
        ({"kind": "other_item", "promised_on": "2026-03-06"}, "Type words from the title or the author"),
        ({"kind": "other_item", "promised_on": "2026-03-06", "other": "zzzz"}, "No other item matches."),
    ],
)
def test_invalid_next_step_is_a_form_error_and_the_typed_values_are_shown_again(desk, missed, fields, error):
    response = desk.post(page_of(row_of(missed)), fields)
    assert response.status_code == 422
    assert error in text(response)
    day = fields.get("promised_on")
    assert day is None or f'value="{day}"' in response.content.decode()
    assert not NextStep.objects.exists()


def test_staff_can_find_and_choose_another_item_without_javascript(desk, missed):
    other = ItemFactory(title="Half of a Yellow Sun")
    asked = {"kind": "other_item", "promised_on": "2026-03-06", "other": "yellow sun"}
    found = desk.post(page_of(row_of(missed)), asked)
    assert found.status_code == 422
    assert f'name="other_item" value="{other.public_id}"' in found.content.decode()
    chosen = {"other_item": other.public_id, "found_for": "yellow sun"}
    again = desk.post(page_of(row_of(missed)), asked | chosen | {"other": "zzzz"})
    assert "No other item matches." in text(again)
    page = desk.post(page_of(row_of(missed)), asked | chosen, follow=True)
    assert "Another item instead. Promised by Friday, March 6." in text(page)
    assert NextStep.objects.get().other_item == other
    again = desk.get(page_of(row_of(missed))).content.decode()
    assert f'name="other_item" value="{other.public_id}"' in again


def test_next_step_form_for_a_course_offers_only_a_reserved_place_or_another_item(
    desk, patron, staff, branch, clock
):
    course = miss(patron, staff, branch, clock, item=ItemFactory(kind="course"))
    form = desk.get(page_of(row_of(course))).context["form"]
    assert [value for value, _label in form.fields["kind"].choices] == ["reserved", "other_item"]


def test_next_step_is_not_saved_if_a_colleague_has_recorded_one_first(desk, missed, staff):
    next_steps.record(row_of(missed), missed, Step("reserved", FRIDAY), by=staff, at=timezone.now(), seen=0)
    page = desk.post(page_of(row_of(missed)), {**ORDERED, "seen": 0})
    assert "A colleague has recorded something about this item, so your change was not saved." in text(page)
    assert NextStep.objects.get().kind == "reserved"


def test_next_step_page_says_that_the_patron_has_changed_the_verdict(desk, missed, patron):
    verdicts.take_verdict(missed, verdict="helped", why="", comment="", by=patron, at=timezone.now())
    page = desk.post(page_of(row_of(missed)), ORDERED, follow=True)
    assert "No item in this conversation is marked “Could not get it”. Nothing was recorded." in text(page)
    assert not NextStep.objects.exists()


def test_nothing_can_be_recorded_about_an_item_that_was_removed_from_its_visit(desk, missed, staff):
    row = row_of(missed)
    assert "Record what happens next" in text(desk.get(page_of(row, "desk_conversation")))
    SessionRecommendation.objects.filter(recommendation=missed).update(removed_at=NOW)
    assert "Record what happens next" not in text(desk.get(page_of(row, "desk_conversation")))
    page = desk.post(page_of(row), ORDERED, follow=True)
    assert "No item in this conversation is marked “Could not get it”. Nothing was recorded." in text(page)
    # The action refuses the step too, in case the item is removed after the view has checked it.
    with pytest.raises(next_steps.NothingToDo):
        next_steps.record(row, missed, Step("ordered", FRIDAY), by=staff, at=NOW)
    assert not NextStep.objects.exists()


def test_next_step_page_lists_the_items_if_the_patron_could_not_get_several_items(
    desk, patron, staff, branch, clock
):
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    conversation = ask(patron, help_session=visit)
    items = recommend_in_message(say(conversation, staff), 2, recommended_at=NOW)
    clock.shift(60)
    for item in items:
        verdicts.take_verdict(
            item, verdict="could_not_get_it", why="", comment="", by=patron, at=timezone.now()
        )
    chosen = desk.get(page_of(conversation))
    assert [item.recommendation for item in chosen.context["items"]] == items
    address = f"{page_of(conversation)}?item={items[1].public_id}"
    desk.post(address, ORDERED)
    assert [step.recommendation for step in NextStep.objects.all()] == [items[1]]
    assert desk.get(f"{page_of(conversation)}?item={missing_id()}").context["form"] is None


def missing_id():
    return HelpSessionFactory().public_id


@pytest.mark.parametrize("rows", [1, 30])
def test_queue_runs_the_same_number_of_queries_for_1_and_30_items_with_a_next_step(
    desk, staff, branch, clock, rows, django_assert_num_queries
):
    for _ in range(rows):
        missed = miss(UserFactory(), staff, branch, clock)
        step = Step("ordered", FRIDAY)
        next_steps.record(row_of(missed), missed, step, by=staff, at=timezone.now())
    desk.get("/desk/?tab=snoozed")
    with django_assert_num_queries(9):
        desk.get("/desk/?tab=snoozed")


@pytest.mark.parametrize("who", ["elsewhere", "patron"])
def test_next_step_page_is_404_for_people_who_cannot_open_the_conversation(
    client, sign_in, elsewhere, patron, missed, who
):
    sign_in(client, {"elsewhere": elsewhere, "patron": patron}[who])
    assert client.get(page_of(row_of(missed))).status_code == 404
    assert client.post(page_of(row_of(missed)), ORDERED).status_code == 404
    assert now_of(row_of(missed)).events.count() == 0


def two_missed(patron, staff, branch, clock):
    """Return a conversation, and its recommendations of two items that the patron couldn't get."""
    conversation = ask(patron, help_session=HelpSessionFactory(patron=patron, staff=staff, branch=branch))
    items = recommend_in_message(say(conversation, staff), 2, recommended_at=NOW)
    clock.shift(60)
    for item in items:
        take(item, "could_not_get_it", patron)
    return conversation, items


def take(item, verdict, patron):
    verdicts.take_verdict(item, verdict=verdict, why="", comment="", by=patron, at=timezone.now())


def test_next_step_is_recorded_only_for_the_item_that_the_page_showed(desk, patron, staff, branch, clock):
    conversation, [first, second] = two_missed(patron, staff, branch, clock)
    take(second, "helped", patron)
    shown = desk.get(page_of(conversation)).content.decode()
    assert f'name="item" value="{first.public_id}"' in shown
    take(first, "helped", patron)
    take(second, "could_not_get_it", patron)
    page = desk.post(page_of(conversation), {**ORDERED, "item": first.public_id, "seen": 0}, follow=True)
    assert "The patron no longer says that they couldn't get this item. Nothing was recorded." in text(page)
    assert not NextStep.objects.exists()


def test_next_step_form_shows_the_typed_values_again_if_a_colleague_recorded_a_step_first(
    desk, missed, staff
):
    next_steps.record(row_of(missed), missed, Step("reserved", FRIDAY), by=staff, at=timezone.now(), seen=0)
    page = desk.post(page_of(row_of(missed)), {**ORDERED, "promised_on": "2026-03-09", "seen": 0})
    assert page.status_code == 409
    assert "A colleague has recorded something about this item, so your change was not saved." in text(page)
    assert "Reserved for the patron. Promised by Friday, March 6." in text(page)
    form = page.context["form"]
    assert (form["kind"].value(), form["promised_on"].value()) == ("ordered", "2026-03-09")
    desk.post(page_of(row_of(missed)), {**ORDERED, "seen": form["seen"].value()})
    assert NextStep.objects.get().kind == "ordered"


def test_conversation_page_says_that_staff_have_given_the_item_to_the_patron(desk, missed, staff):
    next_steps.record(row_of(missed), missed, Step("reserved", FRIDAY), by=staff, at=timezone.now())
    next_steps.mark_given(row_of(missed), missed, by=staff, at=timezone.now())
    page = text(desk.get(page_of(row_of(missed), "desk_conversation")))
    assert "Staff have given the item to the patron." in page
    assert "Nothing is promised yet." not in page
