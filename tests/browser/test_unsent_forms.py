"""Test that a phone shows forms that can't be sent, still sends other forms, and deletes the old ones."""

import time

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Library
from portal.privacy.merging import merge_people
from recommendations.models import Recommendation
from tests.factories import UserFactory

from . import test_waiting
from .steps import card
from .test_kept_pages import until
from .test_waiting import (
    COUNT,
    FORM,
    WAITING,
    bodies,
    fail,
    go_offline,
    tap_offline,
    waiting,
    write,
    write_offline,
)

pytestmark = pytest.mark.browser
signed_in, session, given, conversation, page = (
    getattr(test_waiting, name) for name in ("signed_in", "session", "given", "conversation", "page")
)

HOUR = 3_600_000  # An hour in milliseconds.
DAY = 24 * HOUR
STATE = f"{FORM} [data-part=state]"
UNTIL = f"{FORM} [data-part=until]"
NOT_SENT = "This was not sent, because it waited for more than 7 days."
FAULT = "This could not be sent yet, because something went wrong at the library."
NOW = "() => Date.now()"


def change(page, **changes):
    """Change the oldest waiting form. `changes` is {field: value}. A time is given relative to now."""
    row, now = min(waiting(page), key=lambda row: row["number"]), page.evaluate(NOW)
    times = {
        name: now + value for name, value in changes.items() if name in ("at", "ended", "failedAt", "triedAt")
    }
    page.evaluate(WAITING, [row | changes | times])


@pytest.mark.core
def test_reply_that_waited_offline_for_a_week_is_shown_as_not_sent(page, conversation):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    write_offline(page, conversation)
    change(page, at=-8 * DAY)
    page.reload()
    expect(page.locator(STATE)).to_have_text(NOT_SENT)
    expect(page.locator(UNTIL)).to_contain_text("Kept on this phone until ")
    page.locator("[data-do=copy]").tap()
    until(page, "() => navigator.clipboard.readText()", "Thank you.")
    page.locator("[data-do=delete]").tap()
    expect(page.locator("[data-waiting]")).to_have_count(0)
    assert waiting(page) == []


def test_unsent_reply_is_deleted_30_days_after_the_phone_shows_it_as_not_sent(page, conversation):
    write_offline(page, conversation)
    change(page, at=-200 * DAY)
    page.reload()
    # This page is the first to show that the reply was not sent, so the phone doesn't delete the reply yet.
    expect(page.locator(STATE)).to_have_text(NOT_SENT)
    change(page, ended=-29 * DAY)
    page.reload()
    expect(page.locator(STATE)).to_have_text(NOT_SENT)
    change(page, ended=-31 * DAY)
    page.reload()
    expect(page.locator("#as-of")).to_be_visible()
    until(page, COUNT, 0)
    expect(page.locator("[data-waiting]")).to_have_count(0)


@pytest.mark.parametrize("refused", [409, "old"])
def test_refused_form_is_deleted_after_30_days(page, conversation, refused):
    write_offline(page, conversation)
    change(page, refused=refused, words="No.", ended=-31 * DAY)
    page.reload()
    until(page, COUNT, 0)


def test_old_reply_of_a_signed_out_person_is_never_sent_and_is_deleted_after_30_days(page, conversation):
    write_offline(page, conversation)
    Session.objects.all().delete()
    change(page, at=-8 * DAY)
    page.context.set_offline(False)
    page.goto("/sign-in/")
    until(page, f"async () => (await ({WAITING})()).map(row => row.refused)", ["old"])
    change(page, ended=-31 * DAY)
    page.goto("/sign-in/")
    until(page, COUNT, 0)


def test_unsent_reply_is_not_kept_longer_after_the_clock_was_set_back(page, conversation):
    write_offline(page, conversation)
    change(page, at=-8 * DAY, refused="old", ended=300 * DAY)
    page.reload()
    until(page, f"async () => (await ({WAITING})()).every(row => row.ended <= Date.now())", True)


def test_form_that_always_fails_does_not_block_forms_about_other_things(page, session, given, conversation):
    write_offline(page, conversation)
    page.goto(session.get_absolute_url())
    tap_offline(page, given, count=2)
    change(page, failures=4, failedAt=-2 * HOUR)
    fail(page)
    expect(page.locator(f"#helped-{given.public_id}")).to_have_attribute("aria-pressed", "true")
    given.refresh_from_db()
    assert given.verdict == "helped"
    page.goto(conversation.get_absolute_url())
    expect(page.locator(STATE)).to_contain_text(FAULT)
    assert bodies() == ["Where is it?"]
    page.context.unroute("**/reply/")
    page.locator("[data-do=again]").tap()
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]


@pytest.mark.parametrize(
    ("failures", "since"), [(3, -2 * HOUR), (20, -HOUR // 2)], ids=["few tries", "less than an hour"]
)
def test_form_that_fails_for_a_short_time_delays_later_forms(
    page, session, given, conversation, failures, since
):
    write_offline(page, conversation)
    page.goto(session.get_absolute_url())
    tap_offline(page, given, count=2)
    change(page, failures=failures, failedAt=since)
    fail(page)
    assert len(waiting(page)) == 2
    assert Recommendation.objects.filter(verdict="helped").count() == 0


def test_second_reply_in_a_conversation_is_not_sent_before_the_first_reply(page, conversation):
    write_offline(page, conversation, "First.")
    write(page, "Second.")
    expect(page.locator(f"#entries {FORM}")).to_have_count(2)
    change(page, failures=4, failedAt=-2 * HOUR)
    sent = []
    page.context.route(
        "**/reply/", lambda route: (sent.append(route.request.post_data), route.fulfill(status=503))
    )
    page.context.set_offline(False)
    expect(page.locator(STATE).first).to_contain_text(FAULT)
    expect(page.locator(STATE).last).to_have_text("This is sent after your earlier reply, answer or change.")
    assert ["First." in each for each in sent] == [True]
    page.context.unroute("**/reply/")
    page.locator("[data-do=again]").tap()
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "First.", "Second."]


def test_second_reply_is_sent_after_the_first_reply_was_deleted(page, conversation):
    write_offline(page, conversation, "First.")
    write(page, "Second.")
    expect(page.locator(f"#entries {FORM}")).to_have_count(2)
    change(page, failures=4, failedAt=-2 * HOUR)
    fail(page)
    expect(page.locator(STATE).first).to_contain_text(FAULT)
    page.context.unroute("**/reply/")
    page.locator("[data-do=delete]").first.tap()
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Second."]


def test_phone_sends_a_failed_form_again_after_an_hour(page, conversation):
    write_offline(page, conversation)
    change(page, refused="failed", failures=5, failedAt=-3 * HOUR, triedAt=-HOUR // 2)
    page.context.set_offline(False)
    page.goto("/lists/")
    expect(page.locator(STATE)).to_contain_text(FAULT)
    assert bodies() == ["Where is it?"]
    change(page, triedAt=-2 * HOUR)
    page.reload()
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]


@pytest.mark.parametrize("has_arrived", [False, True], ids=["not arrived", "arrived before the merge"])
def test_waiting_reply_is_sent_once_even_if_the_patrons_record_is_merged_first(
    page, patron, conversation, signed_in, has_arrived
):
    """Staff merge the person's two records while the reply waits, so the person gets another id."""
    if has_arrived:
        page.goto(conversation.get_absolute_url())
        page.context.route("**/reply/", lambda route: (route.fetch(), route.abort("internetdisconnected")))
        write(page, "Thank you.")
        expect(page.locator(FORM)).to_be_visible()
        page.context.unroute("**/reply/")
        page.context.set_offline(True)
    else:
        write_offline(page, conversation)
    page.goto("about:blank")
    kept = UserFactory()
    merge_people(patron, kept, by=kept, at=conversation.last_message_at)
    page.context.set_offline(False)
    signed_in(kept, page)
    page.goto("/lists/")
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?", "Thank you."]


def test_patron_whose_record_was_merged_can_copy_the_text_of_a_refused_reply(
    page, patron, conversation, signed_in
):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    write_offline(page, conversation)
    page.goto("about:blank")
    kept = UserFactory()
    merge_people(patron, kept, by=kept, at=conversation.last_message_at)
    conversation.delete()
    page.context.set_offline(False)
    signed_in(kept, page)
    page.goto("/lists/")
    expect(page.locator(STATE)).to_contain_text("Not sent.")
    page.locator("[data-do=copy]").tap()
    until(page, "() => navigator.clipboard.readText()", "Thank you.")


def test_waiting_forms_are_deleted_when_somebody_else_signs_in(page, conversation, signed_in):
    write_offline(page, conversation)
    page.goto("about:blank")
    page.context.set_offline(False)
    signed_in(UserFactory(), page)
    page.goto("/lists/")
    until(page, COUNT, 0)
    assert bodies() == ["Where is it?"]


def test_outcome_that_a_patron_reports_offline_waits_on_the_phone(page, session, given):
    Library.objects.update(check_ins=True)
    page.goto(session.get_absolute_url())
    page.reload()
    go_offline(page)
    page.locator("#found-no").tap()
    outcome = page.locator(f"#outcome {FORM}")
    expect(outcome.locator("[data-part=text]")).to_have_text("Did you find what you needed? No")
    assert outcome.locator("[data-part=about]").inner_text() == f"Your answer about “{session.title}”"
    # Only the patron's latest answer to each question waits on the phone.
    page.locator("#found-all").tap()
    expect(outcome.locator("[data-part=text]")).to_have_text("Did you find what you needed? Yes, everything")
    page.locator("#satisfaction-good").tap()
    expect(outcome).to_have_count(2)
    page.locator("#all-helped").tap()
    expect(page.locator(f"#all-at-once {FORM} [data-part=text]")).to_have_text(
        "Mark the 2 unanswered items as helpful"
    )
    page.locator(f"#got-{given.public_id}").tap()
    about = card(page, given.item.title).locator(f"{FORM} [data-part=about]")
    expect(about).to_have_text(f"Say that you have “{given.item.title}”")
    expect(page.locator(FORM)).to_have_count(4)

    page.context.set_offline(False)
    until(page, COUNT, 0)
    session.refresh_from_db()
    assert (session.found, session.satisfaction) == ("all", "good")
    assert [each.verdict for each in Recommendation.objects.all()] == ["helped"] * 2
    given.refresh_from_db()
    assert given.got_at is not None
    expect(page.locator("#found-all")).to_have_attribute("aria-pressed", "true")


def test_waiting_verdict_shows_its_label_if_the_network_fails_during_the_request(page, session, given):
    """While the request runs, the label of the button is "Sending…". The form must not show that label."""
    page.goto(session.get_absolute_url())
    until(page, "async () => typeof sendWaiting", "function")
    page.context.route("**/verdict/", lambda route: (time.sleep(0.5), route.abort("internetdisconnected")))
    page.locator(f"#helped-{given.public_id}").tap()
    expect(page.locator(f"{FORM} [data-part=text]")).to_have_text("Helped")


def test_patron_cannot_clear_the_reported_outcome_offline(page, session, given):
    """Clearing the outcome needs a connection, as a line on kept pages says."""
    session.found, session.found_at, session.answered_at = "all", timezone.now(), timezone.now()
    session.save()
    page.goto(session.get_absolute_url())
    go_offline(page)
    page.locator("#clear-outcome").tap()
    expect(page.locator("#failed")).to_be_visible()
    assert waiting(page) == []


def test_kept_page_says_that_a_new_question_needs_a_connection(page, session):
    page.context.set_offline(True)
    page.goto(session.get_absolute_url())
    expect(page.locator("#as-of")).to_contain_text(
        "Everything else needs a connection, for example a new question."
    )
