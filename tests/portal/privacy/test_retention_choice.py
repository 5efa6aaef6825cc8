"""Test that patrons can choose how long visits are kept, see the dates before saving, and undo the choice."""

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.urls import reverse

from accounts.models import Consent
from tests.factories import ConversationFactory, HelpSessionFactory, UserFactory, code_for
from tests.portal.pages import text

AT = datetime(2026, 11, 20, 20, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def on_friday(time_machine):
    time_machine.move_to(AT, tick=False)


@pytest.fixture
def phone(client, patron, sign_in):
    """Return the patron's browser right after the patron reauthenticated."""
    sign_in(client, patron)
    session = client.session
    session["proved_at"] = AT.timestamp()
    session.save()
    return client


def make_kept_visit(patron, branch, days_ago):
    at = AT - timedelta(days=days_ago)
    return HelpSessionFactory(branch=branch, patron=patron, created_at=at, kept_at=at)


def test_visits_are_kept_for_365_days_by_default(phone, patron, branch):
    make_kept_visit(patron, branch, 100)
    page = text(phone.get(reverse("privacy")))
    assert "365 days (you haven't changed this)" in page
    assert "The first of your visits will be forgotten on August 12, 2027 or soon after." in page


def test_retention_page_shows_the_deletion_dates_before_the_choice_is_saved(phone, patron, branch):
    for days_ago in (100, 40, 10):
        make_kept_visit(patron, branch, days_ago)
    ConversationFactory(help_session=make_kept_visit(patron, branch, 200))
    ConversationFactory(
        help_session=None, patron=patron, branch=branch, status="closed", closed_at=AT - timedelta(days=31)
    )
    make_kept_visit(UserFactory(), branch, 100)
    page = text(phone.get(reverse("remember"), {"remember": "30"}))
    for sentence in (
        "A visit is deleted 30 days after you add it to your account.",
        "2 of your visits will be deleted on November 21, 2026.",
        "1 closed conversation will be deleted on November 21, 2026.",
        "The next visit will be deleted on December 10, 2026.",
        "1 visit stays longer, because a conversation about it is open or has a message from the last 14 days.",
        "You can change your mind until November 21, 2026. Nothing is deleted before then.",
    ):
        assert sentence in page
    patron.refresh_from_db()
    assert (patron.remember, patron.remember_chosen_at, Consent.objects.count()) == ("365", None, 0)


@pytest.mark.parametrize(
    ("choice", "rule"),
    [
        ({"remember": "90"}, "90 days after you add it to your account"),
        ({"remember": "until", "until": "2027-02-01"}, "stay until February 1, 2027. Then they are deleted"),
        ({"remember": "nothing"}, "we keep only the visits that you add to your account, each for 30 days"),
    ],
)
def test_retention_choice_is_saved_with_the_explanation_that_the_patron_read(phone, patron, choice, rule):
    assert rule in text(phone.get(reverse("remember"), choice))
    assert phone.post(reverse("remember"), choice).url == reverse("privacy")
    patron.refresh_from_db()
    assert (patron.remember, str(patron.remember_until or "")) == (
        choice["remember"],
        choice.get("until", ""),
    )
    consent = Consent.objects.get()
    assert rule in consent.wording
    assert (consent.person, consent.purpose, consent.given_at) == (patron, "remember", AT)


def test_retention_page_says_that_choosing_the_same_retention_time_again_changes_nothing(phone, patron):
    unchanged = "Nothing will change, because this is already your choice."
    page = phone.get(reverse("remember"), {"remember": "365", "until": ""})
    assert unchanged in text(page)
    assert 'id="yes-remember"' not in page.content.decode()
    other = phone.get(reverse("remember"), {"remember": "90", "until": ""})
    assert unchanged not in text(other)
    assert 'id="yes-remember"' in other.content.decode()


def test_retention_choice_can_be_undone_with_one_tap(phone, patron):
    page = phone.post(reverse("remember"), {"remember": "nothing"}, follow=True).content.decode()
    undo = f"{reverse('remember')}?remember=365"
    assert f'action="{undo}"' in page
    phone.post(undo)
    patron.refresh_from_db()
    assert patron.remember == "365"


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "choice",
    [
        {"remember": ""},
        {"remember": "31"},
        {"remember": "until"},
        {"remember": "until", "until": "2026-11-20"},
        {"remember": "until", "until": "2040-01-01"},
        {"remember": "until", "until": "soon"},
        {"remember": "until", "until": "9999-12-31"},
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_invalid_retention_choice_is_a_form_error_and_changes_nothing(phone, patron, choice, method):
    answer = getattr(phone, method)(reverse("remember"), choice)
    assert answer.status_code == 422
    assert "Error:" in text(answer)
    patron.refresh_from_db()
    assert (patron.remember, Consent.objects.count()) == ("365", 0)


def test_anonymous_visitor_cannot_choose_retention(client, library):
    assert client.get(reverse("remember")).status_code == 302


def test_keep_page_shows_the_deletion_day_if_the_patron_chose_to_keep_nothing(
    phone, branch, show_code, time_machine
):
    phone.post(reverse("remember"), {"remember": "nothing"})
    time_machine.move_to(AT + timedelta(hours=1), tick=False)
    session = HelpSessionFactory(branch=branch)
    page = show_code(phone, code_for(session)).get(reverse("keep_session", args=[session.public_id]))
    assert (
        "You chose “Don't keep anything”. If you add this visit to your account anyway, we keep it until December 20, 2026."
        in unescape(text(page))
    )


def test_retention_choice_requires_reauthentication(client, patron, sign_in):
    sign_in(client, patron)
    answer = client.post(reverse("remember"), {"remember": "until", "until": "2026-12-24"})
    assert answer.url == "/me/prove/?next=%2Fprivacy%2Fremember%2F%3Fremember%3Duntil%26until%3D2026-12-24"
    patron.refresh_from_db()
    assert (patron.remember, Consent.objects.count()) == ("365", 0)
