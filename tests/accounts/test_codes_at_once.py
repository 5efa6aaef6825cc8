"""Check that a code or a passkey's response works only once, even in four simultaneous requests.

All requests read the code from the same session before one of them deletes the code. If the requests send
identical forms, as in a double tap, each response has the same new session. The tests run on both databases.
"""

import json
import os

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.sign_in import double_tap, openid_connect
from accounts.sign_in.access import REAUTHENTICATED_AT
from accounts.sign_in.openid_connect import Identity
from portal.limit_table import LIMITS, Limit
from portal.once import claim
from tests.accounts.test_double_tap import post
from tests.accounts.test_passkeys import BY_PASSKEY, OPTIONS, make, prove
from tests.accounts.test_second_factor import app_code
from tests.accounts.test_sign_in import ask_for_code, mailed_code, signed_in_as
from tests.accounts.test_single_sign_on import ANA, begin
from tests.extent import times
from tests.factories import BranchFactory, LibraryFactory, StaffFactory, UserFactory
from tests.passkey_device import Device
from tests.processes import rounds
from tests.sign_on_provider import running

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
    for what in ("mailed_code", "mailed_code_try", "passkey", "single_sign_on"):
        monkeypatch.setitem(LIMITS, what, Limit("a thing", network="9999/h"))
    # Allow more time for a double tap, because on a busy machine the four requests can be many seconds apart.
    monkeypatch.setattr(double_tap, "KEPT_SECONDS", 120)
    monkeypatch.setattr(double_tap, "MAX_WAIT_SECONDS", 60)


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
    """Post a form in four simultaneous requests, in each of ROUNDS rounds. Return each round's outcomes.

    The result is a list with a list of four outcomes for each round. `before()` prepares the form of a round
    and returns (cookies, fields). `outcome(browser, response)` returns one request's outcome. If `differ` is
    true, each of the four forms has a different value in a field that the page ignores.
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
    """Return the URL of the redirect, and whether the browser is signed in."""
    assert answer.status_code == 302
    return answer["Location"], bool(signed_in_as(browser))


def led_to(*places):
    return [sorted([*[(places[0], False)] * (PROCESSES - 1), (places[1], True)])] * ROUNDS


@pytest.mark.core
def test_four_identical_simultaneous_forms_with_an_email_code_make_one_session(sam):
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


def test_four_different_simultaneous_forms_with_the_same_email_code_sign_in_only_once(sam):
    def ask():
        browser = Client()
        ask_for_code(browser, sam.email)
        return cookies_of(browser), {"code": mailed_code(sam.email), "next": "/visits/"}

    found = post_four_times(CODE_PAGE, ask, sign_in_outcome, differ=True)
    assert found == led_to("/sign-in/?next=%2Fvisits%2F", "/visits/")
    assert UserSession.objects.count() == ROUNDS


def test_four_simultaneous_forms_with_the_same_passkey_response_sign_in_only_once(sam, sign_in):
    device, own = Device("http://testserver"), Client()
    prove(sign_in(own, sam))
    make(own, device)
    UserSession.objects.all().delete()

    def ask():
        browser = Client()
        answer = device.show(browser.post(OPTIONS).json())
        return cookies_of(browser), {"credential": json.dumps(answer), "next": "/visits/"}

    # The four forms must differ. Identical forms would count as a double tap, so that a late process would
    # get the first response again.
    found = post_four_times(BY_PASSKEY, ask, sign_in_outcome, differ=True)
    assert found == led_to("/sign-in/", "/visits/")
    assert UserSession.objects.count() == ROUNDS


def test_four_identical_simultaneous_forms_with_an_email_code_reauthenticate_the_person(sam, sign_in):
    def ask():
        browser = sign_in(Client(), sam)
        browser.post(REAUTHENTICATE, {"send": "1"})
        return cookies_of(browser), {"code": mailed_code(sam.email)}

    def outcome(browser, answer):
        return answer["Location"], REAUTHENTICATED_AT in browser.session

    found = post_four_times(REAUTHENTICATE, ask, outcome)
    assert found == [[("/me/export/", True)] * PROCESSES] * ROUNDS


def test_single_sign_on_response_sent_four_times_simultaneously_makes_one_session(
    transactional_db, tmp_path, settings, monkeypatch
):
    """Skip the code exchange, because the test provider accepts a code only once."""
    LibraryFactory()
    ana = Identity("4711", "Ana Ruiz", "ana@college.example", email_is_proven=True, shown_at=0)
    monkeypatch.setattr(openid_connect, "identity", lambda *_about: ana)
    found = []

    def work(data):
        cookies, address = data
        browser = browser_with(cookies)
        return sign_in_outcome(browser, browser.get(address))

    with running(tmp_path) as provider:
        settings.SSO = provider.settings()

        def ask(_number):
            browser = Client()
            answer = provider.visit(begin(browser), **ANA).removeprefix("http://testserver")
            return cookies_of(browser), answer

        rounds([work] * PROCESSES, ROUNDS, before=ask, after=lambda _data, each: found.append(sorted(each)))
    assert found == led_to("/sign-in/single-sign-on/", "/")
    assert UserSession.objects.count() == ROUNDS


@pytest.mark.only_long
def test_only_one_of_eight_processes_can_claim_the_same_key(transactional_db):
    def check(_number, outcomes):
        assert sorted(outcomes) == [False] * 7 + [True]

    rounds([lambda number: claim("a thing", str(number), seconds=60)] * 8, ROUNDS, after=check)


def test_four_identical_simultaneous_forms_with_an_app_code_open_the_desk(
    transactional_db,
):
    branch = BranchFactory()

    def ask():
        secret, staff = generate_totp_secret(), StaffFactory(branch=branch)
        TOTP.activate(staff, secret)
        browser = Client()
        ask_for_code(browser, staff.email)
        post(browser, CODE_PAGE, {"code": mailed_code(staff.email)})
        return cookies_of(browser), {"code": app_code(secret)}

    def outcome(browser, answer):
        return answer.get("Location", "incorrect code"), browser.get("/desk/cards/").status_code

    for outcomes in post_four_times(reverse("second_factor"), ask, outcome):
        assert outcomes == [("/desk/", 200)] * PROCESSES
