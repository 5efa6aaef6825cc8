import re

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.patron import people
from accounts.views import sign_in as sign_in_views
from accounts.views.sign_in import LAST_PERSON
from portal.conversations.viewer import OPENED_CODES
from portal.notifications.models import Notification

pytestmark = pytest.mark.django_db


def ask_for_code(client, email, **extra):
    return client.post(reverse("sign_in"), {"email": email, **extra})


def mailed_code(email):
    """Return the code in the newest email to this address."""
    mail = Notification.objects.filter(to_address=email).latest("pk")
    return re.search(r"^(\d{6})$", mail.text, re.MULTILINE)[1]


def copy_of(browser):
    """Return a second Client with the same cookies."""
    copy = Client()
    copy.cookies.load({name: cookie.value for name, cookie in browser.cookies.items()})
    return copy


def enter(client, code, **extra):
    return client.post(reverse("account_confirm_login_code"), {"code": code, **extra})


def signed_in_as(client):
    return client.session.get("_auth_user_id")


def test_known_patron_signs_in_with_an_email_code(client, patron):
    assert ask_for_code(client, "Sam@Example.org ").status_code == 302
    assert enter(client, mailed_code("sam@example.org"))["Location"] == "/"
    assert signed_in_as(client) == str(patron.pk)
    assert EmailAddress.objects.get(user=patron).verified


def test_signing_in_with_an_unknown_email_address_creates_an_account(client, library):
    ask_for_code(client, "new@example.org")
    assert not EmailAddress.objects.get(email="new@example.org").verified
    enter(client, mailed_code("new@example.org"))
    person = User.objects.get(email="new@example.org")
    assert signed_in_as(client) == str(person.pk)
    assert EmailAddress.objects.get(user=person).verified
    assert not person.has_usable_password()


@pytest.mark.parametrize(
    "gone", [lambda person: person.delete(), lambda person: person.update(is_active=False)]
)
def test_sign_in_code_of_an_erased_or_deactivated_account_is_refused_as_expired(client, patron, gone):
    ask_for_code(client, patron.email)
    code = mailed_code(patron.email)
    gone(User.objects.filter(pk=patron.pk))
    assert enter(client, code)["Location"] == "/sign-in/"
    assert "has expired" in client.get("/sign-in/").content.decode()
    assert signed_in_as(client) is None


def test_code_sent_to_a_former_address_of_a_record_is_refused(client, patron):
    """Unmerging can remove the address from the record after the code was sent."""
    ask_for_code(client, patron.email)
    code = mailed_code(patron.email)
    User.objects.filter(pk=patron.pk).update(email=None)
    assert enter(client, code)["Location"] == "/sign-in/"
    assert signed_in_as(client) is None


def test_sign_in_responds_identically_to_known_and_unknown_addresses(library, patron):
    def seen(email):
        client = Client()
        asked = ask_for_code(client, email)
        page = client.get(asked["Location"])
        mail = Notification.objects.get(to_address=email)
        page = page.content.decode().replace("<wbr>", "")
        same = re.sub(r'value="\w{64}"|nonce="\w+"', "", page).replace(email, "ADDRESS")
        return (
            asked.status_code,
            asked["Location"],
            sorted(asked.cookies),
            same,
            mail.subject,
            re.sub(r"\d{6}", "CODE", mail.text),
        )

    assert seen("sam@example.org") == seen("nobody@example.org")


class Clock:
    """A replacement for the `time` module that never waits. Tests call `sleep` to move its clock."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.few_cases
@pytest.mark.parametrize(("seconds", "takes"), [(0.001, 0.25), (0.03, 0.25), (0.2, 0.25), (0.26, 0.5)])
@pytest.mark.parametrize("email", ["sam@example.org", "nobody@example.org"])
def test_sign_in_responds_equally_fast_to_known_and_unknown_addresses(
    client, patron, monkeypatch, settings, email, seconds, takes
):
    settings.SIGN_IN_SECONDS = 0.25
    clock, person_with_address = Clock(), people.person_with_address
    monkeypatch.setattr(sign_in_views, "time", clock)
    monkeypatch.setattr(
        people,
        "person_with_address",
        lambda *args, **how: clock.sleep(seconds) or person_with_address(*args, **how),
    )
    ask_for_code(client, email)
    assert clock.now == pytest.approx(100.0 + takes)


@pytest.mark.parametrize(
    "spelling",
    ["sam@example.org\u200b", "sam@ＥＸＡＭＰＬＥ.org", "SAM@Example.org", "sam@exa\u00admple.org"],
)
def test_all_spellings_of_an_address_share_one_limit_of_sign_in_codes(client, patron, spelling):
    for _number in range(3):
        ask_for_code(client, patron.email)
    assert ask_for_code(Client(), spelling).status_code == 429


@pytest.mark.parametrize("typed", ["=?utf-8?q?sam?=@example.org", '"sam"@example.org'])
def test_email_address_in_an_encoded_form_is_refused(client, patron, typed):
    page = ask_for_code(client, typed)
    assert "Enter the full email address" in page.content.decode()
    assert not Notification.objects.exists()


@pytest.mark.few_cases
@pytest.mark.parametrize("typed", ["{a} {b}", "{a}-{b}", " {a}{b} ", "{a} – {b}", "code: {a}{b}."])
def test_sign_in_code_may_contain_spaces_and_dashes(client, patron, typed):
    ask_for_code(client, patron.email)
    code = mailed_code(patron.email)
    enter(client, typed.format(a=code[:3], b=code[3:]))
    assert signed_in_as(client)


def test_sign_in_code_may_use_digits_of_other_scripts(client, patron):
    ask_for_code(client, patron.email)
    enter(client, mailed_code(patron.email).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")))
    assert signed_in_as(client)


def test_sign_in_code_works_only_in_the_browser_that_asked_for_it(client, patron):
    ask_for_code(client, patron.email)
    other = Client()
    assert enter(other, mailed_code(patron.email))["Location"] == reverse("sign_in")
    assert not signed_in_as(other)


def test_sign_in_code_works_once(client, patron):
    ask_for_code(client, patron.email)
    code = mailed_code(patron.email)
    enter(client, code)
    client.logout()
    enter(client, code)
    assert not signed_in_as(client)


def test_entering_a_used_sign_in_code_shows_what_to_do_next(client, patron):
    ask_for_code(client, patron.email)
    stale = copy_of(client)
    fields = {"code": mailed_code(patron.email), "next": "/visits/"}
    enter(client, **fields)
    answer = enter(stale, **fields | {"next": "/"})
    assert answer["Location"] == "/sign-in/?next=%2F"
    page = stale.get(answer["Location"]).content.decode()
    assert "has expired or was already used. Enter your address again to get a new one." in page


def test_sign_in_code_expires_after_ten_minutes(client, patron):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        ask_for_code(client, patron.email)
        clock.shift(601)
        assert enter(client, mailed_code(patron.email))["Location"] == reverse("sign_in")
    assert not signed_in_as(client)


def test_sign_in_must_be_restarted_after_five_wrong_codes(client, patron):
    ask_for_code(client, patron.email)
    right = mailed_code(patron.email)
    wrong = "000000" if right != "000000" else "000001"
    for _number in range(4):
        page = enter(client, wrong)
        assert page.status_code == 200
        assert "Check it, or get a new one" in page.content.decode()
    assert enter(client, wrong)["Location"] == reverse("sign_in")
    enter(client, right)
    assert not signed_in_as(client)


def test_restoring_an_old_session_does_not_reset_the_count_of_wrong_codes(client, patron):
    """Restore the session after each attempt, to imitate simultaneous requests that read the same session."""
    ask_for_code(client, patron.email)
    before = dict(client.session.items())
    right = mailed_code(patron.email)
    for _number in range(5):
        enter(client, "000000" if right != "000000" else "000001")
        session = client.session
        session.update(before)
        session.save()
    assert "tried too many times" in enter(client, right).content.decode()
    assert not signed_in_as(client)


def test_requesting_too_many_codes_shows_an_error(client, patron):
    for _number in range(3):
        ask_for_code(Client(), patron.email)
    page = ask_for_code(client, patron.email)
    assert page.status_code == 429
    assert "tried too many times" in page.content.decode()
    assert Notification.objects.filter(to_address=patron.email).count() == 3


def test_new_sign_in_code_replaces_the_earlier_code(client, patron):
    ask_for_code(client, patron.email)
    old = mailed_code(patron.email)
    client.post(reverse("resend_code"))
    new = mailed_code(patron.email)
    if old != new:
        enter(client, old)
        assert not signed_in_as(client)
    enter(client, new)
    assert signed_in_as(client)


def test_sign_in_to_a_deactivated_account_shows_the_usual_page_but_sends_no_code(client, patron):
    User.objects.filter(pk=patron.pk).update(is_active=False)
    page = client.get(ask_for_code(client, patron.email)["Location"])
    assert "sent a six-digit code" in page.content.decode()
    assert not Notification.objects.exists()


def test_code_without_digits_gets_the_usual_error_even_if_the_account_is_deactivated(client, patron):
    User.objects.filter(pk=patron.pk).update(is_active=False)
    ask_for_code(client, patron.email)
    assert "Check it, or get a new one." in enter(client, "abc").content.decode()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("going_to", "ends_at"),
    [
        ("/lists/", "/lists/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("http:evil.example", "/"),
        ("sign_out", "/"),
        ("{}", "/"),
    ],
)
def test_sign_in_redirects_only_to_the_portals_pages(client, patron, going_to, ends_at):
    ask_for_code(client, patron.email, next=going_to)
    assert enter(client, mailed_code(patron.email), next=going_to)["Location"] == ends_at
    assert client.get(reverse("sign_in"), {"next": going_to})["Location"] == ends_at


def test_signing_in_by_code_renews_the_session_key_but_closes_no_visit(client, patron):
    session = client.session
    session[OPENED_CODES] = [7]
    session.save()
    before = session.session_key
    ask_for_code(client, patron.email)
    enter(client, mailed_code(patron.email))
    assert client.session.session_key != before
    assert client.session[OPENED_CODES] == [7]


def test_signing_out_deletes_the_browsers_data_and_ends_the_session(client, patron, sign_in):
    sign_in(client, patron)
    client.get(reverse("me"))
    old_session = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert client.get(reverse("sign_out")).status_code == 405
    response = client.post(reverse("sign_out"))
    assert response["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert response.cookies[LAST_PERSON].value == ""
    assert client.get(response["Location"]).status_code == 200
    client.cookies[settings.SESSION_COOKIE_NAME] = old_session
    assert client.get(reverse("add_address")).status_code == 302


def test_code_email_uses_the_patrons_language_and_is_emptied_after_delivery(client, patron):
    User.objects.filter(pk=patron.pk).update(language="es")
    ask_for_code(client, patron.email)
    mail = Notification.objects.get()
    assert mail.language == "es"
    assert mail.html
    assert "X-Afterword-Blank" not in mail.headers
    assert mail.blanked


def test_unused_allauth_pages_are_404(client, library):
    for path in [
        "/accounts/login/",
        "/accounts/signup/",
        "/accounts/2fa/",
        "/login/",
        "/signup/",
        "/password/reset/",
        "/logout/",
    ]:
        assert client.get(path).status_code == 404


def test_records_with_an_unconfirmed_address_are_deleted_after_a_day(client, patron, staff):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        ask_for_code(client, "typo@example.org")
        EmailAddress.objects.create(user=patron, email=patron.email, primary=True, verified=True)
        clock.shift(23 * 3600)
        people.forget_unconfirmed_people(at=timezone.now())
        assert User.objects.filter(email="typo@example.org").exists()
        clock.shift(2 * 3600)
        people.forget_unconfirmed_people(at=timezone.now())
    assert set(User.objects.all()) == {patron, staff}
