"""Test forms that waited on a phone: answers about a visit and its items, and "I've got it"."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.checkins import planning
from portal.conversations import outcomes
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from portal.models import Removal
from recommendations.actions import record_verdict
from recommendations.models import Recommendation
from tests.accounts import test_waiting_forms
from tests.accounts.test_waiting_forms import CHANGED, HOUR, SENT, rows, send
from tests.factories import HelpSessionFactory, QuietSessionFactory, code_for, recommend_in

pytestmark = pytest.mark.django_db
session, recommendation, me = (
    getattr(test_waiting_forms, name) for name in ("session", "recommendation", "me")
)


@pytest.fixture(autouse=True)
def old_recommendation(recommendation):
    """Make the recommendation older than the taps of these tests."""
    Recommendation.objects.update(recommended_at=ago(days=3))


@pytest.fixture
def about_visit(me, patron, session):
    """Return about_visit(fields, **options), which sends answers about a visit. `options` go to `send`."""

    def about_visit(fields, *, client=me, **options):
        address = reverse("session_outcome", args=[session.public_id])
        return send(client, address, fields, writer=patron, **options)

    return about_visit


@pytest.fixture
def all_helped(me, patron, session):
    def all_helped(*, client=me, **options):
        return send(client, reverse("all_helped", args=[session.public_id]), {}, writer=patron, **options)

    return all_helped


@pytest.fixture
def got_it(me, patron, recommendation):
    def got_it(fields=None, *, client=me, **options):
        address = reverse("got_it", args=[recommendation.public_id])
        return send(client, address, fields or {}, writer=patron, **options)

    return got_it


def ago(**values):
    return timezone.now() - timedelta(**values)


def test_answer_about_a_visit_is_saved_once_if_the_form_is_sent_twice(about_visit, session):
    token = uuid.uuid4()
    assert about_visit({"found": "no"}, token=token) == SENT
    before = HelpSession.objects.values().get()
    assert about_visit({"found": "no"}, token=token) == SENT
    assert HelpSession.objects.values().get() == before
    assert Conversation.objects.filter(help_session=session, is_about_outcome=True).count() == 1


def test_answer_about_a_visit_does_not_replace_a_later_answer(about_visit, session):
    outcomes.take_outcome(session, by=session.patron, at=ago(minutes=30), found="all")
    assert about_visit({"found": "no"}, waited=HOUR) == CHANGED
    assert rows(HelpSession, "found") == [("all",)]
    assert not Conversation.objects.exists()


def test_answer_about_a_visit_replaces_an_earlier_answer(about_visit, session):
    outcomes.take_outcome(session, by=session.patron, at=ago(hours=2), found="all")
    assert about_visit({"found": "part"}, waited=HOUR) == SENT
    assert rows(HelpSession, "found") == [("part",)]


def test_answer_that_waited_on_a_phone_is_saved_even_if_another_question_was_answered_later(
    about_visit, session
):
    outcomes.take_outcome(session, by=session.patron, at=ago(minutes=30), satisfaction="good")
    assert about_visit({"found": "all"}, waited=HOUR) == SENT
    assert rows(HelpSession, "found", "satisfaction") == [("all", "good")]


def test_answer_that_is_sent_again_with_a_new_form_token_changes_nothing(about_visit, session):
    assert about_visit({"found": "no"}, waited=HOUR) == SENT
    before, opened = HelpSession.objects.values().get(), Conversation.objects.values().get()
    assert about_visit({"found": "no"}, waited=HOUR + 300) == SENT
    assert HelpSession.objects.values().get() == before
    assert Conversation.objects.values().get() == opened


def test_answer_that_the_patron_cleared_after_the_tap_is_not_saved_again(about_visit, session):
    others = HelpSessionFactory(branch=session.branch, staff=session.staff, patron=session.patron)
    for visit in (session, others):
        outcomes.take_outcome(visit, by=session.patron, at=ago(hours=2), found="no")
    outcomes.clear_outcome(session, at=ago(minutes=30))
    assert about_visit({"found": "no"}, waited=HOUR) == CHANGED
    assert rows(HelpSession, "found") == [("",), ("no",)]
    # The patron tapped again 15 minutes ago, which was after the answer was cleared.
    assert about_visit({"found": "part"}, waited=HOUR // 4) == SENT
    assert rows(HelpSession, "found") == [("part",), ("no",)]


def test_clearing_the_answers_about_one_visit_does_not_block_answers_about_another(about_visit, session):
    other = HelpSessionFactory(branch=session.branch, staff=session.staff, patron=session.patron)
    outcomes.take_outcome(other, by=session.patron, at=ago(hours=2), found="no")
    outcomes.clear_outcome(other, at=ago(minutes=30))
    assert about_visit({"found": "all"}, waited=HOUR) == SENT
    assert rows(HelpSession, "found") == [("all",), ("",)]


def test_answer_form_and_got_it_form_are_refused_if_the_tap_was_too_long_ago(about_visit, got_it, session):
    kept_for = int(Removal.KEPT_FOR.total_seconds())
    for form in (lambda **waited: about_visit({"found": "no"}, **waited), got_it):
        assert form(waited=kept_for + 60) == (
            410,
            "You pressed this button too long ago, so nothing was changed. To do it now, press the "
            "button again on the page.",
        )
    assert rows(HelpSession, "found") == [("",)]
    assert rows(Recommendation, "got_at") == [(None,)]


@pytest.mark.parametrize("fields", [{}, {"clear": ""}, {"found": "maybe"}])
def test_form_about_a_visit_is_refused_if_it_contains_no_valid_answer(about_visit, session, fields):
    outcomes.take_outcome(session, by=session.patron, at=ago(hours=2), found="all")
    status, error = about_visit(fields)
    assert (status, error) == (422, "The library couldn't accept what you sent. Open the page and try again.")
    assert rows(HelpSession, "found") == [("all",)]


def test_all_helped_button_changes_only_items_without_a_verdict_at_the_time_of_the_tap(all_helped, session):
    given = recommend_in(session, 4)
    Recommendation.objects.update(recommended_at=ago(days=3), starred=True)
    record_verdict(given[0], verdict="partly", at=ago(hours=2))
    # The tap on the phone was an hour ago. After that, the patron took back the verdict about the second item
    # on another device, and staff recommended the fourth item.
    record_verdict(given[1], verdict="helped", at=ago(hours=2))
    record_verdict(given[1], verdict="", at=ago(minutes=30))
    Recommendation.objects.filter(pk=given[3].pk).update(recommended_at=ago(minutes=20))
    assert all_helped(waited=HOUR) == SENT
    wanted = ["partly", "", "helped", ""]
    assert [Recommendation.objects.get(pk=each.pk).verdict for each in given] == wanted


def test_sending_the_all_helped_form_twice_does_not_undo_a_later_choice(all_helped, recommendation):
    token = uuid.uuid4()
    assert all_helped(token=token) == SENT
    assert rows(Recommendation, "verdict") == [("helped",)]
    record_verdict(recommendation, verdict="", at=timezone.now())
    assert all_helped(token=token) == SENT
    assert rows(Recommendation, "verdict") == [("",)]


def test_older_verdict_does_not_replace_the_verdict_of_the_all_helped_button(
    all_helped, recommendation, me, patron
):
    assert all_helped(waited=HOUR) == SENT
    address = reverse("verdict", args=[recommendation.public_id])
    assert send(me, address, {"verdict": "partly"}, writer=patron, waited=2 * HOUR) == CHANGED
    assert send(me, address, {"verdict": "partly"}, writer=patron, waited=HOUR // 2) == SENT


def test_got_it_form_that_waited_on_a_phone_is_saved_with_the_time_of_the_tap(got_it, recommendation):
    assert got_it(waited=HOUR) == SENT
    # A second tap half an hour later doesn't change the saved time.
    assert got_it(waited=HOUR // 2) == SENT
    recommendation.refresh_from_db()
    assert abs(recommendation.got_at - ago(hours=1)) < timedelta(minutes=1)


def test_got_it_form_is_refused_if_the_patron_has_undone_the_answer_since_the_tap(
    got_it, recommendation, session
):
    other = recommend_in(session, 2)[1]
    planning.got_it(recommendation, at=ago(hours=2))
    planning.got_it(other, at=ago(hours=2))
    planning.undo_got_it(recommendation, at=ago(minutes=30))
    assert got_it(waited=HOUR) == CHANGED
    assert [got_at is not None for [got_at] in rows(Recommendation, "got_at")] == [False, False, True]
    assert got_it(waited=HOUR // 4) == SENT


def test_form_that_undoes_the_got_it_answer_cannot_wait_on_a_phone(got_it, recommendation):
    got_it()
    assert got_it({"undo": ""}) == (
        403,
        "You can send this only while you're online. Open the page and try again.",
    )
    recommendation.refresh_from_db()
    assert recommendation.got_at


@pytest.mark.parametrize("name", ["session_outcome", "all_helped", "got_it"])
def test_form_about_a_quiet_visit_cannot_wait_on_a_phone(me, patron, branch, staff, show_code, name):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    [given] = recommend_in(quiet)
    show_code(me, code_for(quiet))
    address = reverse(name, args=[given.public_id if name == "got_it" else quiet.public_id])
    assert send(me, address, {"found": "no"}, writer=patron) == (
        403,
        "You can send this only while you're online. Open the page and try again.",
    )
    assert rows(Recommendation, "verdict", "got_at") == [("", None)] * 2


def test_answers_are_not_saved_while_the_writer_is_signed_out(about_visit, all_helped, got_it):
    signed_out = 401, "Sign in to send what is waiting on this phone."
    assert about_visit({"found": "no"}, client=Client()) == signed_out
    assert all_helped(client=Client()) == signed_out
    assert got_it(client=Client()) == signed_out
    assert rows(HelpSession, "found") == [("",)]
