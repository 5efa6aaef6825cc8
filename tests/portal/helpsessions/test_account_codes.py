"""Test account codes. The desk makes such a code for a patron who can't sign in. A code works only once."""

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
from tests.extent import times
from tests.factories import HelpSessionFactory, PasskeyFactory, StaffFactory, UserFactory
from tests.portal.pages import text
from tests.processes import rounds


@pytest.fixture
def pike(staff):
    return person_added_at_desk(name="Old Mr Pike", email="", language="en", by=staff, at=timezone.now())


@pytest.fixture
def visit_here(branch, staff, pike):
    return HelpSessionFactory(branch=branch, staff=staff, patron=pike, question="Where are the tax forms?")


def code_for_phone(pike, staff):
    return account_codes.make_code(pike, by=staff, at=timezone.now())


def open_account(browser, code):
    return browser.post(reverse("open_account"), {"code": code})


def signed_in_person(browser):
    return browser.get(reverse("me")).wsgi_request.user


@pytest.mark.slow
def test_account_code_from_the_desk_opens_the_record_on_the_patrons_phone(
    client, sign_in, staff, pike, visit_here
):
    desk = sign_in(client, staff)
    record = reverse("patron_record", args=[pike.public_id])
    assert "A code for the patron's phone" in text(desk.get(record))
    assert desk.post(reverse("make_account_code", args=[pike.public_id])).url == record
    grouped = desk.get(record).context["grouped"]
    phone = Client()
    asked = phone.post(reverse("open_code"), {"code": grouped})
    assert "Open your library account" in text(asked)
    assert "Pike" not in text(asked)
    assert not signed_in_person(phone).is_authenticated
    assert open_account(phone, asked.context["code"]).url == reverse("home")
    assert signed_in_person(phone) == pike
    assert "Where are the tax forms?" in text(phone.get(reverse("home")))
    assert "A code for the patron's phone" not in text(desk.get(record))
    events = AuditEvent.objects.filter(patron=pike, action__endswith="account_code").order_by("pk")
    assert list(events.values_list("action", "by")) == [
        ("made_account_code", staff.pk),
        ("used_account_code", pike.pk),
    ]


def test_opening_an_account_code_link_does_not_sign_the_visitor_in(client, staff, pike):
    code = code_for_phone(pike, staff)
    for _again in range(2):
        assert "Open your library account" in text(client.get(reverse("open_code_link", args=[code])))
    assert not signed_in_person(client).is_authenticated
    assert AccountCode.objects.count() == 1


@pytest.mark.parametrize("where", ["signed in as staff", "on a computer of the desk"])
def test_staff_member_cannot_use_an_account_code_that_they_made(client, sign_in, staff, pike, branch, where):
    code = code_for_phone(pike, staff)
    if where == "signed in as staff":
        sign_in(client, staff)
    else:
        client.cookies[DESK_TOKEN] = shared_desks.unlock(
            branch=branch, name="Desk 1", by=staff, at=timezone.now()
        )[1]
    assert open_account(client, code).status_code == 403
    assert "for the patron&#x27;s own device" in text(client.post(reverse("open_code"), {"code": code}))
    assert signed_in_person(client) != pike
    # The code still works on the patron's own device.
    assert open_account(Client(), code).url == reverse("home")


def test_patron_sees_in_the_access_log_who_made_the_account_code(client, sign_in, staff, pike):
    code_for_phone(pike, staff)
    assert "made a one-time code that opens your library account" in text(
        sign_in(client, pike).get(reverse("who_looked"))
    )


def test_account_code_works_once(staff, pike):
    code, first, second = code_for_phone(pike, staff), Client(), Client()
    open_account(first, code)
    answer = open_account(second, code)
    assert answer.status_code == 404
    assert "This code doesn&#x27;t work" in text(answer)
    assert not signed_in_person(second).is_authenticated


def test_only_the_newest_account_code_works(staff, pike):
    old, new = code_for_phone(pike, staff), code_for_phone(pike, staff)
    assert open_account(Client(), old).status_code == 404
    assert open_account(Client(), new).status_code == 302


def test_account_code_expires_after_a_week(staff, pike):
    at = timezone.now() - account_codes.LIFE
    code = account_codes.make_code(pike, by=staff, at=at)
    assert open_account(Client(), code).status_code == 404
    account_codes.forget_account_codes(at=timezone.now() - datetime.timedelta(minutes=1))
    assert AccountCode.objects.count() == 1
    account_codes.forget_account_codes(at=timezone.now())
    assert AccountCode.objects.count() == 0


def test_only_the_hash_of_an_account_code_is_stored(staff, pike):
    code = code_for_phone(pike, staff)
    assert AccountCode.objects.get().hmac == codes.hmac_of(code)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "whose",
    ["has an address", "has been in", "works at a desk", "has a card", "has a passkey", "may not sign in"],
)
def test_record_with_a_sign_in_method_gets_no_account_code(whose, branch, staff, pike):
    code = code_for_phone(pike, staff)
    if whose == "has an address":
        User.objects.filter(pk=pike.pk).update(email="pike@example.org")
    elif whose == "has been in":
        User.objects.filter(pk=pike.pk).update(last_login=timezone.now())
    elif whose == "works at a desk":
        pike.staff_roles.create(branch=branch)
    elif whose == "has a card":
        LibraryCard.objects.create(person=pike, ils_id="7", barcode="2123400001234", seen_at=timezone.now())
    elif whose == "has a passkey":
        # A merge can bring a passkey into a record without an email address.
        PasskeyFactory(person=pike)
    else:
        User.objects.filter(pk=pike.pk).update(is_active=False)
    with pytest.raises(account_codes.NotForThem):
        code_for_phone(pike, staff)
    assert open_account(Client(), code).status_code == 404


def test_desk_says_why_a_record_gets_no_account_code(client, sign_in, staff, branch, patron):
    HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    desk = sign_in(client, staff)
    assert "A code for the patron's phone" not in text(
        desk.get(reverse("patron_record", args=[patron.public_id]))
    )
    answer = desk.post(reverse("make_account_code", args=[patron.public_id]), follow=True)
    assert "This patron can already sign in" in text(answer)
    assert not AccountCode.objects.exists()


def test_staff_cannot_make_an_account_code_for_a_record_that_they_may_not_open(client, sign_in, staff, pike):
    desk = sign_in(client, staff)
    assert desk.post(reverse("make_account_code", args=[pike.public_id])).status_code == 404
    session = desk.session
    session[find.FOUND] = {"on": str(timezone.localdate()), "people": {str(pike.pk): None}}
    session.save()
    assert desk.post(reverse("make_account_code", args=[pike.public_id])).status_code == 404
    assert not AccountCode.objects.exists()


@pytest.mark.slow
def test_thirty_wrong_account_codes_block_further_attempts(client, library):
    answers = [open_account(client, codes.new_code()).status_code for _ in range(31)]
    assert answers[0] == 404
    assert answers[-1] == 429


def test_using_an_account_code_signs_out_the_person_who_was_signed_in_before(client, sign_in, staff, pike):
    code, other = code_for_phone(pike, staff), UserFactory()
    sign_in(client, other)
    assert "Someone is signed in on this device" in text(client.post(reverse("open_code"), {"code": code}))
    key = client.session.session_key
    open_account(client, code)
    assert signed_in_person(client) == pike
    assert client.session.session_key != key


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite hides races; PostgreSQL does not")
def test_only_one_of_eight_simultaneous_uses_of_an_account_code_succeeds(transactional_db):
    staff = StaffFactory()
    pike = person_added_at_desk(name="Old Mr Pike", email="", language="en", by=staff, at=timezone.now())

    def check(_code, outcomes):
        assert sorted(map(str, outcomes)) == sorted([str(pike.pk), *["CodeEnded"] * 7])

    rounds(
        [lambda code: account_codes.use_code(code, at=timezone.now()).pk] * 8,
        times(4, 50),
        before=lambda _number: code_for_phone(pike, staff),
        after=check,
        refusals={"CodeEnded"},
    )
