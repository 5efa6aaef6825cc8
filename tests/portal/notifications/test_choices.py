"""Check the link that turns notices off, the pages on which people choose, and choices of merged records."""

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.notifications.choices import Choices, choose, turn_off
from portal.notifications.kinds import CHOICES
from portal.notifications.models import NoticeChoice, NoticeTimes
from portal.notifications.unsubscribing import unsubscribe_headers, unsubscribe_url
from portal.privacy.erasure import erase
from portal.privacy.merging import merge_people
from portal.privacy.unmerging import merge_for_a_day, unmerge
from tests.factories import BranchFactory, UserFactory

pytestmark = pytest.mark.django_db
KIND = "conversations/answer"


@pytest.fixture
def path(library, patron):
    return unsubscribe_url(patron, [KIND]).removeprefix("http://localhost:8000")


def chosen(person, kind=KIND):
    return Choices(person).of(kind)


def test_one_click_turns_off_these_notices_without_cookie_and_token(path, patron):
    browser = Client(enforce_csrf_checks=True)
    response = browser.post(path, {"List-Unsubscribe": "One-Click"})
    assert (response.status_code, response.cookies) == (200, {})
    assert chosen(patron) == CHOICES["none"]
    assert list(NoticeChoice.objects.values_list("person", "kind")) == [(patron.pk, KIND)]


@pytest.mark.parametrize("method", ["get", "head"])
def test_opening_the_link_changes_nothing_and_shows_a_button(path, patron, client, method):
    response = getattr(client, method)(path)
    assert response.status_code == 200
    assert method == "head" or f'action="{path}"' in response.content.decode()
    assert not NoticeChoice.objects.exists()


def test_link_turns_off_the_notices_of_every_branch(staff, branch, client):
    NoticeChoice.objects.create(
        person=staff, kind="conversations/new", branch=branch, channel="email", rhythm="daily"
    )
    client.post(unsubscribe_url(staff, ["conversations/new"]))
    assert list(NoticeChoice.objects.values_list("branch", "channel")) == [(None, "none")]


def test_page_of_a_link_names_nobody(path, patron, client):
    page = client.get(path).content.decode()
    for secret in (patron.name, patron.email, str(patron.public_id)):
        assert secret not in page
    for secret in (patron.name, patron.email, str(patron.pk)):
        assert secret not in path.split("/")


def test_unknown_link_reveals_nothing(client, library, patron):
    forged = signing.dumps([patron.public_id.hex, KIND], salt="another salt")
    pages = [client.get(reverse("unsubscribe", args=[token])) for token in ("x", forged)]
    assert [page.status_code for page in pages] == [404, 404]
    assert client.post(reverse("unsubscribe", args=[forged])).status_code == 404
    assert not NoticeChoice.objects.exists()


def test_link_stops_working_when_the_record_is_erased(path, patron, client):
    erase(patron, language="en", at=patron.joined_at)
    assert client.post(path).status_code == 404


def test_link_stops_working_when_the_record_is_merged(path, patron, client):
    into = UserFactory()
    merge_people(patron, into, by=into, at=patron.joined_at)
    assert client.post(path).status_code == 404
    assert not NoticeChoice.objects.exists()


def test_headers_of_one_click_unsubscribe(patron, library):
    headers = unsubscribe_headers(patron, [KIND])
    assert headers["List-Unsubscribe"].startswith("<http://localhost:8000/unsubscribe/")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


# The pages on which people choose.


def test_patron_chooses_how_notices_come(client, sign_in, patron):
    sign_in(client, patron)
    page = client.get(reverse("notices"))
    assert page.context["form"].initial["conversations_answer"] == "at_once"
    response = client.post(
        reverse("notices"),
        {
            "conversations_answer": "daily",
            "conversations_promise_moved": "at_once",
            "privacy_corrected": "none",
            "daily_at": "07:00",
            "quiet_from": "22:00",
            "quiet_until": "07:00",
            "time_zone": "madrid",
        },
        follow=True,
    )
    assert "Your choices are saved." in response.content.decode()
    assert {row.kind: (row.channel, row.rhythm) for row in NoticeChoice.objects.filter(person=patron)} == {
        KIND: ("email", "daily"),
        "privacy/corrected": ("none", "at_once"),
    }
    times = NoticeTimes.objects.get(person=patron)
    assert (times.time_zone, f"{times.quiet_from:%H:%M}", times.daily_at.hour) == (
        "Europe/Madrid",
        "22:00",
        7,
    )
    form = response.context["form"]
    assert (form["time_zone"].value(), form["daily_at"].value()) == ("Europe/Madrid", "07:00")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_zone": "Nowhere"}, "time_zone"),
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"quiet_until": "22:00"}, "quiet_from"),
        ({"quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until"),
        ({"conversations_answer": "often"}, "conversations_answer"),
        ({"daily_at": "25:00"}, "daily_at"),
    ],
)
def test_mistake_is_explained_beside_its_field(client, sign_in, patron, changes, field):
    data = {
        "conversations_answer": "daily",
        "conversations_promise_moved": "at_once",
        "privacy_corrected": "none",
    }
    response = sign_in(client, patron).post(reverse("notices"), data | changes)
    assert list(response.context["form"].errors) == [field]
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not NoticeChoice.objects.exists()


def test_signed_out_person_signs_in_and_returns_to_the_choices(client, library):
    response = client.get(reverse("notices"))
    assert response.url == f"{reverse('sign_in')}?next={reverse('notices')}"


def test_staff_choose_for_each_branch(client, sign_in, staff, branch):
    hill = BranchFactory(name="Hill")
    staff.staff_roles.create(branch=hill)
    sign_in(client, staff)
    assert 'class="card stack" aria-labelledby="branch-hill"' in " ".join(
        client.get(reverse("desk_notices")).content.decode().split()
    ).replace(f"branch-{hill.slug}", "branch-hill")
    data = dict.fromkeys(
        ("conversations_new", "conversations_reply", "conversations_promise_due", "conversations_mention"),
        "hourly",
    )
    response = client.post(reverse("desk_notices"), data | {f"conversations_new_{hill.pk}": "none"})
    assert response.status_code == 302
    choices = Choices(staff)
    assert (choices.of("conversations/new", branch.pk), choices.of("conversations/new", hill.pk)) == (
        CHOICES["hourly"],
        CHOICES["none"],
    )
    client.post(reverse("desk_notices"), data)
    assert Choices(staff).of("conversations/new", hill.pk) == CHOICES["hourly"]


def test_coordinator_sets_the_defaults(client, sign_in, coordinator, patron, staff):
    data = {
        "conversations_answer": "hourly",
        "conversations_promise_moved": "at_once",
        "privacy_corrected": "none",
        **dict.fromkeys(("conversations_new", "conversations_reply", "conversations_promise_due"), "daily"),
        "conversations_mention": "at_once",
    }
    response = sign_in(client, coordinator).post(reverse("notice_defaults"), data, follow=True)
    assert "Defaults for notices saved." in response.content.decode()
    assert chosen(patron) == CHOICES["hourly"]
    assert chosen(staff, "conversations/new") == CHOICES["daily"]


# Choices when two records are merged.


def choose_as(person, rhythm, **times):
    choose(person, {(KIND, None): CHOICES[rhythm]}, times)


def test_merged_record_keeps_its_own_choices_and_takes_those_that_it_lacks(patron, library):
    into = UserFactory()
    choose_as(patron, "daily", time_zone="Europe/Madrid")
    turn_off(patron, ["privacy/corrected"])
    turn_off(into, ["privacy/corrected"])
    merge_people(patron, into, by=into, at=patron.joined_at)
    assert (chosen(into), NoticeTimes.objects.get().person) == (CHOICES["daily"], into)
    assert NoticeChoice.objects.count() == 2


def test_unmerging_gives_both_records_their_choices_back(patron, staff, library):
    into, at = UserFactory(), timezone.now()
    choose_as(patron, "daily", time_zone="Europe/Madrid")
    turn_off(patron, ["privacy/corrected"])
    turn_off(into, ["privacy/corrected"])

    def state():
        return {
            str(person.public_id): (chosen(person), chosen(person, "privacy/corrected"))
            for person in (patron, into)
        }

    before, times = state(), NoticeTimes.objects.get()
    merged = merge_for_a_day(patron, into, by=staff, at=at)
    person = unmerge(merged, by=staff, at=at)
    assert (person.public_id, state()) == (patron.public_id, before)
    assert NoticeTimes.objects.get() == times
    assert NoticeTimes.objects.get().person == person
