"""Check that a stolen session key stops working when its session ends or gets more access."""

from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.sign_in import access, sign_ins
from accounts.staff import roles
from portal.privacy import erasure
from tests.accounts.test_sign_in import ask_for_code, enter, mailed_code
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db


def key_of(browser):
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def opens(key):
    """Return whether a browser with this session key is signed in."""
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = key
    return thief.get(reverse("me")).wsgi_request.user.is_authenticated


@pytest.fixture
def signed_in(client, patron):
    """Return Sam's signed-in client. Its attribute `before` is the session key from before the sign-in."""
    ask_for_code(client, patron.email)
    client.before = key_of(client)
    enter(client, mailed_code(patron.email))
    return client


def test_session_key_from_before_sign_in_does_not_work_after_sign_in(signed_in):
    assert (opens(signed_in.before), opens(key_of(signed_in))) == (False, True)


def sign_out(browser, person):
    browser.post(reverse("sign_out"))


def sign_out_elsewhere(browser, person):
    other = Client()
    ask_for_code(other, person.email)
    enter(other, mailed_code(person.email))
    other.post(reverse("sign_out_elsewhere"))


def disable(browser, person):
    User.objects.filter(pk=person.pk).update(is_active=False)


def erase(browser, person):
    erasure.erase(person, language="en", at=timezone.now())


def lose_the_phone(browser, person):
    roles.forget_second_factor(person, by=StaffFactory(), at=timezone.now())


def end_everywhere(browser, person):
    sign_ins.end_all_sign_ins(person)


def end_by_command(browser, person):
    call_command("end_sign_ins", of=f" {person.email.title()} ", stdout=StringIO())


def end_all_by_command(browser, person):
    call_command("end_sign_ins", everybody=True, stdout=StringIO())


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "end",
    [
        sign_out,
        sign_out_elsewhere,
        disable,
        erase,
        lose_the_phone,
        end_everywhere,
        end_by_command,
        end_all_by_command,
    ],
)
def test_session_key_does_not_work_after_the_sign_in_ends(signed_in, patron, end):
    old = key_of(signed_in)
    assert opens(old)
    end(signed_in, patron)
    assert not opens(old)


@pytest.mark.parametrize("by", ["reauthentication", "second factor"])
def test_session_key_is_renewed_by_reauthentication_and_second_factor(client, staff, sign_in, rf, by):
    sign_in(client, staff, second_factor=False)
    old = key_of(client)
    if by == "reauthentication":
        client.post(reverse("reauthenticate"), {"send": "1"})
        client.post(reverse("reauthenticate"), {"code": mailed_code(staff.email)})
    else:
        request = rf.get("/")
        request.user, request.session = staff, client.session
        access.record_second_factor(request, at=timezone.now())
        client.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key
        request.session.save()
    assert key_of(client) != old
    assert (opens(old), opens(key_of(client))) == (False, True)


def test_end_sign_ins_command_ends_only_the_named_persons_sessions(signed_in, patron, staff):
    other = Client()
    ask_for_code(other, staff.email)
    enter(other, mailed_code(staff.email))
    call_command("end_sign_ins", of=staff.email, stdout=(said := StringIO()))
    assert (opens(key_of(other)), opens(key_of(signed_in)), said.getvalue()) == (False, True, "Ended: 1.\n")
    with pytest.raises(CommandError, match="Nobody has this address"):
        call_command("end_sign_ins", of="nobody@example.org")
