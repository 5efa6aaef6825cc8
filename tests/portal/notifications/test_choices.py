"""Test the link that turns off notices, the pages of choices, and the choices of merged records."""

from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import StaffRole, User
from portal.notifications.choices import Choices, choose, turn_off
from portal.notifications.forms import field_name
from portal.notifications.kinds import CHOICES, KINDS, kinds_to_choose
from portal.notifications.models import NoticeChoice, NoticeTimes
from portal.notifications.unsubscribing import unsubscribe_headers, unsubscribe_url
from portal.privacy.erasure import erase
from portal.privacy.merging import merge_people
from portal.privacy.unmerging import merge_for_a_day, unmerge
from tests.factories import BranchFactory, PushSubscriptionFactory, UserFactory
from tests.push_device import PRIVATE_KEY

pytestmark = pytest.mark.django_db
KIND = "conversations/answer"


@pytest.fixture
def path(library, patron):
    return unsubscribe_url(patron, [KIND]).removeprefix("http://localhost:8000")


def chosen(person, kind=KIND):
    return Choices(person).of(kind)


def fields(*, staff, value="at_once"):
    """Return {name of the field: value} for each kind of notice that patrons or staff can choose.

    For a report, people choose only between "at_once" (on) and "none" (off). So other values become
    "at_once".
    """
    return {
        field_name(kind): "at_once" if kind.is_report and value != "none" else value
        for kind in kinds_to_choose(staff=staff)
    }


def test_one_click_unsubscribe_works_without_a_cookie_or_csrf_token(path, patron):
    browser = Client(enforce_csrf_checks=True)
    response = browser.post(path, {"List-Unsubscribe": "One-Click"})
    assert (response.status_code, response.cookies) == (200, {})
    assert chosen(patron) == CHOICES["none"]
    assert list(NoticeChoice.objects.values_list("person", "kind")) == [(patron.pk, KIND)]


@pytest.mark.parametrize("method", ["get", "head"])
def test_opening_the_unsubscribe_link_shows_a_button_and_changes_nothing(path, patron, client, method):
    response = getattr(client, method)(path)
    assert response.status_code == 200
    assert method == "head" or f'action="{path}"' in response.content.decode()
    assert not NoticeChoice.objects.exists()


def test_unsubscribe_link_turns_off_the_notices_of_every_branch(staff, branch, client):
    NoticeChoice.objects.create(
        person=staff, kind="conversations/new", branch=branch, channel="email", rhythm="daily"
    )
    client.post(unsubscribe_url(staff, ["conversations/new"]))
    assert list(NoticeChoice.objects.values_list("branch", "channel")) == [(None, "none")]


def test_unsubscribe_page_does_not_name_the_person(path, patron, client):
    page = client.get(path).content.decode()
    for secret in (patron.name, patron.email, str(patron.public_id)):
        assert secret not in page
    for secret in (patron.name, patron.email, str(patron.pk)):
        assert secret not in path.split("/")


def test_unknown_unsubscribe_link_is_404(client, library, patron):
    forged = signing.dumps([patron.public_id.hex, KIND], salt="another salt")
    pages = [client.get(reverse("unsubscribe", args=[token])) for token in ("x", forged)]
    assert [page.status_code for page in pages] == [404, 404]
    assert client.post(reverse("unsubscribe", args=[forged])).status_code == 404
    assert not NoticeChoice.objects.exists()


@pytest.mark.parametrize(("days", "status"), [(364, 200), (366, 404)])
def test_unsubscribe_link_works_for_a_year(path, client, time_machine, days, status):
    time_machine.move_to(timezone.now() + timedelta(days=days))
    assert client.get(path).status_code == status


def test_unsubscribe_link_stops_working_when_the_record_is_erased(path, patron, client):
    erase(patron, language="en", at=patron.joined_at)
    assert client.post(path).status_code == 404


def test_unsubscribe_link_of_a_merged_record_works_for_the_remaining_record(path, patron, client):
    into = UserFactory()
    merge_people(patron, into, by=into, at=patron.joined_at)
    assert client.post(path).status_code == 200
    assert list(NoticeChoice.objects.values_list("person", "kind", "channel")) == [(into.pk, KIND, "none")]
    erase(into, language="en", at=patron.joined_at)
    assert client.post(path).status_code == 404


def test_notice_has_the_headers_for_one_click_unsubscribe(patron, library):
    headers = unsubscribe_headers(patron, [KIND])
    assert headers["List-Unsubscribe"].startswith("<http://localhost:8000/unsubscribe/")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


# Tests of the pages where people choose their notices.


def test_patron_can_choose_how_and_when_notices_are_sent(client, sign_in, patron):
    sign_in(client, patron)
    page = client.get(reverse("notices"))
    assert page.context["form"].initial["conversations_answer"] == "at_once"
    response = client.post(
        reverse("notices"),
        fields(staff=False)
        | {
            "conversations_answer": "daily",
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


@pytest.mark.few_cases
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
def test_invalid_choice_is_explained_beside_its_field(client, sign_in, patron, changes, field):
    data = fields(staff=False) | {"conversations_answer": "daily", "privacy_corrected": "none"}
    response = sign_in(client, patron).post(reverse("notices"), data | changes)
    assert list(response.context["form"].errors) == [field]
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not NoticeChoice.objects.exists()


def test_signed_out_person_is_redirected_to_sign_in_and_then_to_the_choices(client, library):
    response = client.get(reverse("notices"))
    assert response.url == f"{reverse('sign_in')}?next={reverse('notices')}"


def test_staff_can_choose_notices_for_each_branch(client, sign_in, staff, branch):
    hill = BranchFactory(name="Hill")
    staff.staff_roles.create(branch=hill)
    sign_in(client, staff)
    assert 'class="card stack" aria-labelledby="branch-hill"' in " ".join(
        client.get(reverse("desk_notices")).content.decode().split()
    ).replace(f"branch-{hill.slug}", "branch-hill")
    data = fields(staff=True, value="hourly")
    response = client.post(reverse("desk_notices"), data | {f"conversations_new_{hill.pk}": "none"})
    assert response.status_code == 302
    choices = Choices(staff)
    assert (choices.of("conversations/new", branch.pk), choices.of("conversations/new", hill.pk)) == (
        CHOICES["hourly"],
        CHOICES["none"],
    )
    client.post(reverse("desk_notices"), data)
    assert Choices(staff).of("conversations/new", hill.pk) == CHOICES["hourly"]


def test_coordinator_can_set_the_default_notices(client, sign_in, coordinator, patron, staff):
    data = {
        **fields(staff=False),
        **fields(staff=True, value="daily"),
        "conversations_answer": "hourly",
        "privacy_corrected": "none",
        "conversations_mention": "at_once",
    }
    response = sign_in(client, coordinator).post(reverse("notice_defaults"), data, follow=True)
    assert "Defaults for notices saved." in response.content.decode()
    assert chosen(patron) == CHOICES["hourly"]
    assert chosen(staff, "conversations/new") == CHOICES["daily"]


# Tests of the choices of merged records.


def choose_as(person, rhythm, **times):
    choose(person, {(KIND, None): CHOICES[rhythm]}, times)


def test_remaining_record_gets_the_notice_choices_that_only_the_merged_record_has(patron, library):
    into = UserFactory()
    choose_as(patron, "daily", time_zone="Europe/Madrid")
    turn_off(patron, ["privacy/corrected"])
    turn_off(into, ["privacy/corrected"])
    merge_people(patron, into, by=into, at=patron.joined_at)
    assert (chosen(into), NoticeTimes.objects.get().person) == (CHOICES["daily"], into)
    assert NoticeChoice.objects.count() == 2


def test_unmerging_restores_the_notice_choices_of_both_records(patron, staff, library):
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


# Tests of the choice of push messages.


@pytest.fixture
def with_push(settings):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY


def options(page, field="conversations_answer"):
    return [value for value, _label in page.context["form"].fields[field].choices]


WITHOUT_DEVICES = ["at_once", "hourly", "daily", "none"]
WITH_DEVICES = ["at_once", "hourly", "daily", "push", "push_hourly", "none"]


def test_patron_with_a_device_can_choose_push_for_each_kind_of_notice(client, sign_in, patron, with_push):
    sign_in(client, patron)
    page = client.get(reverse("notices"))
    assert (options(page), page.context["push"].devices) == (WITHOUT_DEVICES, 0)
    device = PushSubscriptionFactory(person=patron)
    page = client.get(reverse("notices"))
    assert (options(page), page.context["push"].devices) == (WITH_DEVICES, 1)
    others = {"conversations_promise_moved": "push_hourly", "privacy_corrected": "none"}
    client.post(reverse("notices"), fields(staff=False) | {"conversations_answer": "push", **others})
    assert chosen(patron) == CHOICES["push"]
    assert chosen(patron, "conversations/promise_moved") == CHOICES["push_hourly"]
    page = client.get(reverse("notices"))
    assert page.context["form"].initial["conversations_answer"] == "push"
    assert "So we email you instead." not in page.content.decode()
    device.delete()
    page = client.get(reverse("notices"))
    assert options(page) == WITH_DEVICES
    for path in (reverse("notices"), "/me/"):
        assert "So we email you instead." in client.get(path).content.decode()


def test_push_messages_cannot_be_chosen_without_a_device(client, sign_in, patron, with_push):
    sign_in(client, patron)
    others = {"conversations_promise_moved": "at_once", "privacy_corrected": "at_once"}
    page = client.post(reverse("notices"), {"conversations_answer": "push", **others})
    assert page.context["form"].errors
    assert not NoticeChoice.objects.exists()


def test_staff_with_a_device_can_choose_push_messages_for_each_branch(
    client, sign_in, staff, branch, with_push
):
    other = BranchFactory()
    StaffRole.objects.create(user=staff, branch=other, role="staff")
    PushSubscriptionFactory(person=staff)
    sign_in(client, staff)
    page = client.get(reverse("desk_notices"))
    kind = KINDS["conversations/new"]
    assert options(page, field_name(kind)) == WITH_DEVICES
    assert options(page, field_name(kind, other)) == ["", *WITH_DEVICES]
    fields = {name: value or "" for name, value in page.context["form"].initial.items() if value is not None}
    client.post(reverse("desk_notices"), fields | {field_name(kind, other): "push"})
    choices = Choices(staff)
    assert choices.of(kind.key, other.pk) == CHOICES["push"]
    assert choices.of(kind.key, branch.pk) == CHOICES["hourly"]


def test_staff_without_an_email_address_read_what_they_can_do(client, sign_in, staff, with_push):
    sign_in(client, staff)
    assert 'id="no-address"' not in client.get(reverse("desk_notices")).content.decode()
    User.objects.filter(pk=staff.pk).update(email=None)
    page = client.get(reverse("desk_notices")).content.decode()
    assert 'id="no-address"' in page
    assert f'href="{reverse("add_address")}"' in page
    assert f'href="{reverse("phone_messages")}"' in page


def test_push_messages_cannot_be_chosen_as_the_default_of_the_library(
    client, sign_in, coordinator, with_push
):
    PushSubscriptionFactory(person=coordinator)
    sign_in(client, coordinator)
    page = client.get(reverse("notice_defaults"))
    assert options(page) == WITHOUT_DEVICES


def test_pages_do_not_promise_emails_to_a_person_without_an_address(client, settings, sign_in):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY
    person = UserFactory(email=None)
    choose(person, {("conversations/answer", None): CHOICES["push"]}, {})
    sign_in(client, person)
    for path in (reverse("me"), reverse("notices")):
        words = client.get(path).content.decode()
        assert "You chose messages on your phone, but none of your phones gets them now." in words
        assert "email you instead" not in words
