"""Test simultaneous requests to keep pages on a device, also while the sign-in ends.

The tests run several processes, on both databases.
"""

import pytest
from allauth.usersessions.models import UserSession
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import KeptDevice
from accounts.sign_in.sign_ins import end_all_sign_ins
from tests.extent import times
from tests.factories import LibraryFactory, UserFactory
from tests.kept import list_sign_in
from tests.processes import rounds

ROUNDS = times(8, 50)

pytestmark = [
    pytest.mark.long,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture
def sam(transactional_db):
    call_command("createcachetable")
    LibraryFactory()
    return UserFactory(name="Sam Okafor", email="sam@example.org")


def keep(cookies):
    browser = Client()
    browser.cookies.load(cookies)
    return browser.post(reverse("keep_pages")).status_code


def browser_of(sam, sign_in):
    browser = sign_in(Client(), sam)
    list_sign_in(browser, sam)
    return {name: morsel.value for name, morsel in browser.cookies.items()}


@pytest.mark.core
def test_four_simultaneous_requests_to_keep_pages_create_one_kept_device(sam, sign_in):
    def after(_cookies, outcomes):
        assert outcomes == [302] * 4
        assert KeptDevice.objects.count() == 1
        end_all_sign_ins(sam)

    rounds([keep] * 4, ROUNDS, before=lambda _number: browser_of(sam, sign_in), after=after)


def test_choosing_to_keep_pages_leaves_no_kept_device_if_the_sign_in_ends_meanwhile(sam, sign_in):
    def after(_cookies, outcomes):
        assert outcomes[0] == 1
        # A request can fail with 400 or 403 if the session ends before or during the request.
        assert set(outcomes[1:]) <= {302, 400, 403}
        assert not UserSession.objects.exists()
        assert not KeptDevice.objects.exists()

    def end(_cookies):
        return end_all_sign_ins(sam)

    rounds([end, keep, keep, keep], ROUNDS, before=lambda _number: browser_of(sam, sign_in), after=after)
