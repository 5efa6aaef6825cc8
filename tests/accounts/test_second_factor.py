import re

import pytest
import time_machine
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.sign_in.authenticator_apps import OTHER_KEY
from accounts.staff import roles
from portal.management.start_notes import start_notes
from tests.accounts.test_double_tap import double_tap
from tests.accounts.test_sign_in import ask_for_code, mailed_code

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def app_code(secret, *, later=0):
    """Return the current code of the app. With `later=1`, return the next code, 30 seconds later."""
    now = list(yield_hotp_counters_from_time())[1]
    return format_hotp_value(hotp_value(secret, now + later))


@pytest.fixture
def clock(monkeypatch):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        yield clock


def sign_in_by_code(client, email):
    ask_for_code(client, email)
    client.post(reverse("account_confirm_login_code"), {"code": mailed_code(email)})


@pytest.fixture
def secret(client, clock, staff):
    """Sign Rosa in, set up her authenticator app, and return the app's secret."""
    sign_in_by_code(client, staff.email)
    page = client.get(reverse("second_factor")).content.decode()
    secret = re.search(r"<code dir=\"ltr\">([A-Z2-7 ]+)</code>", page)[1].replace(" ", "")
    client.recovery_page = client.post(reverse("second_factor"), {"code": app_code(secret)}).content.decode()
    return secret


def at_the_desk(client):
    return client.get(reverse("code_cards")).status_code == 200


def test_desk_redirects_staff_to_the_second_factor_page(client, clock, staff):
    sign_in_by_code(client, staff.email)
    response = client.get(reverse("code_cards"))
    assert response["Location"] == "/second-factor/?next=%2Fdesk%2Fcards%2F"
    assert "Set up your authenticator app" in client.get(response["Location"]).content.decode()


def test_setting_up_an_authenticator_app_opens_the_desk_and_shows_recovery_codes_once(client, secret):
    assert at_the_desk(client)
    codes = re.findall(r"\d{4} \d{4}", client.recovery_page)
    assert len(codes) == 10
    assert codes[0] not in client.get(reverse("second_factor")).content.decode()


def test_authenticator_app_secret_is_encrypted_in_the_database(secret, staff):
    assert secret not in str(Authenticator.objects.get(user=staff, type="totp").data)


def test_double_tap_on_the_second_factor_opens_the_desk(client, secret, staff, sign_in, clock):
    clock.shift(90)
    sign_in(client, staff, second_factor=False)
    second, *answers = double_tap(client, reverse("second_factor"), {"code": app_code(secret)})
    assert [answer["Location"] for answer in answers] == ["/desk/", "/desk/"]
    assert at_the_desk(second)


def test_staff_must_enter_an_authenticator_app_code_in_each_browser(client, secret, staff, clock):
    clock.shift(90)
    other = Client()
    sign_in_by_code(other, staff.email)
    assert not at_the_desk(other)
    response = other.post(reverse("second_factor"), {"code": app_code(secret), "next": "/desk/cards/"})
    assert response["Location"] == "/desk/cards/"
    assert at_the_desk(other)


@pytest.mark.parametrize("seconds", [0, 29, 45, 59])
def test_authenticator_app_code_works_only_once(client, secret, staff, clock, seconds):
    clock.shift(300)
    code = app_code(secret)
    first, second = Client(), Client()
    for browser in (first, second):
        sign_in_by_code(browser, staff.email)
    first.post(reverse("second_factor"), {"code": code})
    clock.shift(seconds)
    page = second.post(reverse("second_factor"), {"code": code})
    assert at_the_desk(first)
    assert "Wait for the next code in your app" in page.content.decode()
    assert not at_the_desk(second)


def test_code_used_to_set_up_the_authenticator_app_does_not_work_again(client, secret, staff):
    other = Client()
    sign_in_by_code(other, staff.email)
    other.post(reverse("second_factor"), {"code": app_code(secret)})
    assert not at_the_desk(other)


def test_recovery_code_works_once(client, secret, staff):
    code = re.findall(r"\d{4} \d{4}", client.recovery_page)[3]
    for expected in (True, False):
        browser = Client()
        sign_in_by_code(browser, staff.email)
        browser.post(reverse("second_factor"), {"code": code})
        assert at_the_desk(browser) is expected


def test_app_code_is_refused_with_advice_after_the_secret_key_changes(
    client, secret, staff, clock, settings, caplog
):
    clock.shift(60)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key " * 6, []
    other = Client()
    sign_in_by_code(other, staff.email)
    page = other.post(reverse("second_factor"), {"code": app_code(secret)})
    assert page.status_code == 200
    assert "because the server has a new key. Tell the person who runs the portal." in page.content.decode()
    assert "set up with another SECRET_KEY" in caplog.text
    assert not at_the_desk(other)


def test_five_wrong_app_codes_block_the_desk_for_five_minutes(client, secret, staff, clock):
    clock.shift(300)
    other = Client()
    sign_in_by_code(other, staff.email)
    wrong = "000000" if app_code(secret) != "000000" else "000001"
    for _number in range(5):
        other.post(reverse("second_factor"), {"code": wrong})
    page = other.post(reverse("second_factor"), {"code": app_code(secret)})
    assert "Too many tries" in page.content.decode()
    assert not at_the_desk(other)
    clock.shift(301)
    other.post(reverse("second_factor"), {"code": app_code(secret)})
    assert at_the_desk(other)


@pytest.mark.only_long
def test_thirty_wrong_app_codes_block_the_desk_for_a_day(secret, staff, clock):
    other = Client()
    sign_in_by_code(other, staff.email)
    for _number in range(30):
        clock.shift(301)
        assert (
            "Wait for the next code in your app"
            in other.post(
                reverse("second_factor"), {"code": "000000" if app_code(secret) != "000000" else "000001"}
            ).content.decode()
        )
    clock.shift(301)
    assert (
        "Too many tries" in other.post(reverse("second_factor"), {"code": app_code(secret)}).content.decode()
    )
    assert not at_the_desk(other)
    clock.shift(24 * 60 * 60)
    other.post(reverse("second_factor"), {"code": app_code(secret)})
    assert at_the_desk(other)


def test_second_factor_expires_after_a_working_day_but_the_sign_in_does_not(client, secret, clock):
    clock.shift(13 * 3600)
    assert not at_the_desk(client)
    assert client.get(reverse("me")).status_code == 200
    assert "Open the desk" in client.get(reverse("second_factor")).content.decode()


def test_staff_must_have_signed_in_recently_to_set_up_an_authenticator_app(client, staff, sign_in, clock):
    sign_in(client, staff, second_factor=False)
    response = client.get(reverse("second_factor"))
    assert response["Location"] == "/me/prove/?next=%2Fsecond-factor%2F"
    client.post(response["Location"], {"send": "1"})
    answer = client.post(response["Location"], {"code": mailed_code(staff.email)})
    assert answer["Location"] == "/second-factor/"
    assert "Set up your authenticator app" in client.get("/second-factor/").content.decode()
    assert not Authenticator.objects.exists()


def test_changing_the_authenticator_app_or_recovery_codes_requires_an_app_code(client, secret, staff, clock):
    clock.shift(300)
    refused = client.post(reverse("change_second_factor"), {"change": "app", "code": "000000"})
    assert refused.status_code == 200
    assert Authenticator.objects.filter(user=staff, type="totp").exists()
    old = re.findall(r"\d{4} \d{4}", client.recovery_page)
    new = client.post(
        reverse("change_second_factor"), {"change": "codes", "code": app_code(secret)}
    ).content.decode()
    assert not set(old) & set(re.findall(r"\d{4} \d{4}", new))
    clock.shift(90)
    assert (
        client.post(reverse("change_second_factor"), {"change": "app", "code": app_code(secret)})["Location"]
        == "/second-factor/"
    )
    assert not Authenticator.objects.filter(user=staff).exists()


def test_coordinator_can_reset_the_second_factor_of_a_colleague_who_lost_a_phone(
    client, secret, staff, coordinator
):
    assert at_the_desk(client)
    roles.forget_second_factor(staff, by=coordinator, at=timezone.now())
    assert not Authenticator.objects.filter(user=staff).exists()
    # All devices are signed out, in case another person has found the lost phone.
    assert client.get(reverse("desk"))["Location"].startswith(reverse("sign_in"))


def test_startup_warns_if_authenticator_apps_were_set_up_with_another_key(staff, settings):
    assert start_notes() == []
    app = Authenticator(type=Authenticator.Type.TOTP, user=staff)
    app.data = {"secret": get_adapter().encrypt("the secret of the app")}
    app.save()
    assert start_notes() == []
    earlier, settings.SECRET_KEY = settings.SECRET_KEY, "another key " * 6
    assert start_notes() == [f"LOOK  {OTHER_KEY}"]
    settings.SECRET_KEY_FALLBACKS = [earlier]
    assert start_notes() == []


def test_startup_names_the_setup_command_if_no_library_is_set_up(db):
    assert start_notes() == ["LOOK  No library is set up yet. Run: manage.py setup_library"]


def test_second_factor_pages_are_404_for_patrons(client, patron, sign_in):
    sign_in(client, patron)
    assert client.get(reverse("second_factor")).status_code == 404
    assert client.get(reverse("change_second_factor")).status_code == 404


def test_second_factor_page_redirects_signed_out_people_to_sign_in(client, library):
    assert client.get(reverse("second_factor"))["Location"] == "/sign-in/?next=/second-factor/"
