"""Test who may keep their pages on a device, when a device stops keeping them, and what the page Me says."""

import datetime
import re

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import KeptDevice
from accounts.sign_in.access import BORROWED
from accounts.sign_in.sign_ins import end_all_sign_ins, end_every_session
from accounts.staff import shared_desks
from accounts.staff.desk_lock import DESK_TOKEN
from portal.privacy.erasure import erase
from portal.privacy.export_tables.account import TABLES
from portal.privacy.merging import merge_people
from tests.factories import ChildFactory, HelpSessionFactory, QuietSessionFactory, UserFactory, code_for
from tests.kept import keep_pages, list_sign_in
from tests.portal.pages import asks_to_sign_in, part, text

pytestmark = pytest.mark.usefixtures("library")

PAGE, END, LIST = reverse("keep_pages"), reverse("end_kept_pages"), reverse("kept_pages")


def device_of(response):
    """Return the public id of the kept device that the page names, or None.

    Also check that the header of the response names the same device.
    """
    named = re.search(r'<body[^>]*\sdata-kept-device="([^"]*)"', response.content.decode())
    device = named and named[1]
    assert response.headers.get("X-Kept-Device") == device
    return device


def keeps(client):
    return client.get(LIST).json()["device"]


@pytest.fixture
def phone(client, sign_in, patron):
    """Return a client where the patron is signed in."""
    sign_in(client, patron)
    list_sign_in(client, patron)
    return client


def test_browser_keeps_no_pages_before_the_patron_chooses_to_keep_them(phone):
    assert device_of(phone.get("/")) is None
    assert keeps(phone) is None
    assert "kept.js" not in phone.get("/").content.decode()


def test_patron_can_start_and_stop_keeping_pages_in_a_browser(phone, patron):
    response = phone.post(PAGE)
    assert response.status_code == 302
    assert response["Location"] == PAGE
    device = KeptDevice.objects.get()
    assert device.sign_in.user == patron
    for path in ("/", "/lists/", "/messages/", "/me/", PAGE):
        assert device_of(phone.get(path)) == str(device.public_id)
    assert keeps(phone) == str(device.public_id)
    assert "js/kept.js" in phone.get("/").content.decode()

    phone.post(END)
    assert not KeptDevice.objects.exists()
    assert device_of(phone.get("/")) is None
    assert keeps(phone) is None


def test_choosing_to_keep_pages_twice_creates_one_kept_device(phone):
    phone.post(PAGE)
    first = KeptDevice.objects.get()
    phone.post(PAGE)
    assert KeptDevice.objects.get() == first


def test_child_may_keep_pages(client, sign_in):
    child = ChildFactory()
    list_sign_in(sign_in(client, child), child)
    client.post(PAGE)
    assert keeps(client) == str(KeptDevice.objects.get().public_id)


def test_staff_can_keep_their_own_patron_pages_but_no_page_of_the_desk(client, sign_in, staff):
    sign_in(client, staff)
    device = keep_pages(client, staff)
    assert device_of(client.get("/")) == str(device.public_id)
    desk = client.get(reverse("desk"))
    assert "data-kept-device" not in desk.content.decode()
    # Opening the desk doesn't delete the kept pages.
    assert desk["X-Kept-Device"] == str(device.public_id)
    assert not any(page["path"].startswith("/desk/") for page in client.get(LIST).json()["pages"])


def test_desk_page_contains_the_staff_members_id_only_if_the_browser_keeps_pages(client, sign_in, staff):
    """waiting.js uses the id. Desk pages load this script too, because staff can sign out on a desk page."""
    sign_in(client, staff)
    assert "data-writer" not in client.get(reverse("desk")).content.decode()
    keep_pages(client, staff)
    desk = client.get(reverse("desk")).content.decode()
    assert "js/waiting.js" in desk
    assert f'data-writer="{staff.public_id}"' in desk


def borrow(client):
    session = client.session
    session[BORROWED] = True
    session.save()


def share(client, staff):
    client.cookies[DESK_TOKEN] = shared_desks.unlock(
        branch=staff.staff_roles.get().branch, name="Front desk", by=staff, at=timezone.now()
    )[1]


@pytest.mark.parametrize("device", ["borrowed", "shared"])
def test_nobody_can_keep_pages_on_a_borrowed_device_or_a_shared_desk_computer(phone, staff, device):
    borrow(phone) if device == "borrowed" else share(phone, staff)
    for path in ("/me/", "/lists/"):
        assert PAGE not in phone.get(path).content.decode()
    for response in (phone.get(PAGE), phone.post(PAGE)):
        assert response.status_code == 302
        assert response["Location"] == "/me/"
    assert not KeptDevice.objects.exists()
    assert "Pages can&#x27;t be kept on a device that other people use." in text(phone.get("/me/"))


def test_browser_stops_keeping_pages_when_it_becomes_a_shared_desk_computer(phone, staff):
    phone.post(PAGE)
    share(phone, staff)
    assert device_of(phone.get("/")) is None
    assert keeps(phone) is None


@pytest.mark.parametrize("who", ["nobody", "viewer by code"])
def test_person_who_is_not_signed_in_cannot_keep_pages(client, show_code, branch, who):
    if who == "viewer by code":
        show_code(client, code_for(HelpSessionFactory(branch=branch)))
        for path in ("/me/", "/lists/"):
            assert PAGE not in client.get(path).content.decode()
    for response in (client.get(PAGE), client.post(PAGE), client.post(END)):
        assert asks_to_sign_in(response)
    assert not KeptDevice.objects.exists()
    assert keeps(client) is None


def test_browser_stops_keeping_pages_when_the_patron_signs_out(phone):
    phone.post(PAGE)
    response = phone.post(reverse("sign_out"))
    assert response["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert not KeptDevice.objects.exists()
    assert keeps(phone) is None


def test_device_stops_keeping_pages_when_all_sign_ins_of_the_patron_are_ended(phone, patron):
    phone.post(PAGE)
    end_all_sign_ins(patron)
    assert not KeptDevice.objects.exists()
    assert device_of(phone.get("/")) is None
    assert keeps(phone) is None


def test_every_device_stops_keeping_pages_when_everybody_is_signed_out(phone):
    phone.post(PAGE)
    end_every_session()
    assert not KeptDevice.objects.exists()
    assert keeps(phone) is None


def test_pages_are_no_longer_kept_after_the_sign_in_expires(phone, settings):
    phone.post(PAGE)
    later = timezone.now() + datetime.timedelta(seconds=settings.SESSION_COOKIE_AGE + 60)
    with time_machine.travel(later, tick=False):
        assert device_of(phone.get("/")) is None
        assert keeps(phone) is None


def test_browser_keeps_no_pages_after_somebody_else_signs_in(phone, sign_in):
    phone.post(PAGE)
    other = UserFactory(email="else@example.org")
    sign_in(phone, other)
    list_sign_in(phone, other)
    assert device_of(phone.get("/")) is None
    assert keeps(phone) is None


@pytest.mark.parametrize("who", ["somebody else", "the same person"])
def test_browser_cannot_use_a_kept_device_that_belongs_to_another_sign_in(phone, patron, sign_in, who):
    """Only a fault in our code could store the kept device of another sign-in in the session."""
    phone.post(PAGE)
    stolen = phone.session["kept_device"]
    other = sign_in(Client(), patron if who == "the same person" else UserFactory(email="else@example.org"))
    session = other.session
    session["kept_device"] = stolen
    session.save()
    assert device_of(other.get("/")) is None
    assert keeps(other) is None


def test_leave_quickly_button_deletes_kept_pages_but_closing_a_single_visit_does_not(
    phone, show_code, branch
):
    quiet = QuietSessionFactory(branch=branch)
    show_code(phone, code_for(quiet))
    phone.post(PAGE)
    phone.post(reverse("leave"), {"session": quiet.public_id})
    assert KeptDevice.objects.exists()
    phone.post(reverse("leave"))
    assert not KeptDevice.objects.exists()
    assert keeps(phone) is None


def test_patron_can_make_another_device_stop_keeping_pages(phone, patron, sign_in):
    phone.post(PAGE)
    device = KeptDevice.objects.get()
    other = sign_in(Client(), patron)
    list_sign_in(other, patron)
    me = other.get("/me/")
    assert "Chrome on Android" in text(me)
    assert f'id="end-kept-{device.public_id}"' in me.content.decode()
    response = other.post(END, {"kept": device.public_id})
    assert response["Location"] == "/me/"
    assert "will delete your pages when it next connects to the library" in text(other.get("/me/"))
    assert device_of(phone.get("/")) is None
    assert keeps(phone) is None
    # The phone is still signed in.
    assert UserSession.objects.filter(user=patron).count() == 2


def test_account_page_has_buttons_to_stop_keeping_pages_only_for_other_devices(phone):
    phone.post(PAGE)
    me = phone.get("/me/").content.decode()
    assert "has kept your pages since" in me
    assert "end-kept-" not in me
    assert f'href="{PAGE}"' in me


@pytest.mark.parametrize("who", ["stranger", "staff"])
def test_other_people_cannot_make_a_patrons_device_stop_keeping_pages(phone, sign_in, staff, who):
    phone.post(PAGE)
    device = KeptDevice.objects.get()
    other = sign_in(Client(), staff if who == "staff" else UserFactory(email="else@example.org"))
    assert other.post(END, {"kept": device.public_id}).status_code == 404
    assert other.post(END, {"kept": "no id"}).status_code == 404
    assert KeptDevice.objects.get() == device


def test_account_page_says_which_devices_keep_pages_and_when_each_last_connected(phone, patron, sign_in):
    with time_machine.travel("2027-05-03T12:00:00Z", tick=False):
        sign_in(phone, patron)
        UserSession.objects.filter(user=patron).delete()
        keep_pages(phone, patron)
    with time_machine.travel("2027-05-05T12:00:00Z", tick=False):
        phone.get(LIST)
    with time_machine.travel("2027-05-08T12:00:00Z", tick=False):
        devices = text(phone.get("/me/"))
    assert "has kept your pages since Mon, May 3" in devices
    assert "last connected to the library Wed, May 5" in devices


def test_only_a_get_request_for_the_list_of_kept_pages_updates_the_last_connection(phone, patron):
    phone.post(PAGE)
    long_ago = timezone.now() - datetime.timedelta(days=3)
    KeptDevice.objects.update(reached_at=long_ago)
    phone.head(LIST)
    phone.get("/")
    assert KeptDevice.objects.get().reached_at == long_ago
    phone.get(LIST)
    assert KeptDevice.objects.get().reached_at > long_ago


def test_devices_of_a_merged_record_stop_keeping_pages(phone, patron):
    phone.post(PAGE)
    into = UserFactory(email="into@example.org")
    merge_people(patron, into, by=into, at=timezone.now())
    assert not KeptDevice.objects.exists()
    assert keeps(phone) is None


def test_devices_of_the_remaining_record_still_keep_pages_after_a_merge(phone, patron):
    phone.post(PAGE)
    merge_people(UserFactory(email="going@example.org"), patron, by=patron, at=timezone.now())
    assert keeps(phone) == str(KeptDevice.objects.get().public_id)


def test_devices_of_an_erased_patron_stop_keeping_pages_as_soon_as_they_are_online(phone, patron):
    phone.post(PAGE)
    receipt = erase(patron, language="en", at=timezone.now())
    assert not KeptDevice.objects.exists()
    assert keeps(phone) is None
    page = phone.get(reverse("erased", args=[receipt.public_id]))
    assert "A phone that is offline may keep pages for up to 7 days." in text(page)
    assert device_of(page) is None


def test_copy_of_a_patrons_data_contains_only_their_own_kept_devices(phone, patron, sign_in):
    phone.post(PAGE)
    other = UserFactory(email="else@example.org")
    keep_pages(sign_in(Client(), other), other)
    device = KeptDevice.objects.get(sign_in__user=patron)
    table = TABLES["kept_devices"]
    assert list(table.rows(patron, timezone.now())) == [device]


def test_page_for_keeping_pages_says_what_is_kept_and_how_long_and_who_can_read_it(phone):
    words = text(phone.get(PAGE))
    for sentence in (
        "Never a quiet visit, or a visit that you only opened with a code.",
        "For 7 days after the phone last connected to the library's site.",
        "Anyone who can unlock this phone.",
    ):
        assert sentence in words
    assert 'id="keep-pages"' in phone.get(PAGE).content.decode()
    phone.post(PAGE)
    assert 'id="end-kept"' in phone.get(PAGE).content.decode()


@pytest.mark.parametrize("path", ["/me/", "/lists/"])
def test_account_page_and_saved_list_link_to_the_page_for_keeping_pages(phone, path):
    assert f'href="{PAGE}"' in part(phone.get(path), "to-keep-pages")


def test_htmx_fragments_do_not_name_the_kept_device(phone):
    phone.post(PAGE)
    response = phone.get("/", headers={"hx-request": "true"})
    assert "X-Kept-Device" not in response.headers


def test_browser_that_keeps_no_pages_runs_no_query_for_a_kept_device(phone, django_assert_num_queries):
    phone.get("/lists/")
    with django_assert_num_queries(7):
        phone.get("/lists/")
    phone.post(PAGE)
    phone.get("/lists/")
    with django_assert_num_queries(8):
        phone.get("/lists/")
