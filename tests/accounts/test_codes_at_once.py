"""Check that a code or a passkey's response works once, even if the same form arrives four times at once.

If a browser sent the same code form several times, each response has the same new session.

All requests read the code from the same session before one of them deletes it. The tests run on both databases.
"""

import json
import os

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.sign_in.access import REAUTHENTICATED_AT
from portal import limits
from portal.limits import Limit
from portal.once import claim
from tests.accounts.test_double_tap import post
from tests.accounts.test_passkeys import BY_PASSKEY, OPTIONS, make, prove
from tests.accounts.test_sign_in import ask_for_code, mailed_code, signed_in_as
from tests.extent import times
from tests.factories import LibraryFactory, UserFactory
from tests.passkey_device import Device
from tests.processes import rounds

ROUNDS, PROCESSES = times(4, 50), 4
CODE_PAGE = reverse("account_confirm_login_code")
REAUTHENTICATE = "/me/prove/?next=%2Fme%2Fexport%2F"

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _without_limits(transactional_db, monkeypatch):
    call_command("createcachetable")
    for what in ("mailed_code", "mailed_code_try", "passkey"):
        monkeypatch.setitem(limits.LIMITS, what, Limit("a thing", network="9999/h"))


@pytest.fixture
def sam(transactional_db):
    LibraryFactory()
    return UserFactory(name="Sam Okafor", email="sam@example.org")


def browser_with(cookies):
    browser = Client()
    browser.cookies.load(cookies)
    return browser


def cookies_of(browser):
    return {name: cookie.value for name, cookie in browser.cookies.items()}


def post_four_times(address, before, outcome, *, differ=False):
    """Post the form that `before()` prepares four times at once, ROUNDS times.

    `before` returns (cookies, fields). Return a list of the outcomes of each round. If `differ` is true, each of
    the four forms has another value in a field that the page ignores.
    """
    found = []

    def work(data):
        cookies, fields = data
        if differ:
            fields = fields | {"of_process": os.getpid()}
        browser = browser_with(cookies)
        return outcome(browser, post(browser, address, fields))

    rounds(
        [work] * PROCESSES,
        ROUNDS,
        before=lambda _number: before(),
        after=lambda _data, outcomes: found.append(sorted(outcomes)),
    )
    return found


def sign_in_outcome(browser, answer):
    """Return where the browser was led, and whether it is signed in."""
    assert answer.status_code == 302
    return answer["Location"], bool(signed_in_as(browser))


def led_to(*places):
    return [sorted([*[(places[0], False)] * (PROCESSES - 1), (places[1], True)])] * ROUNDS


def test_emailed_code_sent_four_times_at_once_by_one_browser_signs_in_once(sam):
    def ask():
        browser = Client()
        ask_for_code(browser, sam.email)
        return cookies_of(browser), {"code": mailed_code(sam.email), "next": "/visits/"}

    def outcome(browser, answer):
        return *sign_in_outcome(browser, answer), browser.session.session_key, answer.cookies.output()

    for outcomes in post_four_times(CODE_PAGE, ask, outcome):
        assert outcomes == outcomes[:1] * PROCESSES
        assert outcomes[0][:2] == ("/visits/", True)
    assert UserSession.objects.count() == Session.objects.count() == ROUNDS


def test_different_forms_with_the_same_code_at_once_sign_in_once(sam):
    def ask():
        browser = Client()
        ask_for_code(browser, sam.email)
        return cookies_of(browser), {"code": mailed_code(sam.email), "next": "/visits/"}

    found = post_four_times(CODE_PAGE, ask, sign_in_outcome, differ=True)
    assert found == led_to("/sign-in/?next=%2Fvisits%2F", "/visits/")
    assert UserSession.objects.count() == ROUNDS


def test_passkey_response_sent_four_times_at_once_signs_in_once(sam, sign_in):
    device, own = Device("http://testserver"), Client()
    prove(sign_in(own, sam))
    make(own, device)
    UserSession.objects.all().delete()

    def ask():
        browser = Client()
        answer = device.show(browser.post(OPTIONS).json())
        return cookies_of(browser), {"credential": json.dumps(answer), "next": "/visits/"}

    assert post_four_times(BY_PASSKEY, ask, sign_in_outcome) == led_to("/sign-in/", "/visits/")
    assert UserSession.objects.count() == ROUNDS


def test_code_sent_four_times_at_once_reauthenticates_in_one_session(sam, sign_in):
    def ask():
        browser = sign_in(Client(), sam)
        browser.post(REAUTHENTICATE, {"send": "1"})
        return cookies_of(browser), {"code": mailed_code(sam.email)}

    def outcome(browser, answer):
        return answer["Location"], REAUTHENTICATED_AT in browser.session

    found = post_four_times(REAUTHENTICATE, ask, outcome)
    assert found == [[("/me/export/", True)] * PROCESSES] * ROUNDS


def test_one_of_eight_processes_wins_a_claim(transactional_db):
    def check(_number, outcomes):
        assert sorted(outcomes) == [False] * 7 + [True]

    rounds([lambda number: claim("a thing", str(number), seconds=60)] * 8, ROUNDS, after=check)
