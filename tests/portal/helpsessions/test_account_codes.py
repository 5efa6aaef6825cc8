"""Somebody without an address gets into their record by a code from the desk: once, on one device, and nobody ever into a record in use."""

import datetime

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, LibraryCard, User
from accounts.patron.people import person_added_at_desk
from accounts.staff import shared_desks
from accounts.staff.desk_lock import DESK_TOKEN
from portal.desk.people import find
from portal.helpsessions import account_codes, codes
from portal.helpsessions.models import AccountCode
from tests.factories import HelpSessionFactory, PasskeyFactory, StaffFactory, UserFactory
from tests.portal.pages import text
from tests.processes import at_once


@pytest.fixture
def pike(staff):
    return person_added_at_desk(name="Old Mr Pike", email="", language="en", by=staff, at=timezone.now())


@pytest.fixture
def near(branch, staff, pike):
    return HelpSessionFactory(branch=branch, staff=staff, patron=pike, question="Where are the tax forms?")


def made(pike, staff):
    return account_codes.make_code(pike, by=staff, at=timezone.now())


def use(browser, code):
    return browser.post(reverse("open_account"), {"code": code})


def who(browser):
    return browser.get(reverse("me")).wsgi_request.user


def test_the_desk_makes_a_code_and_their_phone_opens_the_record_with_it(client, sign_in, staff, pike, near):
    desk = sign_in(client, staff)
    record = reverse("patron_record", args=[pike.public_id])
    assert "A code for their phone" in text(desk.get(record))
    assert desk.post(reverse("make_account_code", args=[pike.public_id])).url == record
    grouped = desk.get(record).context["grouped"]
    phone = Client()
    asked = phone.post(reverse("open_code"), {"code": grouped})
    assert "Open your library account" in text(asked)
    assert "Pike" not in text(asked)
    assert not who(phone).is_authenticated
    assert use(phone, asked.context["code"]).url == reverse("home")
    assert who(phone) == pike
    assert "Where are the tax forms?" in text(phone.get(reverse("home")))
    assert "A code for their phone" not in text(desk.get(record))
    events = AuditEvent.objects.filter(patron=pike, action__endswith="account_code").order_by("pk")
    assert list(events.values_list("action", "by")) == [
        ("made_account_code", staff.pk),
        ("used_account_code", pike.pk),
    ]


def test_a_link_that_somebody_follows_lets_nobody_in(client, staff, pike):
    code = made(pike, staff)
    for _again in range(2):
        assert "Open your library account" in text(client.get(reverse("open_code_link", args=[code])))
    assert not who(client).is_authenticated
    assert AccountCode.objects.count() == 1


@pytest.mark.parametrize("where", ["signed in as staff", "on a computer of the desk"])
def test_whoever_made_the_code_does_not_use_it(client, sign_in, staff, pike, branch, where):
    code = made(pike, staff)
    if where == "signed in as staff":
        sign_in(client, staff)
    else:
        client.cookies[DESK_TOKEN] = shared_desks.unlock(
            branch=branch, name="Desk 1", by=staff, at=timezone.now()
        )[1]
    assert use(client, code).status_code == 403
    assert "for the patron's own device" in text(client.post(reverse("open_code"), {"code": code}))
    assert who(client) != pike
    assert use(Client(), code).url == reverse("home")  # it is still good, for them


def test_its_person_reads_who_made_it(client, sign_in, staff, pike):
    made(pike, staff)
    assert "made a one-time code that opens your library account" in text(
        sign_in(client, pike).get(reverse("who_looked"))
    )


def test_it_works_once(staff, pike):
    code, first, second = made(pike, staff), Client(), Client()
    use(first, code)
    answer = use(second, code)
    assert answer.status_code == 404
    assert "This code doesn't work" in text(answer)
    assert not who(second).is_authenticated


def test_the_newest_code_is_the_only_one(staff, pike):
    old, new = made(pike, staff), made(pike, staff)
    assert use(Client(), old).status_code == 404
    assert use(Client(), new).status_code == 302


def test_it_opens_nothing_after_a_week_and_is_forgotten(staff, pike):
    at = timezone.now() - account_codes.LIFE
    code = account_codes.make_code(pike, by=staff, at=at)
    assert use(Client(), code).status_code == 404
    account_codes.forget_account_codes(at=timezone.now() - datetime.timedelta(minutes=1))
    assert AccountCode.objects.count() == 1
    account_codes.forget_account_codes(at=timezone.now())
    assert AccountCode.objects.count() == 0


def test_only_its_fingerprint_is_kept(staff, pike):
    code = made(pike, staff)
    assert AccountCode.objects.get().hmac == codes.hmac_of(code)


@pytest.mark.parametrize(
    "whose",
    ["has an address", "has been in", "works at a desk", "has a card", "has a passkey", "may not sign in"],
)
def test_there_is_none_for_a_record_that_has_a_way_in(whose, branch, staff, pike):
    code = made(pike, staff)
    if whose == "has an address":
        User.objects.filter(pk=pike.pk).update(email="pike@example.org")
    elif whose == "has been in":
        User.objects.filter(pk=pike.pk).update(last_login=timezone.now())
    elif whose == "works at a desk":
        pike.staff_roles.create(branch=branch)
    elif whose == "has a card":
        LibraryCard.objects.create(person=pike, ils_id="7", barcode="2123400001234", seen_at=timezone.now())
    elif whose == "has a passkey":  # of a record that was joined into this one
        PasskeyFactory(person=pike)
    else:
        User.objects.filter(pk=pike.pk).update(is_active=False)
    with pytest.raises(account_codes.NotForThem):
        made(pike, staff)
    assert use(Client(), code).status_code == 404


def test_the_desk_says_that_there_is_none_for_them(client, sign_in, staff, branch, patron):
    HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    desk = sign_in(client, staff)
    assert "A code for their phone" not in text(desk.get(reverse("patron_record", args=[patron.public_id])))
    answer = desk.post(reverse("make_account_code", args=[patron.public_id]), follow=True)
    assert "They can already sign in" in text(answer)
    assert not AccountCode.objects.exists()


def test_a_record_that_is_not_open_gets_no_code(client, sign_in, staff, pike):
    desk = sign_in(client, staff)
    assert desk.post(reverse("make_account_code", args=[pike.public_id])).status_code == 404
    session = desk.session
    session[find.FOUND] = {"on": str(timezone.localdate()), "people": {str(pike.public_id): ""}}
    session.save()
    assert desk.post(reverse("make_account_code", args=[pike.public_id])).status_code == 404
    assert not AccountCode.objects.exists()


def test_wrong_codes_are_counted_here_too(client, library):
    answers = [use(client, codes.new_code()).status_code for _ in range(31)]
    assert answers[0] == 404
    assert answers[-1] == 429


def test_whoever_was_signed_in_on_the_device_is_no_longer(client, sign_in, staff, pike):
    code, other = made(pike, staff), UserFactory()
    sign_in(client, other)
    assert "Someone is signed in on this device" in text(client.post(reverse("open_code"), {"code": code}))
    key = client.session.session_key
    use(client, code)
    assert who(client) == pike
    assert client.session.session_key != key


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not")
def test_of_eight_who_use_it_at_once_one_is_let_in(transactional_db):
    staff = StaffFactory()
    pike = person_added_at_desk(name="Old Mr Pike", email="", language="en", by=staff, at=timezone.now())
    code = made(pike, staff)
    outcomes = at_once(*[lambda: account_codes.use_code(code, at=timezone.now()).pk] * 8)
    assert sorted(map(str, outcomes)) == sorted([str(pike.pk), *["CodeEnded"] * 7])
