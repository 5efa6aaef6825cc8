"""Test the button "I've got it" on the items of a visit."""

import datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Library
from portal.conversations import next_steps, verdicts
from portal.conversations.models import Conversation
from portal.conversations.next_steps import Step
from recommendations.models import NextStep, Recommendation
from tests.factories import HelpSessionFactory, QuietSessionFactory, UserFactory, code_for, recommend_in
from tests.portal.pages import text


@pytest.fixture
def session(patron, staff, branch):
    Library.objects.update(check_ins=True)
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


def tap(client, recommendation, **data):
    return client.post(reverse("got_it", args=[recommendation.public_id]), data)


def test_got_it_button_stores_the_time_and_can_be_undone(me, session):
    [recommendation] = recommend_in(session)
    page = session.get_absolute_url()
    assert "I've got it" in text(me.get(page))
    assert tap(me, recommendation).url == f"{page}#rec-{recommendation.public_id}"
    recommendation.refresh_from_db()
    got_at = recommendation.got_at
    assert got_at is not None
    shown = text(me.get(page))
    assert "You've got it." in shown
    assert "I've got it" not in shown
    tap(me, recommendation)
    recommendation.refresh_from_db()
    assert recommendation.got_at == got_at
    tap(me, recommendation, undo="")
    recommendation.refresh_from_db()
    assert recommendation.got_at is None
    assert "I've got it" in text(me.get(page))


@pytest.mark.few_cases
@pytest.mark.parametrize("kind", ["person", "web_page", "database", "article", "event", "course"])
def test_got_it_button_is_not_shown_for_people_and_events_and_online_items(me, session, kind):
    recommend_in(session, item__kind=kind)
    assert "I've got it" not in text(me.get(session.get_absolute_url()))


@pytest.mark.parametrize(("verdict", "shown"), [("", True), ("not_tried", True), ("helped", False)])
def test_got_it_button_is_not_shown_after_the_patron_gave_a_verdict(me, session, verdict, shown):
    recommend_in(session)
    Recommendation.objects.update(verdict=verdict, decided_at=timezone.now() if verdict else None)
    assert ("I've got it" in text(me.get(session.get_absolute_url()))) is shown


def test_got_it_button_is_not_shown_while_check_ins_are_off(me, session):
    Library.objects.update(check_ins=False)
    recommend_in(session)
    assert "I've got it" not in text(me.get(session.get_absolute_url()))


def test_viewer_with_only_a_code_can_press_the_got_it_button(client, session, show_code, branch):
    visit = HelpSessionFactory(branch=branch)
    [recommendation] = recommend_in(visit)
    show_code(client, code_for(visit))
    tap(client, recommendation)
    recommendation.refresh_from_db()
    assert recommendation.got_at


def test_got_it_button_is_not_shown_on_a_quiet_visit(client, session, show_code, branch):
    visit = QuietSessionFactory(branch=branch)
    recommend_in(visit)
    show_code(client, code_for(visit))
    assert "I've got it" not in text(client.get(visit.get_absolute_url()))


def test_stranger_cannot_press_the_got_it_button(client, session, sign_in):
    [recommendation] = recommend_in(session)
    assert tap(sign_in(client, UserFactory()), recommendation).status_code == 404
    recommendation.refresh_from_db()
    assert recommendation.got_at is None


@pytest.mark.parametrize("by_code", [False, True])
def test_undo_of_the_got_it_button_restores_why_the_patron_could_not_get_the_item(
    client, session, patron, staff, branch, sign_in, show_code, by_code
):
    visit = HelpSessionFactory(branch=branch, staff=staff) if by_code else session
    browser = show_code(client, code_for(visit)) if by_code else sign_in(client, patron)
    [recommendation] = recommend_in(visit)
    said = {"verdict": "could_not_get_it", "why": "checked_out", "comment": "Gone since May"}
    verdicts.take_verdict(recommendation, by=None if by_code else patron, at=timezone.now(), **said)
    row = Conversation.objects.get(recommendation=recommendation)
    step = Step("ordered", timezone.localdate() + datetime.timedelta(days=3))
    next_steps.record(row, recommendation, step, by=staff, at=timezone.now())
    tap(browser, recommendation)
    assert (answer(recommendation)["verdict"], NextStep.objects.exists()) == ("not_tried", False)
    tap(browser, recommendation, undo="")
    assert (answer(recommendation), NextStep.objects.get().kind) == (said, "ordered")


def answer(recommendation):
    return Recommendation.objects.values("verdict", "why", "comment").get(pk=recommendation.pk)
