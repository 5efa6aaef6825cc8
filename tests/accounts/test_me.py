import re

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.patron import people
from accounts.sign_in import sign_ins
from portal.helpsessions import handover
from tests.accounts.test_sign_in import ask_for_code, mailed_code
from tests.factories import HelpSessionFactory, UserFactory
from tests.portal.pages import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def device(client, library):
    """Return the browser of a patron without an address."""
    person = people.person_without_address(at=timezone.now(), name="Noor", language="en")
    client.force_login(person)
    client.person = person
    return client


def test_patron_can_change_their_name(client, patron, sign_in):
    sign_in(client, patron)
    client.post(reverse("me"), {"name": "  Sam\u202e the   reader "})
    patron.refresh_from_db()
    assert patron.name == "Sam the reader"


@pytest.mark.parametrize(
    ("name", "said"), [("Sam", "Your name is saved."), ("", "We no longer save a name for you.")]
)
def test_message_says_whether_a_name_is_saved(client, patron, sign_in, name, said):
    page = sign_in(client, patron).post(reverse("me"), {"name": name}, follow=True)
    assert said in text(page)


def test_name_that_is_too_long_is_refused_and_shown_again(client, patron, sign_in):
    page = sign_in(client, patron).post(reverse("me"), {"name": "x" * 81}).content.decode()
    assert "x" * 81 in page
    assert "Error:" in page


def test_signed_out_person_who_opens_the_account_page_sees_how_to_sign_in_or_open_a_visit(client, library):
    page = client.get(reverse("me"), follow=True).content.decode()
    assert reverse("sign_in") in page
    assert reverse("open_code") in page


def test_chosen_language_is_saved_on_the_device_and_for_the_patron(client, patron, sign_in):
    assert client.post(reverse("set_language"), {"language": "es", "next": "/me/"}).status_code == 302
    assert client.get(reverse("home")).headers["Content-Language"] == "es"
    sign_in(client, patron).post(reverse("set_language"), {"language": "es"})
    patron.refresh_from_db()
    assert patron.language == "es"
    assert Client().get(reverse("me")).headers["Content-Language"] == "en"


@pytest.mark.parametrize("language", ["xx", "", "en\0", "../../"])
def test_unknown_language_changes_nothing(client, patron, sign_in, language):
    sign_in(client, patron).post(reverse("set_language"), {"language": language})
    patron.refresh_from_db()
    assert patron.language == "en"


def test_patron_without_an_email_address_is_warned_and_can_add_an_address(device):
    assert "Only this device" in device.get(reverse("me")).content.decode()
    device.post(reverse("add_address"), {"email": "noor@example.org"})
    device.post(reverse("add_address"), {"code": mailed_code("noor@example.org")})
    device.person.refresh_from_db()
    assert device.person.email == "noor@example.org"
    other = Client()
    ask_for_code(other, "noor@example.org")
    other.post(reverse("account_confirm_login_code"), {"code": mailed_code("noor@example.org")})
    assert other.session["_auth_user_id"] == str(device.person.pk)


def test_wrong_code_adds_no_address(device):
    device.post(reverse("add_address"), {"email": "noor@example.org"})
    code = mailed_code("noor@example.org")
    device.post(reverse("add_address"), {"code": "111111" if code != "111111" else "222222"})
    device.person.refresh_from_db()
    assert device.person.email is None


def test_patron_learns_that_an_address_is_taken_only_after_verifying_the_address(device, patron):
    asked = device.post(reverse("add_address"), {"email": patron.email}, follow=True).content.decode()
    assert "another library account" not in asked
    proved = device.post(reverse("add_address"), {"code": mailed_code(patron.email)})
    assert proved["Location"] == reverse("merge_records")
    device.person.refresh_from_db()
    assert device.person.email is None


def test_patron_can_add_an_address_from_an_unfinished_sign_in(device):
    ask_for_code(Client(), "noor@example.org")
    device.post(reverse("add_address"), {"email": "noor@example.org"})
    device.post(reverse("add_address"), {"code": mailed_code("noor@example.org")})
    assert User.objects.get(email="noor@example.org") == device.person


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("cookie", "header", "shown"),
    [
        ("", "", "es"),
        ("", "fr, tlh;q=0.5", "es"),
        ("", "fr, en-GB;q=0.5", "en"),
        ("en", "es", "en"),
        ("xx", "en", "en"),
        ("", "*", "es"),
        ("", ";;q=,,", "es"),
    ],
)
def test_language_comes_from_the_cookie_or_else_the_browser_or_else_the_library(
    client, library, cookie, header, shown
):
    type(library).objects.update(language="es")
    if cookie:
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = cookie
    assert client.get(reverse("me"), headers={"accept-language": header}).headers["Content-Language"] == shown


def test_viewer_with_only_a_code_reads_that_the_library_does_not_know_their_name(
    client, staff, branch, show_code
):
    session = HelpSessionFactory(branch=branch, staff=staff)
    code = handover.hand_over(session, by=staff, at=timezone.now(), base_url="http://testserver")
    page = show_code(client, code).get(reverse("me"))
    assert "The library doesn't know your name." in page.content.decode()
    assert "You opened a visit with a code" in text(page)
    assert reverse("sign_in") in page.content.decode()
    another = HelpSessionFactory(branch=branch, staff=staff)
    show_code(client, handover.hand_over(another, by=staff, at=timezone.now(), base_url="http://testserver"))
    assert "You opened 2 visits with codes" in text(client.get(reverse("me")))
    client.post(reverse("sign_out"))
    assert "The library doesn't know your name." not in client.get(reverse("me")).content.decode()


@pytest.mark.slow
def test_patron_can_sign_out_all_other_devices(client, patron, sign_in):
    phone, stranger = (
        Client(HTTP_USER_AGENT="Mozilla/5.0 (Linux; Android 13) Chrome/156.0 Mobile Safari/537.36"),
        Client(),
    )
    for browser, person in ((client, patron), (phone, patron), (stranger, UserFactory())):
        browser.post(reverse("sign_in"), {"email": person.email})
        browser.post(reverse("account_confirm_login_code"), {"code": mailed_code(person.email)})

    page = client.get(reverse("me")).content.decode()
    # The device's name appears twice: in the list, and in the button's label for screen readers.
    assert (page.count("Chrome on Android"), page.count("this device")) == (
        2,
        1,
    )

    client.post(reverse("sign_out_elsewhere"))
    assert "Chrome on Android" not in client.get(reverse("me")).content.decode()
    signed_in = [
        browser.get(reverse("me")).wsgi_request.user.is_authenticated for browser in (client, phone, stranger)
    ]
    assert signed_in == [True, False, True]


def signed_in_browser(person, system):
    browser = Client(HTTP_USER_AGENT=f"Mozilla/5.0 ({system}) Chrome/156.0 Safari/537.36")
    browser.post(reverse("sign_in"), {"email": person.email})
    browser.post(reverse("account_confirm_login_code"), {"code": mailed_code(person.email)})
    return browser


def devices_on(browser):
    """Return {device name: mark} of the devices on the account page.

    `mark` is the value of the field `device` in the form that signs the device out.
    """
    signed_in = sign_ins.devices(
        browser.get(reverse("me")).wsgi_request.user, here=browser.session.session_key
    )
    return {found.device: found.mark for found in signed_in}


@pytest.mark.slow
def test_patron_can_sign_out_one_other_device(patron):
    here, phone, tablet = (signed_in_browser(patron, system) for system in ("Windows", "Android", "iPad"))
    strangers_browser = signed_in_browser(UserFactory(), "Linux")
    marks = devices_on(here)
    # The current device is the first in the list of devices.
    assert list(marks)[0] == "Chrome on Windows"
    here.post(reverse("sign_out_elsewhere"), {"device": marks["Chrome on Android"]})
    # The view `sign_out_elsewhere` never signs out the current device.
    here.post(reverse("sign_out_elsewhere"), {"device": marks["Chrome on Windows"]})
    here.post(reverse("sign_out_elsewhere"), {"device": devices_on(strangers_browser)["Chrome on Linux"]})
    here.post(reverse("sign_out_elsewhere"), {"device": "x"})
    signed_in = [
        browser.get(reverse("me")).wsgi_request.user.is_authenticated
        for browser in (here, phone, tablet, strangers_browser)
    ]
    assert signed_in == [True, False, True, True]


@pytest.mark.slow
def test_devices_with_the_same_name_are_listed_with_the_day_or_time_of_sign_in(patron):
    def lines(browser):
        page = browser.get(reverse("me")).content.decode()
        section = page.partition('id="devices-title"')[2].partition("</ul>")[0]
        found = [re.sub("<[^>]+>", "", line) for line in re.findall('(?s)<p class="meta">(.*?)</p>', section)]
        return [" ".join(line.split()) for line in found]

    with time_machine.travel("2026-11-24 18:00:00Z", tick=False) as clock:
        signed_in_browser(patron, "Android")
        clock.shift(24 * 3600)
        here = signed_in_browser(patron, "Android")
        signed_in_browser(patron, "iPad")
        assert lines(here) == [
            "this device · signed in today · last used today",
            "signed in today · last used today",
            "signed in yesterday · last used yesterday",
        ]
        clock.shift(3600)
        signed_in_browser(patron, "Android")
        assert lines(here) == [
            "this device · signed in today 12:00 p.m. · last used today",
            "signed in today 1:00 p.m. · last used today",
            "signed in today · last used today",
            "signed in yesterday · last used yesterday",
        ]


def test_last_use_of_a_device_is_saved_at_most_once_a_day(patron, sign_in, django_assert_num_queries):
    with time_machine.travel("2026-11-25 18:00:00Z", tick=False) as clock:
        phone = signed_in_browser(patron, "Android")
        for hours in (1, 20, 1):
            clock.shift(hours * 3600)
            phone.get(reverse("saved"))
        assert phone.session[sign_ins.LAST_USED_ON] == "2026-11-26"
        before = Session.objects.get(session_key=phone.session.session_key).expire_date
        clock.shift(3600)
        phone.get(reverse("saved"))
        assert Session.objects.get(session_key=phone.session.session_key).expire_date == before
        here = signed_in_browser(patron, "Windows")
        clock.shift(3 * 24 * 3600)
        assert [
            str(found.last_used_on) for found in sign_ins.devices(patron, here=here.session.session_key)
        ] == ["2026-11-26", "2026-11-26"]
        here.get(reverse("saved"))
        assert [
            str(found.last_used_on) for found in sign_ins.devices(patron, here=here.session.session_key)
        ] == ["2026-11-29", "2026-11-26"]


@pytest.mark.parametrize("rows", [1, 20])
def test_account_page_runs_the_same_number_of_queries_for_any_number_of_devices(
    client, patron, sign_in, rows, django_assert_num_queries
):
    for number in range(rows):
        other = sign_in(Client(), patron)
        UserSession.objects.create(
            user=patron,
            ip="127.0.0.1",
            session_key=other.session.session_key,
            user_agent=f"{number} Firefox Android",
        )
    sign_in(client, patron).get(reverse("me"))
    with django_assert_num_queries(11):
        assert client.get(reverse("me")).content.decode().count("Firefox on Android") == 2 * rows


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) AppleWebKit/605.1 Version/19.0 Mobile Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Macintosh) Gecko/20100101 Firefox/150.0", "Firefox on Mac"),
        ("<script>", "an unknown browser"),
    ],
)
def test_device_name_comes_from_the_user_agent(user_agent, said):
    assert sign_ins.device(user_agent) == said
